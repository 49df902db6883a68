/* store_index_fuzz.c - KEY.info and tags of the image store */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "image/digest.h"
#include "image/store_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct store_image image;
	struct store_tag tag;
	char *text = NULL;
	if (store_image_info_parse(data, size, &image, &err) == 0 && !digest_is_valid(image.digest))
		abort();
	if (store_tag_parse(data, size, &tag, &err) < 0)
		return 0;
	/* What was understood can be written again. */
	if (!store_key_is_valid(tag.key) || store_tag_text_new(&tag, &text, &err) < 0)
		abort();
	free(text);
	return 0;
}
