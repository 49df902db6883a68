/* ref_docker: Docker's normalisation, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/ref_docker.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void normal_forms(void **state)
{
	(void)state;
	static const struct { const char *text, *normal; } cases[] = {
		{"debian", "docker://docker.io/library/debian:latest"},
		{"debian:12", "docker://docker.io/library/debian:12"},
		{"org/app", "docker://docker.io/org/app:latest"},
		{"index.docker.io/org/app:1", "docker://docker.io/org/app:1"},
		{"docker.io/debian", "docker://docker.io/library/debian:latest"},
		{"localhost/app", "docker://localhost/app:latest"},
		{"localhost:5000/app:1", "docker://localhost:5000/app:1"},
		{"host.example/a/b/c:v1.2-3_4", "docker://host.example/a/b/c:v1.2-3_4"},
		{"UPPER/app", "docker://UPPER/app:latest"},
		{"[::1]:5000/app", "docker://[::1]:5000/app:latest"},
		{"a/b.c_d__e---f", "docker://docker.io/a/b.c_d__e---f:latest"},
		{"app@sha256:" HEX64, "docker://docker.io/library/app@sha256:" HEX64},
		{"app:1@sha256:" HEX64, "docker://docker.io/library/app:1@sha256:" HEX64},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct docker_ref ref, again;
		struct err err = ERR_NONE;
		struct buf out = {0}, twice = {0};
		assert_int_equal(docker_ref_parse(cases[i].text, &ref, &err), 0);
		docker_ref_format(&ref, &out);
		buf_add_u8(&out, 0);
		assert_string_equal(out.data, cases[i].normal);
		assert_int_equal(docker_ref_parse(out.data + strlen("docker://"), &again, &err), 0);
		docker_ref_format(&again, &twice);
		buf_add_u8(&twice, 0);
		assert_string_equal(twice.data, out.data);
		buf_free(&out);
		buf_free(&twice);
	}
}

static void refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "/a", "a/", "a//b", "App", "a:", "a:-x", "a:b:c", "a@", "a@sha256:12", "a@md5:" HEX64, "a_-b",
		"a..b", "host.:5000/a", "host:x/a", "host:123456/a", "-h.x/a", "[::1/a", "a b", "a:t%", "../a",
		"app@sha256:" HEX64 "0", "app@sha256:../../../../etc/passwd",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct docker_ref ref;
		struct err err = ERR_NONE;
		if (docker_ref_parse(texts[i], &ref, &err) != -EINVAL)
			fail_msg("\"%s\" was taken", texts[i]);
		assert_true(err.text[0] != '\0');
	}
}

static void long_ones(void **state)
{
	(void)state;
	char text[3000];
	struct docker_ref ref;
	struct err err;
	for (size_t len = 200; len < sizeof text; len += 7) {
		memset(text, 'a', len);
		text[len] = '\0';
		int rc = docker_ref_parse(text, &ref, &err);
		assert_int_equal(rc, len + strlen("docker.io/library/") <= DOCKER_REF_NAME_MAX ? 0 : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(normal_forms), cmocka_unit_test(refused),
					   cmocka_unit_test(long_ones)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
