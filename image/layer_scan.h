/*
 * layer_scan.h - what a scan (image/build.h: layer_scan_*) knows when it has ended.
 */
#ifndef IMAGE_LAYER_SCAN_H
#define IMAGE_LAYER_SCAN_H

#include "image/build.h"
#include "image/layer_entry.h"

/* In the order of the tar; they live as long as the scan. */
const struct layer_entry *layer_scan_entries(const struct layer_scan *scan, size_t *count);
bool layer_scan_ended(const struct layer_scan *scan);
/* sha256 of the plain stream, when no diff_id said another algorithm. */
const char *layer_scan_diff_id(const struct layer_scan *scan);

/* Reads all of layer->fd by pread and ends the scan. */
int layer_scan_file(const struct build_layer *layer, struct layer_scan *scan, struct err *err);

#endif
