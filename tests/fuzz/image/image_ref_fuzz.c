/* What the user types after --image. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/image_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct image_ref ref;
	char *text = strndup((const char *)data, size);
	if (text && image_ref_parse(text, &ref, &err) == 0) {
		image_ref_needs_pull(&ref);
		image_ref_free(&ref);
	}
	free(text);
	return 0;
}
