/*
 * squash_disk.c - the image file and its blocks (squash_disk.h).
 *
 * Flow: places in the image in, unpacked bytes out.  Everything but file contents is kept in chains
 * of metadata blocks of 8 KiB, each with a 16 bit header (size, and whether it is packed); a
 * "place" is a block and an offset in it, and a structure may cross into the next block.
 *
 * Invariants: reads of the file go through disk_bytes(), which keeps inside bytes_used; copies go
 * out of a cached block and are checked against its length; a chain always moves forward, so
 * every loop ends.
 *
 * A reader keeps the metadata blocks that it used last, held, in a small table of its own: an entry
 * of a directory or an inode costs no lock then.
 */
#include "squash/squash_disk.h"

#include <endian.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_read.h"
#include "common/squash_file.h"
#include "squash/squash_disk_private.h"

#define META_RAW 0x8000u

int disk_broken(struct err *err, const char *what)
{
	return err_set(err, EIO, "broken image: %s; copy or build it again", what);
}

int disk_bytes(struct disk_reader *reader, uint64_t at, void *bytes, size_t len, struct err *err)
{
	const struct disk *disk = reader->disk;
	if (at > disk->super.bytes_used || len > disk->super.bytes_used - at)
		return disk_broken(err, "a pointer leads out of it");
	if (disk->verity)
		return squash_verity_read(disk->verity, at, bytes, len, err);
	ssize_t got = file_read_at(disk->fd, bytes, len, disk->at + at);
	if (got < 0)
		return err_errno(err, (int)-got, "read the image");
	return (size_t)got < len ? disk_broken(err, "it became shorter") : 0;
}

/* ---- open and close ---- */

int disk_use_verity(struct disk *disk, const uint8_t root[VERITY_HASH], struct err *err)
{
	char head[SQUASH_SUPER_SIZE];
	struct squash_super super;
	struct squash_verity *verity = NULL;
	if (disk->at > 0)
		return err_set(err, ENOTSUP, "an image that is a part of another file has no hash tree");
	int rc = squash_verity_new(disk->fd, disk->super.bytes_used, root, &verity, err);
	if (rc == 0)
		rc = squash_verity_read(verity, 0, head, sizeof head, err);
	if (rc == 0)
		rc = squash_super_parse(head, sizeof head, disk->super.bytes_used, &super, err);
	/* Caches and decompressors were made for the one that was read without a check. */
	if (rc == 0 && (super.block_size != disk->super.block_size || super.compressor != disk->super.compressor))
		rc = disk_broken(err, "its superblock was changed");
	if (rc < 0) {
		squash_verity_free(&verity);
		return rc;
	}
	disk->super = super;
	disk->verity = verity;
	return 0;
}

int disk_open(struct disk *disk, int fd, const struct disk_limits *limits, struct err *err)
{
	struct squash_part part;
	*disk = (struct disk){.fd = fd};
	int rc = squash_file_look(fd, &part, &disk->super, err);
	disk->at = part.at;
	if (rc == 0)
		rc = squash_cache_new(DISK_META_SIZE, limits->meta, &disk->meta, err);
	if (rc == 0)
		rc = squash_cache_new(disk->super.block_size, limits->data, &disk->data, err);
	if (rc == 0)
		rc = squash_cache_new(disk->super.block_size, limits->fragments, &disk->fragments, err);
	if (rc == 0)
		rc = disk_steps_new(&disk->steps, err);
	if (rc < 0)
		disk_close(disk);
	return rc;
}

void disk_close(struct disk *disk)
{
	squash_verity_free(&disk->verity);
	squash_cache_free(&disk->meta);
	squash_cache_free(&disk->data);
	squash_cache_free(&disk->fragments);
	disk_steps_free(&disk->steps);
	free(disk->ids);
	*disk = (struct disk){.fd = -1};
}

int disk_reader_init(struct disk_reader *reader, struct disk *disk, struct err *err)
{
	size_t size = disk->super.block_size > DISK_META_SIZE ? disk->super.block_size : DISK_META_SIZE;
	*reader = (struct disk_reader){.disk = disk, .packed = malloc(size)};
	if (reader->packed == NULL)
		return err_set(err, ENOMEM, "no memory for a block of the image");
	int rc = squash_unpack_init(&reader->unpack, disk->super.compressor, err);
	if (rc < 0)
		disk_reader_free(reader);
	return rc;
}

void disk_reader_free(struct disk_reader *reader)
{
	for (size_t i = 0; i < DISK_HELD; i++)
		squash_cache_release(reader->disk->meta, &reader->held[i]);
	squash_unpack_free(&reader->unpack);
	free(reader->packed);
	*reader = (struct disk_reader){0};
}

/* ---- blocks ---- */

static int need(struct disk_reader *reader, uint64_t at, uint64_t len)
{
	return reader->need ? reader->need(reader->need_context, at, len) : 0;
}

/* Unpacks `len` bytes at `at`, packed or not, into bytes[room]; *made says how many came out. */
static int unpack_at(struct disk_reader *reader, uint64_t at, size_t len, bool raw, void *bytes,
		     size_t room, size_t *made, struct err *err)
{
	/* What is packed may be larger than what comes out, if that is the last of a file. */
	if (len == 0 || len > (raw ? room : reader->disk->super.block_size > DISK_META_SIZE
						   ? reader->disk->super.block_size : DISK_META_SIZE))
		return disk_broken(err, "a block has an impossible size");
	int rc = disk_bytes(reader, at, raw ? bytes : reader->packed, len, err);
	if (rc < 0)
		return rc;
	*made = len;
	return raw ? 0 : squash_unpack_block(&reader->unpack, reader->packed, len, bytes, room, made, err);
}

