/*
 * layer_pax.c - pax records (layer_pax.h).  Pure.
 *
 * A record's length counts itself, so a record is taken as a whole before its key is
 * looked at; nothing is read behind it.  Only extended attributes of the "user." space
 * are kept: the others mean nothing to a process without privilege, and trusted.overlay.*
 * would be dangerous to one with.
 */
#include "image/layer_pax.h"

#include <stdlib.h>

static int broken(struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "a pax header with %s", what);
}

bool layer_decimal(const char *text, size_t len, uint64_t *value)
{
	uint64_t number = 0;
	if (len == 0 || len > 19)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	if (number > INT64_MAX)
		return false;
	*value = number;
	return true;
}

/* "-12.5": whole seconds, rounded down. */
static bool parse_time(struct layer_text text, int64_t *value)
{
	bool negative = text.len > 0 && text.at[0] == '-';
	const char *digits = text.at + negative, *end = text.at + text.len;
	const char *dot = memchr(digits, '.', (size_t)(end - digits));
	uint64_t whole;
	if (!layer_decimal(digits, (size_t)((dot ? dot : end) - digits), &whole))
		return false;
	bool rest = false;
	for (const char *at = dot ? dot + 1 : end; at < end; at++) {
		if (*at < '0' || *at > '9')
			return false;
		rest = rest || *at != '0';
	}
	*value = negative ? -(int64_t)whole - rest : (int64_t)whole;
	return true;
}

static int add_segment(struct layer_pax *pax, uint64_t at, uint64_t len, struct err *err)
{
	struct layer_segment segment = {.at = at, .len = len};
	if (pax->map.len >= LAYER_SEGMENTS_MAX * sizeof segment)
		return err_set(err, E2BIG, "a sparse file of more than %d parts", LAYER_SEGMENTS_MAX);
	buf_add(&pax->map, &segment, sizeof segment);
	return pax->map.failed ? err_set(err, ENOMEM, "no memory for a sparse file's map") : 0;
}

/* "offset,len,offset,len" (GNU.sparse.map of 0.1) */
static int parse_map(struct layer_pax *pax, struct layer_text text, struct err *err)
{
	const char *at = text.at, *end = text.at + text.len;
	uint64_t pair[2];
	unsigned which = 0;
	pax->map.len = 0;
	for (; at < end; which ^= 1) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		if (!layer_decimal(at, (size_t)(stop - at), &pair[which]))
			return broken(err, "a sparse map that is none");
		int rc = which ? add_segment(pax, pair[0], pair[1], err) : 0;
		if (rc < 0)
			return rc;
		if (!comma)
			return which ? 0 : broken(err, "half a sparse map");
		at = comma + 1;
	}
	return which ? broken(err, "half a sparse map") : 0;
}

static int add_xattr(struct layer_pax *pax, struct layer_text name, struct layer_text value,
		     struct err *err)
{
	if (name.len < 6 || memcmp(name.at, "user.", 5) != 0)
		return 0;
	if (name.len > LAYER_XATTR_NAME_MAX || memchr(name.at, '\0', name.len))
		return broken(err, "an extended attribute of a bad name");
	uint32_t i = 0;
	while (i < pax->xattr_count && (pax->xattrs[i].name.len != name.len ||
					memcmp(pax->xattrs[i].name.at, name.at, name.len) != 0))
		i++;
	if (i == LAYER_XATTRS_MAX)
		return err_set(err, E2BIG, "more than %d extended attributes of one file",
			       LAYER_XATTRS_MAX);
	if (i == pax->xattr_count)
		pax->xattr_count++;
	pax->xattrs[i].name = name;
	pax->xattrs[i].value = value;
	return 0;
}

static bool is(struct layer_text key, const char *name)
{
	return key.len == strlen(name) && memcmp(key.at, name, key.len) == 0;
}

