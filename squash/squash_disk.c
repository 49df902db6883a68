/*
 * squash_disk.c - squashfs on disk (squash_disk.h).
 *
 * Flow: places in the image in, structures out.  Everything but file contents is
 * kept in chains of metadata blocks of 8 KiB, each with a 16 bit header (size, and
 * whether it is packed); a "place" is a block and an offset in it, and a structure
 * may cross into the next block.  File contents are blocks of block_size, whose
 * sizes stand behind the inode; the tail of a file may lie in a fragment, a block
 * that it shares with other files' tails.
 *
 * Invariants: reads of the file go through image_bytes(), which keeps inside
 * bytes_used; copies go out of a cached block and are checked against its length;
 * a chain always moves forward, so every loop ends.
 *
 * Why not libsquashfuse, which serves the mount: it trusts fragment offsets and
 * metadata cursors (reads behind its buffers on a broken image), and its caches of
 * eight blocks are small for a walk through the whole tree.
 */
#include "squash/squash_disk.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INODE_EXTENDED = 7 };  /* types 8 to 14 are 1 to 7 with more fields */
enum { TYPE_DIRECTORY = 1, TYPE_REGULAR, TYPE_LINK, TYPE_BLOCK, TYPE_CHAR, TYPE_FIFO, TYPE_SOCKET };

static const mode_t type_modes[] = {
	[TYPE_DIRECTORY] = S_IFDIR, [TYPE_REGULAR] = S_IFREG, [TYPE_LINK] = S_IFLNK,
	[TYPE_BLOCK] = S_IFBLK,     [TYPE_CHAR] = S_IFCHR,    [TYPE_FIFO] = S_IFIFO,
	[TYPE_SOCKET] = S_IFSOCK,
};

#define META_RAW 0x8000u
#define DATA_RAW (1u << 24)
#define DATA_SIZE_MASK (DATA_RAW - 1)
#define FRAGMENTS_PER_BLOCK (DISK_META_SIZE / 16)

static int broken(struct err *err, const char *what)
{
	return err_set(err, EIO, "broken image: %s; copy or build it again", what);
}

/* Exactly `len` bytes at `at`. */
static int image_bytes(struct disk *disk, uint64_t at, void *bytes, size_t len, struct err *err)
{
	if (at > disk->super.bytes_used || len > disk->super.bytes_used - at)
		return broken(err, "a pointer leads out of it");
	for (size_t done = 0; done < len;) {
		ssize_t got = pread(disk->fd, (char *)bytes + done, len - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read the image");
		if (got == 0)
			return broken(err, "it became shorter");
		done += (size_t)got;
	}
	return 0;
}

int disk_open(struct disk *disk, int fd, struct err *err)
{
	struct stat st;
	char head[SQUASH_SUPER_SIZE];
	*disk = (struct disk){.fd = fd};
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "fstat the image");
	ssize_t len = pread(fd, head, sizeof head, 0);
	if (len < 0)
		return err_errno(err, errno, "read the image");
	int rc = squash_super_parse(head, (size_t)len, (uint64_t)st.st_size, &disk->super, err);
	if (rc < 0)
		return rc;
	disk->packed = malloc(disk->super.block_size > DISK_META_SIZE ? disk->super.block_size
								      : DISK_META_SIZE);
	if (!disk->packed)
		return err_set(err, ENOMEM, "no memory for a block of the image");
	return squash_unpack_init(&disk->unpack, disk->super.compressor, err);
}

void disk_close(struct disk *disk)
{
	for (size_t i = 0; i < DISK_META_CACHED; i++)
		free(disk->meta[i].bytes);
	for (size_t i = 0; i < DISK_DATA_CACHED; i++)
		free(disk->data[i].bytes);
	free(disk->packed);
	squash_unpack_free(&disk->unpack);
	*disk = (struct disk){.fd = -1};
}

/* The cached block at `at`, or the slot to be filled: `at` is 0 in that. */
static struct disk_block *cache_slot(struct disk *disk, struct disk_block *slots, size_t count,
				     size_t room, uint64_t at, struct err *err)
{
	struct disk_block *oldest = slots;
	for (size_t i = 0; i < count; i++) {
		if (slots[i].at == at) {
			slots[i].used = ++disk->tick;
			return &slots[i];
		}
		if (slots[i].used < oldest->used)
			oldest = &slots[i];
	}
	if (!oldest->bytes && !(oldest->bytes = malloc(room))) {
		err_set(err, ENOMEM, "no memory for a block of the image");
		return NULL;
	}
	oldest->at = 0;
	oldest->used = ++disk->tick;
	return oldest;
}

