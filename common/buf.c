/*
 * buf.c - growing byte buffers and bounded readers (buf.h).  Pure.
 */
#include "common/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *buf_reserve(struct buf *buf, size_t more)
{
	if (buf->failed || more > SIZE_MAX / 2 - buf->len) {
		buf->failed = true;
		return NULL;
	}
	size_t want = buf->len + more;
	if (want > buf->size || buf->data == NULL) {
		size_t size = buf->size ? buf->size : 256;
		while (size < want)
			size *= 2;
		char *data = realloc(buf->data, size);
		if (data == NULL) {
			buf->failed = true;
			return NULL;
		}
		buf->data = data;
		buf->size = size;
	}
	return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
	char *room = buf_reserve(buf, len);
	if (room == NULL || len == 0)
		return;
	memcpy(room, bytes, len);
	buf->len += len;
}

void buf_add_u8(struct buf *buf, uint8_t value)
{
	buf_add(buf, &value, sizeof value);
}

void buf_add_u32(struct buf *buf, uint32_t value)
{
	value = htole32(value);
	buf_add(buf, &value, sizeof value);
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
	value = htole64(value);
	buf_add(buf, &value, sizeof value);
}

void buf_add_blob(struct buf *buf, const void *bytes, size_t len)
{
	if (len > UINT32_MAX) {
		buf->failed = true;
		return;
	}
	buf_add_u32(buf, (uint32_t)len);
	buf_add(buf, bytes, len);
}

void buf_add_str(struct buf *buf, const char *text)
{
	buf_add_blob(buf, text ? text : "", text ? strlen(text) : 0);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	char *room = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
	if (room == NULL) {
		buf->failed = true;
		return;
	}
	va_start(ap, format);
	vsnprintf(room, (size_t)len + 1, format, ap);
	va_end(ap);
	buf->len += (size_t)len;
}

void buf_consume(struct buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->data, buf->data + len, buf->len - len);
	buf->len -= len;
}

void buf_free(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

const char *cursor_take(struct cursor *cursor, size_t len)
{
	if (cursor->bad || len > (size_t)(cursor->end - cursor->at)) {
		cursor->bad = true;
		return NULL;
	}
	const char *bytes = cursor->at;
	cursor->at += len;
	return bytes;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	const char *bytes = cursor_take(cursor, 1);
	return bytes ? (uint8_t)*bytes : 0;
}

uint32_t cursor_u32(struct cursor *cursor)
{
	uint32_t value = 0;
	const char *bytes = cursor_take(cursor, sizeof value);
	if (bytes != NULL)
		memcpy(&value, bytes, sizeof value);
	return le32toh(value);
}

uint64_t cursor_u64(struct cursor *cursor)
{
	uint64_t value = 0;
	const char *bytes = cursor_take(cursor, sizeof value);
	if (bytes != NULL)
		memcpy(&value, bytes, sizeof value);
	return le64toh(value);
}

const char *cursor_blob(struct cursor *cursor, size_t *len)
{
	*len = cursor_u32(cursor);
	const char *bytes = cursor_take(cursor, *len);
	if (bytes == NULL)
		*len = 0;
	return bytes;
}

char *cursor_str_new(struct cursor *cursor)
{
	size_t len;
	const char *bytes = cursor_blob(cursor, &len);
	if (bytes == NULL)
		return NULL;
	char *text = memchr(bytes, '\0', len) ? NULL : strndup(bytes, len);
	if (text == NULL)
		cursor->bad = true;
	return text;
}

void cursor_str(struct cursor *cursor, char *text, size_t size)
{
	size_t len;
	const char *bytes = cursor_blob(cursor, &len);
	text[0] = '\0';
	if (bytes == NULL)
		return;
	if (len >= size || memchr(bytes, '\0', len)) {
		cursor->bad = true;
		return;
	}
	memcpy(text, bytes, len);
	text[len] = '\0';
}
