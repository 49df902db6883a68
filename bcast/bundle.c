/*
 * bundle.c - the list, its wire form, and where in the row each file is (bundle.h).  Pure.
 *
 * In: entries, or foreign bytes.  Out: a value.
 *
 * Invariants of a decoded list: see check_entry().  "Its directory is an earlier entry" is checked without
 * a table: entries come in the order of a walk, so the directories that are open at an entry are a stack.
 */
#include "bcast/bundle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

enum { MAGIC = 0x31646263, HUGE_PAGE = 2 << 20, HUGE_FROM = 64 << 20 };

/* One more at the end of an array. */
static int grow(void **items, size_t *room, size_t count, size_t item_size, struct err *err)
{
	if (count < *room)
		return 0;
	size_t more = *room == 0 ? 16 : 2 * *room;
	void *grown = realloc(*items, more * item_size);
	if (grown == NULL)
		return err_errno(err, ENOMEM, "the list of what is copied");
	*items = grown;
	*room = more;
	return 0;
}

int bundle_add_item(struct bundle *bundle, const char *source, const char *name, struct err *err)
{
	int rc = grow((void **)&bundle->items, &bundle->item_room, bundle->item_count,
		      sizeof *bundle->items, err);
	if (rc < 0)
		return rc;
	struct bundle_item *item = &bundle->items[bundle->item_count++];
	*item = (struct bundle_item){.source = strdup(source), .name = strdup(name),
				     .first = bundle->entry_count};
	return item->source != NULL && item->name != NULL ? 0 : err_errno(err, ENOMEM, "%s", name);
}

int bundle_add(struct bundle *bundle, const struct bundle_entry *entry, struct err *err)
{
	int rc = grow((void **)&bundle->entries, &bundle->entry_room, bundle->entry_count,
		      sizeof *bundle->entries, err);
	if (rc < 0)
		return rc;
	struct bundle_entry *added = &bundle->entries[bundle->entry_count++];
	*added = *entry;
	added->item = (uint32_t)(bundle->item_count - 1);
	added->path = strdup(entry->path);
	added->target = strdup(entry->target != NULL ? entry->target : "");
	bundle->items[added->item].count++;
	return added->path != NULL && added->target != NULL ? 0
							     : err_errno(err, ENOMEM, "%s", entry->path);
}

void bundle_free(struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->item_count; i++) {
		free(bundle->items[i].source);
		free(bundle->items[i].name);
	}
	for (size_t i = 0; i < bundle->entry_count; i++) {
		free(bundle->entries[i].path);
		free(bundle->entries[i].target);
	}
	free(bundle->items);
	free(bundle->entries);
	free(bundle->row);
	*bundle = (struct bundle){0};
}

/* -- the row --------------------------------------------------------------------------------- */

/* Pages of 2 MiB want addresses that agree with the file's offsets. */
static uint64_t alignment(const struct bundle_entry *entry)
{
	return entry->size >= HUGE_FROM ? HUGE_PAGE : BUNDLE_ALIGN;
}

static int place(struct bundle *bundle, size_t index, uint64_t align, struct err *err)
{
	struct bundle_entry *entry = &bundle->entries[index];
	uint64_t offset = (bundle->size + align - 1) / align * align;
	if (entry->size > UINT64_MAX / 8 || offset + entry->size > UINT64_MAX / 4)
		return err_set(err, EFBIG, "%llu bytes are more than a file can have",
			       (unsigned long long)entry->size);
	entry->offset = offset;
	bundle->size = offset + entry->size;
	bundle->row[bundle->row_count++] = (uint32_t)index;
	return 0;
}

static bool in_pass(const struct bundle_entry *entry, uint64_t align)
{
	if (entry->kind != BUNDLE_FILE || entry->size == 0)
		return false;
	return align == 1 ? !entry->part : entry->part && alignment(entry) == align;
}

