/*
 * squash_super.c - is this a squashfs image that we can mount, and how large is it?
 *
 * Flow: the first bytes of a file and its size in, the fields in host order out.
 *
 * Invariants: nothing behind `len` is read; a superblock that passes has a known
 * compressor, a block size that agrees with its logarithm, and tables inside
 * bytes_used, which is inside the file.  That is all: what the tables hold is
 * still foreign.
 *
 * Caveat: a file may be longer than bytes_used (mksquashfs pads to 4 KiB).
 */
#include "common/squash_super.h"

#include <stdbool.h>

static const char *const compressor_names[] = {
	[SQUASH_GZIP] = "gzip", [SQUASH_LZMA] = "lzma", [SQUASH_LZO] = "lzo",
	[SQUASH_XZ] = "xz",     [SQUASH_LZ4] = "lz4",   [SQUASH_ZSTD] = "zstd",
};

/* What people give by mistake, by its first bytes. */
static const struct {
	size_t offset;
	const char *magic;
	size_t len;
	const char *what;
} look_alikes[] = {
	{0, "sqsh", 4, "a big-endian squashfs of version 3 or older; make it anew with mksquashfs"},
	{32, "SIF_MAGIC", 9, "a SIF image; make a squashfs with: singularity sif dump, or unsquashfs and mksquashfs"},
	{0, "\x1f\x8b", 2, "gzip data; if it is a tar, unpack it and run mksquashfs DIR FILE"},
	{0, "\x28\xb5\x2f\xfd", 4, "zstd data; if it is a tar, unpack it and run mksquashfs DIR FILE"},
	{0, "\xfd" "7zXZ", 5, "xz data; if it is a tar, unpack it and run mksquashfs DIR FILE"},
	{0, "BZh", 3, "bzip2 data; if it is a tar, unpack it and run mksquashfs DIR FILE"},
	{0, "\x7f" "ELF", 4, "a program, not an image"},
	{0, "PK\x03\x04", 4, "a zip archive; unpack it and run mksquashfs DIR FILE"},
	{0, "#!", 2, "a script, not an image"},
};

const char *squash_compressor_name(enum squash_compressor compressor)
{
	size_t index = (size_t)compressor;
	if (index >= sizeof compressor_names / sizeof *compressor_names || !compressor_names[index])
		return "?";
	return compressor_names[index];
}

static uint16_t le16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t le32(const uint8_t *at)
{
	return le16(at) | (uint32_t)le16(at + 2) << 16;
}

static uint64_t le64(const uint8_t *at)
{
	return le32(at) | (uint64_t)le32(at + 4) << 32;
}

static int refuse_other_format(const uint8_t *at, size_t len, uint64_t file_size, struct err *err)
{
	if (file_size == 0)
		return err_set(err, ENODATA, "the file is empty; copy or build the image again");
	for (size_t i = 0; i < sizeof look_alikes / sizeof *look_alikes; i++) {
		if (look_alikes[i].offset + look_alikes[i].len > len)
			continue;
		if (memcmp(at + look_alikes[i].offset, look_alikes[i].magic, look_alikes[i].len) == 0)
			return err_set(err, EMEDIUMTYPE, "not a squashfs image: this is %s",
				       look_alikes[i].what);
	}
	return err_set(err, EMEDIUMTYPE,
		       "not a squashfs image; make one with: mksquashfs DIR FILE -comp zstd");
}

/* An absent table has the offset ~0; fragment, export and xattr tables may be absent. */
static bool table_inside(uint64_t offset, uint64_t end, bool may_miss)
{
	if (offset == UINT64_MAX)
		return may_miss;
	return offset >= SQUASH_SUPER_SIZE && offset < end;
}

static bool tables_inside(const struct squash_super *super)
{
	uint64_t end = super->bytes_used;
	return table_inside(super->inode_table, end, false) &&
	       table_inside(super->directory_table, end, false) &&
	       super->inode_table <= super->directory_table &&
	       table_inside(super->fragment_table, end, true) &&
	       table_inside(super->export_table, end, true) &&
	       table_inside(super->id_table, end, false) &&
	       table_inside(super->xattr_table, end, true);
}

static void super_decode(const uint8_t *at, struct squash_super *super)
{
	*super = (struct squash_super){
		.inodes = le32(at + 4),
		.mtime = le32(at + 8),
		.block_size = le32(at + 12),
		.fragments = le32(at + 16),
		.compressor = (enum squash_compressor)le16(at + 20),
		.block_log = le16(at + 22),
		.flags = le16(at + 24),
		.ids = le16(at + 26),
		.root_inode = le64(at + 32),
		.bytes_used = le64(at + 40),
		.id_table = le64(at + 48),
		.xattr_table = le64(at + 56),
		.inode_table = le64(at + 64),
		.directory_table = le64(at + 72),
		.fragment_table = le64(at + 80),
		.export_table = le64(at + 88),
	};
}

int squash_super_parse(const void *bytes, size_t len, uint64_t file_size,
		       struct squash_super *super, struct err *err)
{
	const uint8_t *at = bytes;
	if (len < 4 || memcmp(at, "hsqs", 4) != 0)
		return refuse_other_format(at, len, file_size, err);
	if (len < SQUASH_SUPER_SIZE)
		return err_set(err, ENODATA, "truncated: a squashfs image, but only its first %zu "
			       "bytes are here; copy it again", len);
	unsigned major = le16(at + 28), minor = le16(at + 30);
	if (major != 4 || minor != 0)
		return err_set(err, ENOTSUP, "squashfs version %u.%u is not supported, only 4.0; "
			       "make it anew with mksquashfs", major, minor);

	struct squash_super found;
	super_decode(at, &found);
	if (found.bytes_used > file_size)
		return err_set(err, ENODATA, "truncated: it has %llu bytes, its superblock says %llu; "
			       "copy it again", (unsigned long long)file_size,
			       (unsigned long long)found.bytes_used);
	unsigned compressor = le16(at + 20);
	if (compressor < SQUASH_GZIP || compressor > SQUASH_ZSTD || compressor == SQUASH_LZMA)
		return err_set(err, ENOTSUP, "compressor %u (%s) is not supported; make it anew with "
			       "mksquashfs -comp zstd (or gzip, lz4, xz, lzo)", compressor,
			       squash_compressor_name((enum squash_compressor)compressor));
	if (found.block_log < 12 || found.block_log > 20 ||
	    found.block_size != 1u << found.block_log)
		return err_set(err, EBADMSG, "broken superblock: block size %u does not fit its "
			       "logarithm %u; copy or build the image again", found.block_size,
			       found.block_log);
	if (found.inodes == 0 || found.ids == 0 || !tables_inside(&found))
		return err_set(err, EBADMSG, "broken superblock: a table lies outside the image; "
			       "copy or build the image again");
	*super = found;
	return 0;
}