/* A key whose value is a number; 1: it was, 0: another key. */
static int number_key(struct layer_pax *pax, struct layer_text key, struct layer_text value,
		      struct err *err)
{
	const struct { const char *key; uint64_t *number; bool *has; } numbers[] = {
		{"size", &pax->size, &pax->has_size},
		{"uid", &pax->uid, &pax->has_uid},
		{"gid", &pax->gid, &pax->has_gid},
		{"GNU.sparse.major", &pax->sparse_major, &pax->sparse},
		{"GNU.sparse.minor", &pax->sparse_minor, &pax->sparse},
		{"GNU.sparse.realsize", &pax->real_size, &pax->has_real_size},
		{"GNU.sparse.size", &pax->real_size, &pax->has_real_size},
	};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (!is(key, numbers[i].key))
			continue;
		*numbers[i].has = value.len > 0;
		if (value.len > 0 && !layer_decimal(value.at, value.len, numbers[i].number))
			return broken(err, "a number that is none");
		return 1;
	}
	return 0;
}

static int sparse_key(struct layer_pax *pax, struct layer_text key, struct layer_text value,
		      struct err *err)
{
	uint64_t number;
	if (is(key, "GNU.sparse.name")) {
		pax->sparse_name = value;
		return 0;
	}
	pax->sparse = pax->sparse || is(key, "GNU.sparse.map") || is(key, "GNU.sparse.numblocks");
	if (is(key, "GNU.sparse.map"))
		return parse_map(pax, value, err);
	if (is(key, "GNU.sparse.offset")) {
		pax->map_waits = layer_decimal(value.at, value.len, &pax->map_offset);
		return pax->map_waits ? 0 : broken(err, "a number that is none");
	}
	if (is(key, "GNU.sparse.numbytes")) {
		if (!pax->map_waits || !layer_decimal(value.at, value.len, &number))
			return broken(err, "a sparse map that is none");
		pax->map_waits = false;
		return add_segment(pax, pax->map_offset, number, err);
	}
	return 0;
}

static int take_record(struct layer_pax *pax, struct layer_text key, struct layer_text value,
		       struct err *err)
{
	static const char xattr[] = "SCHILY.xattr.";
	struct layer_text *text = is(key, "path")	? &pax->path
				  : is(key, "linkpath") ? &pax->linkpath
							: NULL;
	if (text) {
		/* An empty value takes an earlier record back. */
		*text = value.len ? value : (struct layer_text){0};
		return 0;
	}
	if (is(key, "mtime")) {
		pax->has_mtime = value.len > 0;
		return value.len == 0 || parse_time(value, &pax->mtime) ? 0 : broken(err, "a bad time");
	}
	int rc = number_key(pax, key, value, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (key.len > 11 && memcmp(key.at, "GNU.sparse.", 11) == 0)
		return sparse_key(pax, key, value, err);
	if (key.len > sizeof xattr - 1 && memcmp(key.at, xattr, sizeof xattr - 1) == 0)
		return add_xattr(pax, (struct layer_text){key.at + sizeof xattr - 1,
							  key.len - (sizeof xattr - 1)}, value, err);
	return 0;
}

int layer_pax_parse(const char *bytes, size_t len, struct layer_pax *pax, struct err *err)
{
	if (len == 0)
		return 0;  /* bytes may be NULL */
	const char *at = bytes, *end = bytes + len;
	while (at < end && *at != '\0') {  /* some writers pad with NUL */
		const char *blank = memchr(at, ' ', (size_t)(end - at));
		uint64_t size;
		if (!blank || !layer_decimal(at, (size_t)(blank - at), &size) ||
		    size > (uint64_t)(end - at) || size < (uint64_t)(blank - at) + 3)
			return broken(err, "a record of a bad length");
		const char *stop = at + size - 1, *key = blank + 1;
		const char *equals = memchr(key, '=', (size_t)(stop - key));
		if (*stop != '\n' || !equals || equals == key)
			return broken(err, "a record that is not KEY=VALUE");
		int rc = take_record(pax, (struct layer_text){key, (size_t)(equals - key)},
				     (struct layer_text){equals + 1, (size_t)(stop - equals - 1)}, err);
		if (rc < 0)
			return rc;
		at = stop + 1;
	}
	return 0;
}

void layer_pax_reset(struct layer_pax *pax)
{
	buf_free(&pax->map);
	memset(pax, 0, sizeof *pax);
}