static int meta_fill(void *context, struct squash_block *block, size_t room, struct err *err)
{
	struct disk_reader *reader = context;
	uint16_t header;
	int rc = disk_bytes(reader, block->at, &header, sizeof header, err);
	if (rc < 0)
		return rc;
	header = le16toh(header);
	size_t len = header & ~META_RAW;
	rc = unpack_at(reader, block->at + 2, len, header & META_RAW, block->bytes, room, &block->len, err);
	if (rc < 0)
		return rc;
	block->next = block->at + 2 + len;
	return block->len == 0 ? disk_broken(err, "an empty metadata block") : 0;
}

/* The metadata block at `at`; valid until the reader's next one. */
static int meta_block(struct disk_reader *reader, uint64_t at, const struct squash_block **out,
		      struct err *err)
{
	struct squash_block **held = &reader->held[(at * 0x9e3779b97f4a7c15u) >> 32 & (DISK_HELD - 1)];
	if (*held == NULL || (*held)->at != at) {
		if (at < SQUASH_SUPER_SIZE)
			return disk_broken(err, "a metadata block lies in the superblock");
		int rc = need(reader, at, DISK_META_SIZE + 2);
		if (rc != 0)
			return rc;
		squash_cache_release(reader->disk->meta, held);
		rc = squash_cache_get(reader->disk->meta, at, meta_fill, reader, held, err);
		if (rc < 0)
			return rc;
	}
	*out = *held;
	return 0;
}

int disk_meta_read(struct disk_reader *reader, struct disk_place *place, void *bytes, size_t len,
		   struct err *err)
{
	for (size_t done = 0; done < len;) {
		const struct squash_block *block = NULL;
		int rc = meta_block(reader, place->block, &block, err);
		if (rc < 0)
			return rc;
		if (place->offset > block->len)
			return disk_broken(err, "an offset behind its metadata block");
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

struct data_fill {
	struct disk_reader *reader;
	uint32_t header;
};

static int data_fill(void *context, struct squash_block *block, size_t room, struct err *err)
{
	const struct data_fill *fill = context;
	return unpack_at(fill->reader, block->at, fill->header & DISK_DATA_SIZE_MASK,
			 fill->header & DISK_DATA_RAW, block->bytes, room, &block->len, err);
}

/* Asks for the bytes of a data block. */
static int data_need(struct disk_reader *reader, uint64_t at, uint32_t header, struct err *err)
{
	if (at < SQUASH_SUPER_SIZE || header & ~(DISK_DATA_SIZE_MASK | DISK_DATA_RAW))
		return disk_broken(err, "a data block at an impossible place");
	return need(reader, at, header & DISK_DATA_SIZE_MASK);
}

int disk_data_block(struct disk_reader *reader, struct squash_cache *cache, uint64_t at,
		    uint32_t header, struct squash_block **block, struct err *err)
{
	struct data_fill fill = {reader, header};
	*block = NULL;
	int rc = data_need(reader, at, header, err);
	return rc < 0 ? rc : squash_cache_get(cache, at, data_fill, &fill, block, err);
}

int disk_data_direct(struct disk_reader *reader, uint64_t at, uint32_t header, void *bytes,
		     size_t len, struct err *err)
{
	size_t made = 0;
	int rc = data_need(reader, at, header, err);
	if (rc == 0)
		rc = unpack_at(reader, at, header & DISK_DATA_SIZE_MASK, header & DISK_DATA_RAW, bytes, len,
			       &made, err);
	return rc == 0 && made != len ? disk_broken(err, "a block is shorter than what a file has in it") : rc;
}

/* ---- tables ---- */

int disk_table_read(struct disk_reader *reader, uint64_t list, uint64_t index, void *entry,
		    size_t size, struct err *err)
{
	uint64_t per_block = DISK_META_SIZE / size, block;
	uint64_t at = list + index / per_block * sizeof block;
	int rc = need(reader, at, sizeof block);
	if (rc == 0)
		rc = disk_bytes(reader, at, &block, sizeof block, err);
	if (rc < 0)
		return rc;
	struct disk_place place = {le64toh(block), (uint32_t)(index % per_block * size)};
	return disk_meta_read(reader, &place, entry, size, err);
}

int disk_load_ids(struct disk_reader *reader, struct err *err)
{
	struct disk *disk = reader->disk;
	AUTO_FREE uint32_t *ids = calloc(disk->super.ids, sizeof *ids);
	if (ids == NULL)
		return err_set(err, ENOMEM, "no memory for the image's owners");
	for (size_t i = 0; i < disk->super.ids; i++) {
		int rc = disk_table_read(reader, disk->super.id_table, i, &ids[i], sizeof *ids, err);
		if (rc < 0)
			return rc;
		ids[i] = le32toh(ids[i]);
	}
	disk->ids = take_ptr(&ids);
	return 0;
}

int disk_id(const struct disk *disk, uint16_t index, uint32_t *id)
{
	if (disk->ids == NULL || index >= disk->super.ids)
		return -EIO;
	*id = disk->ids[index];
	return 0;
}
