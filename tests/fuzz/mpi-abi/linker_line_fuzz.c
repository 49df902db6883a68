/*
 * linker_line_fuzz.c - a rank's last words are read and explained, whatever they are.
 */
#include <stdint.h>
#include <stdlib.h>

#include "mpi-abi/linker_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct abi_bind swap = {.source = "/h/libmpi.so.12.1", .target = "/usr/lib/libmpi.so.12.1"};
	static const struct abi_bind mount = {.source = "/home", .target = "/home"};
	struct linker_line line;
	if (!linker_line_find((const char *)data, size, &line))
		return 0;
	if (line.library[0] == '\0' && line.requester[0] == '\0')
		abort();
	for (int level = 0; level < ABI_LEVEL_COUNT; level++) {
		AUTO_BUF struct buf out = {0};
		const struct linker_scene scene = {.level = (enum abi_level)level, .swaps = &swap, .swap_count = 1,
						   .mounts = &mount, .mount_count = 1, .work_dir = "/home/u"};
		linker_line_explain(&line, &scene, &out);
	}
	return 0;
}
