/*
 * squash_verity.c - checked reads (squash_verity.h).
 *
 * Flow: a read is widened to whole blocks and hashed; each hash is looked up in its block of
 * level 0.  Blocks of the tree are read when they are first needed, checked against their parents,
 * and kept: the whole tree has 0.8 % of the image's size.
 *
 * Invariants: a kept block was checked before anybody could see it (compare-and-swap publishes
 * it), and what is given to the caller are the very bytes that were hashed, never a second read.
 *
 * SHA256_* and not EVP: three functions of libcrypto's archive, where EVP would put four megabytes
 * and its start into each image server; the same assembly, 1.5 GB/s a core with SHA instructions.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "squash/squash_verity.h"

#include <openssl/sha.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_read.h"

enum { PIECE = 64 * 1024 };

struct squash_verity {
	int fd;
	struct verity_shape shape;
	uint8_t root[VERITY_HASH];
	_Atomic(uint8_t *) *kept[VERITY_LEVELS_MAX];  /* by block of the level; NULL: not yet */
};

int verity_shape_of(uint64_t data_size, uint64_t hash_at, struct verity_shape *shape,
		    struct err *err)
{
	*shape = (struct verity_shape){.data_blocks = data_size / VERITY_BLOCK};
	if (data_size == 0 || data_size % VERITY_BLOCK || hash_at % VERITY_BLOCK ||
	    data_size > 1ull << 50 || hash_at > 1ull << 51)
		return err_set(err, EINVAL, "a hash tree over %llu bytes",
			       (unsigned long long)data_size);
	for (uint64_t blocks = shape->data_blocks; blocks > 1; shape->levels++) {
		blocks = (blocks + VERITY_PER_BLOCK - 1) / VERITY_PER_BLOCK;
		shape->level_blocks[shape->levels] = blocks;
	}
	shape->end = hash_at + VERITY_BLOCK;
	for (unsigned level = shape->levels; level-- > 0;) {
		shape->level_at[level] = shape->end;
		shape->end += shape->level_blocks[level] * VERITY_BLOCK;
	}
	return 0;
}

int squash_verity_new(int fd, uint64_t bytes_used, const uint8_t root[VERITY_HASH],
		      struct squash_verity **out, struct err *err)
{
	AUTO_CALL(squash_verity_free) struct squash_verity *verity = calloc(1, sizeof *verity);
	if (!verity)
		return err_set(err, ENOMEM, "no memory to check the image");
	uint64_t size = (bytes_used + VERITY_BLOCK - 1) & ~(uint64_t)(VERITY_BLOCK - 1);
	int rc = verity_shape_of(size, size, &verity->shape, err);
	if (rc < 0)
		return rc;
	verity->fd = fd;
	memcpy(verity->root, root, VERITY_HASH);
	for (unsigned level = 0; level < verity->shape.levels; level++) {
		verity->kept[level] = calloc(verity->shape.level_blocks[level], sizeof **verity->kept);
		if (!verity->kept[level])
			return err_set(err, ENOMEM, "no memory to check the image");
	}
	*out = take_ptr(&verity);
	return 0;
}

void squash_verity_free(struct squash_verity **verity)
{
	for (unsigned level = 0; *verity && level < (*verity)->shape.levels; level++) {
		for (uint64_t i = 0; (*verity)->kept[level] && i < (*verity)->shape.level_blocks[level]; i++)
			free(atomic_load(&(*verity)->kept[level][i]));
		free((*verity)->kept[level]);
	}
	free(*verity);
	*verity = NULL;
}

static int read_blocks(int fd, void *bytes, size_t len, uint64_t at, struct err *err)
{
	ssize_t got = file_read_at(fd, bytes, len, at);
	if (got < 0)
		return err_errno(err, (int)-got, "read the image");
	return (size_t)got < len ? err_set(err, EIO, "the image became shorter") : 0;
}

/* The block of `level` that is `index`-th there, checked; the root's own hash is above all. */
static int hash_block(struct squash_verity *verity, unsigned level, uint64_t index,
		      const uint8_t **out, struct err *err);

/* Is `block` what the level above it says of its index-th block? */
static int check(struct squash_verity *verity, unsigned level_above, uint64_t index, const void *block,
		 struct err *err)
{
	uint8_t hash[VERITY_HASH];
	const uint8_t *wanted = verity->root, *parent = NULL;
	SHA256_CTX context;
	SHA256_Init(&context);
	SHA256_Update(&context, block, VERITY_BLOCK);
	SHA256_Final(hash, &context);
	if (level_above < verity->shape.levels) {
		int rc = hash_block(verity, level_above, index / VERITY_PER_BLOCK, &parent, err);
		if (rc < 0)
			return rc;
		wanted = parent + index % VERITY_PER_BLOCK * VERITY_HASH;
	}
	return memcmp(hash, wanted, VERITY_HASH) == 0 ? 0
		: err_set(err, EIO, "the image was damaged or changed: block %llu of level %u is not what "
			  "its hash tree says", (unsigned long long)index, level_above);
}

static int hash_block(struct squash_verity *verity, unsigned level, uint64_t index,
		      const uint8_t **out, struct err *err)
{
	_Atomic(uint8_t *) *place = &verity->kept[level][index];
	uint8_t *there = atomic_load(place);
	if (there) {
		*out = there;
		return 0;
	}
	AUTO_FREE uint8_t *block = malloc(VERITY_BLOCK);
	if (!block)
		return err_set(err, ENOMEM, "no memory to check the image");
	int rc = read_blocks(verity->fd, block, VERITY_BLOCK,
			     verity->shape.level_at[level] + index * VERITY_BLOCK, err);
	if (rc == 0)
		rc = check(verity, level + 1, index, block, err);  /* at most VERITY_LEVELS_MAX deep */
	if (rc < 0)
		return rc;
	/* Another thread may have been quicker: then its block stays, which is the same. */
	if (atomic_compare_exchange_strong(place, &there, block))
		there = take_ptr(&block);
	*out = there;
	return 0;
}

int squash_verity_read(struct squash_verity *verity, uint64_t at, void *bytes, size_t len,
		       struct err *err)
{
	uint64_t end = verity->shape.data_blocks * VERITY_BLOCK;
	if (at > end || len > end - at)
		return err_set(err, EIO, "broken image: a pointer leads out of it");
	AUTO_FREE char *piece = malloc(PIECE);
	if (!piece)
		return err_set(err, ENOMEM, "no memory to check the image");
	for (char *to = bytes; len > 0;) {
		uint64_t from = at & ~(uint64_t)(VERITY_BLOCK - 1);
		size_t head = (size_t)(at - from), size = PIECE;
		if (head + len < size)
			size = (head + len + VERITY_BLOCK - 1) & ~(size_t)(VERITY_BLOCK - 1);
		int rc = read_blocks(verity->fd, piece, size, from, err);
		for (size_t i = 0; rc == 0 && i < size; i += VERITY_BLOCK)
			rc = check(verity, 0, (from + i) / VERITY_BLOCK, piece + i, err);
		if (rc < 0)
			return rc;
		size_t part = size - head < len ? size - head : len;
		memcpy(to, piece + head, part);
		to += part;
		at += part;
		len -= part;
	}
	return 0;
}
