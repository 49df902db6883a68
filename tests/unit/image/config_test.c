/* config: what an image says about itself, from the OCI config to the tail of a file and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/build.h"
#include "image/config.h"
#include "image/config_make.h"
#include "image/verity.h"

static const char oci[] =
	"{\"architecture\":\"amd64\",\"os\":\"linux\",\"history\":[{\"created_by\":\"x\"}],"
	"\"rootfs\":{\"diff_ids\":[]},\"config\":{\"Env\":[\"PATH=/a:/b\",\"X=1=2\"],"
	"\"Entrypoint\":[\"/run\",\"-v\"],\"Cmd\":[\"go\"],\"WorkingDir\":\"/w\",\"User\":\"1000\","
	"\"Labels\":{\"k\":\"v\"},\"ArgsEscaped\":true}}";

static void there_and_back(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct buf json = {0};
	struct image_config config;
	char *words[8];
	assert_int_equal(image_config_make(oci, strlen(oci), "docker://r/x:1", "sha256:ab", &json, &err), 0);
	assert_int_equal(image_config_parse(json.data, json.len, &config, &err), 0);
	assert_string_equal(config.reference, "docker://r/x:1");
	assert_string_equal(config.manifest_digest, "sha256:ab");
	assert_int_equal(strncmp(config.config_digest, "sha256:", 7), 0);
	assert_string_equal(config.architecture, "amd64");
	assert_string_equal(config.env[1], "X=1=2");
	assert_null(config.env[2]);
	assert_string_equal(config.work_dir, "/w");
	assert_string_equal(config.user, "1000");
	assert_non_null(strstr(config.json, "\"Labels\":{\"k\":\"v\"}"));
	assert_null(strstr(config.json, "history"));
	assert_int_equal(image_config_command(&config, words, 8), 3);
	assert_string_equal(words[0], "/run");
	assert_string_equal(words[2], "go");
	assert_int_equal(image_config_command(&config, words, 1), 3);
	image_config_free(&config);
	buf_free(&json);
}

static void bare(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct buf json = {0};
	struct image_config config;
	assert_int_equal(image_config_make(NULL, 0, NULL, NULL, &json, &err), 0);
	assert_int_equal(image_config_parse(json.data, json.len, &config, &err), 0);
	assert_string_equal(config.architecture, "");
	assert_null(config.env[0]);
	assert_int_equal(image_config_command(&config, NULL, 0), 0);
	image_config_free(&config);
	buf_free(&json);
}

static void refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "[]", "{", "{\"config\":{\"Env\":[\"NOVALUE\"]}}", "{\"config\":{\"Env\":[\"=x\"]}}",
		"{\"config\":{\"Cmd\":[1]}}", "{\"config\":{\"Cmd\":\"sh\"}}", "{\"architecture\":7}",
		"{\"config\":{\"Cmd\":[\"a\\u0000b\"]}}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct err err = ERR_NONE;
		struct buf json = {0};
		struct image_config config;
		assert_int_equal(image_config_parse(bad[i], strlen(bad[i]), &config, &err), -EBADMSG);
		assert_null(config.json);
		assert_int_equal(image_config_make(bad[i], strlen(bad[i]), NULL, NULL, &json, &err), -EBADMSG);
		buf_free(&json);
	}
}

static void machines(void **state)
{
	(void)state;
	static const struct { const char *architecture, *machine; int rc; } cases[] = {
		{"amd64", "x86_64", 0}, {"amd64", "aarch64", -ENOEXEC}, {"arm64", "aarch64", 0},
		{"arm64", "x86_64", -ENOEXEC}, {"386", "x86_64", 0}, {"", "x86_64", 0}, {"z80", "x86_64", 0},
	};
	struct err err = ERR_NONE;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct image_config config = {.architecture = (char *)cases[i].architecture, .os = "linux"};
		assert_int_equal(image_config_check_machine(&config, cases[i].machine, &err), cases[i].rc);
	}
	struct image_config windows = {.architecture = "amd64", .os = "windows"};
	assert_int_equal(image_config_check_machine(&windows, "x86_64", &err), -ENOEXEC);
}

/* A built file: the config is read, the tree holds, a flipped byte anywhere is seen. */
static void in_a_file(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct build_input input = {.config = oci, .config_len = strlen(oci), .reference = "r"};
	struct build_result result;
	struct image_file file;
	struct image_config config;
	char flipped;
	int fd = memfd_create("config_test", MFD_CLOEXEC);
	assert_int_equal(build_image(&input, fd, &result, &err), 0);
	assert_int_equal(image_file_check(fd, "x", &file, &err), 0);
	file.fd = fd;
	assert_int_equal(image_config_read(&file, &config, &err), 0);
	assert_string_equal(config.reference, "r");
	const struct config_tail *tail = &config.tail;
	uint8_t hash[VERITY_HASH];
	assert_int_equal(verity_hash(config.json, tail->json_len, hash, &err), 0);
	assert_memory_equal(hash, tail->json_hash, sizeof hash);
	assert_int_equal(verity_check(fd, tail->data_size, tail->hash_at, tail->root_hash, &err), 0);
	for (uint64_t at = 0; at < tail->hash_at + 512; at += 97) {
		if (at >= tail->hash_at + 16 && at < tail->hash_at + 32)
			continue;  /* the superblock's uuid is anybody's */
		assert_int_equal(pread(fd, &flipped, 1, (off_t)at), 1);
		flipped ^= 1;
		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
		if (verity_check(fd, tail->data_size, tail->hash_at, tail->root_hash, &err) != -EIO)
			fail_msg("byte %llu can be changed", (unsigned long long)at);
		flipped ^= 1;
		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
	}
	image_config_free(&config);
	/* Without what is behind the squashfs it is an ordinary one. */
	assert_int_equal(ftruncate(fd, (off_t)config_tail_round(file.super.bytes_used)), 0);
	assert_int_equal(image_file_check(fd, "x", &file, &err), 0);
	file.fd = fd;
	assert_int_equal(image_config_read(&file, &config, &err), -ENOENT);
	close(fd);
}

