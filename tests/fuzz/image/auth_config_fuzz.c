/* auth_config_fuzz.c - credentials files, helpers' answers */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/auth_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct auth_credentials found;
	char *text = NULL;
	bool changed;
	if (auth_config_find(data, size, "r.x:5", "org/app", &found, &err) >= 0)
		auth_credentials_free(&found);
	if (auth_helper_parse(data, size, &found, &err) == 0)
		auth_credentials_free(&found);
	if (auth_config_edit(data, size, "r.x:5", "user", "password", &text, &changed, &err) == 0)
		free(text);
	return 0;
}
