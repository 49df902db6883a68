/*
 * ldcache.c - the linker's cache (ldcache.h).
 *
 * Layout, all offsets from the magic (glibc: sysdeps/generic/dl-cache.h):
 *
 *	 0  "glibc-ld.so.cache" "1.1"
 *	20  u32 entries, u32 bytes of strings
 *	28  u8 flags (2: little-endian), 3 bytes 0, u32 offset of the extension, 3 u32 0
 *	48  entries of 24 bytes: i32 flags, u32 key, u32 path, u32 OS version, u64 hwcap
 *	..  strings; then, 4-aligned, the extension: u32 magic, u32 sections, and for each
 *	    u32 tag, u32 flags, u32 offset, u32 size; tag 1 is the list of hwcaps, u32 each,
 *	    offsets of strings
 *
 * Invariants: every string taken ends inside the bytes; what is written parses
 * back to the same entries.  Entries are kept in descending order of their keys
 * (ldcache_compare), and those of one key in the order in which they came, which is
 * how ldconfig puts the best hwcaps first.
 */
#include "mpi-abi/ldcache.h"

#include <elf.h>
#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/cleanup.h"

#define OLD_MAGIC "ld.so-1.7.0"
#define NEW_MAGIC "glibc-ld.so.cache1.1"
#define EXTENSION_MAGIC 0xeaa42174u
#define HWCAP_EXTENSION (1ull << 62)

enum {
	OLD_HEADER = 16, OLD_ENTRY = 12,
	HEADER = 48, ENTRY = 24, SECTION = 16,
	FLAGS_LITTLE_ENDIAN = 2,
	TAG_HWCAPS = 1, SECTIONS_MAX = 64, HWCAPS_MAX = 4096,
};

static const struct {
	unsigned machine;
	int32_t flags;
} architectures[] = {
	{EM_X86_64, 0x0303}, {EM_AARCH64, 0x0a03}, {EM_PPC64, 0x0503}, {EM_S390, 0x0403},
	{EM_RISCV, 0x1003},
};

int32_t ldcache_flags(unsigned machine)
{
	for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
		if (architectures[i].machine == machine)
			return architectures[i].flags;
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static uint32_t number_cut(const char **text)
{
	uint32_t value = 0;
	for (; is_digit(**text); (*text)++)
		value = value * 10 + (uint32_t)(**text - '0');
	return value;
}

int ldcache_compare(const char *a, const char *b)
{
	while (*a != '\0') {
		if (is_digit(*a) && is_digit(*b)) {
			int32_t left = (int32_t)number_cut(&a), right = (int32_t)number_cut(&b);
			if (left != right)
				return left < right ? -1 : 1;
		} else if (is_digit(*a)) {
			return 1;
		} else if (is_digit(*b)) {
			return -1;
		} else if (*a != *b) {
			return *a - *b;
		} else {
			a++;
			b++;
		}
	}
	return *a - *b;
}

static int broken(struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "broken ld.so.cache: %s", what);
}

struct view {
	const char *bytes;
	size_t len;
};

static uint32_t view_u32(const struct view *view, size_t at)
{
	uint32_t value;
	memcpy(&value, view->bytes + at, sizeof value);
	return le32toh(value);
}

/* The text at an offset from the magic; NULL when it does not end inside. */
static const char *view_text(const struct view *view, uint32_t at)
{
	if (at >= view->len || !memchr(view->bytes + at, '\0', view->len - at))
		return NULL;
	return view->bytes + at;
}

/* Steps over the old table, if there is one, to the magic of the new one. */
static int view_new_format(struct view *view, struct err *err)
{
	if (view->len >= OLD_HEADER && memcmp(view->bytes, OLD_MAGIC, strlen(OLD_MAGIC)) == 0) {
		uint64_t skip = OLD_HEADER + (uint64_t)view_u32(view, 12) * OLD_ENTRY;
		skip = (skip + 7) & ~7ull;
		if (skip > view->len)
			return broken(err, "its old table is cut off");
		view->bytes += skip;
		view->len -= skip;
		if (view->len < HEADER || memcmp(view->bytes, NEW_MAGIC, strlen(NEW_MAGIC)) != 0)
			return err_set(err, ENOTSUP, "the ld.so.cache is of the format before glibc 2.2");
	}
	if (view->len < HEADER || memcmp(view->bytes, NEW_MAGIC, strlen(NEW_MAGIC)) != 0)
		return broken(err, "it does not begin as one");
	return 0;
}

