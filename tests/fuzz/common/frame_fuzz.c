/*
 * frame_fuzz.c - frames out of any bytes: what is found lies inside, and packs to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;
	struct frame frame;
	long long used;
	while ((used = frame_parse(bytes, size, LIMIT, &frame, NULL)) > 0) {
		AUTO_BUF struct buf again = {0};
		if ((size_t)used > size || frame.len > LIMIT ||
		    frame.payload + frame.len != bytes + used)
			abort();
		frame_add(&again, &frame);
		if (again.len != (size_t)used || memcmp(again.data, bytes, again.len) != 0)
			abort();
		bytes += used;
		size -= (size_t)used;
	}
	return 0;
}
