/* sif_fuzz.c - SIF headers */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/sif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	uint64_t at, len;
	enum { FILE_SIZE = 1 << 20 };
	sif_parse_header(data, size, FILE_SIZE, &at, &len, &err);
	if (sif_find_partition(data, size, FILE_SIZE, &at, &len, &err) == 0 && (at > FILE_SIZE || len > FILE_SIZE - at))
		abort();
	return 0;
}
