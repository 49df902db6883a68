/*
 * recipes.c - the format of recipe files (recipes.h).  Pure.
 *
 * Flow: lines in, sections with entries out.  Sites write these files: whatever is not understood is an
 * error with file and line, never skipped.
 *
 * Invariants: every recipe has at least one entry of RECIPE_LIBRARY, RECIPE_CORE or RECIPE_DROP*; every
 * value is one printable line of at most VALUE_MAX bytes, and of the form that its key wants.
 */
#include "mpi-abi/recipes.h"

#include <stdlib.h>

enum { RECIPES_MAX = 256, ENTRIES_MAX = 256, VALUE_MAX = 1000 };

enum form { FORM_NAME, FORM_TREE, FORM_ABSOLUTE, FORM_TWO_WORDS };

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
};

static const char *const form_wants[] = {
	[FORM_NAME] = "one name without '/' and blanks",
	[FORM_TREE] = "a path without blanks",
	[FORM_ABSOLUTE] = "an absolute path without blanks and \"..\"",
	[FORM_TWO_WORDS] = "a file name's beginning and a variable",
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
	}
	return false;
}

static struct recipe *section_add(struct recipes *recipes, const struct line *line, struct err *err)
{
	static const char head[] = "[recipe ";
	const char *name = line->text + sizeof head - 1;
	if (line->len < sizeof head + 1 || strncmp(line->text, head, sizeof head - 1) != 0 ||
	    line->text[line->len - 1] != ']' || line->len > VALUE_MAX) {
		err_set(err, EINVAL, "%s:%zu: not a section: [recipe NAME] is wanted", line->file, line->number);
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
	*recipe = (struct recipe){.name = strndup(name, line->len - sizeof head)};
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
		int rc = check_use(&recipes->items[i], file, where);
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
