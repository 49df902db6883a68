/* policy: which rule decides; and that a misspelt rule is no open door. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "image/policy.h"

static void verdicts(void **state)
{
	(void)state;
	static const char text[] =
		"{\"default\":\"refuse\",\"rules\":["
		"{\"match\":\"docker://r.example/hpc\",\"keys\":[\"/a.pub\",\"/b.pub\"]},"
		"{\"match\":\"docker://r.example/\",\"allow\":false,\"why\":\"ask us\"},"
		"{\"match\":\"docker://\",\"allow\":true},"
		"{\"match\":\"file:/apps/\"}]}";
	static const struct { const char *reference; bool allowed; size_t keys; } cases[] = {
		{"docker://r.example/hpc", true, 2},       {"docker://r.example/hpc/app:1", true, 2},
		{"docker://r.example/hpc:1", true, 2},     {"docker://r.example/hpc@sha256:00", true, 2},
		{"docker://r.example/hpc2", false, 0},     {"docker://r.example.evil/hpc", true, 0},
		{"docker://other/x", true, 0},             {"file:/apps/x.sqsh", true, 0},
		{"file:/apps", false, 0},                  {"file:/appsx/y", false, 0},
	};
	struct err err = ERR_NONE;
	struct policy *policy = NULL;
	assert_int_equal(policy_parse(text, strlen(text), &policy, &err), 0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct policy_verdict verdict = policy_decide(policy, cases[i].reference);
		size_t keys = 0;
		while (verdict.keys[keys])
			keys++;
		if (verdict.allowed != cases[i].allowed || keys != cases[i].keys)
			fail_msg("%s: %d, %zu keys", cases[i].reference, verdict.allowed, keys);
	}
	assert_string_equal(policy_decide(policy, "docker://r.example/x").why, "ask us");
	policy_free(&policy);
	assert_int_equal(policy_parse("{}", 2, &policy, &err), 0);
	assert_true(policy_decide(policy, "docker://x/y").allowed);
	policy_free(&policy);
}

static void refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "[]", "{\"defaul\":\"refuse\"}", "{\"default\":\"no\"}", "{\"default\":false}", "{\"rules\":{}}",
		"{\"rules\":[{\"match\":\"r.example\"}]}", "{\"rules\":[{}]}",
		"{\"rules\":[{\"match\":\"docker://\",\"alow\":false}]}",
		"{\"rules\":[{\"match\":\"docker://\",\"allow\":\"false\"}]}",
		"{\"rules\":[{\"match\":\"docker://\",\"keys\":[]}]}",
		"{\"rules\":[{\"match\":\"docker://\",\"keys\":[\"relative\"]}]}",
		"{\"rules\":[{\"match\":\"docker://\",\"keys\":\"/k\"}]}",
		"{\"default\":\"refuse\",\"default\":\"allow\"}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_NONE;
		struct policy *policy = NULL;
		if (policy_parse(bad[i], strlen(bad[i]), &policy, &err) != -EBADMSG)
			fail_msg("%s is taken", bad[i]);
		assert_null(policy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts), cmocka_unit_test(refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
