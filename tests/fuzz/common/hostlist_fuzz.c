/*
 * hostlist_fuzz.c - a list that expands folds into a text that expands to the same list.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/hostlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(const struct hostlist *a, const struct hostlist *b)
{
	if (a->count != b->count)
		abort();
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_HOSTLIST struct hostlist list = {0}, again = {0};
	AUTO_BUF struct buf folded = {0};
	AUTO_FREE char *text = strndup((const char *)data, size);
	if (text == NULL || hostlist_add(&list, text, NULL) < 0 || list.count > 2000)
		return 0;
	hostlist_format(&list, &folded);
	buf_add_u8(&folded, 0);
	/* A folded name may be longer than a name may be, by its brackets, but never wrong. */
	if (hostlist_add(&again, folded.data, NULL) < 0)
		abort();
	expect_same(&list, &again);
	return 0;
}
