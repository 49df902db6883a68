/*
 * pull_scan.h - threads that look at layers while these come (build.h: pass 1).
 *
 * One thread a layer, a few at a time.  A thread reads the blob's file, behind whoever writes it, so
 * a slow look never holds up the network and a connection that is lost does not matter to it.
 */
#ifndef IMAGE_PULL_SCAN_H
#define IMAGE_PULL_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "image/build.h"

struct pull_scan;

/* `layer` is copied, but not its strings; bytes 0..available of its file are there. */
int pull_scan_new(const struct build_layer *layer, uint64_t available, struct pull_scan **scan,
		  struct err *err);
/* More bytes are there; fewer than before: all that was read is void, start again. */
void pull_scan_advance(struct pull_scan *scan, uint64_t available);
/* Has it come to its end?  Then *rc and *err say how. */
bool pull_scan_ended(struct pull_scan *scan, int *rc, struct err *err);
/* Waits for the end, at most `ms`. */
void pull_scan_wait(struct pull_scan *scan, unsigned ms);
/* What it found: the caller's now.  Only behind an end without error, once. */
struct layer_scan *pull_scan_take(struct pull_scan *scan);
/* Ends the thread, too. */
void pull_scan_free(struct pull_scan **scan);

#endif
