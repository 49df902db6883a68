/*
 * card_fuzz.c - cards out of any bytes; one that parses packs to the bytes that it was.
 */
#include <stdlib.h>
#include <string.h>

#include "launcher/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_BUF struct buf packed = {0};
	struct card card;
	if (card_parse(data, size, &card, NULL) < 0)
		return 0;
	card_pack(&card, &packed);
	if (packed.len != size || memcmp(packed.data, data, size) != 0)
		abort();
	return 0;
}
