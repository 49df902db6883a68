/*
 * recipes.c - the format of recipe files (recipes.h).  Pure.
 *
 * Flow: lines in, sections with entries out.  Sites write these files: whatever is not understood is an
 * error with file and line, never skipped.
 *
 * Invariants: every recipe has at least one entry of RECIPE_LIBRARY, RECIPE_CORE or RECIPE_DROP*; a translator
 * has what it needs; every value is one printable line of at most VALUE_MAX bytes, and of the form that its key wants.
 */
#include "mpi-abi/recipes.h"

#include <stdlib.h>

enum { RECIPES_MAX = 256, ENTRIES_MAX = 256, VALUE_MAX = 1000 };

enum form { FORM_NAME, FORM_TREE, FORM_ABSOLUTE, FORM_TWO_WORDS, FORM_FAMILY, FORM_PREFIX, FORM_INSIDE,
	    FORM_ASSIGNMENT, FORM_LEVEL };

static const struct key {
	const char *name;
	enum form form;
} keys[RECIPE_KEY_COUNT] = {
	[RECIPE_LIBRARY] = {"library", FORM_NAME},
	[RECIPE_TREE] = {"tree", FORM_TREE},
	[RECIPE_BESIDE] = {"beside", FORM_NAME},
	[RECIPE_LOAD] = {"load", FORM_NAME},
	[RECIPE_CORE] = {"core", FORM_NAME},
	[RECIPE_DEVICE] = {"device", FORM_ABSOLUTE},
	[RECIPE_SOCKET] = {"socket", FORM_ABSOLUTE},
	[RECIPE_DROP] = {"drop", FORM_NAME},
	[RECIPE_DROP_FABRIC] = {"drop-fabric", FORM_NAME},
	[RECIPE_COMPONENT_PATH] = {"component-path", FORM_TWO_WORDS},
	[RECIPE_FROM] = {"from", FORM_FAMILY},
	[RECIPE_TO] = {"to", FORM_FAMILY},
	[RECIPE_PREFIX] = {"prefix", FORM_PREFIX},
	[RECIPE_PRELOAD] = {"preload", FORM_INSIDE},
	[RECIPE_LIBRARY_PATH] = {"library-path", FORM_INSIDE},
	[RECIPE_ENVIRONMENT] = {"environment", FORM_ASSIGNMENT},
	[RECIPE_LEVEL] = {"level", FORM_LEVEL},
};

static const char *const form_wants[] = {
	[FORM_NAME] = "one name without '/' and blanks",
	[FORM_TREE] = "a path without blanks",
	[FORM_ABSOLUTE] = "an absolute path without blanks and \"..\"",
	[FORM_TWO_WORDS] = "a file name's beginning and a variable",
	[FORM_FAMILY] = "mpich, openmpi or standard, and at most \".\" and the number of its SONAME",
	[FORM_PREFIX] = "an absolute path without blanks and \"..\", or $VARIABLE",
	[FORM_INSIDE] = "a path below the prefix without blanks, ':' and \"..\", {mpi} or {fortran}",
	[FORM_ASSIGNMENT] = "NAME=VALUE",
	[FORM_LEVEL] = "c, fortran or cxx",
};

struct line {
	const char *text;   /* without blanks at both ends */
	size_t len;
	const char *file;
	size_t number;
};

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

static void trim(const char **text, size_t *len)
{
	for (; *len > 0 && is_blank(**text); ++*text)
		--*len;
	while (*len > 0 && is_blank((*text)[*len - 1]))
		--*len;
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for recipes");
}

static bool is_family(const char *value)
{
	static const char *const words[] = {"mpich", "openmpi", "standard"};
	size_t len = strcspn(value, "."), digits = strspn(value + len + (value[len] == '.'), "0123456789");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == len && strncmp(words[i], value, len) == 0)
			return value[len] == '\0' ||
			       (digits > 0 && digits <= 6 && value[len + 1 + digits] == '\0');
	return false;
}

