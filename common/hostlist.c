/*
 * hostlist.c - expands and folds lists of host names (hostlist.h).
 *
 * Pure.  Expansion is recursive over the brackets of one name: at a bracket,
 * each number of its set is put behind what stands before it, and the rest of
 * the name is expanded behind that.
 */
#include "common/hostlist.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int hostlist_add_name(struct hostlist *list, const char *name, size_t len, struct err *err)
{
	if (list->count >= HOSTLIST_MAX)
		return err_set(err, E2BIG, "more than %d host names", HOSTLIST_MAX);
	if (list->count == list->size) {
		size_t size = list->size ? list->size * 2 : 16;
		char **names = realloc(list->names, size * sizeof *names);
		if (names == NULL)
			return err_errno(err, ENOMEM, "host list");
		list->names = names;
		list->size = size;
	}
	char *copy = strndup(name, len);
	if (copy == NULL)
		return err_errno(err, ENOMEM, "host list");
	list->names[list->count++] = copy;
	return 0;
}

void hostlist_free(struct hostlist *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct hostlist){0};
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

/* A number of at most 9 digits; returns its digits' count, 0 when there is none. */
static size_t parse_number(const char *text, size_t len, unsigned long *value)
{
	size_t digits = 0;
	*value = 0;
	while (digits < len && digits < 10 && isdigit((unsigned char)text[digits]))
		*value = *value * 10 + (unsigned long)(text[digits++] - '0');
	return digits > 9 ? 0 : digits;
}

struct name {
	char text[HOSTLIST_NAME_MAX];
	size_t len;
};

static int bad_place(struct err *err, const char *what, const char *text, size_t len)
{
	return err_set(err, EINVAL, "host list: %s at \"%.*s\"", what, (int)(len > 40 ? 40 : len), text);
}

static int expand(struct hostlist *list, struct name head, const char *text, size_t len, int depth,
		  struct err *err);

/* One "a-b" or "a" of a bracket, followed by the rest of the name. */
static int expand_range(struct hostlist *list, const struct name *head, const char *range,
			size_t range_len, const char *rest, size_t rest_len, int depth, struct err *err)
{
	unsigned long first, last;
	size_t width = parse_number(range, range_len, &first);
	size_t used = width;
	last = first;
	if (width > 0 && used < range_len && range[used] == '-') {
		size_t digits = parse_number(range + used + 1, range_len - used - 1, &last);
		used = digits > 0 ? used + 1 + digits : 0;
	}
	if (used == 0 || used != range_len || last < first)
		return bad_place(err, "not a range of numbers", range, range_len);
	if (last - first >= HOSTLIST_MAX)
		return err_set(err, E2BIG, "more than %d host names", HOSTLIST_MAX);
	for (unsigned long number = first; number <= last; number++) {
		struct name name = *head;
		char digits[16];
		int count = snprintf(digits, sizeof digits, "%0*lu", (int)width, number);
		if (name.len + (size_t)count >= sizeof name.text)
			return bad_place(err, "a name that is too long", range, range_len);
		memcpy(name.text + name.len, digits, (size_t)count);
		name.len += (size_t)count;
		int rc = expand(list, name, rest, rest_len, depth, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int expand_bracket(struct hostlist *list, const struct name *head, const char *text,
			  size_t len, int depth, struct err *err)
{
	const char *close = memchr(text, ']', len);
	if (close == NULL)
		return bad_place(err, "no closing bracket", text, len);
	if (depth >= 4)
		return bad_place(err, "too many brackets", text, len);
	const char *set = text + 1, *rest = close + 1;
	size_t rest_len = (size_t)(text + len - rest);
	for (;;) {
		const char *comma = memchr(set, ',', (size_t)(close - set));
		const char *end = comma ? comma : close;
		int rc = expand_range(list, head, set, (size_t)(end - set), rest, rest_len, depth + 1,
				      err);
		if (rc < 0 || comma == NULL)
			return rc;
		set = comma + 1;
	}
}

static int expand(struct hostlist *list, struct name head, const char *text, size_t len, int depth,
		  struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '[')
			return expand_bracket(list, &head, text + i, len - i, depth, err);
		if (!is_name_char(text[i]))
			return bad_place(err, "a character that no host name has", text + i, len - i);
		if (head.len + 1 >= sizeof head.text)
			return bad_place(err, "a name that is too long", text, len);
		head.text[head.len++] = text[i];
	}
	if (head.len == 0)
		return err_set(err, EINVAL, "host list: an empty name");
	return hostlist_add_name(list, head.text, head.len, err);
}

/* The length of the first name of `text`: up to a comma outside of brackets. */
static size_t name_length(const char *text)
{
	bool inside = false;
	size_t len = 0;
	for (; text[len] != '\0' && (inside || text[len] != ','); len++)
		inside = text[len] == '[' || (inside && text[len] != ']');
	return len;
}

int hostlist_add(struct hostlist *list, const char *text, struct err *err)
{
	for (;;) {
		size_t len = name_length(text);
		int rc = expand(list, (struct name){0}, text, len, 0, err);
		if (rc < 0 || text[len] == '\0')
			return rc;
		text += len + 1;
	}
}

/* Splits a name into a stem and the number at its end; false: no number. */
static bool split(const char *name, size_t *stem, size_t *width, unsigned long *number)
{
	size_t len = strlen(name);
	*stem = len;
	while (*stem > 0 && isdigit((unsigned char)name[*stem - 1]))
		--*stem;
	*width = len - *stem;
	return *width > 0 && parse_number(name + *stem, *width, number) == *width;
}

/* Does `name` continue the run: same stem and width, the next number? */
static bool follows(const char *first, size_t stem, size_t width, const char *name,
		    unsigned long wanted)
{
	size_t own_stem, own_width;
	unsigned long number;
	return split(name, &own_stem, &own_width, &number) && own_stem == stem &&
	       own_width == width && number == wanted && memcmp(first, name, stem) == 0;
}

void hostlist_format(const struct hostlist *list, struct buf *out)
{
	for (size_t i = 0; i < list->count;) {
		const char *first = list->names[i];
		size_t stem, width, run = 1;
		unsigned long number = 0;
		if (split(first, &stem, &width, &number))
			while (i + run < list->count &&
			       follows(first, stem, width, list->names[i + run], number + run))
				run++;
		if (run == 1)
			buf_printf(out, "%s%s", i ? "," : "", first);
		else
			buf_printf(out, "%s%.*s[%0*lu-%0*lu]", i ? "," : "", (int)stem, first,
				   (int)width, number, (int)width, number + run - 1);
		i += run;
	}
}
