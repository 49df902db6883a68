/*
 * names.c - sets of symbols, versions and libraries (names.h).
 *
 * Linear probing, at most half full.  The names come from an image, but a slow set costs its owner alone.
 */
#include "mpi-abi/names.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* The slot that holds `text`, or the free one where it belongs. */
static struct name *slot_of(const struct names *names, const char *text, uint64_t hash)
{
	size_t at = hash & (names->size - 1);
	while (names->slots[at].text &&
	       (names->slots[at].hash != hash || strcmp(names->slots[at].text, text) != 0))
		at = (at + 1) & (names->size - 1);
	return &names->slots[at];
}

static bool names_grow(struct names *names)
{
	size_t size = names->size ? names->size * 2 : 64;
	struct name *slots = calloc(size, sizeof *slots);
	if (!slots)
		return false;
	for (size_t i = 0; i < names->size; i++) {
		size_t at = names->slots[i].hash & (size - 1);
		if (!names->slots[i].text)
			continue;
		while (slots[at].text)
			at = (at + 1) & (size - 1);
		slots[at] = names->slots[i];
	}
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
	size_t len = strlen(text);
	uint64_t hash = XXH3_64bits(text, len);
	struct name *slot = slot_of(names, text, hash);
	if (slot->text)
		return slot;
	slot->text = names->borrows ? text : strndup(text, len);
	if (!slot->text) {
		names->failed = true;
		return NULL;
	}
	slot->value = value;
	slot->hash = hash;
	names->count++;
	return slot;
}

const struct name *names_find(const struct names *names, const char *text)
{
	if (names->size == 0)
		return NULL;
	const struct name *slot = slot_of(names, text, XXH3_64bits(text, strlen(text)));
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
	for (size_t i = 0; !names->borrows && i < names->size; i++)
		free((char *)names->slots[i].text);
	free(names->slots);
	*names = (struct names){0};
}
