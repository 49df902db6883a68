/*
 * squash_dir.c - directories (squash_disk.h).
 *
 * A directory is a run of bytes in the directory table: headers, each followed by up to 256 entries
 * whose inodes lie in one metadata block; names are sorted.  A large one has an index behind its
 * inode: for each metadata block of entries the first name in it, so that a look-up reads one block
 * and not all.
 *
 * Invariants: what is read lies inside of the directory's size; a step of the index that does not
 * lead forward and inside is not followed; so every loop ends.
 *
 * Caveat: an image whose names are not sorted loses names (they are not found), as it does with the
 * kernel.
 */
#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#include "squash/squash_disk_private.h"

enum { DOTS = 3 };  /* bytes that a size counts for "." and "..", which are not stored */

int disk_dir_open(const struct disk_inode *inode, struct disk_dir *dir, struct err *err)
{
	if (!S_ISDIR(inode->mode))
		return err_set(err, ENOTDIR, "not a directory");
	*dir = (struct disk_dir){
		.place = inode->place,
		.left = inode->size > DOTS ? inode->size - DOTS : 0,
	};
	return 0;
}

static int dir_take(struct disk_reader *reader, struct disk_dir *dir, void *bytes, size_t len,
		    struct err *err)
{
	if (len > dir->left)
		return disk_broken(err, "a directory ends in the middle of an entry");
	dir->left -= len;
	dir->position += len;
	return disk_meta_read(reader, &dir->place, bytes, len, err);
}

static int dir_header(struct disk_reader *reader, struct disk_dir *dir, struct err *err)
{
	struct { uint32_t count, block, number; } header;
	int rc = dir_take(reader, dir, &header, sizeof header, err);
	if (rc < 0)
		return rc;
	if (le32toh(header.count) >= 256)
		return disk_broken(err, "a directory header with more than 256 entries");
	dir->run = le32toh(header.count) + 1;
	dir->block = le32toh(header.block);
	dir->number = le32toh(header.number);
	return 0;
}

int disk_dir_next(struct disk_reader *reader, struct disk_dir *dir, struct disk_entry *entry,
		  struct err *err)
{
	struct { uint16_t offset; int16_t number; uint16_t type, name_len; } head;
	int rc;
	if (dir->left == 0)
		return 0;
	if (dir->run == 0 && (rc = dir_header(reader, dir, err)) < 0)
		return rc;
	if ((rc = dir_take(reader, dir, &head, sizeof head, err)) < 0)
		return rc;
	size_t len = (size_t)le16toh(head.name_len) + 1;
	if (len > DISK_NAME_MAX)
		return disk_broken(err, "a file name longer than 256 bytes");
	if ((rc = dir_take(reader, dir, entry->name, len, err)) < 0)
		return rc;
	entry->name[len] = '\0';
	if (memchr(entry->name, '\0', len) || memchr(entry->name, '/', len) ||
	    !strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
		return disk_broken(err, "a file name that cannot be one");
	entry->inode = (uint64_t)dir->block << 16 | le16toh(head.offset);
	entry->number = dir->number + (uint32_t)(int16_t)le16toh((uint16_t)head.number);
	entry->type = disk_type_mode(le16toh(head.type));
	dir->run--;
	return 1;
}

/* ---- the index ---- */

struct step {
	uint32_t position;        /* of a header, in bytes from the directory's start */
	uint64_t block;           /* the metadata block that it lies in */
	char name[DISK_NAME_MAX + 1];
};

static int step_read(struct disk_reader *reader, struct disk_place *at, struct step *step,
		     struct err *err)
{
	struct { uint32_t position, block, name_len; } head;
	int rc = disk_meta_read(reader, at, &head, sizeof head, err);
	if (rc < 0)
		return rc;
	uint32_t len = le32toh(head.name_len);
	if (len >= DISK_NAME_MAX)
		return disk_broken(err, "a name in a directory's index is too long");
	step->position = le32toh(head.position);
	step->block = reader->disk->super.directory_table + le32toh(head.block);
	step->name[len + 1] = '\0';
	return disk_meta_read(reader, at, step->name, len + 1, err);
}

/* Opens it at the last step that is not behind the name (or without one, the position). */
static int dir_open_at(struct disk_reader *reader, const struct disk_inode *inode,
		       const char *name, uint64_t position, struct disk_dir *dir, struct err *err)
{
	struct disk_place at = inode->index;
	struct step step;
	int rc = disk_dir_open(inode, dir, err);
	if (rc < 0)
		return rc;
	uint64_t size = dir->left;
	for (unsigned i = 0; i < inode->indexes; i++) {
		if ((rc = step_read(reader, &at, &step, err)) < 0)
			return rc;
		if (name ? strcmp(step.name, name) > 0 : step.position > position)
			break;
		if (step.position < dir->position || step.position > size)
			return disk_broken(err, "a directory's index leads out of it");
		dir->position = step.position;
		dir->left = size - step.position;
		dir->place.block = step.block;
		dir->place.offset = (inode->place.offset + step.position) % DISK_META_SIZE;
	}
	return 0;
}

int disk_dir_seek(struct disk_reader *reader, const struct disk_inode *inode, uint64_t position,
		  struct disk_dir *dir, struct err *err)
{
	struct disk_entry entry;
	int rc = dir_open_at(reader, inode, NULL, position, dir, err);
	while (rc == 0 && dir->position < position) {
		rc = disk_dir_next(reader, dir, &entry, err);
		if (rc == 0)
			return 0;  /* the end */
		rc = rc < 0 ? rc : 0;
	}
	return rc;
}

int disk_dir_find(struct disk_reader *reader, const struct disk_inode *inode, const char *name,
		  struct disk_entry *entry, struct err *err)
{
	struct disk_dir dir;
	int rc = dir_open_at(reader, inode, name, 0, &dir, err);
	if (rc < 0)
		return rc;
	while ((rc = disk_dir_next(reader, &dir, entry, err)) > 0) {
		int order = strcmp(entry->name, name);
		if (order >= 0)
			return order == 0;
	}
	return rc;
}
