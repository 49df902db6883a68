/*
 * arrival.h - which chunks of the image are in this node's memory: one map a node, in memory that
 * its processes share.
 *
 *	cmpid        makes the file, and ends the arrival when cmpi-bcast cannot any more
 *	cmpi-bcast   lays the map out, marks what it has verified, and takes what is wanted
 *	cmpi-imgfs   looks before it reads, and waits for what is not here
 *
 * A chunk is marked after its bytes are in the image file; who sees the mark sees the bytes.
 * Nobody writes to a chunk once it is marked.  A wait ends in any case: with the chunk, or with
 * -EIO once the arrival has failed.
 */
#ifndef COMMON_ARRIVAL_H
#define COMMON_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct arrival;

enum { ARRIVAL_CHUNKS_MAX = 1 << 24 };

/* An empty file for the map (memfd_create(2)); it can be handed on before anybody knows the
 * image's size. */
int arrival_file_new(struct err *err);

/* Gives the file its size and the map its form; once, before anybody opens it.  chunk_size > 0
 * bytes.  fd stays the caller's and may be closed. -EFBIG above ARRIVAL_CHUNKS_MAX. */
int arrival_create(int fd, uint64_t size, uint32_t chunk_size, struct arrival **arrival,
		   struct err *err);

/* Maps what arrival_create() has made.  -EAGAIN: it has not yet; -EPROTO: something else. */
int arrival_open(int fd, struct arrival **arrival, struct err *err);
void arrival_free(struct arrival **arrival);

uint64_t arrival_chunk_count(const struct arrival *arrival);

/* The chunk's bytes are in the file, and right. */
void arrival_mark(struct arrival *arrival, uint64_t chunk);
/* All that will come has come: without `failed` every chunk counts as here.  The first call
 * decides. */
void arrival_end(struct arrival *arrival, bool failed);

/* Are the bytes [offset, offset + len) here?  What lies behind the file's end is. */
bool arrival_has(const struct arrival *arrival, uint64_t offset, uint64_t len);
bool arrival_has_failed(const struct arrival *arrival);
/* Asks for the chunks of the range that are missing; no wait. */
void arrival_want(struct arrival *arrival, uint64_t offset, uint64_t len);
/* The same, and waits until all are here.  -EIO: the arrival has failed.  -EINTR as futex(2). */
int arrival_wait(struct arrival *arrival, uint64_t offset, uint64_t len);

/* For who waits for several ranges: a number that changes with every mark and at the end, and a wait
 * until it is not `seen` any more, at most for so long. */
uint32_t arrival_marks(const struct arrival *arrival);
void arrival_wait_marks(struct arrival *arrival, uint32_t seen, uint64_t nanoseconds);

/* Takes a chunk that somebody wants and that is missing; false: none.  Cheap when there is none:
 * one load. */
bool arrival_take_wanted(struct arrival *arrival, uint64_t *chunk);

#endif
