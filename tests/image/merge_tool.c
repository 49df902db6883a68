/*
 * merge_tool.c - build_image() by hand, for tests/image/merge.sh.
 *
 *	merge_tool OUT.sqsh CONFIG.json|- REFERENCE LAYER...
 *
 * Prints the result's digest.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/build.h"

static int fail(const char *text)
{
	fprintf(stderr, "merge_tool: %s\n", text);
	return 1;
}

static char *slurp(const char *path, size_t *len)
{
	static char bytes[1 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
	close(fd);
	*len = got < 0 ? 0 : (size_t)got;
	return got < 0 ? NULL : bytes;
}

int main(int argc, char **argv)
{
	struct build_layer layers[200] = {0};
	struct build_input input = {.layers = layers};
	struct build_result result;
	struct err err = ERR_NONE;
	if (argc < 5 || argc > 204)
		return fail("usage: OUT CONFIG|- REFERENCE LAYER...");
	for (int i = 4; i < argc; i++) {
		struct stat st;
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return fail(argv[i]);
		layers[input.layer_count++] = (struct build_layer){.fd = fd, .size = (uint64_t)st.st_size};
	}
	if (strcmp(argv[2], "-") != 0)
		input.config = slurp(argv[2], &input.config_len);
	input.reference = argv[3];
	const char *comp = getenv("MERGE_COMP");
	input.compressor = comp ? (enum squash_compressor)atoi(comp) : 0;
	int out = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0)
		return fail(argv[1]);
	if (build_image(&input, out, &result, &err) < 0)
		return fail(err.text);
	printf("%s\n", result.digest);
	fprintf(stderr, "%llu inodes, %llu bytes → %llu\n", (unsigned long long)result.files,
		(unsigned long long)result.bytes, (unsigned long long)result.size);
	return 0;
}
