/*
 * modex_fuzz.c - any bytes as the frames of a direct modex.
 */
#include <stddef.h>
#include <stdint.h>

#include "pmix/modex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct modex_request request;
	struct modex_reply reply;
	struct buf copy = {0};
	if (modex_request_parse(data, size, &request) == 0)
		modex_request_add(&copy, &request);
	if (modex_reply_parse(data, size, &reply) == 0)
		modex_reply_add(&copy, &reply);
	buf_free(&copy);
	return 0;
}
