/*
 * kvs.c - a hash table of short texts (kvs.h).  Pure.
 *
 * Entries stand in an array in the order of their first put; the table holds
 * their indices + 1 with linear probing and is at most half full.  An entry is
 * one allocation, "key\0value\0".  Keys are never removed, so probing needs no
 * tombstones.  Keys put since the last export are listed by index; the list
 * has no duplicates because an entry remembers that it is on it.
 */
#include "pmix/kvs.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

struct entry {
	char *text;  /* key, NUL, value, NUL */
	uint32_t key_len, value_len;
	uint64_t hash;
	bool fresh;  /* is on the list of fresh ones */
};

struct kvs {
	struct entry *entries;
	uint32_t *slots;  /* index + 1, 0: free */
	uint32_t *fresh;
	size_t entry_count, entry_size, slot_count, fresh_count;  /* fresh: entry_size places */
	size_t bytes, bytes_max;
};

struct kvs *kvs_new(size_t bytes_max)
{
	struct kvs *kvs = calloc(1, sizeof *kvs);
	if (kvs != NULL)
		kvs->bytes_max = bytes_max;
	return kvs;
}

void kvs_free(struct kvs **where)
{
	struct kvs *kvs = take_ptr(where);
	if (kvs == NULL)
		return;
	for (size_t i = 0; i < kvs->entry_count; i++)
		free(kvs->entries[i].text);
	free(kvs->entries);
	free(kvs->slots);
	free(kvs->fresh);
	free(kvs);
}

/* FNV-1a, 64 bit, then mixed: the low bits choose the slot. */
static uint64_t hash_key(const char *key, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t *find_slot(const struct kvs *kvs, const char *key, size_t len, uint64_t hash)
{
	for (size_t i = hash & (kvs->slot_count - 1);; i = (i + 1) & (kvs->slot_count - 1)) {
		uint32_t *slot = &kvs->slots[i];
		if (*slot == 0)
			return slot;
		const struct entry *entry = &kvs->entries[*slot - 1];
		if (entry->hash == hash && entry->key_len == len &&
		    memcmp(entry->text, key, len) == 0)
			return slot;
	}
}

static int grow(struct kvs *kvs)
{
	size_t size = kvs->entry_size ? 2 * kvs->entry_size : 64;
	if (size > UINT32_MAX / 4)
		return -ENOMEM;
	struct entry *entries = realloc(kvs->entries, size * sizeof *entries);
	if (entries == NULL)
		return -ENOMEM;
	kvs->entries = entries;
	uint32_t *fresh = realloc(kvs->fresh, size * sizeof *fresh);
	if (fresh == NULL)
		return -ENOMEM;
	kvs->fresh = fresh;
	uint32_t *slots = calloc(2 * size, sizeof *slots);
	if (slots == NULL)
		return -ENOMEM;
	free(kvs->slots);
	kvs->slots = slots;
	kvs->slot_count = 2 * size;
	kvs->entry_size = size;
	for (uint32_t i = 0; i < kvs->entry_count; i++) {
		const struct entry *entry = &entries[i];
		*find_slot(kvs, entry->text, entry->key_len, entry->hash) = i + 1;
	}
	return 0;
}

static int store(struct kvs *kvs, const char *key, size_t key_len, const char *value,
		 size_t value_len, bool fresh, struct err *err)
{
	if (key_len == 0 || key_len > KVS_KEY_MAX || value_len > KVS_VALUE_MAX)
		return err_set(err, EINVAL, "a key has 1 to %d bytes, a value up to %d; got %zu and %zu",
			       KVS_KEY_MAX, KVS_VALUE_MAX, key_len, value_len);
	if (kvs->entry_count == kvs->entry_size && grow(kvs) < 0)
		return err_errno(err, ENOMEM, "key-value space");
	uint64_t hash = hash_key(key, key_len);
	uint32_t *slot = find_slot(kvs, key, key_len, hash);
	struct entry *entry = *slot ? &kvs->entries[*slot - 1] : NULL;
	size_t before = entry ? entry->key_len + entry->value_len : 0;
	if (kvs->bytes - before + key_len + value_len > kvs->bytes_max)
		return err_set(err, ENOSPC, "the key-value space is full (%zu bytes)",
			       kvs->bytes_max);
	char *text = malloc(key_len + value_len + 2);
	if (text == NULL)
		return err_errno(err, ENOMEM, "key-value space");
	memcpy(text, key, key_len);
	text[key_len] = '\0';
	memcpy(text + key_len + 1, value, value_len);
	text[key_len + 1 + value_len] = '\0';

	if (entry == NULL) {
		*slot = (uint32_t)++kvs->entry_count;
		entry = &kvs->entries[*slot - 1];
		*entry = (struct entry){.key_len = (uint32_t)key_len, .hash = hash};
	}
	free(entry->text);
	entry->text = text;
	entry->value_len = (uint32_t)value_len;
	kvs->bytes += key_len + value_len - before;
	if (fresh && !entry->fresh) {
		entry->fresh = true;
		kvs->fresh[kvs->fresh_count++] = *slot - 1;
	}
	return 0;
}

int kvs_put(struct kvs *kvs, const char *key, const char *value, struct err *err)
{
	return store(kvs, key, strlen(key), value, strlen(value), true, err);
}

const char *kvs_get(const struct kvs *kvs, const char *key)
{
	size_t len = strlen(key);
	if (kvs->slot_count == 0)
		return NULL;
	uint32_t slot = *find_slot(kvs, key, len, hash_key(key, len));
	return slot ? kvs->entries[slot - 1].text + len + 1 : NULL;
}

void kvs_export(struct kvs *kvs, struct buf *out)
{
	for (size_t i = 0; i < kvs->fresh_count; i++) {
		struct entry *entry = &kvs->entries[kvs->fresh[i]];
		buf_add_blob(out, entry->text, entry->key_len);
		buf_add_blob(out, entry->text + entry->key_len + 1, entry->value_len);
		entry->fresh = false;
	}
	kvs->fresh_count = 0;
}

int kvs_import(struct kvs *kvs, const void *bytes, size_t len, struct err *err)
{
	struct cursor cursor = cursor_of(bytes, len);
	while (cursor_left(&cursor) > 0) {
		size_t key_len, value_len;
		const char *key = cursor_blob(&cursor, &key_len);
		const char *value = cursor_blob(&cursor, &value_len);
		if (cursor.bad || memchr(key, '\0', key_len) != NULL ||
		    memchr(value, '\0', value_len) != NULL)
			return err_set(err, EPROTO, "a node sent keys and values that make no sense");
		struct err why = ERR_NONE;
		int rc = store(kvs, key, key_len, value, value_len, false, &why);
		if (rc < 0)
			return err_set(err, rc == -EINVAL ? EPROTO : -rc, "%s", why.text);
	}
	return 0;
}
