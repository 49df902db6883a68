/*
 * tar_header.c - fields of a tar's header block (tar_header.h).  Pure.
 */
#include "image/tar_header.h"

#include <string.h>
#include <sys/stat.h>

static const struct tar_type types[] = {
	{'0', S_IFREG, true, false},  {'\0', S_IFREG, true, false}, {'7', S_IFREG, true, false},
	{'S', S_IFREG, true, false},  {'1', S_IFREG, false, true},  {'2', S_IFLNK, false, true},
	{'3', S_IFCHR, false, false}, {'4', S_IFBLK, false, false}, {'5', S_IFDIR, false, false},
	{'6', S_IFIFO, false, false},
};

const struct tar_type *tar_type_of(char flag)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].flag == flag)
			return &types[i];
	return NULL;
}

bool tar_field_number(const char *field, size_t len, int64_t *value)
{
	const unsigned char *at = (const unsigned char *)field, *end = at + len;
	uint64_t number = 0;
	if (*at & 0x80) {
		bool negative = *at & 0x40;
		number = negative ? UINT64_MAX << 7 | (*at & 0x7f) : *at & 0x3f;
		while (++at < end) {
			/* What is shifted out must be sign. */
			if (number >> 55 != (negative ? 0x1ff : 0))
				return false;
			number = number << 8 | *at;
		}
		*value = (int64_t)number;
		return negative == (*value < 0);
	}
	while (at < end && *at == ' ')
		at++;
	for (; at < end && *at >= '0' && *at <= '7'; at++) {
		if (number >> 60)
			return false;
		number = number << 3 | (uint64_t)(*at - '0');
	}
	*value = (int64_t)number;
	return at == end || *at == ' ' || *at == '\0';
}

bool tar_field_size(const char *field, size_t len, uint64_t *value)
{
	int64_t number;
	if (!tar_field_number(field, len, &number) || number < 0)
		return false;
	*value = (uint64_t)number;
	return true;
}

bool tar_header_holds(const struct tar_header *header)
{
	const char *bytes = (const char *)header;
	const size_t from = offsetof(struct tar_header, sum), to = from + sizeof header->sum;
	int64_t wanted, plain = 0, with_sign = 0;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		char c = i >= from && i < to ? ' ' : bytes[i];
		plain += (unsigned char)c;
		with_sign += (signed char)c;  /* some old writers */
	}
	return tar_field_number(header->sum, sizeof header->sum, &wanted) &&
	       (wanted == plain || wanted == with_sign);
}

bool tar_header_is_gnu(const struct tar_header *header)
{
	return memcmp(header->magic, "ustar  ", 8) == 0;
}

bool tar_header_is_zero(const struct tar_header *header)
{
	const char *bytes = (const char *)header;
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (bytes[i])
			return false;
	return true;
}

size_t tar_header_prefix(const struct tar_header *header)
{
	if (memcmp(header->magic, "ustar", 6) != 0)
		return 0;  /* v7; GNU has other fields there */
	bool star = memcmp(header->tail + 8, "tar", 4) == 0;  /* its prefix is shorter, with times behind */
	return strnlen(header->prefix, star ? 131 : sizeof header->prefix);
}
