/*
 * squash_xattr.c - extended attributes (squash_xattr.h).
 *
 * An inode has the number of a list; the table of lists says where its pairs begin in the chain of
 * names and values, and how many there are.  A value that several share is kept once, and the
 * others have its place (VALUE_ELSEWHERE).
 */
#include "squash/squash_xattr.h"

#include <endian.h>
#include <string.h>

#include "squash/squash_disk_private.h"

enum { VALUE_ELSEWHERE = 0x100, PREFIX_MASK = 0xff };

static const char *const prefixes[] = {"user.", "trusted.", "security."};

int disk_load_xattrs(struct disk_reader *reader, struct err *err)
{
	struct { uint64_t pairs; uint32_t lists, unused; } head;
	struct disk *disk = reader->disk;
	if (disk->super.xattr_table == UINT64_MAX)
		return 0;
	int rc = disk_bytes(reader, disk->super.xattr_table, &head, sizeof head, err);
	if (rc < 0)
		return rc;
	disk->xattr_pairs = le64toh(head.pairs);
	disk->xattr_lists = le32toh(head.lists);
	return disk->xattr_pairs >= disk->super.bytes_used
		       ? disk_broken(err, "the extended attributes lie outside of it") : 0;
}

/* A reference in the chain of pairs. */
static struct disk_place pair_place(const struct disk *disk, uint64_t reference)
{
	return (struct disk_place){disk->xattr_pairs + (reference >> 16), reference & 0xffff};
}

int squash_xattrs_open(struct disk_reader *reader, const struct disk_inode *inode,
		       struct squash_xattrs *xattrs, struct err *err)
{
	struct { uint64_t pairs; uint32_t count, size; } list;
	struct disk *disk = reader->disk;
	*xattrs = (struct squash_xattrs){0};
	if (inode->xattr == DISK_NO_XATTR || disk->xattr_lists == 0)
		return 0;
	if (inode->xattr >= disk->xattr_lists)
		return disk_broken(err, "an inode names extended attributes that are not there");
	/* The list of the table's blocks stands behind its head of 16 bytes. */
	int rc = disk_table_read(reader, disk->super.xattr_table + 16, inode->xattr, &list,
				 sizeof list, err);
	if (rc < 0)
		return rc;
	xattrs->place = pair_place(disk, le64toh(list.pairs));
	xattrs->left = le32toh(list.count);
	return xattrs->left > SQUASH_XATTRS_MAX
		       ? disk_broken(err, "an inode with too many extended attributes") : 0;
}

static int value_head(struct disk_reader *reader, struct disk_place *at, uint32_t *size,
		      struct err *err)
{
	int rc = disk_meta_read(reader, at, size, sizeof *size, err);
	*size = rc == 0 ? le32toh(*size) : 0;
	return rc == 0 && *size > SQUASH_XATTR_VALUE_MAX
		       ? disk_broken(err, "an extended attribute is too large") : rc;
}

/* Moves over `len` bytes. */
static int skip(struct disk_reader *reader, struct disk_place *at, uint32_t len, struct err *err)
{
	char bytes[1024];
	int rc = 0;
	while (len > 0 && rc == 0) {
		uint32_t step = len < sizeof bytes ? len : sizeof bytes;
		rc = disk_meta_read(reader, at, bytes, step, err);
		len -= step;
	}
	return rc;
}

/* The value at *at, which moves behind it. */
static int value_find(struct disk_reader *reader, struct disk_place *at, bool elsewhere,
		      struct squash_xattr *xattr, struct err *err)
{
	uint64_t reference;
	int rc = value_head(reader, at, &xattr->size, err);
	if (rc < 0)
		return rc;
	xattr->value = *at;
	if (!elsewhere)
		return skip(reader, at, xattr->size, err);
	rc = disk_meta_read(reader, at, &reference, sizeof reference, err);
	if (rc < 0)
		return rc;
	xattr->value = pair_place(reader->disk, le64toh(reference));
	return value_head(reader, &xattr->value, &xattr->size, err);
}

int squash_xattrs_next(struct disk_reader *reader, struct squash_xattrs *xattrs,
		       struct squash_xattr *xattr, struct err *err)
{
	struct { uint16_t type, name_len; } head;
	if (xattrs->left == 0)
		return 0;
	xattrs->left--;
	int rc = disk_meta_read(reader, &xattrs->place, &head, sizeof head, err);
	if (rc < 0)
		return rc;
	unsigned type = le16toh(head.type), prefix = type & PREFIX_MASK;
	size_t len = le16toh(head.name_len);
	if (prefix >= sizeof prefixes / sizeof *prefixes)
		return disk_broken(err, "an extended attribute of unknown kind");
	size_t start = strlen(prefixes[prefix]);
	if (len == 0 || start + len > SQUASH_XATTR_NAME_MAX)
		return disk_broken(err, "an extended attribute with an impossible name");
	memcpy(xattr->name, prefixes[prefix], start);
	rc = disk_meta_read(reader, &xattrs->place, xattr->name + start, len, err);
	if (rc < 0)
		return rc;
	xattr->name[start + len] = '\0';
	if (strlen(xattr->name) != start + len)
		return disk_broken(err, "an extended attribute with an impossible name");
	rc = value_find(reader, &xattrs->place, type & VALUE_ELSEWHERE, xattr, err);
	return rc < 0 ? rc : 1;
}

int squash_xattr_value(struct disk_reader *reader, const struct squash_xattr *xattr, void *value,
		       struct err *err)
{
	struct disk_place at = xattr->value;
	return disk_meta_read(reader, &at, value, xattr->size, err);
}
