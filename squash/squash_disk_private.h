/*
 * squash_disk_private.h - what the files of the reader share; for nobody else.
 */
#ifndef SQUASH_SQUASH_DISK_PRIVATE_H
#define SQUASH_SQUASH_DISK_PRIVATE_H

#include "squash/squash_disk.h"

enum disk_type {
	TYPE_DIRECTORY = 1, TYPE_REGULAR, TYPE_LINK, TYPE_BLOCK, TYPE_CHAR, TYPE_FIFO, TYPE_SOCKET
};

/* -EIO. */
int disk_broken(struct err *err, const char *what);
/* S_IFMT's bits, 0 for a type that is none. */
mode_t disk_type_mode(unsigned type);
/* Exactly `len` bytes at `at` of the file. */
int disk_bytes(struct disk_reader *reader, uint64_t at, void *bytes, size_t len, struct err *err);
/* `len` bytes at *place, which moves behind them. */
int disk_meta_read(struct disk_reader *reader, struct disk_place *place, void *bytes, size_t len,
		   struct err *err);
/* An entry of `size` bytes (a power of two) of a table whose metadata blocks are listed at `list`. */
int disk_table_read(struct disk_reader *reader, uint64_t list, uint64_t index, void *entry,
		    size_t size, struct err *err);
/* A data block or fragment, held: give it back to `cache`. */
int disk_data_block(struct disk_reader *reader, struct squash_cache *cache, uint64_t at,
		    uint32_t header, struct squash_block **block, struct err *err);
/* The same, past the caches: exactly `len` unpacked bytes into `bytes`. */
int disk_data_direct(struct disk_reader *reader, uint64_t at, uint32_t header, void *bytes,
		     size_t len, struct err *err);
#define DISK_DATA_RAW (1u << 24)
#define DISK_DATA_SIZE_MASK (DISK_DATA_RAW - 1)

int disk_steps_new(struct disk_steps **steps, struct err *err);
void disk_steps_free(struct disk_steps **steps);

#endif
