/*
 * build.c - layers in, a verified image out (build.h).
 *
 * Flow: pass 1 of the layers that have not been scanned (in threads, one layer each) →
 * merge → pass 2 into squashfs → read back → what travels behind the squashfs → digest.
 *
 * Nothing here has a name on the disk: the caller's out_fd gets one when all of it holds.
 */
#include "image/build.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image/build_squash.h"
#include "image/build_stream.h"
#include "image/build_verify.h"
#include "image/config_make.h"
#include "image/config_tail.h"
#include "image/digest.h"
#include "image/layer_scan.h"
#include "image/merge.h"
#include "image/verity.h"

enum { THREADS_MAX = 16, BLOCK_SIZE = 128 * 1024, READ = 1024 * 1024 };
enum { LAYERS_MAX = 1000 };  /* Docker allows 127 */

static unsigned thread_count(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : (unsigned)count;
}

/* -- pass 1 ------------------------------------------------------------- */

struct pass1 {
	const struct build_input *input;
	struct layer_scan **scans;  /* those of the input, and ours */
	atomic_size_t next;
	atomic_bool failed;
};

struct scanner {
	struct pass1 *pass;
	pthread_t thread;
	bool started;
	int rc;
	struct err err;
};

static int scan_layer(const struct build_layer *layer, struct layer_scan **scan, struct err *err)
{
	int rc = layer_scan_new(layer, scan, err);
	return rc < 0 ? rc : layer_scan_file(layer, *scan, err);
}

static void *scanner_main(void *argument)
{
	struct scanner *scanner = argument;
	struct pass1 *pass = scanner->pass;
	while (scanner->rc == 0 && !atomic_load(&pass->failed)) {
		size_t i = atomic_fetch_add(&pass->next, 1);
		if (i >= pass->input->layer_count)
			break;
		if (!pass->scans[i])
			scanner->rc = scan_layer(&pass->input->layers[i], &pass->scans[i], &scanner->err);
	}
	if (scanner->rc < 0)
		atomic_store(&pass->failed, true);
	return NULL;
}

static int scan_layers(const struct build_input *input, struct layer_scan **scans, struct err *err)
{
	struct pass1 pass = {.input = input, .scans = scans};
	struct scanner scanners[THREADS_MAX] = {0};
	unsigned threads = thread_count();
	int rc = 0;
	for (size_t i = 0; i < input->layer_count; i++) {
		scans[i] = input->layers[i].scan;
		if (scans[i] && !layer_scan_ended(scans[i]))
			return err_set(err, EINVAL, "a layer's scan has not ended");
	}
	for (unsigned i = 1; i < threads && i < input->layer_count; i++) {
		scanners[i].pass = &pass;
		scanners[i].started = pthread_create(&scanners[i].thread, NULL, scanner_main,
						     &scanners[i]) == 0;
	}
	scanners[0].pass = &pass;
	scanner_main(&scanners[0]);
	for (unsigned i = 0; i < threads; i++) {
		if (scanners[i].started)
			pthread_join(scanners[i].thread, NULL);
		if (rc == 0 && scanners[i].rc < 0) {
			rc = scanners[i].rc;
			if (err)
				*err = scanners[i].err;
		}
	}
	return rc;
}

static void free_scans(const struct build_input *input, struct layer_scan **scans)
{
	for (size_t i = 0; i < input->layer_count; i++)
		if (scans[i] != input->layers[i].scan)
			layer_scan_free(&scans[i]);
}

/* -- the file ----------------------------------------------------------- */

