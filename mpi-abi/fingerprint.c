/*
 * fingerprint.c - fingerprints of host files: made, packed, compared (fingerprint.h).
 *
 * Of a file with a build-id two pages are read.
 */
#include "mpi-abi/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/cleanup.h"
#include "mpi-abi/host_private.h"

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for fingerprints of the host's files");
}

void fingerprint_make(const struct elf_bytes *bytes, struct fingerprint *print)
{
	struct elf_bytes copy = *bytes;
	struct elf_source source = elf_source_bytes(&copy);
	*print = (struct fingerprint){.size = bytes->len};
	print->id_len = (uint8_t)elf_build_id(&source, print->id, sizeof print->id);
	if (print->id_len > 0)
		return;
	XXH128_canonical_t hash;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(bytes->bytes, bytes->len));
	print->is_hash = true;
	print->id_len = sizeof hash.digest;
	memcpy(print->id, hash.digest, sizeof hash.digest);
}

static int print_file(const struct host *host, const char *path, struct fingerprint *print, struct err *err)
{
	struct elf_bytes bytes;
	int rc = host_file_map(host, path, &bytes, err);
	if (rc < 0)
		return rc;
	fingerprint_make(&bytes, print);
	host_file_unmap(&bytes);
	return 0;
}

static int append(struct fingerprints *prints, const struct fingerprint *print)
{
	struct fingerprint *more = realloc(prints->items, (prints->count + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	prints->items = more;
	more[prints->count++] = *print;
	return 0;
}

int fingerprints_append(struct fingerprints *prints, const char *path, const struct fingerprint *print,
			struct err *err)
{
	struct fingerprint copy = *print;
	if (prints->count == FINGERPRINTS_MAX)
		return err_set(err, E2BIG, "more than %d files of the host", FINGERPRINTS_MAX);
	copy.path = strdup(path);
	if (copy.path && append(prints, &copy) == 0)
		return 0;
	free(copy.path);
	return no_memory(err);
}

int fingerprints_add(struct fingerprints *prints, const struct host *host, const char *path,
		     struct err *err)
{
	struct fingerprint print;
	int rc = print_file(host, path, &print, err);
	return rc < 0 ? rc : fingerprints_append(prints, path, &print, err);
}

void fingerprints_free(struct fingerprints *prints)
{
	for (size_t i = 0; i < prints->count; i++)
		free(prints->items[i].path);
	free(prints->items);
	*prints = (struct fingerprints){0};
}

/* -- comparing ------------------------------------------------------------ */

static void id_format(const struct fingerprint *print, char text[2 * FINGERPRINT_ID_MAX + 1])
{
	for (size_t i = 0; i < print->id_len; i++)
		sprintf(text + 2 * i, "%02x", print->id[i]);
	text[2 * print->id_len] = '\0';
}

static bool is_same(const struct fingerprint *a, const struct fingerprint *b)
{
	return a->size == b->size && a->is_hash == b->is_hash && a->id_len == b->id_len &&
	       memcmp(a->id, b->id, a->id_len) == 0;
}

static int say_difference(const struct fingerprint *wanted, const struct fingerprint *here, struct err *err)
{
	char wanted_id[2 * FINGERPRINT_ID_MAX + 1], here_id[2 * FINGERPRINT_ID_MAX + 1];
	id_format(wanted, wanted_id);
	id_format(here, here_id);
	return err_set(err, EXDEV, "the host's %s is another there: %" PRIu64 " bytes, %s %s, and the plan was "
		       "made with %" PRIu64 " bytes, %s %s", wanted->path, here->size,
		       here->is_hash ? "hash" : "build-id", here_id, wanted->size,
		       wanted->is_hash ? "hash" : "build-id", wanted_id);
}

int fingerprints_compare(const struct fingerprints *prints, struct err *err)
{
	const struct host here = {.root_fd = -1};
	struct err one;
	size_t others = 0;
	for (size_t i = 0; i < prints->count; i++) {
		const struct fingerprint *wanted = &prints->items[i];
		struct fingerprint found;
		int rc = print_file(&here, wanted->path, &found, &one);
		if (rc == 0 && is_same(wanted, &found))
			continue;
		if (rc == 0)
			say_difference(wanted, &found, &one);
		if (others++ == 0 && err)
			*err = one;
	}
	if (others == 0)
		return 0;
	if (err) {
		err->number = EXDEV;
		size_t len = strlen(err->text);
		if (others > 1)
			snprintf(err->text + len, sizeof err->text - len, " (and %zu more)", others - 1);
	}
	return -EXDEV;
}

void fingerprints_format(const struct fingerprints *prints, struct buf *out)
{
	AUTO_BUF struct buf packed = {0};
	fingerprints_pack(prints, &packed);
	XXH128_canonical_t hash;
	XXH128_canonicalFromHash(&hash, XXH3_128bits(packed.data, packed.len));
	buf_printf(out, "%zu files, xxh3:", prints->count);
	for (size_t i = 0; i < sizeof hash.digest; i++)
		buf_printf(out, "%02x", hash.digest[i]);
	out->failed |= packed.failed;
}

/* -- in the plan ---------------------------------------------------------- */

void fingerprints_pack(const struct fingerprints *prints, struct buf *out)
{
	buf_add_u32(out, (uint32_t)prints->count);
	for (size_t i = 0; i < prints->count; i++) {
		const struct fingerprint *print = &prints->items[i];
		buf_add_str(out, print->path);
		buf_add_u64(out, print->size);
		buf_add_u8(out, print->is_hash);
		buf_add_blob(out, print->id, print->id_len);
	}
}

static void parse_one(struct cursor *in, struct fingerprints *prints)
{
	struct fingerprint print = {.path = cursor_str_new(in)};
	size_t len = 0;
	print.size = cursor_u64(in);
	uint8_t is_hash = cursor_u8(in);
	const char *id = cursor_blob(in, &len);
	if (in->bad || is_hash > 1 || len > sizeof print.id || print.path[0] != '/') {
		in->bad = true;
		free(print.path);
		return;
	}
	print.is_hash = is_hash;
	print.id_len = (uint8_t)len;
	memcpy(print.id, id, len);
	if (append(prints, &print) < 0) {
		in->bad = true;
		free(print.path);
	}
}

int fingerprints_parse(struct cursor *in, struct fingerprints *prints, struct err *err)
{
	uint32_t count = cursor_u32(in);
	in->bad |= count > FINGERPRINTS_MAX;
	for (uint32_t i = 0; i < count && !in->bad; i++)
		parse_one(in, prints);
	return in->bad ? err_set(err, EPROTO, "fingerprints of the host's files are malformed") : 0;
}
