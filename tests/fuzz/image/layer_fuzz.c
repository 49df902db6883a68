/* A layer's blob: decompression, tar, and the rules of the tree; fed in pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/layer_tar.h"
#include "image/layer_unzip.h"
#include "image/merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Holes and bombs are bounded, but not by what a fuzzer has the time for. */
struct measure {
	struct layer_tar *tar;
	uint64_t plain, holes;
};

static int on_entry(void *context, const struct layer_entry *entry, struct err *err)
{
	struct measure *measure = context;
	measure->holes += entry->size;
	return measure->holes > 16 << 20 ? err_set(err, EFBIG, "large") : 0;
}

static int on_data(void *context, const void *bytes, size_t len, struct err *err)
{
	(void)context, (void)bytes, (void)len, (void)err;
	return 0;
}

static int on_plain(void *context, const void *bytes, size_t len, struct err *err)
{
	struct measure *measure = context;
	measure->plain += len;
	if (measure->plain > 16 << 20)
		return err_set(err, EFBIG, "large");
	return layer_tar_feed(measure->tar, bytes, len, err);
}

static int is_small(const uint8_t *data, size_t size)
{
	struct err err;
	struct measure measure = {0};
	struct layer_tar_sink sink = {on_entry, on_data, &measure};
	measure.tar = layer_tar_new(&sink);
	struct layer_unzip *unzip = layer_unzip_new(on_plain, &measure);
	int rc = layer_unzip_feed(unzip, data, size, &err);
	layer_unzip_free(&unzip);
	layer_tar_free(&measure.tar);
	return rc == 0;
}

static void fuzz(const uint8_t *data, size_t size, struct err *err)
{
	const struct build_layer layer = {0};
	struct layer_scan *scan = NULL;
	struct merge merge;
	size_t step = size ? 1 + data[0] * 8u : 1;
	if (!is_small(data, size) || layer_scan_new(&layer, &scan, err) < 0)
		return;
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < size; at += step)
		rc = layer_scan_feed(scan, data + at, size - at < step ? size - at : step, err);
	if (rc == 0 && layer_scan_end(scan, err) == 0) {
		struct layer_scan *twice[] = {scan, scan};
		if (merge_layers(twice, 2, &merge, err) == 0)
			merge_free(&merge);
	}
	layer_scan_free(&scan);
}

/* Headers get the checksum that they should have, or no change of one would come further. */
static void seal_headers(uint8_t *tar, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned sum = 0;
		if (memcmp(tar + at + 257, "ustar", 5) != 0)
			continue;
		memset(tar + at + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += tar[at + i];
		for (size_t i = 0; i < 6; i++)
			tar[at + 148 + i] = (uint8_t)('0' + (sum >> (3 * (5 - i)) & 7));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *given, size_t size)
{
	struct err err = ERR_NONE;
	uint8_t *data = malloc(size + 1);
	if (!data)
		return 0;
	memcpy(data, given, size);
	seal_headers(data, size);
	fuzz(data, size, &err);
	free(data);
	return 0;
}
