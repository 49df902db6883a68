/*
 * make_tar.h - tars made by hand, well-formed and not, for the tests of image/.
 */
#ifndef TESTS_MAKE_TAR_H
#define TESTS_MAKE_TAR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

struct member {
	const char *path;
	char type;           /* 0: '0' */
	const char *target;
	const char *content;
	size_t len;          /* 0: strlen(content) */
	unsigned mode;       /* 0: 0644 */
	unsigned uid, gid;
	long mtime;
	const char *magic;   /* NULL: ustar */
};

static inline void tar_seal(char *header)
{
	unsigned sum = 0;
	memset(header + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
}

static inline void tar_pad(struct buf *tar)
{
	static const char zeros[512];
	if (tar->len % 512)
		buf_add(tar, zeros, 512 - tar->len % 512);
}

static inline void tar_add(struct buf *tar, struct member member)
{
	char header[512] = {0};
	size_t len = member.content ? member.len ? member.len : strlen(member.content) : 0;
	strncpy(header, member.path, 100);
	snprintf(header + 100, 8, "%07o", member.mode ? member.mode : 0644);
	snprintf(header + 108, 8, "%07o", member.uid);
	snprintf(header + 116, 8, "%07o", member.gid);
	snprintf(header + 124, 12, "%011zo", len);
	snprintf(header + 136, 12, "%011lo", member.mtime);
	header[156] = member.type ? member.type : '0';
	if (member.target)
		strncpy(header + 157, member.target, 100);
	memcpy(header + 257, member.magic ? member.magic : "ustar\00000", 8);
	tar_seal(header);
	buf_add(tar, header, sizeof header);
	if (len)
		buf_add(tar, member.content, len);
	tar_pad(tar);
}

/* One pax record "LEN KEY=VALUE\n" put behind `records`. */
static inline void pax_record(struct buf *records, const char *key, const void *value, size_t len)
{
	size_t body = strlen(key) + len + 3, total = body + 1;
	char digits[24];
	while ((size_t)snprintf(digits, sizeof digits, "%zu", total) + body != total)
		total++;
	buf_add(records, digits, strlen(digits));
	buf_add(records, " ", 1);
	buf_add(records, key, strlen(key));
	buf_add(records, "=", 1);
	buf_add(records, value, len);
	buf_add(records, "\n", 1);
}

static inline void tar_pax(struct buf *tar, struct buf *records)
{
	tar_add(tar, (struct member){.path = "pax", .type = 'x', .content = records->data,
				     .len = records->len});
	buf_free(records);
}

static inline void tar_end(struct buf *tar)
{
	static const char zeros[1024];
	buf_add(tar, zeros, sizeof zeros);
}

#endif
