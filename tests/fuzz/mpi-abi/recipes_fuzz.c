/* A hostile file of recipes; what could be read holds to the format's promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mpi-abi/recipes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct recipes recipes = {0};
	int rc = recipes_parse((const char *)data, size, "fuzz.conf", &recipes, &err);
	for (size_t i = 0; rc == 0 && i < recipes.count; i++) {
		const struct recipe *recipe = &recipes.items[i];
		if (!recipe->name[0])
			abort();
		for (size_t k = 0; k < recipe->entry_count; k++) {
			const struct recipe_entry *entry = &recipe->entries[k];
			if (!entry->value[0] || strchr(entry->value, '\n') || entry->key >= RECIPE_KEY_COUNT)
				abort();
			if ((entry->key == RECIPE_DEVICE || entry->key == RECIPE_SOCKET) &&
			    (entry->value[0] != '/' || !recipe_value(recipe, RECIPE_LIBRARY)))
				abort();
			recipe_matches(recipe, RECIPE_LIBRARY, entry->value);
		}
	}
	if (rc < 0 && err.text[0] == '\0')
		abort();
	recipes_free(&recipes);
	return 0;
}
