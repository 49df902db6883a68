/* mount_plan_fuzz.c - what parses packs again, sorts and prints. */
#include "runtime/mount_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_MOUNT_PLAN struct mount_plan plan = {0}, again = {0};
	AUTO_BUF struct buf packed = {0}, text = {0};
	struct err err;
	if (mount_plan_parse(data, size, &plan, &err) < 0)
		return 0;
	mount_plan_sort(&plan);
	for (size_t i = 0; i < plan.count; i++)
		mount_op_format(&plan.ops[i], &text);
	mount_plan_pack(&plan, &packed);
	if (mount_plan_parse(packed.data, packed.len, &again, &err) < 0 || again.count != plan.count)
		__builtin_trap();
	return 0;
}
