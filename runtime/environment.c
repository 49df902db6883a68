/*
 * environment.c - merging environments (environment.h).  Pure.
 *
 * Linear search: an environment has some dozens of names, and names differ in their first bytes.
 */
#include "runtime/environment.h"

#include <string.h>

static size_t name_length(const char *string)
{
	const char *equals = strchr(string, '=');
	return equals ? (size_t)(equals - string) + 1 : strlen(string) + 1;
}

/* Puts `string` in the place of its name, or behind the last. */
static size_t put(char **out, size_t count, char *string)
{
	size_t len = name_length(string), at = 0;
	while (at < count && strncmp(out[at], string, len) != 0)
		at++;
	out[at] = string;
	return at == count ? count + 1 : count;
}

size_t environment_add(char **out, size_t count, const char *const *extra, size_t extra_count)
{
	for (size_t i = 0; i < extra_count; i++)
		count = put(out, count, (char *)extra[i]);
	out[count] = NULL;
	return count;
}

size_t environment_merge(char *const *base, size_t base_count, const char *const *extra,
			 size_t extra_count, char **out)
{
	size_t count = 0;
	for (size_t i = 0; i < base_count; i++)
		count = put(out, count, base[i]);
	return environment_add(out, count, extra, extra_count);
}
