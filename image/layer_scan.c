/*
 * layer_scan.c - pass 1 of one layer (build.h, layer_scan.h).
 *
 * Flow: bytes of the blob → digest → decompression → digest (diff_id) → tar headers → a list
 * of entries, each file's content hashed on its way by.  Nothing of the content is kept.
 *
 * Invariants: entries point into the scan's own arena, whose chunks never move; the arena
 * and the list are capped (layer_entry.h), so memory is bounded whatever the layer says.
 */
#include "image/layer_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "common/cleanup.h"
#include "image/digest.h"
#include "image/layer_expand.h"
#include "image/layer_tar.h"
#include "image/layer_unzip.h"

enum { CHUNK = 64 * 1024, READ = 256 * 1024 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct layer_scan {
	char *digest_wanted, *diff_id_wanted;
	uint64_t size_wanted, size;
	struct digest_hash *blob, *plain;
	struct layer_unzip *unzip;
	struct layer_tar *tar;
	struct chunk *arena;
	uint64_t kept;
	struct layer_entry *entries;
	size_t count, room;
	struct layer_expand expand;  /* of the file whose data comes */
	struct layer_entry *open;    /* it; NULL: none, or one that is left out */
	const char *below;
	uint64_t data_left;
	XXH3_state_t *hash;
	bool ended;
	char diff_id[DIGEST_TEXT_SIZE];
};

/* -- what is kept ------------------------------------------------------- */

static void *keep(struct layer_scan *scan, const void *bytes, size_t len, struct err *err)
{
	struct chunk *chunk = scan->arena;
	size_t room = (len + 15) & ~(size_t)15;
	if (scan->kept + room > LAYER_KEPT_MAX) {
		err_set(err, E2BIG, "the layer has more names than %llu MiB",
			(unsigned long long)(LAYER_KEPT_MAX >> 20));
		return NULL;
	}
	if (!chunk || chunk->size - chunk->used < room) {
		size_t size = room > CHUNK ? room : CHUNK;
		chunk = malloc(sizeof *chunk + size);
		if (!chunk) {
			err_set(err, ENOMEM, "no memory to read a layer");
			return NULL;
		}
		*chunk = (struct chunk){.next = scan->arena, .size = size};
		scan->arena = chunk;
	}
	void *place = chunk->bytes + chunk->used;
	if (len)
		memcpy(place, bytes, len);
	chunk->used += room;
	scan->kept += room;
	return place;
}

static const char *keep_text(struct layer_scan *scan, const char *text, struct err *err)
{
	return keep(scan, text, strlen(text) + 1, err);
}

/* Everything that the entry points to is taken into the arena. */
static int keep_entry(struct layer_scan *scan, struct layer_entry *entry, struct err *err)
{
	struct layer_xattr *xattrs = NULL;
	if (!(entry->path = keep_text(scan, entry->path, err)))
		return -err->number;
	if (entry->target && !(entry->target = keep_text(scan, entry->target, err)))
		return -err->number;
	if (entry->segments && !(entry->segments = keep(scan, entry->segments,
			entry->segment_count * sizeof *entry->segments, err)))
		return -err->number;
	if (entry->xattr_count == 0) {
		entry->xattrs = NULL;
		return 0;
	}
	if (!(xattrs = keep(scan, entry->xattrs, entry->xattr_count * sizeof *xattrs, err)))
		return -err->number;
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		xattrs[i].name = keep_text(scan, xattrs[i].name, err);
		if (!xattrs[i].name || !(xattrs[i].value = keep(scan, xattrs[i].value, xattrs[i].len, err)))
			return -err->number;
	}
	entry->xattrs = xattrs;
	return 0;
}

/* -- the content on its way by ------------------------------------------ */

static int hash_content(void *context, const void *bytes, size_t len, struct err *err)
{
	struct layer_scan *scan = context;
	(void)err;
	XXH3_128bits_update(scan->hash, bytes, len);
	return 0;
}

static int end_file(struct layer_scan *scan, struct err *err)
{
	int rc = layer_expand_end(&scan->expand, hash_content, scan, err);
	XXH128_hash_t hash = XXH3_128bits_digest(scan->hash);
	scan->open->hash[0] = hash.low64;
	scan->open->hash[1] = hash.high64;
	scan->open = NULL;
	return rc;
}

