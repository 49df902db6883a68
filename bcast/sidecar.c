/*
 * sidecar.c - the sidecar's bytes and values (sidecar.h).  Pure; fuzzed by
 * tests/fuzz/bcast/sidecar_fuzz.c.
 *
 * In: a file's state, hashes, byte ranges, or foreign bytes.  Out: a value, or bytes.
 *
 * Invariants: a sidecar has exactly the hashes that its size and chunk size ask for; a hot chunk
 * is inside the image and is listed once.
 *
 * Caveat: the counts are foreign, so memory is taken only after the length has been compared with
 * them.  The hash at the end finds damage, not malice; that is the business of the file's owner
 * (sidecar_file.c).
 */
#define XXH_STATIC_LINKING_ONLY  /* the state as a plain value */
#include "bcast/sidecar.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/clock.h"

static const char magic[8] = {'c', 'm', 'p', 'i', 's', 'c', '0', '1'};

_Static_assert(sizeof(XXH128_canonical_t) == SIDECAR_HASH_SIZE, "one hash");

static int64_t mtime_of(const struct stat *status)
{
	return status->st_mtim.tv_sec * (int64_t)NS_PER_S + status->st_mtim.tv_nsec;
}

static int make_room(struct sidecar *sidecar, struct err *err)
{
	struct chunk_layout layout;
	int rc = chunk_layout_make(sidecar->size, sidecar->chunk_size, &layout, err);
	if (rc < 0)
		return rc;
	if (layout.count > SIDECAR_CHUNKS_MAX)
		return err_set(err, EFBIG, "an image of %llu chunks", (unsigned long long)layout.count);
	sidecar->chunk_count = layout.count;
	if (layout.count == 0)
		return 0;
	sidecar->hashes = calloc(layout.count, SIDECAR_HASH_SIZE);
	return sidecar->hashes ? 0 : err_errno(err, ENOMEM, "hashes of the image");
}

int sidecar_init(const struct stat *status, uint32_t chunk_size, struct sidecar *sidecar,
		 struct err *err)
{
	*sidecar = (struct sidecar){
		.inode = status->st_ino,
		.size = (uint64_t)status->st_size,
		.mtime_ns = mtime_of(status),
		.chunk_size = chunk_size,
	};
	return make_room(sidecar, err);
}

void sidecar_free(struct sidecar *sidecar)
{
	free(sidecar->hashes);
	free(sidecar->hot);
	*sidecar = (struct sidecar){0};
}

bool sidecar_fits(const struct sidecar *sidecar, const struct stat *status)
{
	return sidecar->inode == status->st_ino && sidecar->size == (uint64_t)status->st_size &&
	       sidecar->mtime_ns == mtime_of(status);
}

/* -- hot chunks ---------------------------------------------------------- */

/* One bit a chunk: has it been listed? */
static bool list_once(uint8_t *listed, uint64_t chunk)
{
	uint8_t bit = (uint8_t)(1u << chunk % 8);
	bool is_new = (listed[chunk / 8] & bit) == 0;
	listed[chunk / 8] |= bit;
	return is_new;
}

int sidecar_set_hot(struct sidecar *sidecar, const struct sidecar_range *ranges, size_t count,
		    struct err *err)
{
	uint8_t *listed = calloc(sidecar->chunk_count / 8 + 1, 1);
	uint32_t *hot = calloc(sidecar->chunk_count + 1, sizeof *hot);
	size_t hot_count = 0;
	if (listed == NULL || hot == NULL) {
		free(listed);
		free(hot);
		return err_errno(err, ENOMEM, "list of hot chunks");
	}
	for (size_t i = 0; i < count; i++) {
		if (ranges[i].len == 0 || ranges[i].offset >= sidecar->size)
			continue;
		uint64_t left = sidecar->size - ranges[i].offset;
		uint64_t len = ranges[i].len < left ? ranges[i].len : left;
		uint64_t last = (ranges[i].offset + len - 1) / sidecar->chunk_size;
		for (uint64_t chunk = ranges[i].offset / sidecar->chunk_size; chunk <= last; chunk++)
			if (list_once(listed, chunk))
				hot[hot_count++] = (uint32_t)chunk;
	}
	free(listed);
	free(sidecar->hot);
	sidecar->hot = hot;
	sidecar->hot_count = hot_count;
	return 0;
}

void sidecar_set_digest(struct sidecar *sidecar)
{
	uint64_t shape[2] = {htole64(sidecar->size), htole64(sidecar->chunk_size)};
	XXH3_state_t state;
	XXH128_canonical_t canonical;
	XXH3_INITSTATE(&state);
	XXH3_128bits_reset(&state);
	XXH3_128bits_update(&state, shape, sizeof shape);
	if (sidecar->chunk_count > 0)
		XXH3_128bits_update(&state, sidecar->hashes, sidecar->chunk_count * SIDECAR_HASH_SIZE);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
	memcpy(sidecar->digest, &canonical, sizeof canonical);
}

