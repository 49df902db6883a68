/*
 * layer_tar.c - a tar parser that is pushed (layer_tar.h).  Pure.
 *
 * Flow: bytes are gathered to blocks of 512 in every state but two: the payload of an
 * extended header goes to a buffer, and file data goes straight to the sink.  A block is
 * given to the state's function, which says what comes next.  A member is delivered as soon
 * as all that describes it is known: header, the extended headers before it, and the sparse
 * map, which may stand behind the header (old GNU) or before the data (pax 1.0).
 *
 * Invariants: `left` bytes of the state's payload are still to come, then `padding` to the
 * next block; every size is checked against a cap before it is added to anything; `at` is
 * the offset in the plain stream, for the texts and for entry->data_at.
 */
#include "image/layer_tar.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "image/layer_pax.h"
#include "image/tar_header.h"

enum { BLOCK = TAR_BLOCK, SPARSE_IN_HEADER = 4, SPARSE_IN_BLOCK = 21, SPARSE_PAIR = 24 };

enum state {
	STATE_HEADER,      /* the next block is a header, or the end */
	STATE_SPARSE_OLD,  /* blocks of an old GNU sparse map */
	STATE_SPARSE_NEW,  /* blocks of a pax 1.0 sparse map: the beginning of the data */
	STATE_RECORDS,     /* payload of 'x' */
	STATE_LONG_NAME,   /* of 'L' */
	STATE_LONG_LINK,   /* of 'K' */
	STATE_SKIP,        /* payload that nobody wants */
	STATE_DATA,
	STATE_END,
};

struct layer_tar {
	struct layer_tar_sink sink;
	enum state state;
	uint64_t at, left;
	unsigned padding, filled;
	bool any;              /* a header was seen */
	char block[BLOCK];
	struct buf records, long_name, long_link;
	/* the member that is being put together */
	struct layer_pax pax;
	struct layer_entry entry;
	char path[LAYER_PATH_MAX], target[LAYER_PATH_MAX];
	struct layer_xattr xattrs[LAYER_XATTRS_MAX];
	struct buf names;      /* of the xattrs, with NULs */
	struct buf segments;   /* struct layer_segment */
	uint64_t pairs_left;   /* of a pax 1.0 map; UINT64_MAX: the count itself is to come */
	uint64_t number;       /* its digits so far */
	unsigned digits;
	bool second;           /* the length of a pair is next */
	uint64_t data_size;    /* bytes that the header says follow */
};

static int broken(const struct layer_tar *tar, struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "broken tar: %s, at byte %llu", what, (unsigned long long)tar->at);
}

struct layer_tar *layer_tar_new(const struct layer_tar_sink *sink)
{
	struct layer_tar *tar = calloc(1, sizeof *tar);
	if (tar)
		tar->sink = *sink;
	return tar;
}

void layer_tar_free(struct layer_tar **tar)
{
	if (!*tar)
		return;
	layer_pax_reset(&(*tar)->pax);
	buf_free(&(*tar)->records);
	buf_free(&(*tar)->long_name);
	buf_free(&(*tar)->long_link);
	buf_free(&(*tar)->names);
	buf_free(&(*tar)->segments);
	free(*tar);
	*tar = NULL;
}

/* -- path and target ---------------------------------------------------- */

static int copy_text(struct layer_tar *tar, char *to, struct layer_text text, struct err *err)
{
	if (text.len >= LAYER_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "tar: a path of %zu bytes, at byte %llu", text.len,
			       (unsigned long long)tar->at);
	if (memchr(text.at, '\0', text.len))
		return broken(tar, err, "a NUL in a path");
	memcpy(to, text.at, text.len);
	to[text.len] = '\0';
	return 0;
}

static struct layer_text text_of(const char *at, size_t max)
{
	return (struct layer_text){at, strnlen(at, max)};
}

