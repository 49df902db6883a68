/* An image's config, as a registry has it and as a file carries it; and the tail before it. */
#include <stdint.h>

#include "image/config.h"
#include "image/config_make.h"
#include "image/verity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	AUTO_BUF struct buf json = {0};
	struct image_config config;
	struct config_tail tail;
	struct verity_shape shape;
	image_config_make((const char *)data, size, "docker://r/x", NULL, &json, &err);
	if (image_config_parse((const char *)data, size, &config, &err) == 0) {
		image_config_command(&config, NULL, 0);
		image_config_check_machine(&config, "x86_64", &err);
		image_config_free(&config);
	}
	/* A file of 1 MiB whose squashfs ends in its middle. */
	if (size >= TAIL_SIZE && config_tail_parse(data, 1 << 20, 500000, &tail, &err) == 0 &&
	    (tail.json_at > 1 << 20 || tail.json_len > (1 << 20) - tail.json_at ||
	     verity_shape_of(tail.data_size, tail.hash_at, &shape, &err) < 0))
		__builtin_trap();
	return 0;
}
