/*
 * starter_fuzz.c - a user's template: words, or an error that says why.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "launcher/starter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const environment[] = {"A=1", "CMPIRUN_PLAN=x", NULL};
	char *names[] = {(char[]){"n1"}, (char[]){"n2"}};
	struct hostlist nodes = {.names = names, .count = 2};
	struct starter_values values = {.nodes = &nodes, .hostfile = "/hf", .daemon = "/cmpid",
					.cpus = size % 2 ? 4 : 0,
					.environment = (char *const *)environment};
	AUTO_FREE char *template = strndup((const char *)data, size);
	struct err err = ERR_NONE;
	char **argv = NULL;
	if (template == NULL)
		return 0;
	if (starter_expand("cmd", template, &values, &argv, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	if (argv[0] == NULL || strcmp(argv[0], "cmd") != 0 || argv[1] == NULL)
		abort();
	starter_argv_free(argv);
	return 0;
}