/* A file alone needs no packing, however small. */
static void choose_parts(struct bundle *bundle)
{
	size_t parts = 0;
	for (size_t i = 0; i < bundle->entry_count; i++) {
		struct bundle_entry *entry = &bundle->entries[i];
		entry->part = entry->kind == BUNDLE_FILE && entry->size > 0 && parts < BUNDLE_PARTS_MAX &&
			      (entry->size >= BUNDLE_LARGE || bundle->entry_count == 1);
		parts += entry->part;
	}
}

int bundle_lay_out(struct bundle *bundle, struct err *err)
{
	static const uint64_t aligns[] = {HUGE_PAGE, BUNDLE_ALIGN, 1};
	bool packed = false;
	int rc = 0;
	bundle->row = calloc(bundle->entry_count + 1, sizeof *bundle->row);
	if (bundle->row == NULL || bundle->entry_count > UINT32_MAX)
		return err_errno(err, ENOMEM, "the list of what is copied");
	choose_parts(bundle);
	for (size_t pass = 0; pass < sizeof aligns / sizeof *aligns; pass++)
		for (size_t i = 0; rc == 0 && i < bundle->entry_count; i++) {
			if (!in_pass(&bundle->entries[i], aligns[pass]))
				continue;
			bool first = aligns[pass] == 1 && !packed;
			rc = place(bundle, i, first ? BUNDLE_ALIGN : aligns[pass], err);
			if (first)
				bundle->parts_end = bundle->entries[i].offset;
			packed |= first;
		}
	if (!packed)
		bundle->parts_end = bundle->size;
	return rc;
}

