/*
 * squash_file.c - contents of regular files (squash_disk.h).
 *
 * Contents are blocks of block_size, one behind the other from inode->start; their packed sizes
 * stand behind the inode.  The tail of a file may lie in a fragment, a block that it shares with
 * other files' tails.
 *
 * Where block N lies is the sum of the sizes before it.  So that reading a large file is not
 * quadratic, sums are remembered every STEP blocks, in a small table that all threads share: a
 * cache, in which a newer entry takes the place of another.
 */
#include <endian.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "squash/squash_disk_private.h"

enum { STEP = 1024, STEPS = 512 };

struct step {
	struct disk_place file;   /* inode->place: names the file */
	uint64_t index, at;       /* block `index` lies at `at`, */
	struct disk_place place;  /* and its size here */
};

struct disk_steps {
	pthread_mutex_t lock;
	struct step table[STEPS];
};

int disk_steps_new(struct disk_steps **out, struct err *err)
{
	struct disk_steps *steps = calloc(1, sizeof *steps);
	if (steps == NULL)
		return err_set(err, ENOMEM, "no memory to read the image");
	pthread_mutex_init(&steps->lock, NULL);
	*out = steps;
	return 0;
}

void disk_steps_free(struct disk_steps **where)
{
	struct disk_steps *steps = take_ptr(where);
	if (steps == NULL)
		return;
	pthread_mutex_destroy(&steps->lock);
	free(steps);
}

static struct step *step_slot(struct disk_steps *steps, const struct disk_place *file,
			      uint64_t index)
{
	uint64_t key = file->block * 31 + file->offset + index / STEP;
	return &steps->table[(key * 0x9e3779b97f4a7c15u) >> 32 & (STEPS - 1)];
}

static void step_put(struct disk_steps *steps, const struct step *step)
{
	pthread_mutex_lock(&steps->lock);
	*step_slot(steps, &step->file, step->index) = *step;
	pthread_mutex_unlock(&steps->lock);
}

/* The nearest one that is known, at or before `index`; else the file's start. */
static struct step step_get(struct disk_steps *steps, const struct disk_inode *inode,
			    uint64_t index)
{
	enum { PROBES = 64 };
	struct step found = {inode->place, 0, inode->start, inode->place};
	uint64_t at = index - index % STEP;
	pthread_mutex_lock(&steps->lock);
	for (int i = 0; i < PROBES && at > 0; i++, at -= STEP) {
		const struct step *step = step_slot(steps, &inode->place, at);
		if (step->index == at && step->file.block == inode->place.block &&
		    step->file.offset == inode->place.offset) {
			found = *step;
			break;
		}
	}
	pthread_mutex_unlock(&steps->lock);
	return found;
}

/* Where the data block `index` lies, and its size with its flag. */
static int block_find(struct disk_reader *reader, const struct disk_inode *inode, uint64_t index,
		      uint64_t *at, uint32_t *header, struct err *err)
{
	enum { SIZES = 256 };
	uint32_t sizes[SIZES];
	struct step step = {inode->place, 0, inode->start, inode->place};
	if (index >= STEP)
		step = step_get(reader->disk->steps, inode, index);
	for (;;) {
		uint64_t left = index + 1 - step.index;
		size_t count = left < SIZES ? (size_t)left : SIZES;
		int rc = disk_meta_read(reader, &step.place, sizes, count * sizeof *sizes, err);
		if (rc < 0)
			return rc;
		bool last = count == left;
		for (size_t i = 0; i < count - last; i++)
			step.at += le32toh(sizes[i]) & DISK_DATA_SIZE_MASK;
		step.index += count;
		if (last) {
			*at = step.at;
			*header = le32toh(sizes[count - 1]);
			return 0;
		}
		if (step.index % STEP == 0)
			step_put(reader->disk->steps, &step);
	}
}

/* The block that has the file's block `index`, held; *skip is where that begins in it.  *block is NULL
 * for a hole. */
static int block_get(struct disk_reader *reader, const struct disk_inode *inode, uint64_t index,
		     struct squash_cache **cache, struct squash_block **block, size_t *skip,
		     struct err *err)
{
	struct disk *disk = reader->disk;
	struct { uint64_t start; uint32_t size, unused; } fragment;
	uint64_t at;
	uint32_t header;
	int rc;
	*block = NULL;
	*skip = 0;
	if (index == inode->size / disk->super.block_size && inode->fragment != DISK_NO_FRAGMENT) {
		if (inode->fragment >= disk->super.fragments || disk->super.fragment_table == UINT64_MAX)
			return disk_broken(err, "a file names a fragment that is not there");
		rc = disk_table_read(reader, disk->super.fragment_table, inode->fragment, &fragment,
				     sizeof fragment, err);
		if (rc < 0)
			return rc;
		*cache = disk->fragments;
		*skip = inode->fragment_offset;
		return disk_data_block(reader, *cache, le64toh(fragment.start), le32toh(fragment.size),
				       block, err);
	}
	*cache = disk->data;
	rc = block_find(reader, inode, index, &at, &header, err);
	if (rc < 0 || header == 0)
		return rc;
	return disk_data_block(reader, *cache, at, header, block, err);
}

/* One piece, inside one block. */
static int piece_read(struct disk_reader *reader, const struct disk_inode *inode, uint64_t offset,
		      void *bytes, size_t len, struct err *err)
{
	struct squash_cache *cache;
	struct squash_block *block;
	uint32_t size = reader->disk->super.block_size;
	size_t skip;
	int rc = block_get(reader, inode, offset / size, &cache, &block, &skip, err);
	if (rc < 0)
		return rc;
	if (block == NULL) {
		memset(bytes, 0, len);
		return 0;
	}
	skip += offset % size;
	if (skip > block->len || len > block->len - skip)
		rc = disk_broken(err, "a block is shorter than what a file has in it");
	else
		memcpy(bytes, block->bytes + skip, len);
	squash_cache_release(cache, &block);
	return rc;
}

ssize_t disk_file_read(struct disk_reader *reader, const struct disk_inode *inode,
		       uint64_t offset, void *bytes, size_t len, struct err *err)
{
	uint32_t size = reader->disk->super.block_size;
	if (!S_ISREG(inode->mode))
		return err_set(err, EINVAL, "not a regular file");
	if (offset >= inode->size)
		return 0;
	if (len > inode->size - offset)
		len = (size_t)(inode->size - offset);
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	for (size_t done = 0; done < len;) {
		size_t piece = size - (offset + done) % size;
		if (piece > len - done)
			piece = len - done;
		int rc = piece_read(reader, inode, offset + done, (char *)bytes + done, piece, err);
		if (rc < 0)
			return rc;
		done += piece;
	}
	return (ssize_t)len;
}

int disk_file_load(struct disk_reader *reader, const struct disk_inode *inode, uint64_t offset,
		   struct err *err)
{
	struct squash_cache *cache;
	struct squash_block *block;
	size_t skip;
	if (!S_ISREG(inode->mode))
		return err_set(err, EINVAL, "not a regular file");
	if (offset >= inode->size)
		return 0;
	int rc = block_get(reader, inode, offset / reader->disk->super.block_size, &cache, &block,
			   &skip, err);
	if (rc == 0)
		squash_cache_release(cache, &block);
	return rc;
}
