/* manifest_aci_fuzz.c - rkt's ImageManifest */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "image/manifest_aci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	char *config = NULL;
	if (manifest_aci_config_new(data, size, &config, &err) == 0)
		free(config);
	return 0;
}
