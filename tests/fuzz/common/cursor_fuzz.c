/*
 * cursor_fuzz.c - reads in the order that the bytes themselves say; nothing outside.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_string(struct cursor *in)
{
	AUTO_FREE char *text = cursor_str_new(in);
	if ((text == NULL) != in->bad)
		abort();
}

static void read_array(struct cursor *in)
{
	char text[8];
	cursor_str(in, text, sizeof text);
	if (strnlen(text, sizeof text) == sizeof text)
		abort();
}

static void read_blob(struct cursor *in, const uint8_t *end)
{
	size_t len;
	const char *bytes = cursor_blob(in, &len);
	if (in->bad ? bytes != NULL || len != 0 : (const uint8_t *)bytes + len > end)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_of(data, size);
	while (!in.bad && cursor_left(&in) > 0) {
		size_t before = cursor_left(&in);
		switch (cursor_u8(&in) % 6) {
		case 0: cursor_u32(&in); break;
		case 1: cursor_u64(&in); break;
		case 2: read_string(&in); break;
		case 3: read_array(&in); break;
		case 4: read_blob(&in, data + size); break;
		default: cursor_take(&in, cursor_u8(&in)); break;
		}
		if (cursor_left(&in) >= before)
			abort();
	}
	return 0;
}
