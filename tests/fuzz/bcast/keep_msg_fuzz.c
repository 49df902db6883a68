/*
 * Foreign bytes as a message about kept images: what is parsed packs to the same bytes again.
 */
#include <stdlib.h>
#include <string.h>

#include "bcast/keep_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO_BUF struct buf again = {0};
	struct keep_msg msg;
	struct err err;
	if (keep_msg_parse(bytes, len, &msg, &err) < 0)
		return 0;
	keep_msg_pack(&msg, &again);
	if (again.failed || again.len != len || memcmp(again.data, bytes, len) != 0)
		abort();
	keep_msg_free(&msg);
	return 0;
}
