/*
 * registry.h - one repository of a registry: manifests, blobs, tags (the OCI distribution API).
 *
 * Behind it stand the mirrors of the registry, asked first, and the registry itself.  Logins,
 * redirects, repetitions and rate limits are dealt with here.  What comes is compared with its
 * digest where it comes as a whole (manifests, small blobs); a blob fetched to a file is compared
 * by whoever reads it.
 *
 * Errors: -ENOENT no such image, tag or blob; -EKEYREJECTED access denied; -EHOSTDOWN the registry
 * cannot be reached, or gave up; -EPROTO it does not keep to the protocol; -EBADMSG what came is
 * not what was asked for; -EBUSY a rate limit.
 */
#ifndef IMAGE_REGISTRY_H
#define IMAGE_REGISTRY_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "image/manifest_json.h"
#include "image/registry_conf.h"

struct registry;

struct registry_options {
	const struct registry_conf *conf;
	/* One line for the user: "registry HOST: wait 10 s"; may be NULL. */
	void (*note)(void *context, const char *text);
	void *context;
};

/* No connection is made yet.  `options` is copied; conf stays the caller's. */
int registry_open(const struct registry_options *options, const char *name, const char *repository,
		  struct registry **registry, struct err *err);
void registry_free(struct registry **registry);

/* The digest behind a tag, by one HEAD request; where the registry does not say it, *digest is "". */
int registry_head(struct registry *registry, const char *tag, char digest[DIGEST_TEXT_SIZE],
		  struct err *err);

/* Appends the manifest to *bytes. `reference` is a tag or a digest; with a digest the bytes are
 * compared with it.  `digest` gets that of the bytes. */
int registry_manifest(struct registry *registry, const char *reference, struct buf *bytes,
		      char digest[DIGEST_TEXT_SIZE], struct err *err);

/* A blob into memory: at most `most` bytes, compared with size and digest. */
int registry_blob(struct registry *registry, const struct manifest_blob *blob, size_t most,
		  struct buf *bytes, struct err *err);

/* All tags, NULL-terminated and owned (the list and its strings), at most some ten thousand. */
int registry_tags(struct registry *registry, char ***tags, size_t *count, struct err *err);

/* The index of manifests whose subject is `digest` (OCI 1.1, "Referrers"): `take` gets each page of
 * it, and ends it by an error.  -ENOENT, -EPROTO: the registry has no such thing. */
int registry_referrers(struct registry *registry, const char *digest,
		       int take(void *context, const char *bytes, size_t len, struct err *err),
		       void *context, struct err *err);

/* Does the registry let us in?  Asks GET /v2/ with these credentials. */
int registry_login(struct registry *registry, const char *user, const char *password, struct err *err);

/* A blob to a file, beside others. */
struct registry_fetch {
	const struct manifest_blob *blob;
	int fd;
	uint64_t have;  /* bytes that are in the file: it goes on there */
	/* `have` has changed; it falls back to 0 when the registry starts again. */
	void (*progress)(struct registry_fetch *fetch);
	/* The last call: 0 and have == blob->size, or -errno.  Not called after registry_free().
	 * It may start fetches, and cancel none. */
	void (*done)(struct registry_fetch *fetch, int rc, const struct err *err);
	void *context;
	struct registry_fetch_state *state;  /* of registry_fetch.c */
};

/* *fetch is the caller's and stays until `done`. */
int registry_fetch_start(struct registry *registry, struct registry_fetch *fetch, struct err *err);
/* Ends it without `done`; also accepts one that has ended. */
void registry_fetch_cancel(struct registry *registry, struct registry_fetch *fetch);
/* Goes on with the fetches for at most timeout_ms. */
int registry_wait(struct registry *registry, int timeout_ms, struct err *err);

#endif
