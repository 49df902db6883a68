/*
 * timing_fuzz.c - timings out of any bytes, merged and printed.
 */
#include <stdlib.h>
#include <string.h>

#include "launcher/timing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf out = {0};
	struct cursor in = cursor_of(data, size);
	struct timing sum, timing;
	timing_init(&sum, "n0");
	while (cursor_left(&in) > 0) {
		timing_parse(&in, &timing);
		if (in.bad)
			break;
		timing_merge(&sum, &timing);
		if (sum.slowest_ns < timing.slowest_ns)
			abort();
	}
	timing_close(&sum);
	timing_print(&sum, 2, 2, 1, &out);
	timing_print_json(&sum, 2, 2, 1, 1, &out);
	if (out.failed)
		abort();
	return 0;
}
