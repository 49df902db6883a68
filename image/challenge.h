/*
 * challenge.h - what a registry asks for: the WWW-Authenticate header (RFC 9110, 11.6.1).
 *
 * Pure; foreign bytes.  A header may carry several challenges, and a reply several headers.
 */
#ifndef IMAGE_CHALLENGE_H
#define IMAGE_CHALLENGE_H

#include <stdbool.h>

#include "common/err.h"

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

enum { CHALLENGE_VALUE_MAX = 2048 };

struct challenge {
	enum challenge_scheme scheme;
	char realm[CHALLENGE_VALUE_MAX];  /* Bearer: where tokens are given out, a URL */
	char service[CHALLENGE_VALUE_MAX], scope[CHALLENGE_VALUE_MAX], error[64];
	char others[64];                  /* the first scheme that is not known, for the error's text */
};

/* Looks at one header's value and keeps in *challenge the best that it has seen so far (Bearer
 * before Basic).  Start with a zeroed one.  What cannot be read is skipped. */
void challenge_add(struct challenge *challenge, const char *header);

#endif