static int take_path(struct layer_tar *tar, const struct tar_header *header, struct err *err)
{
	const struct layer_pax *pax = &tar->pax;
	if (pax->sparse_name.at)
		return copy_text(tar, tar->path, pax->sparse_name, err);
	if (pax->path.at)
		return copy_text(tar, tar->path, pax->path, err);
	if (tar->long_name.len)
		return copy_text(tar, tar->path, text_of(tar->long_name.data, tar->long_name.len), err);
	struct layer_text name = text_of(header->name, sizeof header->name);
	size_t prefix = tar_header_prefix(header);
	if (prefix == 0)
		return copy_text(tar, tar->path, name, err);
	memcpy(tar->path, header->prefix, prefix);
	tar->path[prefix] = '/';
	return copy_text(tar, tar->path + prefix + 1, name, err);
}

static int take_target(struct layer_tar *tar, const struct tar_header *header, struct err *err)
{
	struct layer_text text = text_of(header->link, sizeof header->link);
	if (tar->pax.linkpath.at)
		text = tar->pax.linkpath;
	else if (tar->long_link.len)
		text = text_of(tar->long_link.data, tar->long_link.len);
	tar->entry.target = tar->target;
	return text.len ? copy_text(tar, tar->target, text, err) : broken(tar, err, "a link to nothing");
}

/* -- the member --------------------------------------------------------- */

static int take_type(struct layer_tar *tar, const struct tar_header *header, struct err *err)
{
	int64_t mode;
	size_t path_len = strlen(tar->path);
	const struct tar_type *type = tar_type_of(header->type);
	if (!type)
		return err_set(err, EBADMSG, "broken tar: a member of unknown type 0x%02x, at byte %llu",
			       (unsigned char)header->type, (unsigned long long)tar->at);
	if (!tar_field_number(header->mode, sizeof header->mode, &mode))
		return broken(tar, err, "a mode that is no number");
	tar->entry.mode = type->mode | (mode & 07777);
	if (header->type == '\0' && path_len > 0 && tar->path[path_len - 1] == '/')
		tar->entry.mode = S_IFDIR | (mode & 07777);  /* v7 has no type for directories */
	tar->entry.hard_link = header->type == '1';
	if (!type->data || S_ISDIR(tar->entry.mode))
		tar->data_size = 0;  /* a size there means something else, or nothing */
	return type->target ? take_target(tar, header, err) : 0;
}

static int take_numbers(struct layer_tar *tar, const struct tar_header *header, struct err *err)
{
	const struct layer_pax *pax = &tar->pax;
	uint64_t uid = pax->uid, gid = pax->gid;
	tar->data_size = pax->size;
	tar->entry.mtime = pax->mtime;
	if ((!pax->has_uid && !tar_field_size(header->uid, sizeof header->uid, &uid)) ||
	    (!pax->has_gid && !tar_field_size(header->gid, sizeof header->gid, &gid)) ||
	    uid > UINT32_MAX || gid > UINT32_MAX)
		return broken(tar, err, "an owner that is none");
	if (!pax->has_size && !tar_field_size(header->size, sizeof header->size, &tar->data_size))
		return broken(tar, err, "a size that is no number");
	if (!pax->has_mtime && !tar_field_number(header->mtime, sizeof header->mtime, &tar->entry.mtime))
		return broken(tar, err, "a time that is no number");
	tar->entry.uid = (uint32_t)uid;
	tar->entry.gid = (uint32_t)gid;
	return 0;
}

static int take_xattrs(struct layer_tar *tar, struct err *err)
{
	const struct layer_pax *pax = &tar->pax;
	tar->names.len = 0;
	for (uint32_t i = 0; i < pax->xattr_count; i++) {
		buf_add(&tar->names, pax->xattrs[i].name.at, pax->xattrs[i].name.len);
		buf_add_u8(&tar->names, '\0');
	}
	if (tar->names.failed)
		return err_set(err, ENOMEM, "no memory for extended attributes");
	const char *name = tar->names.data;
	for (uint32_t i = 0; i < pax->xattr_count; i++) {
		tar->xattrs[i] = (struct layer_xattr){name, pax->xattrs[i].value.at,
						      pax->xattrs[i].value.len};
		name += pax->xattrs[i].name.len + 1;
	}
	tar->entry.xattrs = tar->xattrs;
	tar->entry.xattr_count = pax->xattr_count;
	return 0;
}

