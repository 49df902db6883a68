/*
 * search_path.c - the elements of a search path (search_path.h); ld.so(8) says what they mean.
 */
#include "mpi-abi/search_path.h"

#include <stdio.h>
#include <string.h>

static bool expand(const char *element, size_t len, const char *from, char *dir, size_t size)
{
	static const char *const tokens[] = {"$ORIGIN", "${ORIGIN}"};
	const char *slash = from ? strrchr(from, '/') : NULL;
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
		size_t token = strlen(tokens[i]);
		if (len < token || strncmp(element, tokens[i], token) != 0)
			continue;
		return slash && (size_t)snprintf(dir, size, "%.*s%.*s", (int)(slash - from), from,
						 (int)(len - token), element + token) < size;
	}
	if (len == 0 || element[0] != '/' || memchr(element, '$', len) || len >= size)
		return false;
	memcpy(dir, element, len);
	dir[len] = '\0';
	return true;
}

bool search_path_next(const char **list, const char *from, char *dir, size_t size)
{
	while (*list && **list) {
		const char *element = *list;
		size_t len = strcspn(element, ":;");
		*list = element + len + (element[len] != '\0');
		if (expand(element, len, from, dir, size))
			return true;
	}
	return false;
}
