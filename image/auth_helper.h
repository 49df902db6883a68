/*
 * auth_helper.h - docker-credential-NAME: programs that keep credentials.
 *
 * They are started by the PATH; the registry's name goes to their stdin; what comes back is bounded
 * in size and time.
 */
#ifndef IMAGE_AUTH_HELPER_H
#define IMAGE_AUTH_HELPER_H

#include "common/err.h"
#include "image/auth_config.h"

/* Asks found->helper about `registry` and fills the rest of *found.  A helper that does not know
 * it is no error: *found is empty then. */
int auth_helper_get(const char *registry, struct auth_credentials *found, struct err *err);

/* Stores, or erases when user is NULL. */
int auth_helper_store(const char *helper, const char *registry, const char *user,
		      const char *password, struct err *err);

#endif
