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

/* Where a part of a file lies: in a block `at`, from `skip` on; header 0 is a hole. */
struct part {
	struct squash_cache *cache;
	uint64_t at;
	uint32_t header;
	size_t skip;
};

static int fragment_find(struct disk_reader *reader, const struct disk_inode *inode,
			 struct part *part, struct err *err)
{
	struct disk *disk = reader->disk;
	struct { uint64_t start; uint32_t size, unused; } fragment;
	if (inode->fragment >= disk->super.fragments || disk->super.fragment_table == UINT64_MAX)
		return disk_broken(err, "a file names a fragment that is not there");
	int rc = disk_table_read(reader, disk->super.fragment_table, inode->fragment, &fragment,
				 sizeof fragment, err);
	if (rc < 0)
		return rc;
	*part = (struct part){disk->fragments, le64toh(fragment.start), le32toh(fragment.size),
			      inode->fragment_offset};
	return part->header == 0 ? disk_broken(err, "an empty fragment") : 0;
}

static int part_find(struct disk_reader *reader, const struct disk_inode *inode, uint64_t offset,
		     struct part *part, struct err *err)
{
	uint32_t size = reader->disk->super.block_size;
	uint64_t index = offset / size;
	int rc;
	if (index == inode->size / size && inode->fragment != DISK_NO_FRAGMENT) {
		rc = fragment_find(reader, inode, part, err);
	} else {
		*part = (struct part){.cache = reader->disk->data};
		rc = block_find(reader, inode, index, &part->at, &part->header, err);
	}
	part->skip += offset % size;
	return rc;
}

/* One piece, inside one block. */
static int piece_read(struct disk_reader *reader, const struct disk_inode *inode, uint64_t offset,
		      void *bytes, size_t len, struct err *err)
{
	struct squash_block *block;
	struct part part;
	int rc = part_find(reader, inode, offset, &part, err);
	if (rc < 0)
		return rc;
	if (part.header == 0) {
		memset(bytes, 0, len);
		return 0;
	}
	/* All of a block of this file: whoever asked keeps it, so we need not. */
	bool whole = part.cache == reader->disk->data && part.skip == 0 &&
		     (len == reader->disk->super.block_size || offset + len == inode->size);
	if (whole && !squash_cache_has(part.cache, part.at))
		return disk_data_direct(reader, part.at, part.header, bytes, len, err);
	rc = disk_data_block(reader, part.cache, part.at, part.header, &block, err);
	if (rc < 0)
		return rc;
	if (part.skip > block->len || len > block->len - part.skip)
		rc = disk_broken(err, "a block is shorter than what a file has in it");
	else
		memcpy(bytes, block->bytes + part.skip, len);
	squash_cache_release(part.cache, &block);
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
	struct squash_block *block;
	struct part part;
	if (!S_ISREG(inode->mode))
		return err_set(err, EINVAL, "not a regular file");
	if (offset >= inode->size)
		return 0;
	int rc = part_find(reader, inode, offset, &part, err);
	if (rc == 0 && part.header != 0)
		rc = disk_data_block(reader, part.cache, part.at, part.header, &block, err);
	if (rc == 0 && part.header != 0)
		squash_cache_release(part.cache, &block);
	return rc;
}