static int entry_append(struct ldcache *cache, const char *key, const char *path,
			struct ldcache_entry entry, struct err *err)
{
	if (cache->count == cache->size) {
		size_t size = cache->size ? cache->size * 2 : 1024;
		void *more = realloc(cache->entries, size * sizeof *cache->entries);
		if (!more)
			return err_set(err, ENOMEM, "no memory for an ld.so.cache");
		cache->entries = more;
		cache->size = size;
	}
	entry.key = strdup(key);
	entry.path = strdup(path);
	if (!entry.key || !entry.path) {
		free(entry.key);
		free(entry.path);
		return err_set(err, ENOMEM, "no memory for an ld.so.cache");
	}
	cache->entries[cache->count++] = entry;
	return 0;
}

static int parse_entry(const struct view *view, size_t at, struct ldcache *cache, struct err *err)
{
	const char *key = view_text(view, view_u32(view, at + 4));
	const char *path = view_text(view, view_u32(view, at + 8));
	if (!key || !path)
		return broken(err, "a name lies outside of it");
	struct ldcache_entry entry = {
		.flags = (int32_t)view_u32(view, at),
		.os_version = view_u32(view, at + 12),
		.hwcap = view_u32(view, at + 16) | (uint64_t)view_u32(view, at + 20) << 32,
	};
	return entry_append(cache, key, path, entry, err);
}

static int parse_hwcaps(const struct view *view, uint32_t at, uint32_t len, struct ldcache *cache,
			struct err *err)
{
	size_t count = len / 4;
	if (at > view->len || len > view->len - at || count > HWCAPS_MAX || cache->hwcaps)
		return broken(err, "its hwcaps lie outside of it");
	cache->hwcaps = calloc(count + 1, sizeof *cache->hwcaps);
	if (!cache->hwcaps)
		return err_set(err, ENOMEM, "no memory for an ld.so.cache");
	for (size_t i = 0; i < count; i++) {
		const char *name = view_text(view, view_u32(view, at + i * 4));
		if (!name)
			return broken(err, "a name lies outside of it");
		if (!(cache->hwcaps[i] = strdup(name)))
			return err_set(err, ENOMEM, "no memory for an ld.so.cache");
		cache->hwcap_count++;
	}
	return 0;
}

