/*
 * Foreign bytes as a list of what is copied: what is decoded encodes to the same bytes, and no two files share a
 * byte of the row.
 */
#include <stdlib.h>
#include <string.h>

#include "bcast/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO_BUF struct buf again = {0};
	struct bundle bundle;
	struct err err;
	uint64_t end = 0;
	if (bundle_decode(bytes, len, &bundle, &err) < 0)
		return 0;
	bundle_encode(&bundle, &again);
	if (again.failed || again.len != len || memcmp(again.data, bytes, len) != 0)
		abort();
	for (size_t i = 0; i < bundle.row_count; i++) {
		const struct bundle_entry *entry = &bundle.entries[bundle.row[i]];
		if (entry->offset < end || bundle_find(&bundle, entry->offset) != entry)
			abort();
		end = entry->offset + entry->size;
	}
	if (end != bundle.size)
		abort();
	bundle_free(&bundle);
	return 0;
}