static int digest_file(int fd, struct build_result *result, struct err *err)
{
	AUTO_DIGEST_HASH struct digest_hash *hash = NULL;
	AUTO_FREE char *bytes = malloc(READ);
	int rc = bytes ? digest_hash_new(NULL, &hash, err)
		       : err_set(err, ENOMEM, "no memory to read the image back");
	while (rc == 0) {
		ssize_t got = pread(fd, bytes, READ, (off_t)result->size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read the image back");
		if (got == 0)
			break;
		digest_hash_add(hash, bytes, (size_t)got);
		result->size += (uint64_t)got;
	}
	if (rc == 0)
		digest_hash_end(hash, result->digest);
	return rc;
}

static int write_at(int fd, const void *bytes, size_t len, uint64_t at, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t put = pwrite(fd, (const char *)bytes + done, len - done, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return err_errno(err, put < 0 ? errno : EIO, "write the image");
		done += (size_t)put;
	}
	return 0;
}

/* Hash tree, config, tail: image/config_tail.h shows the layout. */
int build_add_json_tail(int fd, uint64_t bytes_used, const char *json, size_t len, struct err *err)
{
	uint8_t bytes[TAIL_SIZE];
	struct config_tail tail = {.data_size = config_tail_round(bytes_used), .json_len = len};
	tail.hash_at = tail.data_size;
	int rc = verity_hash(json, len, tail.json_hash, err);
	if (rc == 0)
		rc = verity_write(fd, tail.data_size, tail.hash_at, tail.root_hash, &tail.json_at, err);
	if (rc == 0)
		rc = write_at(fd, json, len, tail.json_at, err);
	if (rc < 0)
		return rc;
	config_tail_pack(&tail, bytes);
	uint64_t end = config_tail_round(tail.json_at + tail.json_len + TAIL_SIZE);
	return write_at(fd, bytes, sizeof bytes, end - TAIL_SIZE, err);
}

int build_add_tail(const struct build_input *input, int fd, uint64_t bytes_used, struct err *err)
{
	AUTO_BUF struct buf json = {0};
	int rc = image_config_make(input->config, input->config_len, input->reference,
				   input->manifest_digest, &json, err);
	return rc < 0 ? rc : build_add_json_tail(fd, bytes_used, json.data, json.len, err);
}

static int build_merged(const struct build_input *input, const struct merge *merge, int out_fd,
			struct build_result *result, struct err *err)
{
	AUTO_CALL(build_squash_free) struct build_squash *squash = NULL;
	const struct build_squash_options options = {
		.compressor = input->compressor ? input->compressor : SQUASH_ZSTD,
		.level = input->level,
		.block_size = input->block_size ? input->block_size : BLOCK_SIZE,
		.threads = thread_count(),
	};
	uint64_t bytes_used;
	int rc = build_squash_new(out_fd, merge->tree, &options, &squash, err);
	if (rc == 0)
		rc = build_stream(input, merge, squash, err);
	if (rc == 0)
		rc = build_squash_finish(squash, &bytes_used, err);
	build_squash_free(&squash);  /* its memory, before the next step needs some */
	if (rc == 0)
		rc = build_verify(out_fd, merge, options.threads, err);
	if (rc == 0)
		rc = build_add_tail(input, out_fd, bytes_used, err);
	if (rc == 0)
		rc = digest_file(out_fd, result, err);
	result->files = merge->inodes;
	result->bytes = merge->bytes;
	return rc;
}

int build_image(const struct build_input *input, int out_fd, struct build_result *result,
		struct err *err)
{
	if (input->layer_count > LAYERS_MAX)
		return err_set(err, E2BIG, "an image of %zu layers, at most %d are taken",
			       input->layer_count, LAYERS_MAX);
	AUTO_FREE struct layer_scan **scans = calloc(input->layer_count + 1, sizeof(struct layer_scan *));
	struct merge merge = {0};
	*result = (struct build_result){0};
	if (!scans)
		return err_set(err, ENOMEM, "no memory to build an image");
	int rc = scan_layers(input, scans, err);
	if (rc == 0)
		rc = merge_layers(scans, input->layer_count, &merge, err);
	if (rc == 0)
		rc = build_merged(input, &merge, out_fd, result, err);
	merge_free(&merge);
	free_scans(input, scans);
	return rc;
}
