/*
 * config_tail.h - what stands behind the squashfs in an image file of ours.  Pure.
 *
 *	0 ……… bytes_used   squashfs
 *	  padding to 4 KiB  (data_size: what the hash tree covers)
 *	hash_at             dm-verity superblock, one block, and the tree (image/verity.h)
 *	json_at             the image's config as JSON (image/config.h), padded
 *	size - 256          the tail: these fields, magic first, integers little-endian
 *
 * Why there and not a file inside of the image, and not one beside it: it travels with the one
 * file wherever that is copied or broadcast, and no name in the container is taken; every
 * squashfs reader ignores what is behind bytes_used; and it costs one read of 4 KiB, where a
 * file inside costs a dozen reads of tables and blocks.  The whole file is a multiple of 4 KiB.
 *
 * The tail names digests of all that the file holds, so who signs these 256 bytes has signed
 * the image (image/sign.h).
 */
#ifndef IMAGE_CONFIG_TAIL_H
#define IMAGE_CONFIG_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	TAIL_SIZE = 256,
	TAIL_BLOCK = 4096,
	TAIL_HASH_SIZE = 32,       /* SHA-256 */
	TAIL_JSON_MAX = 1 << 20,
};

struct config_tail {
	uint64_t data_size;        /* bytes_used, rounded up to 4 KiB */
	uint64_t hash_at;          /* 0: no hash tree */
	uint64_t json_at, json_len;
	uint8_t root_hash[TAIL_HASH_SIZE];  /* of the hash tree; zeros without one */
	uint8_t json_hash[TAIL_HASH_SIZE];
};

/* Can there be a tail in a file of this size? Else it need not be read. */
bool config_tail_possible(uint64_t file_size, uint64_t bytes_used);
/* Rounded up to whole blocks. */
uint64_t config_tail_round(uint64_t size);

void config_tail_pack(const struct config_tail *tail, uint8_t bytes[TAIL_SIZE]);
/* 0: parsed; -ENOENT (err untouched): these are other bytes; -EBADMSG: a tail that contradicts
 * the file. */
int config_tail_parse(const uint8_t bytes[TAIL_SIZE], uint64_t file_size, uint64_t bytes_used,
		      struct config_tail *tail, struct err *err);

#endif
