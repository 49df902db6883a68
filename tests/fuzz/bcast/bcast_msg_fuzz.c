/*
 * Foreign bytes as a stream of frames between cmpid and cmpi-bcast.
 */
#include <stdlib.h>
#include <string.h>

#include "bcast/bcast_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What was parsed can be packed again, and is then the same bytes. */
static void check_again(const struct bcast_msg *msg, const char *frame, size_t len)
{
	AUTO_BUF struct buf again = {0};
	bcast_msg_pack(msg, &again);
	/* source, target and hops of the frame are not looked at */
	if (again.failed || again.len != len ||
	    memcmp(again.data + FRAME_HEADER_SIZE, frame + FRAME_HEADER_SIZE,
		   len - FRAME_HEADER_SIZE) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *at = (const char *)bytes;
	struct frame frame;
	struct bcast_msg msg;
	struct err err;
	long long used;
	while ((used = frame_parse(at, len, BCAST_MSG_PAYLOAD_MAX, &frame, &err)) > 0) {
		if (bcast_msg_parse(&frame, &msg, &err) == 0) {
			check_again(&msg, at, (size_t)used);
			bcast_msg_free(&msg);
		}
		at += used;
		len -= (size_t)used;
	}
	return 0;
}
