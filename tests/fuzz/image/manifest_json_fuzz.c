/* manifest_json_fuzz.c - manifests, configs, lists of tags */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct manifest manifest;
	struct manifest_config config;
	char **tags = NULL;
	size_t count = 0;
	if (manifest_parse(data, size, &manifest, &err) == 0)
		manifest_json_free(&manifest);
	if (manifest_config_parse(data, size, &config, &err) == 0)
		manifest_config_free(&config);
	manifest_tags_parse(data, size, &tags, &count, &err);
	while (count > 0)
		free(tags[--count]);
	free(tags);
	return 0;
}
