/*
 * bundle_land.h - a bundle on a node: what its bytes land in, and how they become files.
 *
 * Everything is made beside its final place, in files without a name and in directories with a
 * temporary one, and appears at the end, or never.
 */
#ifndef BCAST_BUNDLE_LAND_H
#define BCAST_BUNDLE_LAND_H

#include "bcast/bundle.h"
#include "bcast/destination.h"
#include "bcast/landing.h"
#include "common/err.h"

struct bundle_land {
	const struct bundle *bundle;
	struct destination *destinations;  /* one an item */
	struct landing landing;            /* of the row */
};

/* Makes directories and large files, with all their space, and reserves memory for the small ones.  path: as
 * destination_open(); for more than one item a directory that is there.  The bundle outlives it.  To be
 * closed in any case. -ENOSPC, -ENOMEM, -EEXIST ... */
int bundle_land_open(const struct bundle *bundle, const char *path, struct bundle_land *land,
		     struct err *err);
/* The row is complete: writes the small files, makes the links, unmaps the row. */
int bundle_land_unpack(struct bundle_land *land, struct err *err);
/* Reads all back from the file systems into a row in memory of its own, which takes landing's place. */
int bundle_land_reread(struct bundle_land *land, struct err *err);
/* Sets modes and times, and gives the items their names. */
int bundle_land_commit(struct bundle_land *land, struct err *err);
/* Removes what was not committed. Idempotent. */
void bundle_land_close(struct bundle_land *land);

#endif
