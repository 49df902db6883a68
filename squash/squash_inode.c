/*
 * squash_inode.c - inodes and symbolic links' texts (squash_disk.h).
 *
 * An inode has a common head and then one of fourteen forms: seven types, each in a basic form and
 * an extended one (attributes, links, large sizes).  Its fields are decoded here; whether what they
 * point to exists is checked by who follows them.
 */
#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#include "squash/squash_disk_private.h"

enum { INODE_EXTENDED = 7 };  /* types 8 to 14 are 1 to 7 with more fields */

static const mode_t type_modes[] = {
	[TYPE_DIRECTORY] = S_IFDIR, [TYPE_REGULAR] = S_IFREG, [TYPE_LINK] = S_IFLNK,
	[TYPE_BLOCK] = S_IFBLK,     [TYPE_CHAR] = S_IFCHR,    [TYPE_FIFO] = S_IFIFO,
	[TYPE_SOCKET] = S_IFSOCK,
};

mode_t disk_type_mode(unsigned type)
{
	return type < sizeof type_modes / sizeof *type_modes ? type_modes[type] : 0;
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

struct inode_device {
	uint32_t links, device;
} __attribute__((packed));

static int inode_directory(struct disk_reader *reader, bool extended, struct disk_place *at,
			   struct disk_inode *inode, struct err *err)
{
	struct inode_dir small = {0};
	struct inode_dir_extended large = {0};
	int rc = extended ? disk_meta_read(reader, at, &large, sizeof large, err)
			  : disk_meta_read(reader, at, &small, sizeof small, err);
	if (rc < 0)
		return rc;
	uint64_t table = reader->disk->super.directory_table;
	inode->size = extended ? le32toh(large.size) : le16toh(small.size);
	inode->place.block = table + le32toh(extended ? large.block : small.block);
	inode->place.offset = le16toh(extended ? large.offset : small.offset);
	inode->links = le32toh(extended ? large.links : small.links);
	inode->parent = le32toh(extended ? large.parent : small.parent);
	if (extended) {
		inode->xattr = le32toh(large.xattr);
		inode->indexes = le16toh(large.indexes);
		inode->index = *at;
	}
	return 0;
}

static int inode_regular(struct disk_reader *reader, bool extended, struct disk_place *at,
			 struct disk_inode *inode, struct err *err)
{
	struct inode_file small = {0};
	struct inode_file_extended large = {0};
	int rc = extended ? disk_meta_read(reader, at, &large, sizeof large, err)
			  : disk_meta_read(reader, at, &small, sizeof small, err);
	if (rc < 0)
		return rc;
	inode->size = extended ? le64toh(large.size) : le32toh(small.size);
	inode->start = extended ? le64toh(large.start) : le32toh(small.start);
	inode->fragment = le32toh(extended ? large.fragment : small.fragment);
	inode->fragment_offset = le32toh(extended ? large.offset : small.offset);
	inode->place = *at;
	if (extended) {
		inode->links = le32toh(large.links);
		inode->xattr = le32toh(large.xattr);
	}
	return inode->size > INT64_MAX ? disk_broken(err, "a file has an impossible size") : 0;
}

static int inode_symlink(struct disk_reader *reader, bool extended, struct disk_place *at,
			 struct disk_inode *inode, struct err *err)
{
	struct inode_link link;
	uint32_t xattr;
	int rc = disk_meta_read(reader, at, &link, sizeof link, err);
	if (rc < 0)
		return rc;
	inode->links = le32toh(link.links);
	inode->size = le32toh(link.size);
	inode->place = *at;
	/* Behind the text, and not read for a text that no path can have. */
	if (!extended || inode->size > DISK_META_SIZE)
		return 0;
	char text[DISK_META_SIZE];
	rc = disk_meta_read(reader, at, text, inode->size, err);
	if (rc == 0)
		rc = disk_meta_read(reader, at, &xattr, sizeof xattr, err);
	if (rc == 0)
		inode->xattr = le32toh(xattr);
	return rc;
}

/* Devices, and pipes and sockets, which are the same without a number. */
static int inode_special(struct disk_reader *reader, unsigned type, bool extended,
			 struct disk_place *at, struct disk_inode *inode, struct err *err)
{
	bool device = type == TYPE_BLOCK || type == TYPE_CHAR;
	struct inode_device fields = {0};
	uint32_t xattr;
	int rc = disk_meta_read(reader, at, &fields, device ? sizeof fields : sizeof fields.links, err);
	if (rc == 0 && extended)
		rc = disk_meta_read(reader, at, &xattr, sizeof xattr, err);
	if (rc < 0)
		return rc;
	inode->links = le32toh(fields.links);
	inode->device = le32toh(fields.device);
	if (extended)
		inode->xattr = le32toh(xattr);
	return 0;
}

int disk_inode_get(struct disk_reader *reader, uint64_t where, struct disk_inode *inode,
		   struct err *err)
{
	const struct squash_super *super = &reader->disk->super;
	struct disk_place at = {.block = super->inode_table + (where >> 16), .offset = where & 0xffff};
	struct inode_base base;
	if (at.block < super->inode_table || at.block >= super->directory_table)
		return disk_broken(err, "an inode lies outside the inode table");
	int rc = disk_meta_read(reader, &at, &base, sizeof base, err);
	if (rc < 0)
		return rc;
	unsigned type = le16toh(base.type);
	bool extended = type > INODE_EXTENDED;
	if (extended)
		type -= INODE_EXTENDED;
	if (disk_type_mode(type) == 0)
		return disk_broken(err, "an inode of unknown type");
	*inode = (struct disk_inode){
		.mode = disk_type_mode(type) | (le16toh(base.mode) & 07777),
		.number = le32toh(base.number),
		.mtime = le32toh(base.mtime),
		.links = 1,
		.uid = le16toh(base.uid),
		.gid = le16toh(base.gid),
		.xattr = DISK_NO_XATTR,
		.fragment = DISK_NO_FRAGMENT,
	};
	switch (type) {
	case TYPE_DIRECTORY: return inode_directory(reader, extended, &at, inode, err);
	case TYPE_REGULAR:   return inode_regular(reader, extended, &at, inode, err);
	case TYPE_LINK:      return inode_symlink(reader, extended, &at, inode, err);
	default:             return inode_special(reader, type, extended, &at, inode, err);
	}
}

int disk_link_read(struct disk_reader *reader, const struct disk_inode *inode, char *text,
		   struct err *err)
{
	struct disk_place at = inode->place;
	text[inode->size] = '\0';
	int rc = disk_meta_read(reader, &at, text, inode->size, err);
	if (rc < 0)
		return rc;
	if (strlen(text) != inode->size)
		return disk_broken(err, "a symbolic link with a NUL byte");
	return 0;
}
