/*
 * kvs_fuzz.c - any bytes as the keys and values of a fence.
 */
#include <stddef.h>
#include <stdint.h>

#include "pmix/kvs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvs *kvs = kvs_new(1 << 16);
	struct err err;
	if (kvs != NULL)
		kvs_import(kvs, data, size, &err);
	kvs_free(&kvs);
	return 0;
}