/* Fills block->bytes from `len` bytes at `at`, packed or not. */
static int block_fill(struct disk *disk, uint64_t at, size_t len, bool raw, size_t room,
		      struct disk_block *block, struct err *err)
{
	if (len == 0 || len > room)
		return broken(err, "a block has an impossible size");
	int rc = image_bytes(disk, at, raw ? block->bytes : disk->packed, len, err);
	if (rc < 0)
		return rc;
	block->len = len;
	if (raw)
		return 0;
	return squash_unpack_block(&disk->unpack, disk->packed, len, block->bytes, room, &block->len,
				   err);
}

static int meta_block(struct disk *disk, uint64_t at, struct disk_block **out, struct err *err)
{
	struct disk_block *block =
		cache_slot(disk, disk->meta, DISK_META_CACHED, DISK_META_SIZE, at, err);
	if (!block)
		return -ENOMEM;
	*out = block;
	if (block->at == at && at != 0)
		return 0;
	if (at < SQUASH_SUPER_SIZE)
		return broken(err, "a metadata block lies in the superblock");

	uint16_t header;
	int rc = image_bytes(disk, at, &header, sizeof header, err);
	if (rc < 0)
		return rc;
	header = le16toh(header);
	size_t len = header & ~META_RAW;
	rc = block_fill(disk, at + 2, len, header & META_RAW, DISK_META_SIZE, block, err);
	if (rc < 0)
		return rc;
	if (block->len == 0)
		return broken(err, "an empty metadata block");
	block->next = at + 2 + len;
	block->at = at;
	return 0;
}

/* `len` bytes at *place, which moves behind them. */
static int meta_read(struct disk *disk, struct disk_place *place, void *bytes, size_t len,
		     struct err *err)
{
	for (size_t done = 0; done < len;) {
		struct disk_block *block;
		int rc = meta_block(disk, place->block, &block, err);
		if (rc < 0)
			return rc;
		if (place->offset > block->len)
			return broken(err, "an offset behind its metadata block");
		size_t take = block->len - place->offset;
		if (take > len - done)
			take = len - done;
		memcpy((char *)bytes + done, block->bytes + place->offset, take);
		done += take;
		place->offset += (uint32_t)take;
		if (place->offset == block->len)
			*place = (struct disk_place){.block = block->next};
	}
	return 0;
}

struct inode_base {
	uint16_t type, mode, uid, gid;
	uint32_t mtime, number;
} __attribute__((packed));

struct inode_dir {
	uint32_t block, links;
	uint16_t size, offset;
	uint32_t parent;
} __attribute__((packed));

struct inode_dir_extended {
	uint32_t links, size, block, parent;
	uint16_t indexes, offset;
	uint32_t xattr;
} __attribute__((packed));

struct inode_file {
	uint32_t start, fragment, offset, size;
} __attribute__((packed));

struct inode_file_extended {
	uint64_t start, size, sparse;
	uint32_t links, fragment, offset, xattr;
} __attribute__((packed));

struct inode_link {
	uint32_t links, size;
} __attribute__((packed));

static int inode_directory(struct disk *disk, bool extended, struct disk_place *at,
			   struct disk_inode *inode, struct err *err)
{
	struct inode_dir small = {0};
	struct inode_dir_extended large = {0};
	int rc = extended ? meta_read(disk, at, &large, sizeof large, err)
			  : meta_read(disk, at, &small, sizeof small, err);
	if (rc < 0)
		return rc;
	inode->size = extended ? le32toh(large.size) : le16toh(small.size);
	inode->place.block = disk->super.directory_table + le32toh(extended ? large.block : small.block);
	inode->place.offset = le16toh(extended ? large.offset : small.offset);
	return 0;
}

static int inode_regular(struct disk *disk, bool extended, struct disk_place *at,
			 struct disk_inode *inode, struct err *err)
{
	struct inode_file small = {0};
	struct inode_file_extended large = {0};
	int rc = extended ? meta_read(disk, at, &large, sizeof large, err)
			  : meta_read(disk, at, &small, sizeof small, err);
	if (rc < 0)
		return rc;
	inode->size = extended ? le64toh(large.size) : le32toh(small.size);
	inode->start = extended ? le64toh(large.start) : le32toh(small.start);
	inode->fragment = le32toh(extended ? large.fragment : small.fragment);
	inode->fragment_offset = le32toh(extended ? large.offset : small.offset);
	inode->place = *at;
	if (inode->size > INT64_MAX)
		return broken(err, "a file has an impossible size");
	return 0;
}

