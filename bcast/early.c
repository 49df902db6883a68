/*
 * early.c - watches chunks arrive (early.h).  Pure.
 *
 * Invariant: once the superblock is here, `missing` is the number of the tables' chunks that are not.
 */
#include "bcast/early.h"

#include "common/squash_super.h"

void early_init(struct early *early, const struct chunk_layout *layout)
{
	*early = (struct early){.layout = *layout};
}

/* A file that is no squashfs is never mountable; who mounts it says why.  A superblock that is longer than
 * a chunk is not worth a thought. */
static void read_super(struct early *early, const char *base)
{
	struct squash_super super;
	struct chunk_layout *layout = &early->layout;
	size_t len = chunk_length(layout, 0);
	early->has_super = true;
	if (squash_super_parse(base, len, layout->size, &super, NULL) < 0 ||
	    super.inode_table >= super.bytes_used || super.bytes_used > layout->size)
		return;
	early->is_squashfs = true;
	early->first = early->wanted = super.inode_table / layout->chunk_size;
	early->end = (super.bytes_used - 1) / layout->chunk_size + 1;
}

bool early_arrived(struct early *early, uint64_t chunk, const char *base,
		   bool (*has)(void *context, uint64_t chunk), void *context)
{
	if (chunk == 0 && !early->has_super) {
		read_super(early, base);
		for (uint64_t i = early->first; i < early->end; i++)
			early->missing += !has(context, i);
	} else if (early->is_squashfs && chunk >= early->first && chunk < early->end) {
		early->missing--;
	}
	if (!early->is_squashfs || early->missing > 0 || early->told)
		return false;
	early->told = true;
	return true;
}

bool early_take_wanted(struct early *early, uint64_t *chunk)
{
	if (early->wanted >= early->end)
		return false;
	*chunk = early->wanted++;
	return true;
}
