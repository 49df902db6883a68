/* manifest_archive_fuzz.c - docker save's manifest.json and repositories, Shifter's meta */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest_archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	char *text = malloc(size + 1);
	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	struct manifest_archive archive;
	char *config = NULL;
	if (manifest_archive_parse(text, size, "app:1", &archive, &err) == 0)
		manifest_archive_free(&archive);
	char id[MANIFEST_LAYER_ID_SIZE];
	if (manifest_repositories_parse(text, size, "app:1", id, &err) == 0 && strlen(id) != sizeof id - 1)
		abort();
	if (manifest_layer_parent(text, size, id, &err) == 0 && id[0] != '\0' && strlen(id) != sizeof id - 1)
		abort();
	if (manifest_shifter_config_new(text, &config, &err) == 0)
		free(config);
	free(text);
	return 0;
}
