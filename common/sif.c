/*
 * sif.c - finds the system partition of a SIF file (sif.h).  Pure.
 */
#include "common/sif.h"

#include <string.h>

enum {
	MAGIC_AT = 32,
	COUNT_AT = 88,           /* of descriptors, in use or not */
	TABLE_AT = 96,
	TABLE_LEN_AT = 104,
	TYPE_PARTITION = 0x4004,
	USED_AT = 4,
	OFFSET_AT = 17, SIZE_AT = 25,
	EXTRA_AT = 17 + 7 * 8 + 128,
	FS_SQUASH = 1, FS_ENCRYPTED = 4,
	PART_SYSTEM = 1, PART_PRIMARY = 2,
};

static uint64_t get(const unsigned char *bytes, size_t count)
{
	uint64_t value = 0;
	for (size_t i = count; i-- > 0;)
		value = value << 8 | bytes[i];
	return value;
}

bool sif_is(const void *bytes, size_t len)
{
	return len >= MAGIC_AT + 9 && memcmp((const char *)bytes + MAGIC_AT, "SIF_MAGIC", 9) == 0;
}

int sif_parse_header(const void *bytes, size_t len, uint64_t file_size, uint64_t *table_at,
		     uint64_t *table_len, struct err *err)
{
	const unsigned char *header = bytes;
	if (len < SIF_HEADER_SIZE || !sif_is(bytes, len))
		return err_set(err, EMEDIUMTYPE, "this is not a SIF file");
	uint64_t count = get(header + COUNT_AT, 8);
	*table_at = get(header + TABLE_AT, 8);
	if (count > SIF_DESCRIPTORS_MAX)
		return err_set(err, EBADMSG, "more than %d descriptors", SIF_DESCRIPTORS_MAX);
	*table_len = count * SIF_DESCRIPTOR_SIZE;
	if (*table_at > file_size || *table_len > file_size - *table_at)
		return err_set(err, EBADMSG, "the table of descriptors is not in the file: it is cut off");
	return 0;
}

int sif_find_partition(const void *table, size_t len, uint64_t file_size, uint64_t *at, uint64_t *size,
		       struct err *err)
{
	const unsigned char *descriptor = table;
	uint64_t best = 0, kind = 0;
	for (; len >= SIF_DESCRIPTOR_SIZE; len -= SIF_DESCRIPTOR_SIZE, descriptor += SIF_DESCRIPTOR_SIZE) {
		uint64_t part = get(descriptor + EXTRA_AT + 4, 4);
		if (get(descriptor, 4) != TYPE_PARTITION || descriptor[USED_AT] == 0 ||
		    (part != PART_SYSTEM && part != PART_PRIMARY) || part <= best)
			continue;
		best = part;
		kind = get(descriptor + EXTRA_AT, 4);
		*at = get(descriptor + OFFSET_AT, 8);
		*size = get(descriptor + SIZE_AT, 8);
	}
	if (best == 0)
		return err_set(err, ENOENT, "the SIF file has no system partition");
	if (kind != FS_SQUASH)
		return err_set(err, ENOTSUP, "the SIF file's system partition is %s, not squashfs; build it "
			       "again with a present apptainer", kind == FS_ENCRYPTED ? "encrypted" : "of another kind");
	if (*at < SIF_HEADER_SIZE || *at > file_size || *size > file_size - *at)
		return err_set(err, EBADMSG, "the system partition is not in the file: it is cut off");
	return 0;
}
