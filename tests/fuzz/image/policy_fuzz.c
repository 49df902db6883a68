/* A policy file. */
#include <stdint.h>

#include "image/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct policy *policy = NULL;
	if (policy_parse((const char *)data, size, &policy, &err) < 0)
		return 0;
	policy_decide(policy, "docker://registry.example/hpc/app:1");
	policy_decide(policy, "");
	policy_free(&policy);
	return 0;
}
