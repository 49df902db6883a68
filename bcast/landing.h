/*
 * landing.h - where the file, or several, land on a node: allocated, mapped, written in place.
 */
#ifndef BCAST_LANDING_H
#define BCAST_LANDING_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct landing {
	char *base;     /* of the file's bytes, at a multiple of 2 MiB; NULL when size is 0 */
	uint64_t size;  /* bytes */
	void *reserved; /* the address range around base */
	size_t reserved_size;
};

/* Gives the file behind `fd` (read-write, regular; stays the caller's, and may be closed) `size`
 * bytes, allocates all of them and maps them shared: a write to the mapping cannot fail
 * afterwards. -ENOSPC when there is no room, -ENOMEM when the node's memory is too small: both
 * with the numbers. *landing needs no landing_close() after a failure. */
int landing_open(int fd, uint64_t size, struct landing *landing, struct err *err);
/* The same of memory of this process, `memory` bytes of which will be written to; -ENOMEM when the node has
 * less. */
int landing_open_memory(uint64_t size, uint64_t memory, struct landing *landing, struct err *err);
/* Puts a file, of `size` bytes from now on, at `offset` (a multiple of the page size) of it: allocated and
 * mapped as by landing_open(). */
int landing_place(struct landing *landing, uint64_t offset, int fd, uint64_t size, struct err *err);
/* Unmaps; the file stays. Idempotent. */
void landing_close(struct landing *landing);
/* After landing_close(): nobody can write to the file or change its size any more, where the file can be
 * sealed (memfd_create(2), MFD_ALLOW_SEALING); elsewhere it loses the permissions to. */
void landing_seal(int fd);

/* Pure: MemAvailable of the text of /proc/meminfo (proc(5)) in bytes; UINT64_MAX when it is not
 * there. */
uint64_t landing_memory_available(const char *meminfo);

#endif
