/*
 * frame.h - one message on a byte stream between our processes.
 *
 *	offset 0   u32  magic "cmpF" (little-endian 0x46706d63)
 *	       4   u16  type: the vocabulary of the connection (who uses it defines it)
 *	       6   u16  hops left, 0 where frames are not routed
 *	       8   u32  source node index
 *	      12   u32  destination node index
 *	      16   u64  length of the payload that follows
 *
 * All integers little-endian.  A reader names the largest payload that it
 * believes; anything above is an error before memory is touched.
 */
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define FRAME_MAGIC 0x46706d63u
#define FRAME_HEADER_SIZE 24

struct frame {
	uint16_t type, hops;
	uint32_t source, target;
	const char *payload;  /* inside the reader's buffer, valid until the next call */
	size_t len;
};

/* Puts header and payload behind what is in the buffer. */
void frame_add(struct buf *out, const struct frame *frame);

/* Looks for a whole frame at the start of `bytes`.  Returns the number of bytes
 * it takes (header and payload), 0 when more bytes are needed, -EPROTO for a
 * wrong magic, -EMSGSIZE for a payload above `max_payload`. */
long long frame_parse(const char *bytes, size_t len, size_t max_payload, struct frame *frame,
		      struct err *err);

#endif
