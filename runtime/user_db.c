/*
 * user_db.c - one line more in passwd(5) and group(5) (user_db.h).  Pure.
 *
 * The caller's line goes behind the image's: a name that both have keeps the image's meaning for
 * getpwnam(3), and the id, which the image does not have, gives the caller's.
 */
#include "runtime/user_db.h"

#include <string.h>

/* Third field of "name:password:id:...", or false. */
static bool line_id(const char *line, const char *end, uint32_t *id)
{
	for (int field = 0; field < 2; field++) {
		const char *colon = memchr(line, ':', (size_t)(end - line));
		if (colon == NULL)
			return false;
		line = colon + 1;
	}
	uint64_t value = 0;
	const char *digits = line;
	for (; line < end && *line >= '0' && *line <= '9' && value <= UINT32_MAX; line++)
		value = 10 * value + (uint64_t)(*line - '0');
	*id = (uint32_t)value;
	return line > digits && value <= UINT32_MAX && (line == end || *line == ':');
}

bool user_db_has_id(const char *text, size_t len, uint32_t id)
{
	if (len == 0)
		return false;
	const char *end = text + len;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;
		uint32_t found;
		if (line_id(text, line_end, &found) && found == id)
			return true;
		if (newline == NULL)
			return false;
		text = newline + 1;
	}
	return false;
}

static void add_lines(const char *text, size_t len, struct buf *out)
{
	if (len == 0)
		return;
	buf_add(out, text, len);
	if (text[len - 1] != '\n')
		buf_add(out, "\n", 1);
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text != NULL && text[0] != '\0' ? text : otherwise;
}

void user_db_add_user(const char *text, size_t len, const struct mount_user *user, struct buf *out)
{
	add_lines(text, len, out);
	buf_printf(out, "%s:x:%u:%u::%s:%s\n", text_or(user->name, "user"), user->uid, user->gid,
		   text_or(user->home, "/"), text_or(user->shell, "/bin/sh"));
}

void user_db_add_group(const char *text, size_t len, const struct mount_user *user, struct buf *out)
{
	add_lines(text, len, out);
	buf_printf(out, "%s:x:%u:\n", text_or(user->group, "users"), user->gid);
}