/* Ascending, apart, inside the file, and as many bytes as are stored. */
static int check_segments(struct layer_tar *tar, struct err *err)
{
	const struct layer_segment *segments = (const struct layer_segment *)tar->segments.data;
	size_t count = tar->segments.len / sizeof *segments;
	uint64_t end = 0, stored = 0;
	for (size_t i = 0; i < count; i++) {
		if (segments[i].at < end || segments[i].at > tar->entry.size ||
		    segments[i].len > tar->entry.size - segments[i].at)
			return broken(tar, err, "a sparse map that contradicts itself");
		end = segments[i].at + segments[i].len;
		stored += segments[i].len;
	}
	if (stored != tar->entry.stored)
		return broken(tar, err, "a sparse map that does not fit its data");
	tar->entry.segments = segments;
	tar->entry.segment_count = (uint32_t)count;
	return 0;
}

/* The member is known: give it away; its data comes next. */
static int deliver(struct layer_tar *tar, bool sparse, struct err *err)
{
	struct layer_entry *entry = &tar->entry;
	entry->data_at = tar->at;
	entry->stored = tar->data_size;
	if (!sparse)
		entry->size = tar->data_size;
	if (entry->size > LAYER_FILE_MAX || entry->stored > LAYER_FILE_MAX)
		return err_set(err, EFBIG, "tar: %.200s has %llu bytes, at most %llu are taken", tar->path,
			       (unsigned long long)(entry->size > entry->stored ? entry->size : entry->stored),
			       (unsigned long long)LAYER_FILE_MAX);
	int rc = sparse ? check_segments(tar, err) : 0;
	if (rc == 0)
		rc = tar->sink.entry(tar->sink.context, entry, err);
	layer_pax_reset(&tar->pax);
	tar->records.len = tar->long_name.len = tar->long_link.len = 0;
	tar->left = entry->stored;
	tar->padding = (unsigned)(-tar->left & (BLOCK - 1));
	tar->state = tar->left ? STATE_DATA : STATE_HEADER;
	return rc;
}

/* -- sparse maps -------------------------------------------------------- */

static int add_segment(struct layer_tar *tar, uint64_t at, uint64_t len, struct err *err)
{
	struct layer_segment segment = {.at = at, .len = len};
	if (tar->segments.len >= LAYER_SEGMENTS_MAX * sizeof segment)
		return err_set(err, E2BIG, "tar: a sparse file of more than %d parts", LAYER_SEGMENTS_MAX);
	buf_add(&tar->segments, &segment, sizeof segment);
	return tar->segments.failed ? err_set(err, ENOMEM, "no memory for a sparse file's map") : 0;
}