static bool form_fits(enum form form, const char *value)
{
	size_t words = 1 + (strpbrk(value, " \t") != NULL);
	const char *second = strpbrk(value, " \t");
	switch (form) {
	case FORM_NAME: return words == 1 && !strchr(value, '/');
	case FORM_TREE: return words == 1;
	case FORM_ABSOLUTE: return words == 1 && value[0] == '/' && !strstr(value, "..");
	case FORM_TWO_WORDS:
		return second && *value != ' ' && !strpbrk(second + strspn(second, " \t"), " \t/=");
	case FORM_FAMILY: return is_family(value);
	case FORM_PREFIX:
		return words == 1 && !strstr(value, "..") && value[1] != '\0' &&
		       (value[0] == '/' || (value[0] == '$' && !strpbrk(value, "/=")));
	case FORM_INSIDE: return words == 1 && value[0] != '/' && !strchr(value, ':') && !strstr(value, "..");
	case FORM_ASSIGNMENT: return value[0] != '=' && strcspn(value, "= \t") == strcspn(value, "=") && strchr(value, '=');
	case FORM_LEVEL:
		return strcmp(value, "c") == 0 || strcmp(value, "fortran") == 0 || strcmp(value, "cxx") == 0;
	}
	return false;
}

static struct recipe *section_add(struct recipes *recipes, const struct line *line, struct err *err)
{
	static const char *const heads[] = {"[recipe ", "[translator "};
	bool is_translator = line->len > 1 && line->text[1] == 't';
	size_t head = strlen(heads[is_translator]);
	const char *name = line->text + head;
	if (line->len < head + 2 || strncmp(line->text, heads[is_translator], head) != 0 ||
	    line->text[line->len - 1] != ']' || line->len > VALUE_MAX) {
		err_set(err, EINVAL, "%s:%zu: not a section: [recipe NAME] or [translator NAME] is wanted",
			line->file, line->number);
		return NULL;
	}
	if (recipes->count == RECIPES_MAX) {
		err_set(err, E2BIG, "%s:%zu: more than %d recipes", line->file, line->number, RECIPES_MAX);
		return NULL;
	}
	struct recipe *more = realloc(recipes->items, (recipes->count + 1) * sizeof *more);
	if (!more) {
		no_memory(err);
		return NULL;
	}
	recipes->items = more;
	struct recipe *recipe = &more[recipes->count];
	*recipe = (struct recipe){.name = strndup(name, line->len - head - 1), .is_translator = is_translator};
	if (!recipe->name) {
		no_memory(err);
		return NULL;
	}
	recipes->count++;
	return recipe;
}

static int entry_add(struct recipe *recipe, const struct line *line, struct err *err)
{
	const char *equals = memchr(line->text, '=', line->len);
	if (!equals)
		return err_set(err, EINVAL, "%s:%zu: not \"key = value\"", line->file, line->number);
	const char *name = line->text, *value = equals + 1;
	size_t name_len = (size_t)(equals - line->text), value_len = line->len - name_len - 1;
	trim(&name, &name_len);
	trim(&value, &value_len);
	size_t key = 0;
	while (key < RECIPE_KEY_COUNT &&
	       (strlen(keys[key].name) != name_len || strncmp(keys[key].name, name, name_len) != 0))
		key++;
	if (key == RECIPE_KEY_COUNT)
		return err_set(err, EINVAL, "%s:%zu: no such key: %.*s", line->file, line->number,
			       (int)(name_len < 40 ? name_len : 40), name);
	if ((key >= RECIPE_FROM) != recipe->is_translator)
		return err_set(err, EINVAL, "%s:%zu: %s is no key of a %s", line->file, line->number,
			       keys[key].name, recipe->is_translator ? "translator" : "recipe");
	if (recipe->entry_count == ENTRIES_MAX || value_len > VALUE_MAX)
		return err_set(err, E2BIG, "%s:%zu: more than %d lines in a recipe, or a line of more than %d bytes",
			       line->file, line->number, ENTRIES_MAX, VALUE_MAX);
	struct recipe_entry *more = realloc(recipe->entries, (recipe->entry_count + 1) * sizeof *more);
	if (!more)
		return no_memory(err);
	recipe->entries = more;
	struct recipe_entry *entry = &more[recipe->entry_count];
	*entry = (struct recipe_entry){.key = (enum recipe_key)key, .value = strndup(value, value_len)};
	if (!entry->value)
		return no_memory(err);
	recipe->entry_count++;
	if (value_len == 0 || !form_fits(keys[key].form, entry->value))
		return err_set(err, EINVAL, "%s:%zu: %s wants %s", line->file, line->number, keys[key].name,
			       form_wants[keys[key].form]);
	return 0;
}