uint64_t sidecar_compare(const struct sidecar *sidecar, const uint8_t *hashes)
{
	uint64_t chunk = 0;
	while (chunk < sidecar->chunk_count &&
	       memcmp(sidecar->hashes + chunk * SIDECAR_HASH_SIZE, hashes + chunk * SIDECAR_HASH_SIZE,
		      SIDECAR_HASH_SIZE) == 0)
		chunk++;
	return chunk;
}

/* -- bytes --------------------------------------------------------------- */

static void hash_of(const void *bytes, size_t len, uint8_t hash[SIDECAR_HASH_SIZE])
{
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
	memcpy(hash, &canonical, sizeof canonical);
}

void sidecar_pack(const struct sidecar *sidecar, struct buf *out)
{
	AUTO_BUF struct buf bytes = {0};
	uint8_t end[SIDECAR_HASH_SIZE];
	buf_add(&bytes, magic, sizeof magic);
	buf_add_u64(&bytes, sidecar->inode);
	buf_add_u64(&bytes, sidecar->size);
	buf_add_u64(&bytes, (uint64_t)sidecar->mtime_ns);
	buf_add_u32(&bytes, sidecar->chunk_size);
	buf_add_u32(&bytes, (uint32_t)sidecar->hot_count);
	buf_add(&bytes, sidecar->digest, sizeof sidecar->digest);
	if (sidecar->chunk_count > 0)
		buf_add(&bytes, sidecar->hashes, sidecar->chunk_count * SIDECAR_HASH_SIZE);
	for (size_t i = 0; i < sidecar->hot_count; i++)
		buf_add_u32(&bytes, sidecar->hot[i]);
	out->failed |= bytes.failed;
	if (bytes.failed)
		return;
	hash_of(bytes.data, bytes.len, end);
	buf_add(out, bytes.data, bytes.len);
	buf_add(out, end, sizeof end);
}

static int malformed(struct err *err)
{
	return err_set(err, EPROTO, "damaged, or of another version of cmpirun");
}

static int parse_hot(struct cursor *in, size_t count, struct sidecar *sidecar, struct err *err)
{
	uint8_t *listed = calloc(sidecar->chunk_count / 8 + 1, 1);
	sidecar->hot = calloc(count + 1, sizeof *sidecar->hot);
	int rc = listed && sidecar->hot ? 0 : err_errno(err, ENOMEM, "list of hot chunks");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		uint32_t chunk = cursor_u32(in);
		if (chunk >= sidecar->chunk_count || !list_once(listed, chunk))
			rc = malformed(err);
		sidecar->hot[i] = chunk;
	}
	sidecar->hot_count = count;
	free(listed);
	return rc;
}

/* Behind the head there is exactly what it announces. */
static bool lengths_agree(const struct sidecar *sidecar, size_t hot_count, size_t left)
{
	uint64_t count = sidecar->chunk_size == 0
				 ? UINT64_MAX
				 : sidecar->size / sidecar->chunk_size +
					   (sidecar->size % sidecar->chunk_size != 0);
	return count <= SIDECAR_CHUNKS_MAX && hot_count <= count &&
	       left == count * SIDECAR_HASH_SIZE + hot_count * sizeof(uint32_t);
}

static int parse_body(struct cursor *in, struct sidecar *sidecar, struct err *err)
{
	sidecar->inode = cursor_u64(in);
	sidecar->size = cursor_u64(in);
	sidecar->mtime_ns = (int64_t)cursor_u64(in);
	sidecar->chunk_size = cursor_u32(in);
	size_t hot_count = cursor_u32(in);
	const char *digest = cursor_take(in, SIDECAR_HASH_SIZE);
	if (digest == NULL || !lengths_agree(sidecar, hot_count, cursor_left(in)))
		return malformed(err);
	memcpy(sidecar->digest, digest, SIDECAR_HASH_SIZE);
	int rc = make_room(sidecar, err);
	if (rc < 0)
		return rc;
	const char *hashes = cursor_take(in, sidecar->chunk_count * SIDECAR_HASH_SIZE);
	if (sidecar->chunk_count > 0)
		memcpy(sidecar->hashes, hashes, sidecar->chunk_count * SIDECAR_HASH_SIZE);
	return parse_hot(in, hot_count, sidecar, err);
}

int sidecar_parse(const void *bytes, size_t len, struct sidecar *sidecar, struct err *err)
{
	uint8_t end[SIDECAR_HASH_SIZE];
	*sidecar = (struct sidecar){0};
	if (len < sizeof magic + sizeof end || memcmp(bytes, magic, sizeof magic) != 0)
		return malformed(err);
	size_t body = len - sizeof end;
	hash_of(bytes, body, end);
	if (memcmp((const char *)bytes + body, end, sizeof end) != 0)
		return malformed(err);
	struct cursor in = cursor_of((const char *)bytes + sizeof magic, body - sizeof magic);
	int rc = parse_body(&in, sidecar, err);
	if (rc < 0)
		sidecar_free(sidecar);
	return rc;
}
