/*
 * linker_words.c - the plan's binds, told apart for mpi-abi's linker_line.c (linker_words.h).
 *
 * A plan does not say whose each bind is.  The swap's are files, read-only and demanded; a user's `-v FILE:FILE:ro`
 * beside a swap looks the same, and is then called one of the swap's.
 */
#include "launcher/linker_words.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/linker_line.h"

static bool is_swap(const struct plan *plan, const struct mount_op *op)
{
	return plan->mpi_level != ABI_LEVEL_OWN && op->flags == MOUNT_READ_ONLY;
}

bool linker_words_explain(const struct plan *plan, const char *words, size_t len, struct buf *out)
{
	struct linker_line line;
	if (len == 0 || !linker_line_find(words, len, &line))
		return false;
	size_t room = plan->mounts.count + 1;
	AUTO_FREE struct abi_bind *binds = calloc(room, sizeof *binds);
	if (binds == NULL)
		return false;
	/* The swap's from the front, the others from the end. */
	size_t swaps = 0, mounts = 0;
	for (size_t i = 0; i < plan->mounts.count; i++) {
		const struct mount_op *op = &plan->mounts.ops[i];
		if (op->kind != MOUNT_BIND)
			continue;
		size_t at = is_swap(plan, op) ? swaps++ : room - ++mounts;
		binds[at] = (struct abi_bind){.source = op->source, .target = op->target};
	}
	const struct linker_scene scene = {.level = plan->mpi_level,
					   .swaps = binds,
					   .swap_count = swaps,
					   .mounts = binds + room - mounts,
					   .mount_count = mounts,
					   .work_dir = plan->work_dir};
	return linker_line_explain(&line, &scene, out);
}
