/* A profile from a file: what is parsed is written and parsed again, the same. */
#include <stdlib.h>
#include <string.h>

#include "runtime/imgfs_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct imgfs_profile_line line, again;
	static char text[IMGFS_PROFILE_LINE_MAX];
	const char *at = (const char *)data, *end = at + size;
	struct err err;
	int rc;
	while ((rc = imgfs_profile_next(&at, end, &line, &err)) > 0) {
		int len = imgfs_profile_write(&line, text);
		const char *copy = text;
		if (len <= 0 || imgfs_profile_next(&copy, text + len, &again, &err) != 1 ||
		    again.offset != line.offset || again.length != line.length ||
		    strcmp(again.path, line.path) != 0)
			abort();
	}
	return 0;
}
