/*
 * policy_check.h - the policy files, and images held against them.
 *
 * The site's file is /etc/cmpirun/policy.json; the user's is $CMPIRUN_POLICY, else
 * cmpirun/policy.json in $XDG_CONFIG_HOME or ~/.config.  A file that is missing says nothing; one
 * that is broken or cannot be read refuses everything.  What policies say: image/policy.h.
 */
#ifndef IMAGE_POLICY_CHECK_H
#define IMAGE_POLICY_CHECK_H

#include "image/image_file.h"
#include "image/policy.h"
#include "image/policy_files.h"
#include "image/registry.h"

enum { POLICY_FILES = 2 };

struct policies {
	struct policy *policy[POLICY_FILES];  /* NULL: there is no such file */
	char *path[POLICY_FILES];
};

/* `site` NULL: POLICY_SITE_FILE. */
int policies_load(const char *site, struct policies *policies, struct err *err);
void policies_free(struct policies *policies);
#define AUTO_POLICIES __attribute__((cleanup(policies_free)))

/* -EKEYREJECTED with the file and its reason.  *wants_signature (may be NULL): it is allowed only
 * when signed. */
int policies_allow(const struct policies *policies, const char *reference, bool *wants_signature,
		   struct err *err);

/* Looks in the repository for a signature of one of the digests (an index and the manifest that was
 * chosen from it), where image/signature_find.h says.  0: each policy that wants one found one. */
int policies_check_registry(const struct policies *policies, const char *reference,
			    struct registry *registry, const char *const *digests, size_t count,
			    struct err *err);

/* FILE.sig beside a squashfs file; its reference is "file:" and `path`, which is absolute.  *root_only:
 * the signature is of the tail, which holds for the rest only as far as that is checked against
 * the hash tree when it is read. */
int policies_check_file(const struct policies *policies, const char *path,
			const struct image_file *file, bool *root_only, struct err *err);

#endif
