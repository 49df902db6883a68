/*
 * cmpi_image.h - `cmpi image`: the image gateway's command line.
 */
#ifndef LAUNCHER_CMPI_IMAGE_H
#define LAUNCHER_CMPI_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/opt.h"
#include "image/pull.h"

/* `argv` begins behind "image"; -1: no command of ours (others have `image info`, ...). */
int cmpi_image(char **argv);
/* The lines of `cmpi --help`. */
void cmpi_image_usage(struct buf *out);

struct cmpi_image_options {
	const char *store, *shared_store, *user, *platform, *when, *key;
	long fd;                           /* of check: an open image; -1: none */
	struct registry_conf conf;
	enum squash_compressor compressor;
	long level, block_size, parallel;
	int64_t image_age_s, blob_age_s;   /* of gc; -1: not given */
	uint64_t most_bytes;
	bool json, quiet, print_path, dry_run, force, password_stdin;
};

/* The exit code for an error of the gateway; the text is printed. */
int cmpi_image_fail(int rc, const struct err *err);
/* Opens the stores and fills the options of a pull; the caller frees the stores. */
int cmpi_image_prepare(const struct cmpi_image_options *options, struct pull_options *pull,
		       struct err *err);
/* The image in the store that `text` (a reference, or the first 6 or more digits of an ID) means;
 * *tag may be NULL.  -ENOENT with what there is to do. */
int cmpi_image_find(const struct pull_options *pull, const char *text, struct store_image *image,
		    struct store_tag *tag, struct err *err);

/* Each takes its arguments, NULL-terminated, and returns an exit code. */
typedef int cmpi_image_command(const struct cmpi_image_options *options, char **argv);
cmpi_image_command cmpi_image_ls, cmpi_image_inspect, cmpi_image_verify, cmpi_image_rm, cmpi_image_gc;
cmpi_image_command cmpi_image_sign, cmpi_image_check;
cmpi_image_command cmpi_image_login, cmpi_image_logout;

/* Shows how far a pull is, on stderr (or as JSON lines on stdout). */
struct cmpi_image_progress {
	bool json, is_terminal, is_quiet;
	uint64_t started_ns, shown_ns, bytes_at_start;
	size_t lines;     /* on the terminal, to be overwritten */
	bool has_start;
};

void cmpi_image_progress_init(struct cmpi_image_progress *progress, bool json, bool quiet);
/* For struct pull_options; the context is the progress. */
int cmpi_image_progress_status(void *context, const struct pull_status *status);
void cmpi_image_progress_note(void *context, const char *text);
/* Takes the lines away. */
void cmpi_image_progress_end(struct cmpi_image_progress *progress);

#endif
