/*
 * imgfs_profile.c - lines of a boot profile, written and parsed (imgfs_profile.h).  Pure.
 *
 * A profile is a file of the user's, which he may have edited: every number is checked, every path
 * must be absolute and have room.
 */
#include "runtime/imgfs_profile.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_plain(unsigned char byte)
{
	return byte > ' ' && byte < 0x7f && byte != '\\';
}

int imgfs_profile_write(const struct imgfs_profile_line *line, char text[IMGFS_PROFILE_LINE_MAX])
{
	int len = snprintf(text, IMGFS_PROFILE_LINE_MAX, "%llu %llu %llu ",
			   (unsigned long long)line->order, (unsigned long long)line->offset,
			   (unsigned long long)line->length);
	char *at = text + len;
	size_t path_len = strnlen(line->path, sizeof line->path);
	if (path_len == sizeof line->path)
		return -ENAMETOOLONG;
	if (path_len == 0)
		*at++ = '-';
	for (size_t i = 0; i < path_len; i++) {
		unsigned char byte = (unsigned char)line->path[i];
		if (is_plain(byte))
			*at++ = (char)byte;
		else
			at += sprintf(at, "\\%03o", byte);
	}
	*at++ = '\n';
	*at = '\0';
	return (int)(at - text);
}

static bool parse_number(const char **at, const char *end, uint64_t *number)
{
	const char *start = *at;
	*number = 0;
	for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
		unsigned digit = (unsigned)(**at - '0');
		if (*number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	if (*at == start || *at == end || **at != ' ')
		return false;
	++*at;
	return true;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static bool parse_path(const char *at, const char *end, char path[IMGFS_PROFILE_PATH_MAX])
{
	size_t len = 0;
	path[0] = '\0';
	if (end - at == 1 && *at == '-')
		return true;
	if (at == end || *at != '/')
		return false;
	while (at < end) {
		unsigned byte = (unsigned char)*at++;
		if (byte == '\\') {
			if (end - at < 3 || at[0] > '3' || !is_octal(at[0]) || !is_octal(at[1]) ||
			    !is_octal(at[2]))
				return false;
			byte = (unsigned)(at[0] - '0') * 64 + (unsigned)(at[1] - '0') * 8 +
			       (unsigned)(at[2] - '0');
			at += 3;
		}
		if (byte == '\0' || len + 1 == IMGFS_PROFILE_PATH_MAX)
			return false;
		path[len++] = (char)byte;
	}
	path[len] = '\0';
	return true;
}

static bool parse_line(const char *at, const char *end, struct imgfs_profile_line *line)
{
	return parse_number(&at, end, &line->order) && parse_number(&at, end, &line->offset) &&
	       parse_number(&at, end, &line->length) && line->length <= UINT64_MAX - line->offset &&
	       parse_path(at, end, line->path);
}

int imgfs_profile_next(const char **at, const char *end, struct imgfs_profile_line *line,
		       struct err *err)
{
	while (*at < end) {
		const char *start = *at;
		const char *newline = memchr(start, '\n', (size_t)(end - start));
		const char *stop = newline != NULL ? newline : end;
		*at = newline != NULL ? newline + 1 : end;
		if (stop == start || *start == '#')
			continue;
		if (parse_line(start, stop, line))
			return 1;
		return err_set(err, EPROTO, "not a line of a boot profile (order offset length path): %.*s",
			       (int)(stop - start < 80 ? stop - start : 80), start);
	}
	return 0;
}
