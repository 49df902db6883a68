/*
 * registry_files.h - the files that say how to talk to registries.
 *
 *	registries.conf   $CMPIRUN_REGISTRIES alone if set, else cmpirun/registries.conf in
 *	                  $XDG_CONFIG_HOME and in /etc (registry_conf.h)
 *	certs.d/HOST/     in ~/.config/containers, /etc/containers, /etc/docker: *.crt (authorities),
 *	                  *.cert and *.key (who we are)
 *	credentials       $REGISTRY_AUTH_FILE alone if set, else $XDG_RUNTIME_DIR/containers/auth.json,
 *	                  $XDG_CONFIG_HOME/containers/auth.json, $DOCKER_CONFIG or ~/.docker /config.json
 */
#ifndef IMAGE_REGISTRY_FILES_H
#define IMAGE_REGISTRY_FILES_H

#include "common/buf.h"
#include "common/err.h"
#include "image/auth_config.h"
#include "image/http.h"
#include "image/registry_conf.h"

/* A file of at most `most` bytes, with a NUL byte behind (not in len). -ENOENT: err is set, too. */
int registry_file_read(const char *path, size_t most, struct buf *bytes, struct err *err);

int registry_conf_load(struct registry_conf *conf, struct err *err);

/* For "host:port". */
int registry_trust_load(const struct registry_conf *conf, const char *host, struct http_trust *trust,
			struct err *err);
void registry_trust_free(struct http_trust *trust);

/* Looks through the files, asks a helper; *found stays empty when nobody knows the registry. */
int registry_credentials_find(const char *registry, const char *repository,
			      struct auth_credentials *found, struct err *err);

/* Stores, or with user NULL removes, what is known for `registry`, in the first file above that
 * exists, else in docker's; or by the helper that the file names.  `where` gets its name.
 * -ENOENT: there was nothing to remove. */
int registry_credentials_store(const char *registry, const char *user, const char *password,
			       char *where, size_t where_size, struct err *err);

#endif
