/*
 * fence_fuzz.c - any frames at a node in the middle of a tree.
 *
 * Input: frames, each (u8: bit 7 going up, the others the sender; u16 length;
 * payload).  The node itself takes part in one fence of all nodes.
 */
#include <stddef.h>
#include <stdint.h>

#include "pmix/fence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t signature[2] = {0, 0};
	static const struct fence_range all = {0, 6};
	const struct fence_tree tree = {.node = 1, .node_count = 7, .fanout = 2};
	struct fence_engine *engine = fence_engine_new(&tree, 4096);
	struct fence_step step;
	struct fence_id id;
	struct err err;
	if (engine == NULL)
		return 0;
	if (fence_contribute(engine, FENCE_KIND_PMI1, signature, &all, 1, "data", 4, &id, &step,
			     &err) == 0)
		fence_step_free(&step);
	while (size >= 3) {
		size_t len = data[1] | (size_t)data[2] << 8;
		if (len > size - 3)
			len = size - 3;
		fence_receive(engine, data[0] & 0x80, data[0] & 0x7f, data + 3, len, &step, &err);
		fence_step_free(&step);
		data += 3 + len;
		size -= 3 + len;
	}
	fence_engine_free(&engine);
	return 0;
}