/* The path as it is below the folder, "./" for the folder itself; NULL: it is elsewhere. */
static const char *path_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	while (strncmp(path, "./", 2) == 0 || *path == '/')
		path += *path == '/' ? 1 : 2;
	if (strncmp(path, folder, len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return NULL;
	path += len;
	path += strspn(path, "/");
	return *path ? path : "./";
}

/* Names are of the whole tar: a hard link's, too. */
static bool move_below(const char *folder, struct layer_entry *entry)
{
	const char *path = path_below(entry->path, folder);
	const char *target = entry->hard_link ? path_below(entry->target, folder) : NULL;
	if (path)
		entry->path = path;
	if (target)
		entry->target = target;
	return path != NULL;
}

static int on_entry(void *context, const struct layer_entry *entry, struct err *err)
{
	struct layer_scan *scan = context;
	struct err own = ERR_NONE;
	if (!err)
		err = &own;
	if (scan->count == LAYER_ENTRIES_MAX)
		return err_set(err, E2BIG, "the layer has more than %d members", LAYER_ENTRIES_MAX);
	if (scan->count == scan->room) {
		size_t room = scan->room ? scan->room + scan->room / 2 : 1024;
		struct layer_entry *entries = realloc(scan->entries, room * sizeof *entries);
		if (!entries)
			return err_set(err, ENOMEM, "no memory to read a layer");
		scan->entries = entries;
		scan->room = room;
	}
	struct layer_entry *kept = &scan->entries[scan->count];
	*kept = *entry;
	if (scan->below && !move_below(scan->below, kept))
		return 0;
	int rc = keep_entry(scan, kept, err);
	if (rc < 0)
		return rc;
	scan->count++;
	if (!S_ISREG(kept->mode) || kept->hard_link)
		return 0;
	scan->open = kept;
	scan->expand = layer_expand_of(kept);
	scan->data_left = kept->stored;
	XXH3_128bits_reset(scan->hash);
	return scan->data_left ? 0 : end_file(scan, err);
}

static int on_data(void *context, const void *bytes, size_t len, struct err *err)
{
	struct layer_scan *scan = context;
	if (!scan->open)
		return 0;
	int rc = layer_expand_feed(&scan->expand, bytes, len, hash_content, scan, err);
	scan->data_left -= len;
	return rc < 0 || scan->data_left ? rc : end_file(scan, err);
}

static int on_plain(void *context, const void *bytes, size_t len, struct err *err)
{
	struct layer_scan *scan = context;
	digest_hash_add(scan->plain, bytes, len);
	return layer_tar_feed(scan->tar, bytes, len, err);
}

/* -- the scan ----------------------------------------------------------- */

int layer_scan_new(const struct build_layer *layer, struct layer_scan **out, struct err *err)
{
	if ((layer->digest && !digest_is_valid(layer->digest)) ||
	    (layer->diff_id && !digest_is_valid(layer->diff_id)))
		return err_set(err, EINVAL, "a layer's digest is none");
	AUTO_CALL(layer_scan_free) struct layer_scan *scan = calloc(1, sizeof *scan);
	if (!scan)
		return err_set(err, ENOMEM, "no memory to read a layer");
	struct layer_tar_sink sink = {.entry = on_entry, .data = on_data, .context = scan};
	scan->size_wanted = layer->size;
	scan->below = layer->below;
	scan->digest_wanted = layer->digest ? strdup(layer->digest) : NULL;
	scan->diff_id_wanted = layer->diff_id ? strdup(layer->diff_id) : NULL;
	scan->unzip = layer_unzip_new(on_plain, scan);
	scan->tar = layer_tar_new(&sink);
	scan->hash = XXH3_createState();
	if (!scan->unzip || !scan->tar || !scan->hash || (layer->digest && !scan->digest_wanted) ||
	    (layer->diff_id && !scan->diff_id_wanted))
		return err_set(err, ENOMEM, "no memory to read a layer");
	int rc = scan->digest_wanted ? digest_hash_new(scan->digest_wanted, &scan->blob, err) : 0;
	if (rc == 0)
		rc = digest_hash_new(scan->diff_id_wanted, &scan->plain, err);
	if (rc < 0)
		return rc;
	*out = take_ptr(&scan);
	return 0;
}

void layer_scan_free(struct layer_scan **scan)
{
	if (!*scan)
		return;
	for (struct chunk *chunk = (*scan)->arena, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	digest_hash_free(&(*scan)->blob);
	digest_hash_free(&(*scan)->plain);
	layer_unzip_free(&(*scan)->unzip);
	layer_tar_free(&(*scan)->tar);
	XXH3_freeState((*scan)->hash);
	free((*scan)->entries);
	free((*scan)->digest_wanted);
	free((*scan)->diff_id_wanted);
	free(*scan);
	*scan = NULL;
}

/* "layer sha256:0123456789ab" in front of the text. */
static int name_layer(const struct layer_scan *scan, struct err *err)
{
	return scan->digest_wanted ? err_prefix(err, "layer %.19s", scan->digest_wanted)
				   : err_prefix(err, "layer");
}

int layer_scan_feed(struct layer_scan *scan, const void *bytes, size_t len, struct err *err)
{
	scan->size += len;
	if (scan->size_wanted && scan->size > scan->size_wanted) {
		err_set(err, EBADMSG, "it is longer than the %llu bytes that its manifest says",
			(unsigned long long)scan->size_wanted);
		return name_layer(scan, err);
	}
	if (scan->blob)
		digest_hash_add(scan->blob, bytes, len);
	int rc = layer_unzip_feed(scan->unzip, bytes, len, err);
	return rc < 0 ? name_layer(scan, err) : 0;
}

static int check_digest(struct digest_hash *hash, const char *wanted, const char *what,
			char text[DIGEST_TEXT_SIZE], struct err *err)
{
	digest_hash_end(hash, text);
	if (!wanted || strcmp(wanted, text) == 0)
		return 0;
	return err_set(err, EBADMSG, "%s is %s, but %s was expected: it was damaged on the way or at its "
		       "source", what, text, wanted);
}

int layer_scan_end(struct layer_scan *scan, struct err *err)
{
	char blob[DIGEST_TEXT_SIZE];
	int rc = 0;
	if (scan->size_wanted && scan->size != scan->size_wanted)
		rc = err_set(err, EBADMSG, "it has %llu bytes, but its manifest says %llu",
			     (unsigned long long)scan->size, (unsigned long long)scan->size_wanted);
	/* The digest before what is inside: a damaged blob is called damaged. */
	if (rc == 0 && scan->blob)
		rc = check_digest(scan->blob, scan->digest_wanted, "its digest", blob, err);
	if (rc == 0)
		rc = layer_unzip_end(scan->unzip, err);
	if (rc == 0)
		rc = layer_tar_end(scan->tar, err);
	if (rc == 0)
		rc = check_digest(scan->plain, scan->diff_id_wanted, "its diff_id", scan->diff_id, err);
	if (rc == 0 && scan->below && scan->count == 0)
		rc = err_set(err, EBADMSG, "there is no %s in it", scan->below);
	if (rc < 0)
		return name_layer(scan, err);
	layer_unzip_free(&scan->unzip);
	layer_tar_free(&scan->tar);
	struct layer_entry *fits = realloc(scan->entries, (scan->count + !scan->count) * sizeof *fits);
	if (fits)
		scan->entries = fits;
	scan->ended = true;
	return 0;
}

const struct layer_entry *layer_scan_entries(const struct layer_scan *scan, size_t *count)
{
	*count = scan->count;
	return scan->entries;
}

bool layer_scan_ended(const struct layer_scan *scan)
{
	return scan->ended;
}

const char *layer_scan_diff_id(const struct layer_scan *scan)
{
	return scan->diff_id;
}

int layer_scan_file(const struct build_layer *layer, struct layer_scan *scan, struct err *err)
{
	AUTO_FREE char *bytes = malloc(READ);
	if (!bytes)
		return err_set(err, ENOMEM, "no memory to read a layer");
	for (uint64_t at = 0;;) {
		ssize_t got = pread(layer->fd, bytes, READ, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read a layer");
		int rc = got ? layer_scan_feed(scan, bytes, (size_t)got, err) : layer_scan_end(scan, err);
		if (rc < 0 || got == 0)
			return rc;
		at += (uint64_t)got;
	}
}