static int inode_symlink(struct disk *disk, struct disk_place *at, struct disk_inode *inode,
			 struct err *err)
{
	struct inode_link link;
	int rc = meta_read(disk, at, &link, sizeof link, err);
	if (rc < 0)
		return rc;
	inode->size = le32toh(link.size);
	inode->place = *at;
	return 0;
}

int disk_inode_get(struct disk *disk, uint64_t where, struct disk_inode *inode, struct err *err)
{
	struct disk_place at = {
		.block = disk->super.inode_table + (where >> 16),
		.offset = where & 0xffff,
	};
	struct inode_base base;
	if (at.block < disk->super.inode_table || at.block >= disk->super.directory_table)
		return broken(err, "an inode lies outside the inode table");
	int rc = meta_read(disk, &at, &base, sizeof base, err);
	if (rc < 0)
		return rc;
	unsigned type = le16toh(base.type);
	bool extended = type > INODE_EXTENDED;
	if (extended)
		type -= INODE_EXTENDED;
	if (type < TYPE_DIRECTORY || type > TYPE_SOCKET)
		return broken(err, "an inode of unknown type");
	*inode = (struct disk_inode){
		.mode = type_modes[type] | (le16toh(base.mode) & 07777),
		.number = le32toh(base.number),
		.fragment = DISK_NO_FRAGMENT,
	};
	switch (type) {
	case TYPE_DIRECTORY: return inode_directory(disk, extended, &at, inode, err);
	case TYPE_REGULAR:   return inode_regular(disk, extended, &at, inode, err);
	case TYPE_LINK:      return inode_symlink(disk, &at, inode, err);
	default:             return 0;
	}
}

int disk_dir_open(const struct disk_inode *inode, struct disk_dir *dir, struct err *err)
{
	if (!S_ISDIR(inode->mode))
		return err_set(err, ENOTDIR, "not a directory");
	/* The size counts three bytes for "." and "..", which are not stored. */
	*dir = (struct disk_dir){
		.place = inode->place,
		.left = inode->size > 3 ? inode->size - 3 : 0,
	};
	return 0;
}

static int dir_take(struct disk *disk, struct disk_dir *dir, void *bytes, size_t len,
		    struct err *err)
{
	if (len > dir->left)
		return broken(err, "a directory ends in the middle of an entry");
	dir->left -= len;
	return meta_read(disk, &dir->place, bytes, len, err);
}

