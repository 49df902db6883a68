/* The first bytes of a file that somebody calls an image. */
#include <stdint.h>
#include <stdlib.h>

#include "common/squash_super.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct squash_super super;
	uint64_t file_size = size * 1000;
	if (squash_super_parse(data, size, file_size, &super, &err) < 0)
		return 0;
	if (super.bytes_used > file_size || super.block_size != 1u << super.block_log ||
	    super.inode_table > super.bytes_used)
		abort();
	return 0;
}
