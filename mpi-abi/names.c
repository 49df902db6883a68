/*
 * names.c - sets of symbols, versions and libraries (names.h).
 *
 * Linear probing, at most half full; FNV-1a, since the names come from an image
 * but a slow set costs its owner alone.
 */
#include "mpi-abi/names.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash;
}

/* The slot that holds `text`, or the free one where it belongs. */
static struct name *slot_of(struct name *slots, size_t size, const char *text)
{
	size_t at = hash_of(text) & (size - 1);
	while (slots[at].text && strcmp(slots[at].text, text) != 0)
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static bool names_grow(struct names *names)
{
	size_t size = names->size ? names->size * 2 : 64;
	struct name *slots = calloc(size, sizeof *slots);
	if (!slots)
		return false;
	for (size_t i = 0; i < names->size; i++)
		if (names->slots[i].text)
			*slot_of(slots, size, names->slots[i].text) = names->slots[i];
	free(names->slots);
	names->slots = slots;
	names->size = size;
	return true;
}

struct name *names_add(struct names *names, const char *text, uint64_t value)
{
	if (names->count * 2 >= names->size && !names_grow(names)) {
		names->failed = true;
		return NULL;
	}
	struct name *slot = slot_of(names->slots, names->size, text);
	if (slot->text)
		return slot;
	slot->text = strdup(text);
	if (!slot->text) {
		names->failed = true;
		return NULL;
	}
	slot->value = value;
	names->count++;
	return slot;
}

const struct name *names_find(const struct names *names, const char *text)
{
	if (names->size == 0)
		return NULL;
	const struct name *slot = slot_of(names->slots, names->size, text);
	return slot->text ? slot : NULL;
}

bool names_include(const struct names *large, const struct names *small, const char **missing)
{
	for (size_t i = 0; i < small->size; i++) {
		if (!small->slots[i].text || names_find(large, small->slots[i].text))
			continue;
		if (missing)
			*missing = small->slots[i].text;
		return false;
	}
	return true;
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->size; i++)
		free((char *)names->slots[i].text);
	free(names->slots);
	*names = (struct names){0};
}
