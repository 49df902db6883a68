/*
 * keep_msg.c - the words between a holder and who asks it, to bytes and back (keep_msg.h).  Pure;
 * fuzzed by tests/fuzz/bcast/keep_msg_fuzz.c.
 */
#include "bcast/keep_msg.h"

#include <stdlib.h>
#include <string.h>

static void pack_image(const struct keep_image *image, struct buf *out)
{
	buf_add(out, image->digest, sizeof image->digest);
	buf_add_u64(out, image->size);
	buf_add_u32(out, image->age_s);
	buf_add_str(out, image->name);
}

static void parse_image(struct cursor *in, struct keep_image *image)
{
	const char *digest = cursor_take(in, sizeof image->digest);
	if (digest != NULL)
		memcpy(image->digest, digest, sizeof image->digest);
	image->size = cursor_u64(in);
	image->age_s = cursor_u32(in);
	cursor_str(in, image->name, sizeof image->name);
}

void keep_msg_pack(const struct keep_msg *msg, struct buf *out)
{
	buf_add_u8(out, (uint8_t)msg->type);
	switch (msg->type) {
	case KEEP_MSG_GET:
	case KEEP_MSG_REMOVE:
		buf_add(out, msg->image.digest, sizeof msg->image.digest);
		break;
	case KEEP_MSG_PUT:
		pack_image(&msg->image, out);
		break;
	case KEEP_MSG_IMAGES:
		buf_add_u32(out, msg->count);
		for (uint32_t i = 0; i < msg->count; i++)
			pack_image(&msg->images[i], out);
		break;
	case KEEP_MSG_DONE:
		buf_add_u32(out, msg->count);
		break;
	case KEEP_MSG_LIST:
	case KEEP_MSG_GOT:
	case KEEP_MSG_MISSING:
	case KEEP_MSG_REFUSED:
		break;
	}
}

static void parse_images(struct cursor *in, struct keep_msg *msg)
{
	msg->count = cursor_u32(in);
	in->bad |= msg->count > KEEP_IMAGES_MAX;
	msg->images = in->bad ? NULL : calloc(msg->count + 1, sizeof *msg->images);
	in->bad |= msg->images == NULL;
	for (uint32_t i = 0; i < msg->count && !in->bad; i++)
		parse_image(in, &msg->images[i]);
}

static void parse_by_type(struct cursor *in, struct keep_msg *msg)
{
	const char *digest;
	switch (msg->type) {
	case KEEP_MSG_GET:
	case KEEP_MSG_REMOVE:
		digest = cursor_take(in, sizeof msg->image.digest);
		if (digest != NULL)
			memcpy(msg->image.digest, digest, sizeof msg->image.digest);
		return;
	case KEEP_MSG_PUT:
		parse_image(in, &msg->image);
		return;
	case KEEP_MSG_IMAGES:
		parse_images(in, msg);
		return;
	case KEEP_MSG_DONE:
		msg->count = cursor_u32(in);
		return;
	case KEEP_MSG_LIST:
	case KEEP_MSG_GOT:
	case KEEP_MSG_MISSING:
	case KEEP_MSG_REFUSED:
		return;
	}
	in->bad = true;
}

int keep_msg_parse(const void *bytes, size_t len, struct keep_msg *msg, struct err *err)
{
	struct cursor in = cursor_of(bytes, len);
	*msg = (struct keep_msg){.type = (enum keep_msg_type)cursor_u8(&in)};
	parse_by_type(&in, msg);
	if (!in.bad && cursor_left(&in) == 0)
		return 0;
	keep_msg_free(msg);
	return err_set(err, EPROTO, "a malformed message about kept images; is one version of cmpirun "
		       "installed?");
}

void keep_msg_free(struct keep_msg *msg)
{
	free(msg->images);
	msg->images = NULL;
	msg->count = 0;
}
