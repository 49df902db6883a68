/*
 * challenge.c - reads WWW-Authenticate (challenge.h).
 *
 * challenge = scheme [ parameter *( "," parameter ) ]; the comma also stands between challenges.
 * A token followed by "=" is a parameter, one followed by anything else starts a challenge.
 */
#include "image/challenge.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"

static bool is_token_char(char c)
{
	return c > 32 && c < 127 && strchr("()<>@,;:\\\"/[]?={}", c) == NULL;
}

static size_t token_len(const char *at)
{
	size_t len = 0;
	while (is_token_char(at[len]))
		len++;
	return len;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* Reads token or quoted string; a value that does not fit becomes "": half a URL is worse. */
static const char *read_value(const char *at, char *value, size_t size)
{
	size_t len = 0;
	bool fits = true;
	if (*at != '"') {
		/* Bare values carry characters that no token may have: "realm=https://…". */
		len = strcspn(at, ", \t");
		fits = len < size;
		if (fits)
			memcpy(value, at, len);
		at += len;
	} else {
		for (at++; *at != '\0' && *at != '"'; at++) {
			if (*at == '\\' && at[1] != '\0')
				at++;
			if (len + 1 >= size)
				fits = false;
			else
				value[len++] = *at;
		}
		if (*at == '"')
			at++;
	}
	value[fits ? len : 0] = '\0';
	return at;
}

static bool name_is(const char *name, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(name, word, len) == 0;
}

static enum challenge_scheme scheme_of(const char *name, size_t len)
{
	return name_is(name, len, "bearer") ? CHALLENGE_BEARER
	       : name_is(name, len, "basic") ? CHALLENGE_BASIC
					     : CHALLENGE_NONE;
}

/* The parameters of one challenge; returns the place of the next one's scheme. */
static const char *read_parameters(const char *at, struct challenge *into)
{
	for (;;) {
		at += strspn(at, " \t,");
		size_t len = token_len(at);
		const char *behind = skip_blanks(at + len);
		if (len == 0 || *behind != '=' || behind[1] == '=')
			return at;
		char ignored[CHALLENGE_VALUE_MAX], *value = ignored;
		size_t size = sizeof ignored;
		if (name_is(at, len, "realm"))
			value = into->realm;
		else if (name_is(at, len, "service"))
			value = into->service;
		else if (name_is(at, len, "scope"))
			value = into->scope;
		else if (name_is(at, len, "error"))
			value = into->error, size = sizeof into->error;
		at = read_value(skip_blanks(behind + 1), value, size);
	}
}

void challenge_add(struct challenge *challenge, const char *header)
{
	AUTO_FREE struct challenge *seen = calloc(1, sizeof *seen);
	if (seen == NULL)
		return;
	for (const char *at = header;;) {
		at += strspn(at, " \t,");
		size_t len = token_len(at);
		if (len == 0) {
			/* token68 or garbage: on to the next comma. */
			at += strcspn(at, ",");
			if (*at == '\0')
				return;
			continue;
		}
		memset(seen, 0, sizeof *seen);
		seen->scheme = scheme_of(at, len);
		const char *name = at;
		at = read_parameters(skip_blanks(at + len), seen);
		bool is_useful = seen->scheme == CHALLENGE_BASIC || seen->realm[0] != '\0';
		if (seen->scheme == CHALLENGE_NONE && challenge->others[0] == '\0' &&
		    len < sizeof challenge->others)
			memcpy(challenge->others, name, len);
		if (is_useful && seen->scheme > challenge->scheme) {
			memcpy(seen->others, challenge->others, sizeof seen->others);
			*challenge = *seen;
		}
	}
}
