/*
 * manifest.c - hashes chunks piecemeal (manifest.h).  Pure.
 *
 * In: a growing prefix of the file.  Out: one hash a chunk, and the hash of hashes.
 *
 * The caller has other things to do between two pieces (MPI wants to be polled), so hashing is
 * cut by a budget, and XXH3's streaming state carries over.  Invariant: `hashed` is the number of
 * bytes of the file that went into the state, from 0 on without gap.
 */
#include "bcast/manifest.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/cleanup.h"

struct manifest {
	struct chunk_layout layout;
	uint64_t hashed;        /* bytes */
	uint64_t chunk;         /* the one being hashed */
	XXH3_state_t *state;    /* of that chunk */
	uint8_t *hashes;
};

_Static_assert(sizeof(XXH128_canonical_t) == MANIFEST_HASH_SIZE, "one hash");

int manifest_new(const struct chunk_layout *layout, struct manifest **out, struct err *err)
{
	struct manifest *manifest = calloc(1, sizeof *manifest);
	if (manifest == NULL)
		return err_errno(err, ENOMEM, "manifest");
	manifest->layout = *layout;
	manifest->state = XXH3_createState();
	manifest->hashes = calloc(layout->count + 1, MANIFEST_HASH_SIZE);
	if (manifest->state == NULL || manifest->hashes == NULL) {
		manifest_free(&manifest);
		return err_errno(err, ENOMEM, "manifest of %llu chunks",
				 (unsigned long long)layout->count);
	}
	XXH3_128bits_reset(manifest->state);
	*out = manifest;
	return 0;
}

void manifest_free(struct manifest **where)
{
	struct manifest *manifest = take_ptr(where);
	if (manifest == NULL)
		return;
	XXH3_freeState(manifest->state);
	free(manifest->hashes);
	free(manifest);
}

static void finish_chunk(struct manifest *manifest)
{
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(manifest->state));
	memcpy(manifest->hashes + manifest->chunk * MANIFEST_HASH_SIZE, &canonical, sizeof canonical);
	manifest->chunk++;
	XXH3_128bits_reset(manifest->state);
}

size_t manifest_hash(struct manifest *manifest, const char *base, uint64_t available,
		     size_t budget)
{
	size_t total = 0;
	while (manifest->hashed < available && total < budget) {
		uint64_t end = chunk_prefix(&manifest->layout, manifest->chunk + 1);
		uint64_t stop = end < available ? end : available;
		uint64_t left = stop - manifest->hashed;
		size_t len = left < budget - total ? (size_t)left : budget - total;
		XXH3_128bits_update(manifest->state, base + manifest->hashed, len);
		manifest->hashed += len;
		total += len;
		if (manifest->hashed == end)
			finish_chunk(manifest);
	}
	return total;
}

bool manifest_complete(const struct manifest *manifest)
{
	return manifest->chunk == manifest->layout.count;
}

const uint8_t *manifest_bytes(const struct manifest *manifest, size_t *len)
{
	*len = manifest->layout.count * MANIFEST_HASH_SIZE;
	return manifest->hashes;
}

uint64_t manifest_compare(const struct manifest *manifest, const uint8_t *bytes)
{
	uint64_t chunk = 0;
	while (chunk < manifest->layout.count &&
	       memcmp(manifest->hashes + chunk * MANIFEST_HASH_SIZE,
		      bytes + chunk * MANIFEST_HASH_SIZE, MANIFEST_HASH_SIZE) == 0)
		chunk++;
	return chunk;
}

void manifest_digest(const struct manifest *manifest, uint8_t digest[MANIFEST_HASH_SIZE])
{
	uint64_t shape[2] = {htole64(manifest->layout.size), htole64(manifest->layout.chunk_size)};
	XXH3_state_t *state = manifest->state;  /* idle: the manifest is complete */
	XXH128_canonical_t canonical;
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, shape, sizeof shape);
	XXH3_128bits_update(state, manifest->hashes, manifest->layout.count * MANIFEST_HASH_SIZE);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	memcpy(digest, &canonical, sizeof canonical);
}
