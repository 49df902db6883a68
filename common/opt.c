/*
 * opt.c - parses by table, prints by table (opt.h).  Pure.
 */
#include "common/opt.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/distance.h"

enum { NAME_MAX_LEN = 64, HELP_INDENT = 26, HELP_WIDTH = 78 };

static bool is_end(const struct opt *option)
{
	return option->names == NULL && option->help == NULL;
}

/* Takes the next name out of the blank-separated list; false at its end. */
static bool next_name(const char **names, char name[NAME_MAX_LEN])
{
	*names += strspn(*names, " ");
	size_t len = strcspn(*names, " ");
	if (len == 0 || len >= NAME_MAX_LEN)
		return false;
	memcpy(name, *names, len);
	name[len] = '\0';
	*names += len;
	return true;
}

static const struct opt *find(const struct opt *table, const char *word, size_t len)
{
	char name[NAME_MAX_LEN];
	for (; !is_end(table); table++) {
		const char *names = table->names ? table->names : "";
		while (next_name(&names, name))
			if (strlen(name) == len && memcmp(name, word, len) == 0)
				return table;
	}
	return NULL;
}

static int unknown(const struct opt *table, const char *given, struct err *err)
{
	char name[NAME_MAX_LEN], nearest[NAME_MAX_LEN] = "", word[NAME_MAX_LEN];
	snprintf(word, sizeof word, "%.*s", (int)strcspn(given, "="), given);
	size_t best = 3;  /* above two changes it is another word */
	for (; !is_end(table); table++) {
		const char *names = table->names && table->kind != OPT_REFUSED ? table->names : "";
		while (next_name(&names, name)) {
			size_t changes = distance_of_words(word, name);
			if (changes < best && strlen(word) > 2) {
				best = changes;
				memcpy(nearest, name, sizeof nearest);
			}
		}
	}
	if (nearest[0] != '\0')
		return err_set(err, EINVAL, "unknown option %s; did you mean %s?", word, nearest);
	return err_set(err, EINVAL, "unknown option %s; see --help", word);
}

/* Which option is this word, and which value does it carry behind '=' or, for
 * one-letter names, behind the letter? */
static const struct opt *match(const struct opt *table, const char *word, const char **inside)
{
	const char *equals = strchr(word, '=');
	*inside = NULL;
	const struct opt *option = find(table, word, strlen(word));
	if (option != NULL)
		return option;
	if (equals != NULL && (option = find(table, word, (size_t)(equals - word))) != NULL) {
		*inside = equals + 1;
		return option;
	}
	if (word[1] == '-' || (option = find(table, word, 2)) == NULL)
		return NULL;
	/* "-N2" is the refused -N; "-image" is not a refused -i. */
	bool is_refused = option->kind == OPT_REFUSED && word[2] >= '0' && word[2] <= '9';
	if (option->kind != OPT_VALUE && !is_refused)
		return NULL;
	*inside = word + 2;
	return option;
}

int opt_next(struct opt_parser *parser, const struct opt **found, const char **value,
	     struct err *err)
{
	const char *word = parser->argv[parser->index], *inside;
	if (word == NULL || word[0] != '-' || word[1] == '\0')
		return 0;
	parser->index++;
	if (strcmp(word, "--") == 0)
		return 0;
	const struct opt *option = match(parser->table, word, &inside);
	if (option == NULL)
		return unknown(parser->table, word, err);
	if (option->kind == OPT_REFUSED)
		return err_set(err, EINVAL, "%s: %s", word, option->help);
	if (option->kind == OPT_FLAG && inside != NULL)
		return err_set(err, EINVAL, "%s takes no value", word);
	if (option->kind == OPT_VALUE && inside == NULL) {
		inside = parser->argv[parser->index];
		if (inside == NULL)
			return err_set(err, EINVAL, "%s wants a value: %s", word, option->value_name);
		parser->index++;
	}
	*found = option;
	*value = inside;
	return 1;
}

int opt_number(const struct opt *option, const char *value, long least, long most, long *number,
	       struct err *err)
{
	char name[NAME_MAX_LEN] = "", *end;
	const char *names = option->names;
	next_name(&names, name);
	errno = 0;
	*number = strtol(value, &end, 10);
	int overflow = errno;
	if (end == value || *end != '\0' || overflow != 0 || *number < least || *number > most)
		return err_set(err, EINVAL, "%s: \"%s\" is not a whole number from %ld to %ld", name,
			       value, least, most);
	return 0;
}

static void add_names(const struct opt *option, struct buf *out, const char *before_value,
		      const char *after_value)
{
	const char *names = option->names;
	char name[NAME_MAX_LEN];
	bool first = true;
	while (next_name(&names, name)) {
		buf_printf(out, "%s%s", first ? "" : ", ", name);
		first = false;
	}
	if (option->kind == OPT_VALUE)
		buf_printf(out, " %s%s%s", before_value, option->value_name, after_value);
	if (option->kind == OPT_OPTIONAL)
		buf_printf(out, "[=%s%s%s]", before_value, option->value_name, after_value);
}

/* Fills lines up to HELP_WIDTH; `column` is where the cursor stands. */
static void add_wrapped(const char *text, size_t column, struct buf *out)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		if (column > HELP_INDENT && column + 1 + len > HELP_WIDTH) {
			buf_printf(out, "\n%*s", HELP_INDENT, "");
			column = HELP_INDENT;
		}
		bool space = column > HELP_INDENT;
		buf_printf(out, "%s%.*s", space ? " " : "", (int)len, text);
		column += len + space;
		text += len;
		text += strspn(text, " ");
	}
	buf_printf(out, "\n");
}

void opt_help(const struct opt *table, struct buf *out)
{
	for (; !is_end(table); table++) {
		if (table->kind == OPT_HEADING)
			buf_printf(out, "\n%s\n", table->help);
		if (table->kind == OPT_HEADING || table->kind == OPT_REFUSED || table->help == NULL)
			continue;
		size_t start = out->len;
		buf_printf(out, "  ");
		add_names(table, out, "", "");
		size_t column = out->len - start;
		if (column + 2 > HELP_INDENT)
			buf_printf(out, "\n%*s", HELP_INDENT, "");
		else
			buf_printf(out, "%*s", (int)(HELP_INDENT - column), "");
		add_wrapped(table->help, HELP_INDENT, out);
	}
}

/* roff takes a leading dot or quote as a request and "-" as a hyphen. */
static void add_roff(const char *text, struct buf *out)
{
	for (; *text != '\0'; text++)
		buf_printf(out, *text == '-' || *text == '\\' ? "\\%c" : "%c", *text);
}

void opt_man(const struct opt *table, struct buf *out)
{
	for (; !is_end(table); table++) {
		if (table->kind == OPT_HEADING)
			buf_printf(out, ".SS %s\n", table->help);
		if (table->kind == OPT_HEADING || table->kind == OPT_REFUSED || table->help == NULL)
			continue;
		AUTO_BUF struct buf names = {0};
		add_names(table, &names, "", "");
		buf_add_u8(&names, 0);
		buf_printf(out, ".TP\n.B ");
		if (!names.failed)
			add_roff(names.data, out);
		buf_printf(out, "\n");
		add_roff(table->help, out);
		buf_printf(out, "\n");
	}
}