/* Old GNU: `count` pairs, of which an empty one is the last. */
static int old_pairs(struct layer_tar *tar, const char *pairs, unsigned count, struct err *err)
{
	for (unsigned i = 0; i < count; i++, pairs += SPARSE_PAIR) {
		uint64_t at, len;
		if (*pairs == '\0')
			return 0;
		if (!tar_field_size(pairs, 12, &at) || !tar_field_size(pairs + 12, 12, &len))
			return broken(tar, err, "a sparse map that is none");
		int rc = add_segment(tar, at, len, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int sparse_old_block(struct layer_tar *tar, struct err *err)
{
	int rc = old_pairs(tar, tar->block, SPARSE_IN_BLOCK, err);
	if (rc < 0 || tar->block[SPARSE_IN_BLOCK * SPARSE_PAIR])
		return rc;
	return deliver(tar, true, err);
}

/* pax 1.0: decimal lines, the number of pairs and the pairs, padded to a block. */
static int sparse_new_block(struct layer_tar *tar, struct err *err)
{
	uint64_t pair_at = 0;
	if (tar->data_size < BLOCK)
		return broken(tar, err, "a sparse map longer than its data");
	tar->data_size -= BLOCK;
	for (size_t i = 0; i < BLOCK && tar->pairs_left; i++) {
		char c = tar->block[i];
		if (c >= '0' && c <= '9' && tar->digits < 18) {
			tar->number = tar->number * 10 + (uint64_t)(c - '0');
			tar->digits++;
			continue;
		}
		if (c != '\n' || tar->digits == 0)
			return broken(tar, err, "a sparse map that is none");
		uint64_t number = tar->number;
		tar->number = tar->digits = 0;
		if (tar->pairs_left == UINT64_MAX) {
			tar->pairs_left = number;
		} else if (!tar->second) {
			tar->second = true;
			int rc = add_segment(tar, number, 0, err);
			if (rc < 0)
				return rc;
		} else {
			tar->second = false;
			tar->pairs_left--;
			pair_at = tar->segments.len - sizeof(struct layer_segment);
			((struct layer_segment *)(tar->segments.data + pair_at))->len = number;
		}
	}
	return tar->pairs_left ? 0 : deliver(tar, true, err);
}

/* -- headers ------------------------------------------------------------ */

/* Is it a sparse file, and where is its map? */
static int start_data(struct layer_tar *tar, const struct tar_header *header, struct err *err)
{
	struct layer_pax *pax = &tar->pax;
	tar->segments.len = 0;
	if (!S_ISREG(tar->entry.mode) || tar->entry.hard_link)
		return deliver(tar, false, err);
	if (header->type == 'S' && tar_header_is_gnu(header)) {
		const char *bytes = (const char *)header;
		if (!tar_field_size(bytes + 483, 12, &tar->entry.size))
			return broken(tar, err, "a size that is no number");
		int rc = old_pairs(tar, bytes + 386, SPARSE_IN_HEADER, err);
		if (rc < 0 || !bytes[482])
			return rc < 0 ? rc : deliver(tar, true, err);
		tar->state = STATE_SPARSE_OLD;
		return 0;
	}
	if (!pax->sparse)
		return deliver(tar, false, err);
	tar->entry.size = pax->has_real_size ? pax->real_size : tar->data_size;
	if (pax->sparse_major == 1 && pax->sparse_minor == 0) {
		tar->pairs_left = UINT64_MAX;
		tar->number = tar->digits = 0;
		tar->second = false;
		tar->state = STATE_SPARSE_NEW;
		return 0;
	}
	if (pax->sparse_major != 0)
		return broken(tar, err, "a sparse file of an unknown version");
	buf_add(&tar->segments, pax->map.data, pax->map.len);
	return tar->segments.failed ? err_set(err, ENOMEM, "no memory for a sparse file's map")
				    : deliver(tar, true, err);
}

static int start_member(struct layer_tar *tar, const struct tar_header *header, struct err *err)
{
	tar->entry = (struct layer_entry){.path = tar->path};
	int rc = layer_pax_parse(tar->records.data, tar->records.len, &tar->pax, err);
	if (rc < 0)
		return err_prefix(err, "tar: at byte %llu", (unsigned long long)tar->at);
	rc = take_path(tar, header, err);
	if (rc == 0)
		rc = take_numbers(tar, header, err);
	if (rc == 0)
		rc = take_type(tar, header, err);
	if (rc == 0)
		rc = take_xattrs(tar, err);
	return rc < 0 ? rc : start_data(tar, header, err);
}

/* A header that describes the next one, or nobody. */
static int start_payload(struct layer_tar *tar, const struct tar_header *header, enum state state,
			 struct err *err)
{
	if (!tar_field_size(header->size, sizeof header->size, &tar->left))
		return broken(tar, err, "a size that is no number");
	if (tar->left > (state == STATE_SKIP ? LAYER_FILE_MAX : (uint64_t)LAYER_RECORDS_MAX))
		return err_set(err, E2BIG, "tar: an extended header of %llu bytes, at most %d are taken",
			       (unsigned long long)tar->left, LAYER_RECORDS_MAX);
	if (state == STATE_RECORDS && tar->records.len + tar->left > LAYER_RECORDS_MAX)
		return err_set(err, E2BIG, "tar: extended headers of more than %d bytes",
			       LAYER_RECORDS_MAX);
	if (state == STATE_LONG_NAME)
		tar->long_name.len = 0;
	if (state == STATE_LONG_LINK)
		tar->long_link.len = 0;
	tar->padding = (unsigned)(-tar->left & (BLOCK - 1));
	tar->state = tar->left ? state : STATE_HEADER;
	return 0;
}

static int header_block(struct layer_tar *tar, struct err *err)
{
	const struct tar_header *header = (const struct tar_header *)tar->block;
	if (header->name[0] == '\0' && tar_header_is_zero(header)) {
		tar->state = STATE_END;
		return 0;
	}
	if (!tar_header_holds(header))
		return tar->any ? broken(tar, err, "a header whose checksum does not hold")
				: err_set(err, EBADMSG, "not a tar: its first block is no header");
	tar->any = true;
	switch (header->type) {
	case 'x':
	case 'X':
		return start_payload(tar, header, STATE_RECORDS, err);
	case 'L':
		return start_payload(tar, header, STATE_LONG_NAME, err);
	case 'K':
		return start_payload(tar, header, STATE_LONG_LINK, err);
	case 'g':  /* defaults for all members: git archive's comment */
	case 'V':  /* a volume's label */
		return start_payload(tar, header, STATE_SKIP, err);
	default:
		return start_member(tar, header, err);
	}
}

/* -- the stream --------------------------------------------------------- */

static int take_payload(struct layer_tar *tar, const char *bytes, size_t len, struct err *err)
{
	struct buf *to = tar->state == STATE_RECORDS	 ? &tar->records
			 : tar->state == STATE_LONG_NAME ? &tar->long_name
			 : tar->state == STATE_LONG_LINK ? &tar->long_link
							 : NULL;
	int rc = 0;
	if (to) {
		buf_add(to, bytes, len);
		rc = to->failed ? err_set(err, ENOMEM, "no memory for an extended header") : 0;
	} else if (tar->state == STATE_DATA) {
		rc = tar->sink.data(tar->sink.context, bytes, len, err);
	}
	tar->left -= len;
	if (tar->left == 0)
		tar->state = STATE_HEADER;
	return rc;
}

static int take_block(struct layer_tar *tar, struct err *err)
{
	switch (tar->state) {
	case STATE_SPARSE_OLD:
		return sparse_old_block(tar, err);
	case STATE_SPARSE_NEW:
		return sparse_new_block(tar, err);
	default:
		return header_block(tar, err);
	}
}

int layer_tar_feed(struct layer_tar *tar, const void *data, size_t len, struct err *err)
{
	const char *bytes = data;
	while (len > 0 && tar->state != STATE_END) {
		size_t part;
		int rc = 0;
		if (tar->left > 0) {
			part = len < tar->left ? len : (size_t)tar->left;
			tar->at += part;
			rc = take_payload(tar, bytes, part, err);
		} else if (tar->padding > 0) {
			part = len < tar->padding ? len : tar->padding;
			tar->at += part;
			tar->padding -= (unsigned)part;
		} else {
			part = len < BLOCK - tar->filled ? len : BLOCK - tar->filled;
			memcpy(tar->block + tar->filled, bytes, part);
			tar->filled += (unsigned)part;
			tar->at += part;
			if (tar->filled == BLOCK) {
				tar->filled = 0;
				rc = take_block(tar, err);
			}
		}
		if (rc < 0)
			return rc;
		bytes += part;
		len -= part;
	}
	return 0;
}

int layer_tar_end(struct layer_tar *tar, struct err *err)
{
	bool between = tar->state == STATE_HEADER && tar->filled == 0 && tar->records.len == 0 &&
		       tar->long_name.len == 0 && tar->long_link.len == 0;
	if (tar->state == STATE_END || between)
		return 0;  /* without end blocks: some writers */
	return broken(tar, err, "it ends inside of a member");
}
