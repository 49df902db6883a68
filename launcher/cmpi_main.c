/*
 * cmpi_main.c - the tools: a table of subcommands, nothing more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/keep_msg.h"
#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/image_file.h"
#include "launcher/cmpi_abi.h"
#include "launcher/cmpi_image.h"
#include "launcher/cmpi_node.h"
#include "launcher/cmpi_optimize.h"
#include "launcher/fabric_probe.h"
#include "squash/squash.h"
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

static int fabric_ls(char **argv)
{
	(void)argv;
	return fabric_probe_print();
}

static const struct command {
	const char *group, *name, *arguments, *help;
	int least, most;  /* arguments */
	int (*run)(char **argv);
} commands[] = {
	{"image", "info", "FILE", "what the image file is", 1, 1, image_info},
	{"image", "index", "FILE", "hash it, so that every read of it is verified", 1, 3,
	 cmpi_image_index},
	{"image", "optimize", "FILE --profile PROFILE", "write it anew, what a start reads first", 2, 5,
	 cmpi_image_optimize},
	{"abi", "explain", "[OPTIONS] FILE", "whose MPI cmpirun --mpi would load, and why", 1, 16,
	 cmpi_abi_explain},
	{"node", "ls", "", "the images that this node keeps (cmpirun --keep-image)", 0, 0, cmpi_node_ls},
	{"node", "rm", "DIGEST...", "stop keeping them; --all: any", 1, KEEP_IMAGES_MAX, cmpi_node_rm},
	{"fabric", "ls", "", "the fabrics of this host, as its libfabric and its devices tell", 0, 0, fabric_ls},
	{"abi", "index", "FILE", "write FILE.abi, so that no plan reads the image any more", 1, 1,
	 cmpi_abi_index},
};

static void print_usage(FILE *to)
{
	fprintf(to, "Usage: cmpi GROUP COMMAND ...\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(to, "  cmpi %s %s %-14s %s\n", commands[i].group, commands[i].name,
			commands[i].arguments, commands[i].help);
	AUTO_BUF struct buf gateway = {0};
	cmpi_image_usage(&gateway);
	fprintf(to, "%.*s  cmpi --version\n", (int)gateway.len, gateway.data ? gateway.data : "");
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
	int status = argc >= 2 && strcmp(argv[1], "image") == 0 ? cmpi_image(argv + 2) : -1;
	if (status >= 0)
		return status;
	for (size_t i = 0; argc >= 3 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].group, argv[1]) == 0 && strcmp(commands[i].name, argv[2]) == 0 &&
		    argc - 3 >= commands[i].least && argc - 3 <= commands[i].most)
			return commands[i].run(argv + 3);
	print_usage(stderr);
	return EXITCODE_USAGE;
}