static int parse_extension(const struct view *view, struct ldcache *cache, struct err *err)
{
	uint32_t at = view_u32(view, 32);
	if (at == 0)
		return 0;
	if (at > view->len || view->len - at < 8 || view_u32(view, at) != EXTENSION_MAGIC)
		return 0;  /* the linker ignores what it does not know, too */
	uint32_t count = view_u32(view, at + 4);
	if (count > SECTIONS_MAX || (view->len - at - 8) / SECTION < count)
		return broken(err, "its extension is cut off");
	for (uint32_t i = 0; i < count; i++) {
		size_t section = at + 8 + (size_t)i * SECTION;
		if (view_u32(view, section) != TAG_HWCAPS)
			continue;
		int rc = parse_hwcaps(view, view_u32(view, section + 8), view_u32(view, section + 12),
				      cache, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int ldcache_parse(const void *bytes, size_t len, struct ldcache *cache, struct err *err)
{
	struct view view = {.bytes = bytes, .len = len};
	*cache = (struct ldcache){0};
	int rc = view_new_format(&view, err);
	if (rc < 0)
		return rc;
	uint32_t count = view_u32(&view, 20);
	if (count > LDCACHE_ENTRIES_MAX || (view.len - HEADER) / ENTRY < count)
		return broken(err, "it is cut off");
	for (uint32_t i = 0; rc == 0 && i < count; i++)
		rc = parse_entry(&view, HEADER + (size_t)i * ENTRY, cache, err);
	if (rc == 0)
		rc = parse_extension(&view, cache, err);
	if (rc < 0)
		ldcache_free(cache);
	return rc;
}

static void entry_clear(struct ldcache_entry *entry)
{
	free(entry->key);
	free(entry->path);
}

void ldcache_free(struct ldcache *cache)
{
	for (size_t i = 0; i < cache->count; i++)
		entry_clear(&cache->entries[i]);
	for (size_t i = 0; i < cache->hwcap_count; i++)
		free(cache->hwcaps[i]);
	free(cache->entries);
	free(cache->hwcaps);
	*cache = (struct ldcache){0};
}

const struct ldcache_entry *ldcache_find(const struct ldcache *cache, const char *key,
					 int32_t flags)
{
	for (size_t i = 0; i < cache->count; i++) {
		const struct ldcache_entry *entry = &cache->entries[i];
		if (strcmp(entry->key, key) == 0 && entry->hwcap == 0 &&
		    (flags == 0 || entry->flags == flags))
			return entry;
	}
	return NULL;
}

int ldcache_set(struct ldcache *cache, const char *key, const char *path, int32_t flags,
		struct err *err)
{
	size_t kept = 0;
	for (size_t i = 0; i < cache->count; i++) {
		if (strcmp(cache->entries[i].key, key) == 0)
			entry_clear(&cache->entries[i]);
		else
			cache->entries[kept++] = cache->entries[i];
	}
	cache->count = kept;
	return entry_append(cache, key, path, (struct ldcache_entry){.flags = flags}, err);
}

/* Descending by key; the order in which they came (their addresses) decides the rest. */
static int by_key(const void *a, const void *b)
{
	const struct ldcache_entry *const *left = a, *const *right = b;
	int order = ldcache_compare((*right)->key, (*left)->key);
	if (order != 0)
		return order;
	return *left < *right ? -1 : *left > *right;
}

static void write_header(const struct ldcache *cache, uint32_t strings, uint32_t extension,
			 struct buf *out)
{
	buf_add(out, NEW_MAGIC, strlen(NEW_MAGIC));
	buf_add_u32(out, (uint32_t)cache->count);
	buf_add_u32(out, strings);
	buf_add_u32(out, FLAGS_LITTLE_ENDIAN);
	buf_add_u32(out, extension);
	for (int i = 0; i < 3; i++)
		buf_add_u32(out, 0);
}

static void write_entry(const struct ldcache_entry *entry, uint32_t base, struct buf *strings,
			struct buf *out)
{
	buf_add_u32(out, (uint32_t)entry->flags);
	buf_add_u32(out, base + (uint32_t)strings->len);
	buf_add(strings, entry->key, strlen(entry->key) + 1);
	buf_add_u32(out, base + (uint32_t)strings->len);
	buf_add(strings, entry->path, strlen(entry->path) + 1);
	buf_add_u32(out, entry->os_version);
	buf_add_u64(out, entry->hwcap);
}

static void write_extension(const struct ldcache *cache, uint32_t at, const uint32_t *names,
			    struct buf *out)
{
	buf_add_u32(out, EXTENSION_MAGIC);
	buf_add_u32(out, 1);
	buf_add_u32(out, TAG_HWCAPS);
	buf_add_u32(out, 0);
	buf_add_u32(out, at + 8 + SECTION);
	buf_add_u32(out, (uint32_t)cache->hwcap_count * 4);
	for (size_t i = 0; i < cache->hwcap_count; i++)
		buf_add_u32(out, names[i]);
}

int ldcache_write(const struct ldcache *cache, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf strings = {0}, table = {0};
	AUTO_FREE const struct ldcache_entry **sorted = calloc(cache->count + 1, sizeof *sorted);
	AUTO_FREE uint32_t *names = calloc(cache->hwcap_count + 1, sizeof *names);
	if (!sorted || !names)
		return err_set(err, ENOMEM, "no memory for an ld.so.cache");
	for (size_t i = 0; i < cache->count; i++)
		sorted[i] = &cache->entries[i];
	qsort(sorted, cache->count, sizeof *sorted, by_key);

	uint32_t base = HEADER + (uint32_t)cache->count * ENTRY;
	for (size_t i = 0; i < cache->count; i++)
		write_entry(sorted[i], base, &strings, &table);
	for (size_t i = 0; i < cache->hwcap_count; i++) {
		names[i] = base + (uint32_t)strings.len;
		buf_add(&strings, cache->hwcaps[i], strlen(cache->hwcaps[i]) + 1);
	}
	while (strings.len % 4 != 0)
		buf_add_u8(&strings, 0);

	uint32_t extension = base + (uint32_t)strings.len;
	write_header(cache, (uint32_t)strings.len, cache->hwcap_count ? extension : 0, out);
	buf_add(out, table.data, table.len);
	buf_add(out, strings.data, strings.len);
	if (cache->hwcap_count)
		write_extension(cache, extension, names, out);
	if (strings.failed || table.failed || out->failed)
		return err_set(err, ENOMEM, "no memory for an ld.so.cache");
	return 0;
}
