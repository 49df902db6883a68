/*
 * cmpi_main.c - the tools: a table of subcommands, nothing more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/image_file.h"
#include "launcher/cmpi_optimize.h"
#include "squash/squash.h"
#include "mpi-abi/decide.h"
#include "mpi-abi/index_cache.h"
#include "version.h"

static int fail(int exit_code, const struct err *err)
{
	log_error("%s", err->text);
	return exit_code;
}

static int image_info(char **argv)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	struct err err;
	if (image_file_open(argv[0], &image, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	printf("file        %s\nsize        %llu bytes\ncompressor  %s\nblock size  %u bytes\ninodes      %u\n",
	       argv[0], (unsigned long long)image.size,
	       squash_compressor_name(image.super.compressor), image.super.block_size,
	       image.super.inodes);
	return EXITCODE_OK;
}

/* 0: the host's MPI fits; EXITCODE_SETUP: it does not, and the reason is printed. */
static int abi_explain(char **argv)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	AUTO_BUF struct buf text = {0};
	struct image_index *index = NULL;
	enum index_origin origin;
	struct abi_decision *decision = NULL;
	struct err err;
	if (image_file_open(argv[0], &image, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	AUTO_FREE char *cache_dir = index_cache_dir_new(getenv("XDG_CACHE_HOME"), getenv("HOME"));
	int rc = index_cache_get(&image, argv[0], cache_dir, &index, &origin, &err);
	struct abi_request request = {.index = index, .search_path = getenv("PATH"),
				      .library_path = getenv("LD_LIBRARY_PATH")};
	if (rc == 0)
		rc = abi_decide(&request, &decision, &err);
	image_index_free(&index);
	if (rc < 0)
		return fail(EXITCODE_IMAGE, &err);
	abi_decision_print(decision, true, &text);
	printf("%.*s\n", (int)text.len, text.data ? text.data : "");
	int status = decision->verdict == ABI_SWAP ? EXITCODE_OK : EXITCODE_SETUP;
	abi_decision_free(&decision);
	return status;
}

static const struct command {
	const char *group, *name, *arguments, *help;
	int least, most;  /* arguments */
	int (*run)(char **argv);
} commands[] = {
	{"image", "info", "FILE", "what the image file is", 1, 1, image_info},
	{"image", "index", "FILE", "hash it, so that every read of it is verified", 1, 1,
	 cmpi_image_index},
	{"abi", "explain", "FILE", "would the host's MPI fit (cmpirun --mpi host), and how", 1, 1,
	 abi_explain},
};

static void print_usage(FILE *to)
{
	fprintf(to, "Usage: cmpi GROUP COMMAND ...\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(to, "  cmpi %s %s %-10s %s\n", commands[i].group, commands[i].name,
			commands[i].arguments, commands[i].help);
	fprintf(to, "  cmpi --version\n");
}

int main(int argc, char **argv)
{
	log_open("cmpi", NULL, LOG_LEVEL_NORMAL);
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("cmpi " CMPIRUN_VERSION) < 0;
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		print_usage(stdout);
		return EXITCODE_OK;
	}
	for (size_t i = 0; argc >= 3 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].group, argv[1]) == 0 && strcmp(commands[i].name, argv[2]) == 0 &&
		    argc - 3 >= commands[i].least && argc - 3 <= commands[i].most)
			return commands[i].run(argv + 3);
	print_usage(stderr);
	return EXITCODE_USAGE;
}
