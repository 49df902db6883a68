/*
 * transport_fuzz.c - what a rank's /proc files may say: no words but clean ones, which JSON can hold.
 */
#include <stdlib.h>
#include <string.h>

#include "launcher/fabric_probe.h"
#include "launcher/transport.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const uint64_t inodes[] = {77, 78};
	struct transport_evidence evidence = {.listens_on_tcp = transport_listens(text, size, inodes, 2)};
	struct transport transport = {0};
	char link[256] = "", best[64];
	memcpy(link, text, size < sizeof link ? size : sizeof link - 1);
	transport_add_maps(&evidence, text, size);
	transport_add_link(&evidence, link);
	transport_no_cma(&evidence, text, size);
	fabric_best(text, size, best, sizeof best);
	transport_judge(&evidence, 2, &transport);
	if (strpbrk(transport.words, "\"\\\n") != NULL)
		abort();
	return 0;
}
