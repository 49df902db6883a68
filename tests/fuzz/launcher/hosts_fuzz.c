/*
 * hosts_fuzz.c - lists, files and Slurm's counts; the first byte says which.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "launcher/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_slots(const struct hosts *hosts)
{
	if (hosts->names.count == 0)
		abort();
	for (size_t i = 0; i < hosts->names.count; i++)
		if (hosts->slots[i] < 1 || hosts->slots[i] > 65536 || hosts->names.names[i][0] == '\0')
			abort();
}

static void parse_counts(const char *text)
{
	uint32_t counts[4] = {0};
	if (hosts_parse_slurm_counts(text, counts, 4, NULL) < 0)
		return;
	for (size_t i = 0; i < 4; i++)
		if (counts[i] < 1 || counts[i] > 65536)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_HOSTS struct hosts hosts = {0};
	if (size == 0)
		return 0;
	const char *bytes = (const char *)data + 1;
	AUTO_FREE char *text = strndup(bytes, size - 1);
	if (text == NULL)
		return 0;
	switch (data[0]) {
	case 'l':
		if (hosts_parse_list(text, &hosts, NULL) == 0)
			expect_slots(&hosts);
		break;
	case 'f':
		if (hosts_parse_file(bytes, size - 1, "F", &hosts, NULL) == 0)
			expect_slots(&hosts);
		break;
	case 's':
		parse_counts(text);
		break;
	default:
		break;
	}
	return 0;
}
