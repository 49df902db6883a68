/*
 * buf.h - bytes to write, bytes to read.
 *
 * `struct buf` grows; a failed allocation is remembered in `failed`, and
 * everything after it does nothing, so a writer checks once at the end.
 * `struct cursor` reads foreign bytes: it never runs past the end; the first
 * short read sets `bad`, after which every read gives 0 or NULL.  Integers are
 * little-endian on the wire; a string or blob is a u32 length and its bytes.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t len, size;
	bool failed;
};

/* Makes room for `more` bytes behind data + len; NULL when memory ran out. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_u8(struct buf *buf, uint8_t value);
void buf_add_u32(struct buf *buf, uint32_t value);
void buf_add_u64(struct buf *buf, uint64_t value);
void buf_add_blob(struct buf *buf, const void *bytes, size_t len);
void buf_add_str(struct buf *buf, const char *text);  /* NULL is sent as "" */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first `len` bytes. */
void buf_consume(struct buf *buf, size_t len);
void buf_free(struct buf *buf);
#define AUTO_BUF __attribute__((cleanup(buf_free)))

struct cursor {
	const char *at, *end;
	bool bad;
};

static inline struct cursor cursor_of(const void *bytes, size_t len)
{
	return (struct cursor){.at = bytes, .end = (const char *)bytes + len};
}

static inline size_t cursor_left(const struct cursor *cursor)
{
	return cursor->bad ? 0 : (size_t)(cursor->end - cursor->at);
}

/* `len` bytes inside the message, or NULL. */
const char *cursor_take(struct cursor *cursor, size_t len);
uint8_t cursor_u8(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
/* A blob inside the message; *len is 0 and the result NULL when bad. */
const char *cursor_blob(struct cursor *cursor, size_t *len);
/* A string, newly allocated (the caller frees it); NULL when bad, when it holds
 * a NUL byte (sets bad), or when memory ran out (sets bad). */
char *cursor_str_new(struct cursor *cursor);
/* The same into a fixed array; cut strings are bad. */
void cursor_str(struct cursor *cursor, char *text, size_t size);

#endif
