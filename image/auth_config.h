/*
 * auth_config.h - who we are at a registry: the files of docker and podman.
 *
 * The parsing is pure.  {"auths": {"HOST[/PATH]": {"auth": base64("user:password"),
 * "identitytoken", "registrytoken"}}, "credHelpers": {"HOST": NAME}, "credsStore": NAME}.
 */
#ifndef IMAGE_AUTH_CONFIG_H
#define IMAGE_AUTH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum { AUTH_CONFIG_BYTES_MAX = 4 << 20 };

/* All NULL: anonymous.  Owned strings, wiped when freed. */
struct auth_credentials {
	char *user, *password;
	char *identity_token;  /* an OAuth refresh token, in exchange for which tokens are given */
	char *registry_token;  /* a bearer token as it is */
	char *helper;          /* docker-credential-HELPER has to be asked (auth.h) */
};

/* What a file says about registry/repository; the longest key that matches wins, then a helper
 * of that host, then the store for all.  Returns 1 and fills *found, 0 when it says nothing.
 * -EBADMSG: not such a file. */
int auth_config_find(const void *bytes, size_t len, const char *registry, const char *repository,
		     struct auth_credentials *found, struct err *err);

/* The answer of a helper: {"Username", "Secret"}; Username "<token>" makes it an identity token. */
int auth_helper_parse(const void *bytes, size_t len, struct auth_credentials *found, struct err *err);

/* Puts user and password for `registry` into the text of a file (len 0: a new one) or, with
 * user NULL, takes it out.  *text is owned by the caller; *changed says whether there is a
 * difference. */
int auth_config_edit(const void *bytes, size_t len, const char *registry, const char *user,
		     const char *password, char **text, bool *changed, struct err *err);

/* base64("user:password"), newly allocated; NULL when memory ran out. */
char *auth_basic_new(const char *user, const char *password);

void auth_credentials_free(struct auth_credentials *credentials);
#define AUTO_CREDENTIALS __attribute__((cleanup(auth_credentials_free)))

#endif
