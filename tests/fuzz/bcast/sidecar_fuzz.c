/*
 * Foreign bytes as a sidecar.  The hash at the end would keep a fuzzer out of everything behind it,
 * so it is set right here.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "bcast/sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What was parsed packs to the same bytes again. */
static void parse(const char *bytes, size_t len)
{
	AUTO_SIDECAR struct sidecar sidecar = {0};
	AUTO_BUF struct buf again = {0};
	struct err err;
	if (sidecar_parse(bytes, len, &sidecar, &err) < 0)
		return;
	sidecar_pack(&sidecar, &again);
	if (again.failed || again.len != len || memcmp(again.data, bytes, len) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	XXH128_canonical_t end;
	parse((const char *)bytes, len);
	char *right = malloc(len + sizeof end);
	if (right == NULL)
		return 0;
	if (len > 0)
		memcpy(right, bytes, len);
	XXH128_canonicalFromHash(&end, XXH3_128bits(bytes, len));
	memcpy(right + len, &end, sizeof end);
	parse(right, len + sizeof end);
	free(right);
	return 0;
}
