/*
 * chunk.c - chunk arithmetic (chunk.h).  Pure: numbers in, numbers out.
 *
 * Invariant: the chunks cover [0, size) without gap or overlap, in order.
 */
#include "bcast/chunk.h"

#define MIB (1u << 20)
#define GB 1000000000ull

static const struct {
	uint64_t below;  /* bytes */
	uint32_t chunk_size;
} chunk_sizes[] = {
	{1 * GB, 1 * MIB},
	{2 * GB, 2 * MIB},
	{4 * GB, 4 * MIB},
	{UINT64_MAX, 8 * MIB},
};

uint32_t chunk_size_for(uint64_t size)
{
	size_t i = 0;
	while (i + 1 < sizeof chunk_sizes / sizeof *chunk_sizes && size >= chunk_sizes[i].below)
		i++;
	return chunk_sizes[i].chunk_size;
}

int chunk_layout_make(uint64_t size, uint32_t chunk_size, struct chunk_layout *layout,
		      struct err *err)
{
	if (chunk_size == 0 || chunk_size > CHUNK_SIZE_MAX)
		return err_set(err, EINVAL, "a chunk of %u bytes; from 1 to %u are possible", chunk_size,
			       CHUNK_SIZE_MAX);
	if (size > UINT64_MAX / 4)
		return err_set(err, EFBIG, "a file of %llu bytes", (unsigned long long)size);
	*layout = (struct chunk_layout){
		.size = size,
		.chunk_size = chunk_size,
		.count = size / chunk_size + (size % chunk_size != 0),
	};
	return 0;
}

uint64_t chunk_offset(const struct chunk_layout *layout, uint64_t chunk)
{
	return chunk * layout->chunk_size;
}

size_t chunk_length(const struct chunk_layout *layout, uint64_t chunk)
{
	return (size_t)(chunk_prefix(layout, chunk + 1) - chunk_offset(layout, chunk));
}

uint64_t chunk_prefix(const struct chunk_layout *layout, uint64_t chunks)
{
	return chunks == layout->count ? layout->size : chunks * layout->chunk_size;
}
