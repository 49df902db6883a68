/* A hostile index: what parses must pack to something that parses to the same size. */
#include <stdint.h>
#include <stdlib.h>

#include "mpi-abi/image_index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct image_index *index = NULL, *other = NULL;
	struct cursor in = cursor_of(data, size);
	if (image_index_parse(&in, &index, &err) < 0)
		return 0;
	image_index_lookup(index, "/lib64/../usr/lib/libmpi.so.12");
	AUTO_BUF struct buf bytes = {0}, again = {0};
	image_index_pack(index, &bytes);
	in = cursor_of(bytes.data, bytes.len);
	if (image_index_parse(&in, &other, &err) < 0)
		abort();
	image_index_pack(other, &again);
	if (again.len != bytes.len)
		abort();
	image_index_free(&index);
	image_index_free(&other);
	return 0;
}
