/*
 * pull_layers.c - gets the layers of an image: from the store, or the registry (pull_impl.h).
 *
 * A layer waits, comes, is read to its end, and is done.  Downloads run on the registry's loop in this
 * thread, looks in threads of their own.  A blob is published in the store only when the look at it
 * has found the digest that it should have.
 *
 * A blob that was in the store, or went on from what an earlier pull left, and turns out wrong, is
 * thrown away and fetched once more.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "image/pull_impl.h"

enum { PARALLEL = 4, TICK_MS = 50 };

void pull_note(const struct pull_options *options, const char *format, ...)
{
	char text[600];
	va_list arguments;
	if (options->note == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	options->note(options->context, text);
}

int pull_report(const struct pull_work *work, uint64_t built, uint64_t build_total, struct err *err)
{
	struct pull_status status = {.layers = work->status, .layer_count = work->layer_count,
				     .built = built, .build_total = build_total};
	if (work->options->status == NULL || work->options->status(work->options->context, &status) == 0)
		return 0;
	return err_set(err, ECANCELED, "interrupted");
}

static struct pull_layer_status *status_of(struct pull_work *work, struct pull_layer *layer)
{
	return &work->status[layer - work->layers];
}

/* -- fetching ---------------------------------------------------------------- */

static void on_progress(struct registry_fetch *fetch)
{
	struct pull_layer *layer = fetch->context;
	if (layer->scan != NULL)
		pull_scan_advance(layer->scan, fetch->have);
}

static void on_done(struct registry_fetch *fetch, int rc, const struct err *err)
{
	struct pull_layer *layer = fetch->context;
	layer->fetch_rc = rc;
	if (rc < 0)
		layer->fetch_err = *err;
}

static int start_scan(struct pull_layer *layer, uint64_t available, struct err *err)
{
	struct build_layer input = {
		.fd = layer->fd,
		.size = layer->blob.size,
		.media_type = layer->blob.media_type[0] ? layer->blob.media_type : NULL,
		.digest = layer->blob.digest[0] ? layer->blob.digest : NULL,
		.diff_id = layer->diff_id[0] ? layer->diff_id : NULL,
		.below = layer->below,
	};
	return pull_scan_new(&input, available, &layer->scan, err);
}

/* The blob, from our store or the shared one, whose bytes are hashed like any others. */
static bool open_stored(struct pull_work *work, struct pull_layer *layer)
{
	const struct pull_options *options = work->options;
	uint64_t size;
	int fd;
	if (store_blob_open(options->store, layer->blob.digest, &fd, &size) < 0 &&
	    (options->shared == NULL || layer->has_failed_once ||
	     store_blob_open(options->shared, layer->blob.digest, &fd, &size) < 0))
		return false;
	if (size != layer->blob.size) {
		close_fd(&fd);
		store_blob_remove(options->store, layer->blob.digest);
		return false;
	}
	layer->fd = fd;
	return true;
}

/* -EBUSY (err untouched): another pull fetches this blob just now. */
static int start_fetch(struct pull_work *work, struct pull_layer *layer, struct err *err)
{
	uint64_t have = 0;
	if (work->registry == NULL)
		return err_set(err, ENOENT, "layer %.19s is missing", layer->blob.digest);
	int rc = store_partial_open(work->options->store, layer->blob.digest, &layer->fd, &have, err);
	if (rc < 0)
		return rc;
	if (have > layer->blob.size || layer->has_failed_once) {
		if (ftruncate(layer->fd, 0) < 0)
			return err_errno(err, errno, "layer %.19s", layer->blob.digest);
		have = 0;
	}
	layer->is_partial = true;
	layer->was_resumed = have > 0;
	layer->fetch = (struct registry_fetch){.blob = &layer->blob, .fd = layer->fd, .have = have,
					       .progress = on_progress, .done = on_done, .context = layer};
	layer->fetch_rc = have < layer->blob.size ? 1 : 0;
	rc = start_scan(layer, have, err);
	if (rc == 0 && layer->fetch_rc == 1)
		rc = registry_fetch_start(work->registry, &layer->fetch, err);
	return rc;
}

static int start_layer(struct pull_work *work, struct pull_layer *layer, struct err *err)
{
	struct pull_layer_status *status = status_of(work, layer);
	if (layer->is_given || (layer->blob.digest[0] != '\0' && open_stored(work, layer))) {
		status->was_there = true;
		status->have = layer->blob.size;
		status->state = PULL_LAYER_READ;
		layer->is_partial = false;
		layer->fetch_rc = 0;
		return start_scan(layer, layer->blob.size, err);
	}
	int rc = start_fetch(work, layer, err);
	if (rc == 0)
		status->state = PULL_LAYER_COMES;
	return rc;
}

/* -- the end of a layer --------------------------------------------------------- */

static void drop_layer(struct pull_work *work, struct pull_layer *layer)
{
	if (work->registry != NULL)
		registry_fetch_cancel(work->registry, &layer->fetch);
	pull_scan_free(&layer->scan);
	if (layer->is_partial)
		store_partial_remove(work->options->store, layer->blob.digest);
	else
		store_blob_remove(work->options->store, layer->blob.digest);
	close_fd(&layer->fd);
}

