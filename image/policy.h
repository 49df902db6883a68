/*
 * policy.h - which images may be used: a file of rules.
 *
 *	{"default": "allow",
 *	 "rules": [
 *	  {"match": "docker://registry.example/hpc/", "allow": true, "keys": ["/etc/cmpirun/hpc.pub"]},
 *	  {"match": "docker://", "allow": false, "why": "only the site's registry"},
 *	  {"match": "file:/apps/images/", "keys": ["/etc/cmpirun/site.pub"]}]}
 *
 * "match" is the beginning of a reference: docker://HOST/REPOSITORY with Docker's names written
 * out, or file: and an absolute path.  A match ends at the end of the reference or before one of
 * "/:@", or has such a character at its end: so hpc does not match hpc2.  The first rule that
 * matches decides; without one, "default".  "keys": one of them must have signed (image/sign.h);
 * a rule without "allow" allows.
 *
 * Both files count, the site's and the user's: what one refuses the other cannot allow, and the
 * keys of both are wanted.  Pure.
 */
#ifndef IMAGE_POLICY_H
#define IMAGE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum { POLICY_BYTES_MAX = 1 << 20, POLICY_RULES_MAX = 10000, POLICY_KEYS_MAX = 16 };

struct policy;

struct policy_verdict {
	bool allowed;
	const char *why;            /* the rule's, or NULL; inside of the policy */
	const char *const *keys;    /* NULL-terminated; empty: no signature is wanted */
};

/* -EBADMSG: malformed, with what; an unknown member is malformed too, since a word that is
 * misspelt must not open a door. */
int policy_parse(const char *json, size_t len, struct policy **policy, struct err *err);
void policy_free(struct policy **policy);

struct policy_verdict policy_decide(const struct policy *policy, const char *reference);

#endif