const struct bundle_entry *bundle_find(const struct bundle *bundle, uint64_t offset)
{
	size_t low = 0, high = bundle->row_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct bundle_entry *entry = &bundle->entries[bundle->row[middle]];
		if (entry->offset + entry->size <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < bundle->row_count ? &bundle->entries[bundle->row[low]] : NULL;
}

const struct bundle_entry *bundle_next(const struct bundle *bundle, const struct bundle_entry *entry)
{
	return bundle_find(bundle, entry->offset + entry->size);
}

uint64_t bundle_count(const struct bundle *bundle, enum bundle_kind kind)
{
	uint64_t count = 0;
	for (size_t i = 0; i < bundle->entry_count; i++)
		count += bundle->entries[i].kind == kind;
	return count;
}

/* -- on the wire ----------------------------------------------------------------------------- */

void bundle_encode(const struct bundle *bundle, struct buf *buf)
{
	buf_add_u32(buf, MAGIC);
	buf_add_u32(buf, (uint32_t)bundle->item_count);
	for (size_t i = 0; i < bundle->item_count; i++) {
		const struct bundle_item *item = &bundle->items[i];
		buf_add_str(buf, item->source);
		buf_add_str(buf, item->name);
		buf_add_u32(buf, (uint32_t)item->count);
		for (size_t j = item->first; j < item->first + item->count; j++) {
			const struct bundle_entry *entry = &bundle->entries[j];
			buf_add_u8(buf, (uint8_t)entry->kind);
			buf_add_u32(buf, entry->mode);
			buf_add_u64(buf, (uint64_t)entry->mtime_s);
			buf_add_u32(buf, entry->mtime_ns);
			buf_add_u64(buf, entry->size);
			buf_add_str(buf, entry->path);
			buf_add_str(buf, entry->target);
		}
	}
}

/* A component that names something in its directory, and nothing else. */
static bool is_name(const char *name, size_t len)
{
	return len > 0 && len <= NAME_MAX && !(len == 1 && name[0] == '.') &&
	       !(len == 2 && name[0] == '.' && name[1] == '.') && memchr(name, '/', len) == NULL;
}

/* Open directories: the entry `path` is in one of them if it begins with that one's path.  Cuts the stack to
 * it. */
struct stack {
	const char **paths;
	size_t depth, room;
};

static bool is_inside(struct stack *stack, const char *path)
{
	while (stack->depth > 0) {
		const char *directory = stack->paths[stack->depth - 1];
		size_t len = strlen(directory);
		if (len == 0)
			return is_name(path, strlen(path));
		if (strncmp(path, directory, len) == 0 && path[len] == '/')
			return is_name(path + len + 1, strlen(path + len + 1));
		stack->depth--;
	}
	return false;
}

/* Relative, and nothing in it that leads up or stays. */
static bool is_path(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");
		if (!is_name(path, len))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

static bool is_good(const struct bundle *bundle, const struct bundle_entry *entry, struct stack *stack)
{
	const struct bundle_item *item = &bundle->items[bundle->item_count - 1];
	bool first = bundle->entry_count == item->first;
	bool named = first ? entry->path[0] == '\0' : is_inside(stack, entry->path);
	if (!named || entry->mtime_ns >= 1000000000 || entry->mode > 07777 ||
	    strlen(entry->path) >= PATH_MAX || strlen(entry->target) >= PATH_MAX)
		return false;
	switch (entry->kind) {
	case BUNDLE_FILE:
		return entry->target[0] == '\0';
	case BUNDLE_DIRECTORY:
		return entry->target[0] == '\0' && entry->size == 0;
	case BUNDLE_SYMLINK:
		return !first && entry->target[0] != '\0' && entry->size == 0;
	case BUNDLE_HARDLINK:
		return !first && entry->size == 0 && is_path(entry->target);
	}
	return false;
}

static int push(struct stack *stack, const struct bundle_entry *entry, struct err *err)
{
	int rc = entry->kind != BUNDLE_DIRECTORY ? 0 :
		 grow((void **)&stack->paths, &stack->room, stack->depth, sizeof *stack->paths, err);
	if (rc == 0 && entry->kind == BUNDLE_DIRECTORY)
		stack->paths[stack->depth++] = entry->path;
	return rc;
}

static int bad(struct err *err)
{
	return err_set(err, EBADMSG, "the list of what is copied arrived damaged; are all nodes' cmpi-bcast "
		       "of one version?");
}

static int decode_entry(struct cursor *cursor, struct bundle *bundle, struct stack *stack,
			struct err *err)
{
	struct bundle_entry entry = {.kind = cursor_u8(cursor)};
	entry.mode = cursor_u32(cursor);
	entry.mtime_s = (int64_t)cursor_u64(cursor);
	entry.mtime_ns = cursor_u32(cursor);
	entry.size = cursor_u64(cursor);
	AUTO_FREE char *path = cursor_str_new(cursor);
	AUTO_FREE char *target = cursor_str_new(cursor);
	entry.path = path;
	entry.target = target;
	if (cursor->bad || !is_good(bundle, &entry, stack))
		return bad(err);
	int rc = bundle_add(bundle, &entry, err);
	return rc < 0 ? rc : push(stack, &bundle->entries[bundle->entry_count - 1], err);
}

static int decode_item(struct cursor *cursor, struct bundle *bundle, struct stack *stack,
		       struct err *err)
{
	AUTO_FREE char *source = cursor_str_new(cursor);
	AUTO_FREE char *name = cursor_str_new(cursor);
	uint32_t count = cursor_u32(cursor);
	if (cursor->bad || count == 0 || strlen(source) >= PATH_MAX || !is_name(name, strlen(name)))
		return bad(err);
	int rc = bundle_add_item(bundle, source, name, err);
	stack->depth = 0;
	for (uint32_t i = 0; rc == 0 && i < count; i++)
		rc = decode_entry(cursor, bundle, stack, err);
	return rc;
}

int bundle_decode(const void *bytes, size_t len, struct bundle *bundle, struct err *err)
{
	struct cursor cursor = cursor_of(bytes, len);
	struct stack stack = {0};
	*bundle = (struct bundle){0};
	int rc = cursor_u32(&cursor) == MAGIC ? 0 : bad(err);
	uint32_t items = cursor_u32(&cursor);
	for (uint32_t i = 0; rc == 0 && i < items; i++)
		rc = decode_item(&cursor, bundle, &stack, err);
	free(stack.paths);
	if (rc == 0 && (cursor.bad || cursor_left(&cursor) > 0 || items == 0))
		rc = bad(err);
	if (rc == 0)
		rc = bundle_lay_out(bundle, err);
	if (rc < 0)
		bundle_free(bundle);
	return rc;
}
