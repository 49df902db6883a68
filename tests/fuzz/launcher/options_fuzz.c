/*
 * options_fuzz.c - any command line, a word a line.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "launcher/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = strndup((const char *)data, size);
	char *argv[WORDS_MAX + 2] = {(char[]){"cmpirun"}}, *rest = text;
	struct options options;
	struct err err = ERR_NONE;
	for (size_t i = 1; i <= WORDS_MAX && rest != NULL; i++)
		argv[i] = strsep(&rest, "\n");
	if (options_parse(argv, &options, &err) < 0) {
		if (err.text[0] == '\0' || options.volumes != NULL)
			abort();
		return 0;
	}
	/* Without a program it is the image's own. */
	if (options.action == ACTION_RUN && (options.image == NULL || options.argv == NULL))
		abort();
	options_free(&options);
	return 0;
}
