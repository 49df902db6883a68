/*
 * squash_file.h - where the squashfs is in an image file: all of it, or a part.
 *
 * A SIF file (Singularity, Apptainer) has its root file system as a partition, which is read
 * where it is.  Everybody who opens an image asks here, so no offset travels between programs:
 * the file itself says it.
 */
#ifndef COMMON_SQUASH_FILE_H
#define COMMON_SQUASH_FILE_H

#include <stdint.h>

#include "common/err.h"
#include "common/squash_super.h"

struct squash_part {
	uint64_t at, size;  /* bytes of the file; at 0: all of it */
};

/* Of the file behind `fd` (pread: its offset stays).  Reads 96 bytes, of a SIF file its header and
 * table too.  What is there need be no squashfs.  -EBADMSG, -ENOENT, -ENOTSUP: a SIF file without
 * a squashfs that could be read (common/sif.h). */
int squash_file_part(int fd, struct squash_part *part, struct err *err);

/* The same, and its superblock, with the errors of squash_super_parse(). */
int squash_file_look(int fd, struct squash_part *part, struct squash_super *super, struct err *err);

#endif
