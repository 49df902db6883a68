/*
 * plan_fuzz.c - plans out of any bytes; one that parses packs to one that parses the same.
 */
#include <stdlib.h>
#include <string.h>

#include "launcher/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_PLAN struct plan plan = {0}, again = {0};
	AUTO_BUF struct buf first = {0}, second = {0};
	if (plan_parse(data, size, &plan, NULL) < 0) {
		if (plan.job != NULL || plan.nodes.count != 0)
			abort();
		return 0;
	}
	if (plan.nodes.count == 0 || plan.argv[0] == NULL)
		abort();
	plan_pack(&plan, &first);
	if (plan_parse(first.data, first.len, &again, NULL) < 0)
		abort();
	plan_pack(&again, &second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	return 0;
}