static int line_add(struct recipes *recipes, struct recipe **current, const struct line *line,
		    struct err *err)
{
	if (line->len == 0 || line->text[0] == '#')
		return 0;
	for (size_t i = 0; i < line->len; i++)
		if ((unsigned char)line->text[i] < 0x20 && line->text[i] != '\t')
			return err_set(err, EINVAL, "%s:%zu: a control character", line->file, line->number);
	if (line->text[0] == '[') {
		*current = section_add(recipes, line, err);
		return *current ? 0 : -err->number;
	}
	if (!*current)
		return err_set(err, EINVAL, "%s:%zu: this stands before the first section", line->file,
			       line->number);
	return entry_add(*current, line, err);
}

static int check_translator(const struct recipe *recipe, const char *file, struct err *err)
{
	static const enum recipe_key wanted[] = {RECIPE_FROM, RECIPE_TO, RECIPE_PREFIX};
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		if (!recipe_value(recipe, wanted[i]))
			return err_set(err, EINVAL, "%s: translator %s has no \"%s\"", file, recipe->name,
				       keys[wanted[i]].name);
	if (recipe_value(recipe, RECIPE_PRELOAD) || recipe_value(recipe, RECIPE_LIBRARY_PATH))
		return 0;
	return err_set(err, EINVAL, "%s: translator %s has neither \"preload\" nor \"library-path\"", file,
		       recipe->name);
}

/* A recipe that no library calls up is a slip of the pen, unless it only has what holds always. */
static int check_use(const struct recipe *recipe, const char *file, struct err *err)
{
	for (size_t i = 0; i < recipe->entry_count; i++) {
		enum recipe_key key = recipe->entries[i].key;
		bool always = key == RECIPE_CORE || key == RECIPE_DROP || key == RECIPE_DROP_FABRIC ||
			      key == RECIPE_COMPONENT_PATH;
		if (!always && !recipe_value(recipe, RECIPE_LIBRARY))
			return err_set(err, EINVAL, "%s: recipe %s has \"%s\", but no \"library\" for which it holds",
				       file, recipe->name, keys[key].name);
	}
	return 0;
}

int recipes_parse(const char *text, size_t len, const char *file, struct recipes *recipes,
		  struct err *err)
{
	struct err own;
	struct err *where = err ? err : &own;
	struct recipe *current = NULL;
	size_t first = recipes->count, number = 0;
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		struct line line = {.text = text + at, .len = line_len, .file = file, .number = ++number};
		trim(&line.text, &line.len);
		int rc = line_add(recipes, &current, &line, where);
		if (rc < 0)
			return rc;
		at += line_len + 1;
	}
	for (size_t i = first; i < recipes->count; i++) {
		const struct recipe *recipe = &recipes->items[i];
		int rc = recipe->is_translator ? check_translator(recipe, file, where)
					       : check_use(recipe, file, where);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void recipes_free(struct recipes *recipes)
{
	for (size_t i = 0; i < recipes->count; i++) {
		struct recipe *recipe = &recipes->items[i];
		for (size_t k = 0; k < recipe->entry_count; k++)
			free(recipe->entries[k].value);
		free(recipe->entries);
		free(recipe->name);
	}
	free(recipes->items);
	*recipes = (struct recipes){0};
}

bool recipe_pattern_matches(const char *pattern, const char *text)
{
	size_t len = strlen(pattern);
	if (len > 0 && pattern[len - 1] == '*')
		return strncmp(pattern, text, len - 1) == 0;
	return strcmp(pattern, text) == 0;
}

bool recipe_matches(const struct recipe *recipe, enum recipe_key key, const char *text)
{
	for (size_t i = 0; i < recipe->entry_count; i++)
		if (recipe->entries[i].key == key && recipe_pattern_matches(recipe->entries[i].value, text))
			return true;
	return false;
}

const char *recipe_value(const struct recipe *recipe, enum recipe_key key)
{
	for (size_t i = 0; i < recipe->entry_count; i++)
		if (recipe->entries[i].key == key)
			return recipe->entries[i].value;
	return NULL;
}
