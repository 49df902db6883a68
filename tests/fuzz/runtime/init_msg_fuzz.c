/* init_msg_fuzz.c - messages and jobs; a parsed message packs to one that parses. */
#include "runtime/init_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct init_msg msg, again;
	struct init_job job;
	struct err err;
	AUTO_BUF struct buf packed = {0};
	if (init_msg_parse(data, size, &msg, &err) == 0) {
		init_msg_pack(&msg, &packed);
		if (init_msg_parse(packed.data, packed.len, &again, &err) < 0)
			__builtin_trap();
	}
	if (init_job_parse(data, size, &job, &err) == 0)
		init_job_free(&job);
	return 0;
}
