/*
 * manifest.c - a table of hashes and the hash of hashes (manifest.h).  Pure.
 *
 * Invariant: `known` is the number of chunks whose byte in is_known[] is set.
 */
#include "bcast/manifest.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/cleanup.h"

struct manifest {
	struct chunk_layout layout;
	XXH3_state_t *state;  /* for the digest: got here, so that it cannot fail there */
	uint64_t known;
	uint8_t *is_known;
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
	manifest->is_known = calloc(layout->count + 1, 1);
	manifest->hashes = calloc(layout->count + 1, MANIFEST_HASH_SIZE);
	if (manifest->state == NULL || manifest->is_known == NULL || manifest->hashes == NULL) {
		manifest_free(&manifest);
		return err_errno(err, ENOMEM, "manifest of %llu chunks",
				 (unsigned long long)layout->count);
	}
	*out = manifest;
	return 0;
}

void manifest_free(struct manifest **where)
{
	struct manifest *manifest = take_ptr(where);
	if (manifest == NULL)
		return;
	XXH3_freeState(manifest->state);
	free(manifest->is_known);
	free(manifest->hashes);
	free(manifest);
}

void manifest_hash(const void *bytes, size_t len, uint8_t hash[MANIFEST_HASH_SIZE])
{
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
	memcpy(hash, &canonical, sizeof canonical);
}

void manifest_set(struct manifest *manifest, uint64_t chunk, const uint8_t hash[MANIFEST_HASH_SIZE])
{
	memcpy(manifest->hashes + chunk * MANIFEST_HASH_SIZE, hash, MANIFEST_HASH_SIZE);
	manifest->known += !manifest->is_known[chunk];
	manifest->is_known[chunk] = 1;
}

const uint8_t *manifest_get(const struct manifest *manifest, uint64_t chunk)
{
	return manifest->is_known[chunk] ? manifest->hashes + chunk * MANIFEST_HASH_SIZE : NULL;
}

void manifest_hash_all(struct manifest *manifest, const char *base)
{
	const struct chunk_layout *layout = &manifest->layout;
	uint8_t hash[MANIFEST_HASH_SIZE];
	for (uint64_t chunk = 0; chunk < layout->count; chunk++) {
		manifest_hash(base + chunk_offset(layout, chunk), chunk_length(layout, chunk), hash);
		manifest_set(manifest, chunk, hash);
	}
}

bool manifest_complete(const struct manifest *manifest)
{
	return manifest->known == manifest->layout.count;
}

void manifest_digest(const struct manifest *manifest, uint8_t digest[MANIFEST_HASH_SIZE])
{
	uint64_t shape[2] = {htole64(manifest->layout.size), htole64(manifest->layout.chunk_size)};
	XXH3_state_t *state = manifest->state;
	XXH128_canonical_t canonical;
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, shape, sizeof shape);
	XXH3_128bits_update(state, manifest->hashes, manifest->layout.count * MANIFEST_HASH_SIZE);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	memcpy(digest, &canonical, sizeof canonical);
}
