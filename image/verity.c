/*
 * verity.c - making and checking hash trees (verity.h).
 *
 * Flow: data blocks are hashed in their order; each full block of hashes is written to its level
 * and hashed into the level above, so one block a level is all that is kept.  Checking goes the
 * same way and compares instead of writing.
 */
#include "image/verity.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_read.h"

enum { READ = 1 << 20 };

/* cryptsetup's lib/verity/verity.c: struct verity_sb; one hash block is set aside for it. */
struct superblock {
	uint8_t signature[8];
	uint32_t version, hash_type;
	uint8_t uuid[16], algorithm[32];
	uint32_t data_block_size, hash_block_size;
	uint64_t data_blocks;
	uint16_t salt_size;
	uint8_t padding[6], salt[256], padding2[168];
};
_Static_assert(sizeof(struct superblock) == 512, "as cryptsetup's");

struct layer_tree_run {
	int fd;
	bool compare;
	struct verity_shape shape;
	EVP_MD_CTX *context;
	uint8_t (*block)[VERITY_BLOCK];          /* the one being filled, a level */
	size_t filled[VERITY_LEVELS_MAX];
	uint64_t written[VERITY_LEVELS_MAX];     /* blocks */
	uint8_t root[VERITY_HASH];
};

int verity_hash(const void *bytes, size_t len, uint8_t hash[VERITY_HASH], struct err *err)
{
	unsigned size = VERITY_HASH;
	if (!EVP_Digest(bytes, len, hash, &size, EVP_sha256(), NULL))
		return err_set(err, EIO, "OpenSSL cannot make a digest");
	return 0;
}

static int read_all(int fd, void *bytes, size_t len, uint64_t at, struct err *err)
{
	ssize_t got = file_read_at(fd, bytes, len, at);
	if (got >= 0 && (size_t)got == len)
		return 0;
	return err_errno(err, got < 0 ? (int)-got : EIO, "read the image");
}

static int write_all(int fd, const void *bytes, size_t len, uint64_t at, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t put = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return err_errno(err, put < 0 ? errno : EIO, "write the hash tree");
		done += (size_t)put;
	}
	return 0;
}

static int add_hash(struct layer_tree_run *run, unsigned level, const uint8_t *hash, struct err *err);

static int hash_block(struct layer_tree_run *run, const void *block, unsigned into, struct err *err)
{
	uint8_t hash[VERITY_HASH];
	if (!EVP_DigestInit_ex(run->context, NULL, NULL) ||
	    !EVP_DigestUpdate(run->context, block, VERITY_BLOCK) ||
	    !EVP_DigestFinal_ex(run->context, hash, NULL))
		return err_set(err, EIO, "OpenSSL cannot make a digest");
	return add_hash(run, into, hash, err);
}

/* A block of hashes is full, or the last of its level. */
static int end_block(struct layer_tree_run *run, unsigned level, struct err *err)
{
	uint8_t *block = run->block[level], there[VERITY_BLOCK];
	uint64_t at = run->shape.level_at[level] + run->written[level] * VERITY_BLOCK;
	memset(block + run->filled[level], 0, VERITY_BLOCK - run->filled[level]);
	int rc = run->compare ? read_all(run->fd, there, sizeof there, at, err)
			      : write_all(run->fd, block, VERITY_BLOCK, at, err);
	if (rc == 0 && run->compare && memcmp(block, there, sizeof there) != 0)
		rc = err_set(err, EIO, "the image differs from its hash tree, within block %llu of level %u: it "
			     "was damaged or changed", (unsigned long long)run->written[level], level);
	run->written[level]++;
	run->filled[level] = 0;
	return rc < 0 ? rc : hash_block(run, block, level + 1, err);
}

static int add_hash(struct layer_tree_run *run, unsigned level, const uint8_t *hash, struct err *err)
{
	if (level == run->shape.levels) {
		memcpy(run->root, hash, VERITY_HASH);
		return 0;
	}
	memcpy(run->block[level] + run->filled[level], hash, VERITY_HASH);
	run->filled[level] += VERITY_HASH;
	return run->filled[level] == VERITY_BLOCK ? end_block(run, level, err) : 0;
}

static int run_data(struct layer_tree_run *run, char *bytes, struct err *err)
{
	uint64_t size = run->shape.data_blocks * VERITY_BLOCK;
	int rc = 0;
	for (uint64_t at = 0; rc == 0 && at < size;) {
		size_t part = size - at < READ ? (size_t)(size - at) : READ;
		rc = read_all(run->fd, bytes, part, at, err);
		for (size_t i = 0; rc == 0 && i < part; i += VERITY_BLOCK)
			rc = hash_block(run, bytes + i, 0, err);
		at += part;
	}
	for (unsigned level = 0; rc == 0 && level < run->shape.levels; level++)
		if (run->filled[level])
			rc = end_block(run, level, err);
	return rc;
}

static int run_tree(struct layer_tree_run *run, struct err *err)
{
	AUTO_FREE char *bytes = malloc(READ);
	AUTO_FREE void *blocks = calloc(VERITY_LEVELS_MAX, VERITY_BLOCK);
	run->block = blocks;
	run->context = EVP_MD_CTX_new();
	int rc = 0;
	if (!bytes || !blocks || !run->context || !EVP_DigestInit_ex(run->context, EVP_sha256(), NULL))
		rc = err_set(err, ENOMEM, "no memory for a hash tree");
	if (rc == 0)
		rc = run_data(run, bytes, err);
	EVP_MD_CTX_free(run->context);
	return rc;
}

static struct superblock superblock_of(const struct verity_shape *shape)
{
	return (struct superblock){
		.signature = "verity\0",
		.version = htole32(1),
		.hash_type = htole32(1),
		.algorithm = "sha256",
		.data_block_size = htole32(VERITY_BLOCK),
		.hash_block_size = htole32(VERITY_BLOCK),
		.data_blocks = htole64(shape->data_blocks),
	};
}

int verity_write(int fd, uint64_t data_size, uint64_t hash_at, uint8_t root[VERITY_HASH],
		 uint64_t *end, struct err *err)
{
	struct layer_tree_run run = {.fd = fd};
	uint8_t block[VERITY_BLOCK] = {0};
	int rc = verity_shape_of(data_size, hash_at, &run.shape, err);
	if (rc < 0)
		return rc;
	struct superblock superblock = superblock_of(&run.shape);
	memcpy(block, &superblock, sizeof superblock);
	rc = write_all(fd, block, sizeof block, hash_at, err);
	if (rc == 0)
		rc = run_tree(&run, err);
	memcpy(root, run.root, VERITY_HASH);
	*end = run.shape.end;
	return rc;
}

int verity_check(int fd, uint64_t data_size, uint64_t hash_at, const uint8_t root[VERITY_HASH],
		 struct err *err)
{
	struct layer_tree_run run = {.fd = fd, .compare = true};
	struct superblock there;
	int rc = verity_shape_of(data_size, hash_at, &run.shape, err);
	if (rc == 0)
		rc = read_all(fd, &there, sizeof there, hash_at, err);
	if (rc < 0)
		return rc;
	struct superblock wanted = superblock_of(&run.shape);
	memcpy(wanted.uuid, there.uuid, sizeof wanted.uuid);
	if (memcmp(&wanted, &there, sizeof there) != 0)
		return err_set(err, EIO, "the hash tree of the image has another header than it should");
	rc = run_tree(&run, err);
	if (rc == 0 && memcmp(run.root, root, VERITY_HASH) != 0)
		rc = err_set(err, EIO, "the image has another root hash than it should: it was damaged or changed");
	return rc;
}
