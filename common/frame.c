/*
 * frame.c - packs and finds frames (frame.h).  Pure; fuzzed by
 * tests/fuzz/common/frame_fuzz.c.
 */
#include "common/frame.h"

#include <endian.h>
#include <string.h>

struct frame_wire {
	uint32_t magic;
	uint16_t type, hops;
	uint32_t source, target;
	uint64_t len;
};
_Static_assert(sizeof(struct frame_wire) == FRAME_HEADER_SIZE, "the header has no padding");

void frame_add(struct buf *out, const struct frame *frame)
{
	struct frame_wire wire = {
		.magic = htole32(FRAME_MAGIC),
		.type = htole16(frame->type),
		.hops = htole16(frame->hops),
		.source = htole32(frame->source),
		.target = htole32(frame->target),
		.len = htole64(frame->len),
	};
	buf_add(out, &wire, sizeof wire);
	buf_add(out, frame->payload, frame->len);
}

long long frame_parse(const char *bytes, size_t len, size_t max_payload, struct frame *frame,
		      struct err *err)
{
	struct frame_wire wire;
	if (len < sizeof wire)
		return 0;
	memcpy(&wire, bytes, sizeof wire);
	if (le32toh(wire.magic) != FRAME_MAGIC)
		return err_set(err, EPROTO, "not one of our frames (magic %08x)", le32toh(wire.magic));
	uint64_t payload = le64toh(wire.len);
	if (payload > max_payload)
		return err_set(err, EMSGSIZE, "a frame of %llu bytes, more than the %zu allowed",
			       (unsigned long long)payload, max_payload);
	if (len - sizeof wire < payload)
		return 0;
	*frame = (struct frame){
		.type = le16toh(wire.type),
		.hops = le16toh(wire.hops),
		.source = le32toh(wire.source),
		.target = le32toh(wire.target),
		.payload = bytes + sizeof wire,
		.len = (size_t)payload,
	};
	return (long long)(sizeof wire + payload);
}