static int end_layer(struct pull_work *work, struct pull_layer *layer, int rc, struct err *err)
{
	struct pull_layer_status *status = status_of(work, layer);
	if (rc == 0) {
		layer->found = pull_scan_take(layer->scan);
		pull_scan_free(&layer->scan);
		status->state = PULL_LAYER_DONE;
		return layer->is_partial ? store_partial_publish(work->options->store, layer->blob.digest, err) : 0;
	}
	bool may_help = rc == -EBADMSG && !layer->is_given && work->registry != NULL &&
			(status->was_there || layer->was_resumed) && !layer->has_failed_once;
	if (rc == -EBADMSG && !layer->is_given)
		drop_layer(work, layer);
	if (!may_help)
		return err_prefix(err, "layer %.19s", layer->blob.digest[0] ? layer->blob.digest : "of the tar");
	pull_note(work->options, "layer %.19s in the store is damaged: fetched again", layer->blob.digest);
	layer->has_failed_once = true;
	*status = (struct pull_layer_status){.digest = layer->blob.digest, .size = layer->blob.size};
	return 0;
}

/* Looks at all layers that are under way. */
static int check_layers(struct pull_work *work, struct err *err)
{
	for (size_t i = 0; i < work->layer_count; i++) {
		struct pull_layer *layer = &work->layers[i];
		int rc;
		if (layer->scan == NULL)
			continue;
		if (layer->is_partial)
			work->status[i].have = layer->fetch.have;
		if (layer->fetch_rc < 0) {
			*err = layer->fetch_err;
			return err_prefix(err, "layer %.19s", layer->blob.digest);
		}
		if (layer->fetch_rc == 0 && layer->is_partial)
			work->status[i].state = PULL_LAYER_READ;
		if (!pull_scan_ended(layer->scan, &rc, err) || (rc == 0 && layer->fetch_rc == 1))
			continue;
		rc = end_layer(work, layer, rc, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* -- all ----------------------------------------------------------------------- */

/* Starts what may be; counts what is under way, and what is not done. */
static int start_layers(struct pull_work *work, size_t *active, size_t *open, struct err *err)
{
	size_t most = work->options->parallel ? work->options->parallel : PARALLEL;
	*active = *open = 0;
	for (size_t i = 0; i < work->layer_count; i++) {
		*active += work->layers[i].scan != NULL;
		*open += work->status[i].state != PULL_LAYER_DONE;
	}
	for (size_t i = 0; i < work->layer_count && *active < most; i++) {
		struct pull_layer *layer = &work->layers[i];
		if (work->status[i].state != PULL_LAYER_WAITS)
			continue;
		int rc = start_layer(work, layer, err);
		if (rc == -EBUSY)
			continue;
		if (rc < 0)
			return rc;
		++*active;
	}
	return 0;
}

static int wait_some(struct pull_work *work, struct err *err)
{
	struct pull_scan *scan = NULL;
	bool is_fetching = false;
	for (size_t i = 0; i < work->layer_count; i++) {
		scan = scan ? scan : work->layers[i].scan;
		is_fetching = is_fetching || work->layers[i].fetch.state != NULL;
	}
	if (is_fetching)
		return registry_wait(work->registry, TICK_MS, err);
	if (scan != NULL)
		pull_scan_wait(scan, TICK_MS);
	else
		nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000L}, NULL);
	return 0;
}

int pull_layers_get(struct pull_work *work, struct err *err)
{
	size_t active, open;
	for (;;) {
		int rc = start_layers(work, &active, &open, err);
		if (rc == 0 && open == 0)
			return 0;
		if (rc == 0)
			rc = wait_some(work, err);
		if (rc == 0)
			rc = check_layers(work, err);
		if (rc == 0)
			rc = pull_report(work, 0, 0, err);
		if (rc < 0)
			return rc;
	}
}

int pull_work_set_layers(struct pull_work *work, size_t count, struct err *err)
{
	work->layers = calloc(count + 1, sizeof *work->layers);
	work->status = calloc(count + 1, sizeof *work->status);
	if (work->layers == NULL || work->status == NULL)
		return err_errno(err, ENOMEM, "layers");
	work->layer_count = count;
	for (size_t i = 0; i < count; i++)
		work->layers[i].fd = -1;
	return 0;
}

void pull_work_free(struct pull_work *work)
{
	for (size_t i = 0; i < work->layer_count; i++) {
		struct pull_layer *layer = &work->layers[i];
		if (work->registry != NULL)
			registry_fetch_cancel(work->registry, &layer->fetch);
		pull_scan_free(&layer->scan);
		layer_scan_free(&layer->found);
	}
	registry_free(&work->registry);
	layout_free(&work->layout);
	for (size_t i = 0; i < work->layer_count; i++)
		close_fd(&work->layers[i].fd);
	free(work->layers);
	free(work->status);
	buf_free(&work->reference);
	buf_free(&work->config);
	*work = (struct pull_work){0};
}
