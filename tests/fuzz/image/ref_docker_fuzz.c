/* ref_docker_fuzz.c - names of images in registries */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/ref_docker.h"

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
	struct docker_ref ref, again;
	if (docker_ref_parse(text, &ref, &err) == 0) {
		/* The normal form reads back as itself. */
		struct buf out = {0};
		docker_ref_format(&ref, &out);
		buf_add_u8(&out, 0);
		if (docker_ref_parse(out.data + strlen("docker://"), &again, &err) != 0 ||
		    memcmp(&ref, &again, sizeof ref) != 0)
			abort();
		buf_free(&out);
	}
	free(text);
	return 0;
}