static void tails(void **state)
{
	(void)state;
	const uint64_t used = 5000, size = 8192 + 3 * 4096;
	const struct config_tail good = {.data_size = 8192, .hash_at = 8192, .json_at = 12288 + 4096, .json_len = 10};
	struct err err = ERR_NONE;
	struct config_tail tail, bad;
	uint8_t bytes[TAIL_SIZE];
	config_tail_pack(&good, bytes);
	assert_int_equal(config_tail_parse(bytes, size, used, &tail, &err), 0);
	assert_memory_equal(&tail, &good, sizeof good);
	assert_int_equal(config_tail_parse(bytes, size, 9000, &tail, &err), -EBADMSG);
	assert_int_equal(config_tail_parse(bytes, 8192, used, &tail, &err), -ENOENT);
	bytes[200] = 1;
	assert_int_equal(config_tail_parse(bytes, size, used, &tail, &err), -EBADMSG);
	bytes[0] ^= 1;
	assert_int_equal(config_tail_parse(bytes, size, used, &tail, &err), -ENOENT);
	const struct { size_t offset; uint64_t value; } changes[] = {
		{offsetof(struct config_tail, json_at), UINT64_MAX}, {offsetof(struct config_tail, json_at), 0},
		{offsetof(struct config_tail, json_len), UINT64_MAX}, {offsetof(struct config_tail, json_len), 5000},
		{offsetof(struct config_tail, hash_at), 4096}, {offsetof(struct config_tail, data_size), 4096},
	};
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		bad = good;
		memcpy((char *)&bad + changes[i].offset, &changes[i].value, 8);
		config_tail_pack(&bad, bytes);
		assert_int_equal(config_tail_parse(bytes, size, used, &tail, &err), -EBADMSG);
	}
}

static void shapes(void **state)
{
	(void)state;
	static const struct { uint64_t blocks; unsigned levels; uint64_t layer_tree_blocks; } cases[] = {
		{1, 0, 0}, {2, 1, 1}, {128, 1, 1}, {129, 2, 3}, {16384, 2, 129}, {16385, 3, 129 + 3},
	};
	struct err err = ERR_NONE;
	struct verity_shape shape;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t size = cases[i].blocks * VERITY_BLOCK;
		assert_int_equal(verity_shape_of(size, size, &shape, &err), 0);
		assert_int_equal(shape.levels, cases[i].levels);
		assert_int_equal(shape.end, size + (1 + cases[i].layer_tree_blocks) * VERITY_BLOCK);
	}
	assert_int_equal(verity_shape_of(0, 0, &shape, &err), -EINVAL);
	assert_int_equal(verity_shape_of(100, 4096, &shape, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(bare), cmocka_unit_test(refused),
		cmocka_unit_test(machines), cmocka_unit_test(in_a_file), cmocka_unit_test(tails),
		cmocka_unit_test(shapes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
