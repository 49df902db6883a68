/*
 * cmpi_image_progress.c - how far a pull is: lines that are redrawn on a terminal, a line now and then
 * in a log, JSON lines on stdout (cmpi_image.h).
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "launcher/cmpi_image.h"

#define TERMINAL_NS (NS_PER_S / 8)
#define JSON_NS (NS_PER_S / 2)
#define LOG_NS (10 * NS_PER_S)

enum { LAYERS_SHOWN = 10 };

void cmpi_image_progress_init(struct cmpi_image_progress *progress, bool json, bool quiet)
{
	*progress = (struct cmpi_image_progress){.json = json, .is_quiet = quiet,
						 .is_terminal = !json && isatty(STDERR_FILENO),
						 .started_ns = clock_now_ns()};
	progress->shown_ns = progress->started_ns;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

struct totals {
	uint64_t have, size, fetched;
	size_t done;
	double rate;    /* bytes/s */
	double left_s;  /* -1: nobody knows */
};

static struct totals add_up(const struct cmpi_image_progress *progress, const struct pull_status *status)
{
	struct totals totals = {.left_s = -1};
	for (size_t i = 0; i < status->layer_count; i++) {
		const struct pull_layer_status *layer = &status->layers[i];
		totals.size += layer->size;
		totals.have += layer->have;
		totals.done += layer->state == PULL_LAYER_DONE;
		totals.fetched += layer->was_there ? 0 : layer->have;
	}
	double seconds = (double)(clock_now_ns() - progress->started_ns) / 1e9;
	totals.rate = seconds > 0 && totals.fetched > progress->bytes_at_start ? (double)(totals.fetched - progress->bytes_at_start) / seconds : 0;
	if (totals.rate > 0)
		totals.left_s = (double)(totals.size - totals.have) / totals.rate;
	return totals;
}

static const char *state_name(const struct pull_layer_status *layer)
{
	static const char *const names[] = {[PULL_LAYER_WAITS] = "waiting", [PULL_LAYER_COMES] = "fetching",
					    [PULL_LAYER_READ] = "reading", [PULL_LAYER_DONE] = "done"};
	return layer->state == PULL_LAYER_DONE && layer->was_there ? "was here" : names[layer->state];
}

static void clear_lines(struct cmpi_image_progress *progress)
{
	if (progress->lines > 0)
		fprintf(stderr, "\033[%zuA\033[J", progress->lines);
	progress->lines = 0;
}

static void show_terminal(struct cmpi_image_progress *progress, const struct pull_status *status,
			  const struct totals *totals)
{
	clear_lines(progress);
	for (size_t i = 0; i < status->layer_count && progress->lines < LAYERS_SHOWN; i++) {
		const struct pull_layer_status *layer = &status->layers[i];
		if (layer->state != PULL_LAYER_COMES && layer->state != PULL_LAYER_READ)
			continue;
		fprintf(stderr, "  %-12.12s %8.1f of %8.1f MiB  %s\n",
			strchr(layer->digest, ':') ? strchr(layer->digest, ':') + 1 : "tar", mib(layer->have),
			mib(layer->size), state_name(layer));
		progress->lines++;
	}
	if (status->build_total > 0)
		fprintf(stderr, "  squashfs     %8.1f of %8.1f MiB\n", mib(status->built), mib(status->build_total));
	else
		fprintf(stderr, "  %zu of %zu layers, %.1f of %.1f MiB, %.1f MiB/s%s%.0f%s\n", totals->done,
			status->layer_count, mib(totals->have), mib(totals->size), totals->rate / (1 << 20),
			totals->left_s >= 0 ? ", " : "", totals->left_s >= 0 ? totals->left_s : 0,
			totals->left_s >= 0 ? " s left" : "");
	progress->lines++;
}

static void show_json(const struct pull_status *status, const struct totals *totals)
{
	json_t *layers = json_array();
	for (size_t i = 0; i < status->layer_count; i++) {
		const struct pull_layer_status *layer = &status->layers[i];
		json_array_append_new(layers, json_pack("{s:s,s:I,s:I,s:s}", "digest", layer->digest, "size",
							(json_int_t)layer->size, "have", (json_int_t)layer->have,
							"state", state_name(layer)));
	}
	json_t *line = json_pack("{s:s,s:I,s:I,s:f,s:f,s:I,s:I,s:o}", "event", "progress", "have",
				 (json_int_t)totals->have, "size", (json_int_t)totals->size, "bytes_per_second",
				 totals->rate, "seconds_left", totals->left_s, "built", (json_int_t)status->built,
				 "build_total", (json_int_t)status->build_total, "layers", layers);
	json_dumpf(line, stdout, JSON_COMPACT);
	json_decref(line);
	printf("\n");
	fflush(stdout);
}

int cmpi_image_progress_status(void *context, const struct pull_status *status)
{
	struct cmpi_image_progress *progress = context;
	uint64_t now = clock_now_ns();
	if (!progress->has_start)
		progress->bytes_at_start = add_up(progress, status).fetched;
	progress->has_start = true;
	uint64_t interval = progress->json ? JSON_NS : progress->is_terminal ? TERMINAL_NS : LOG_NS;
	if (now - progress->shown_ns < interval || (progress->is_quiet && !progress->json))
		return 0;
	progress->shown_ns = now;
	struct totals totals = add_up(progress, status);
	if (progress->json)
		show_json(status, &totals);
	else if (progress->is_terminal)
		show_terminal(progress, status, &totals);
	else if (status->build_total > 0)
		log_note("squashfs: %.0f of %.0f MiB", mib(status->built), mib(status->build_total));
	else
		log_note("%zu of %zu layers, %.0f of %.0f MiB, %.1f MiB/s, %.0f s left", totals.done,
			 status->layer_count, mib(totals.have), mib(totals.size), totals.rate / (1 << 20),
			 totals.left_s > 0 ? totals.left_s : 0);
	return 0;
}

void cmpi_image_progress_note(void *context, const char *text)
{
	struct cmpi_image_progress *progress = context;
	cmpi_image_progress_end(progress);
	if (!progress->is_quiet)
		log_note("%s", text);
}

void cmpi_image_progress_end(struct cmpi_image_progress *progress)
{
	if (progress->is_terminal)
		clear_lines(progress);
}
