/* Indexes of referrers, and manifests of signatures. */
#include <stdint.h>

#include "image/signature_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct signature_blobs blobs = {.count = 0};
	struct manifest_blob list[SIGNATURES_MAX];
	size_t count = 0;
	signature_index_parse(data, size, list, &count, &err);
	signature_manifest_parse(data, size, &blobs, &err);
	signature_blobs_free(&blobs);
	return 0;
}
