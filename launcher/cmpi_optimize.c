/*
 * cmpi_optimize.c - cmpi image index, cmpi image optimize (cmpi_optimize.h).
 *
 * index: the image is read and hashed once; the sidecar (bcast/sidecar_file.h) keeps hashes, digest
 * and, where a profile says what a start reads, the hot chunks.
 */
#include "launcher/cmpi_optimize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/sidecar_file.h"
#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/image_file.h"

static int fail(int exit_code, const struct err *err)
{
	log_error("%s", err->text);
	return exit_code;
}


/* -- index --------------------------------------------------------------- */

static void print_sidecar(const char *path, const struct sidecar *sidecar)
{
	printf("file        %s\nsize        %llu bytes\nchunks      %llu of %u KiB, %zu hot\ndigest      xxh3:",
	       path, (unsigned long long)sidecar->size, (unsigned long long)sidecar->chunk_count,
	       sidecar->chunk_size / 1024, sidecar->hot_count);
	for (size_t i = 0; i < sizeof sidecar->digest; i++)
		printf("%02x", sidecar->digest[i]);
	printf("\n");
}

/* The hot chunks of a sidecar that is still of this file are worth keeping. */
static void keep_hot(const char *path, int fd, struct sidecar *sidecar)
{
	AUTO_SIDECAR struct sidecar old = {0};
	if (sidecar_load(path, fd, &old, NULL) < 0 || old.chunk_size != sidecar->chunk_size)
		return;
	sidecar->hot = take_ptr(&old.hot);
	sidecar->hot_count = old.hot_count;
}

int cmpi_image_index(char **argv)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	AUTO_SIDECAR struct sidecar sidecar = {0};
	AUTO_FREE char *path = NULL;
	struct err err = ERR_NONE;
	if (image_file_open(argv[0], &image, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	if ((path = realpath(argv[0], NULL)) == NULL) {
		err_errno(&err, errno, "image %s", argv[0]);
		return fail(EXITCODE_IMAGE, &err);
	}
	if (sidecar_index(image.fd, chunk_size_for(image.size), &sidecar, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	keep_hot(path, image.fd, &sidecar);
	if (sidecar_store(path, &sidecar, &err) < 0)
		return fail(EXITCODE_SETUP, &err);
	print_sidecar(path, &sidecar);
	return EXITCODE_OK;
}
