/*
 * make_sif.h - the head of a SIF file made by hand, for tests: its header and the one descriptor of a
 * squashfs that is the system.
 */
#ifndef TESTS_MAKE_SIF_H
#define TESTS_MAKE_SIF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SIF_TABLE = 128, SIF_PART_AT = SIF_TABLE + 17, SIF_PART_SIZE = SIF_TABLE + 25, SIF_HEAD = SIF_TABLE + 585 };

static inline void sif_put(unsigned char *at, uint64_t value, size_t count)
{
	for (size_t i = 0; i < count; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static inline void sif_make(unsigned char head[SIF_HEAD], uint64_t at, uint64_t size)
{
	memset(head, 0, SIF_HEAD);
	memcpy(head, "#!/usr/bin/env run-singularity\n", 31);
	memcpy(head + 32, "SIF_MAGIC", 10);
	sif_put(head + 88, 1, 8);
	sif_put(head + 96, SIF_TABLE, 8);
	sif_put(head + SIF_TABLE, 0x4004, 4);  /* a partition */
	head[SIF_TABLE + 4] = 1;               /* in use */
	sif_put(head + SIF_PART_AT, at, 8);
	sif_put(head + SIF_PART_SIZE, size, 8);
	sif_put(head + SIF_TABLE + 201, 1, 4); /* squashfs */
	sif_put(head + SIF_TABLE + 205, 2, 4); /* the primary one */
}

#endif