int disk_dir_next(struct disk *disk, struct disk_dir *dir, struct disk_entry *entry,
		  struct err *err)
{
	struct { uint32_t count, block, number; } header;
	struct { uint16_t offset, number, type, name_len; } head;
	int rc;
	if (dir->left == 0)
		return 0;
	if (dir->run == 0) {
		if ((rc = dir_take(disk, dir, &header, sizeof header, err)) < 0)
			return rc;
		if (le32toh(header.count) >= 256)
			return broken(err, "a directory header with more than 256 entries");
		dir->run = le32toh(header.count) + 1;
		dir->block = le32toh(header.block);
	}
	if ((rc = dir_take(disk, dir, &head, sizeof head, err)) < 0)
		return rc;
	size_t len = (size_t)le16toh(head.name_len) + 1;
	if (len > DISK_NAME_MAX)
		return broken(err, "a file name longer than 256 bytes");
	if ((rc = dir_take(disk, dir, entry->name, len, err)) < 0)
		return rc;
	entry->name[len] = '\0';
	if (memchr(entry->name, '\0', len) || memchr(entry->name, '/', len) ||
	    !strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
		return broken(err, "a file name that cannot be one");
	entry->inode = (uint64_t)dir->block << 16 | le16toh(head.offset);
	dir->run--;
	return 1;
}

int disk_link_read(struct disk *disk, const struct disk_inode *inode, char *text, struct err *err)
{
	struct disk_place at = inode->place;
	text[inode->size] = '\0';
	int rc = meta_read(disk, &at, text, inode->size, err);
	if (rc < 0)
		return rc;
	if (strlen(text) != inode->size)
		return broken(err, "a symbolic link with a NUL byte");
	return 0;
}

/* The unpacked data block at `at`; `header` is its size and whether it is packed. */
static int data_block(struct disk *disk, uint64_t at, uint32_t header, struct disk_block **out,
		      struct err *err)
{
	size_t room = disk->super.block_size;
	struct disk_block *block = cache_slot(disk, disk->data, DISK_DATA_CACHED, room, at, err);
	if (!block)
		return -ENOMEM;
	*out = block;
	if (block->at == at && at != 0)
		return 0;
	if (at < SQUASH_SUPER_SIZE || header & ~(DATA_SIZE_MASK | DATA_RAW))
		return broken(err, "a data block at an impossible place");
	int rc = block_fill(disk, at, header & DATA_SIZE_MASK, header & DATA_RAW, room, block, err);
	if (rc == 0)
		block->at = at;
	return rc;
}

/* Where the metadata block `index` of the fragment table is. */
static int fragment_block(struct disk *disk, uint32_t index, uint64_t *block, struct err *err)
{
	uint64_t chain, at = disk->super.fragment_table + (uint64_t)index * sizeof chain;
	if (disk->fragment_chain == 0 || disk->fragment_chain_index != index) {
		int rc = image_bytes(disk, at, &chain, sizeof chain, err);
		if (rc < 0)
			return rc;
		disk->fragment_chain = le64toh(chain);
		disk->fragment_chain_index = index;
	}
	*block = disk->fragment_chain;
	return 0;
}

/* The tail of a file: `len` bytes at `skip` of its part of the fragment. */
static int fragment_read(struct disk *disk, const struct disk_inode *inode, size_t skip,
			 void *bytes, size_t len, struct err *err)
{
	struct { uint64_t start; uint32_t size, unused; } entry;
	struct disk_place at = {.offset = inode->fragment % FRAGMENTS_PER_BLOCK * sizeof entry};
	struct disk_block *block;
	if (inode->fragment >= disk->super.fragments || disk->super.fragment_table == UINT64_MAX)
		return broken(err, "a file names a fragment that is not there");
	int rc = fragment_block(disk, inode->fragment / FRAGMENTS_PER_BLOCK, &at.block, err);
	if (rc < 0 || (rc = meta_read(disk, &at, &entry, sizeof entry, err)) < 0 ||
	    (rc = data_block(disk, le64toh(entry.start), le32toh(entry.size), &block, err)) < 0)
		return rc;
	uint64_t from = (uint64_t)inode->fragment_offset + skip;
	if (from > block->len || len > block->len - from)
		return broken(err, "a file lies outside its fragment");
	memcpy(bytes, block->bytes + from, len);
	return 0;
}

/* Where the data block `index` lies, and its header: the sizes of those before it add up. */
static int block_find(struct disk *disk, const struct disk_inode *inode, uint64_t index,
		      uint64_t *at, uint32_t *header, struct err *err)
{
	uint32_t sizes[256];
	struct disk_place place = inode->place;
	*at = inode->start;
	for (uint64_t first = 0; first <= index;) {
		uint64_t left = index + 1 - first;
		size_t count = left < 256 ? (size_t)left : 256;
		int rc = meta_read(disk, &place, sizes, count * sizeof *sizes, err);
		if (rc < 0)
			return rc;
		first += count;
		for (size_t i = 0; i < count; i++) {
			*header = le32toh(sizes[i]);
			if (first < index + 1 || i + 1 < count)
				*at += *header & DATA_SIZE_MASK;
		}
	}
	return 0;
}

/* One piece, inside one block. */
static int piece_read(struct disk *disk, const struct disk_inode *inode, uint64_t offset,
		      void *bytes, size_t len, struct err *err)
{
	uint32_t size = disk->super.block_size;
	uint64_t index = offset / size, whole = inode->size / size;
	size_t skip = offset % size;
	if (index == whole && inode->fragment != DISK_NO_FRAGMENT)
		return fragment_read(disk, inode, skip, bytes, len, err);

	uint64_t at;
	uint32_t header = 0;
	int rc = block_find(disk, inode, index, &at, &header, err);
	if (rc < 0)
		return rc;
	if (header == 0) {  /* a hole */
		memset(bytes, 0, len);
		return 0;
	}
	struct disk_block *block;
	if ((rc = data_block(disk, at, header, &block, err)) < 0)
		return rc;
	if (skip > block->len || len > block->len - skip)
		return broken(err, "a data block is shorter than its file");
	memcpy(bytes, block->bytes + skip, len);
	return 0;
}

ssize_t disk_file_read(struct disk *disk, const struct disk_inode *inode, uint64_t offset,
		       void *bytes, size_t len, struct err *err)
{
	if (!S_ISREG(inode->mode))
		return err_set(err, EINVAL, "not a regular file");
	if (offset >= inode->size)
		return 0;
	if (len > inode->size - offset)
		len = (size_t)(inode->size - offset);
	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	for (size_t done = 0; done < len;) {
		size_t piece = disk->super.block_size - (offset + done) % disk->super.block_size;
		if (piece > len - done)
			piece = len - done;
		int rc = piece_read(disk, inode, offset + done, (char *)bytes + done, piece, err);
		if (rc < 0)
			return rc;
		done += piece;
	}
	return (ssize_t)len;
}
