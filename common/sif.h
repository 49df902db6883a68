/*
 * sif.h - where the root file system is in a SIF file (Singularity, Apptainer).
 *
 * Pure; foreign bytes.  The format is that of github.com/sylabs/sif, version 01: a header of 128
 * bytes, then a table of descriptors of 585 bytes, packed, little-endian.
 */
#ifndef COMMON_SIF_H
#define COMMON_SIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { SIF_HEADER_SIZE = 128, SIF_DESCRIPTOR_SIZE = 585, SIF_DESCRIPTORS_MAX = 1024 };

/* By its first bytes; 96 are enough. */
bool sif_is(const void *bytes, size_t len);

/* Where the table is, from the header.  -EMEDIUMTYPE: no SIF file; -EBADMSG. */
int sif_parse_header(const void *bytes, size_t len, uint64_t file_size, uint64_t *table_at,
		     uint64_t *table_len, struct err *err);

/* The squashfs partition that is the system.  -ENOTSUP: it is another file system, or encrypted;
 * -ENOENT: there is none; -EBADMSG: it leads out of the file. */
int sif_find_partition(const void *table, size_t len, uint64_t file_size, uint64_t *at, uint64_t *size,
		       struct err *err);

#endif
