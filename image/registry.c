/*
 * registry.c - manifests, small blobs, tags: one call after the other (registry.h).
 *
 * Blobs that go to files run beside each other: registry_fetch.c.
 */
#include "image/registry.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "image/registry_impl.h"

enum { TAGS_BYTES_MAX = 16 << 20, PAGES_MAX = 20 };

#define OCI_INDEX "application/vnd.oci.image.index.v1+json"

/* -- places ------------------------------------------------------------------ */

static int add_place(struct registry *registry, const char *host, const char *account,
		     const char *repository, struct err *err)
{
	struct registry_place *place = &registry->places[registry->place_count++];
	place->host = strdup(host);
	place->account = strdup(account);
	place->repository = strdup(repository);
	if (place->host == NULL || place->account == NULL || place->repository == NULL)
		return err_errno(err, ENOMEM, "registry");
	return registry_trust_load(registry->options.conf, host, &place->trust, err);
}

static int add_mirror(struct registry *registry, const char *text, const char *repository,
		      struct err *err)
{
	AUTO_FREE char *host = strdup(text), *path = NULL;
	if (host == NULL)
		return err_errno(err, ENOMEM, "registry");
	char *slash = strchr(host, '/');
	if (slash != NULL)
		*slash = '\0';
	if (asprintf(&path, "%s%s%s", slash ? slash + 1 : "", slash && slash[1] ? "/" : "", repository) < 0) {
		path = NULL;
		return err_errno(err, ENOMEM, "registry");
	}
	return add_place(registry, host, host, path, err);
}

static int add_places(struct registry *registry, const char *name, const char *repository,
		      struct err *err)
{
	const struct registry_conf *conf = registry->options.conf;
	int rc = 0;
	registry->places = calloc(conf->mirror_count + 1, sizeof *registry->places);
	if (registry->places == NULL)
		return err_errno(err, ENOMEM, "registry");
	for (size_t i = 0; rc == 0 && i < conf->mirror_count; i++)
		if (strcmp(conf->mirrors[i].registry, name) == 0)
			rc = add_mirror(registry, conf->mirrors[i].place, repository, err);
	bool is_hub = strcmp(name, "docker.io") == 0;
	return rc < 0 ? rc : add_place(registry, is_hub ? "registry-1.docker.io" : name, name, repository, err);
}

int registry_open(const struct registry_options *options, const char *name, const char *repository,
		  struct registry **registry, struct err *err)
{
	struct registry *made = calloc(1, sizeof *made);
	if (made == NULL)
		return err_errno(err, ENOMEM, "registry");
	made->options = *options;
	int rc = http_new(&made->http, err);
	if (rc == 0)
		rc = add_places(made, name, repository, err);
	if (rc < 0)
		registry_free(&made);
	else
		*registry = made;
	return rc;
}

static void place_free(struct registry_place *place)
{
	free(place->host);
	free(place->account);
	free(place->repository);
	free(place->authorization);
	auth_credentials_free(&place->credentials);
	registry_trust_free(&place->trust);
}

void registry_free(struct registry **where)
{
	struct registry *registry = *where;
	if (registry == NULL)
		return;
	registry_fetches_free(registry);
	http_free(&registry->http);
	for (size_t i = 0; i < registry->place_count; i++)
		place_free(&registry->places[i]);
	for (size_t i = 0; i < registry->trust_count; i++) {
		free(registry->trusts[i].host);
		registry_trust_free(&registry->trusts[i].trust);
	}
	free(registry->trusts);
	free(registry->places);
	free(registry);
	*where = NULL;
}

/* -- calls ------------------------------------------------------------------- */

static void pause_ms(uint64_t ms)
{
	struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
	nanosleep(&pause, NULL);
}

/* Calls until it is a success; the reply is the caller's then. */
static int call_through(struct registry_call *call, size_t most, struct http_reply *reply,
			struct err *err)
{
	for (;;) {
		struct http_request request = {.body_max = most};
		uint64_t wait_ms;
		int rc = registry_call_request(call, &request, err);
		if (rc == 0)
			rc = http_do(call->registry->http, &request, reply, err);
		if (rc < 0)
			return rc;
		rc = registry_call_judge(call, reply, &wait_ms, err);
		if (rc == 0)
			return 0;
		http_reply_free(reply);
		if (rc < 0)
			return rc;
		pause_ms(wait_ms);
	}
}

static int get(struct registry *registry, enum http_method method, const char *accept, char *take_path,
	       size_t most, struct http_reply *reply, struct err *err)
{
	struct registry_call call;
	registry_call_init(&call, registry, method, accept, take_path);
	if (take_path == NULL)
		return err_errno(err, ENOMEM, "registry");
	int rc = call_through(&call, most, reply, err);
	registry_call_free(&call);
	return rc;
}

static char *path_new(const char *folder, const char *name)
{
	char *path = NULL;
	return asprintf(&path, "%s%s", folder, name) < 0 ? NULL : path;
}

int registry_head(struct registry *registry, const char *tag, char digest[DIGEST_TEXT_SIZE],
		  struct err *err)
{
	struct http_reply reply = {0};
	int rc = get(registry, HTTP_HEAD, MANIFEST_ACCEPT, path_new("manifests/", tag), MANIFEST_BYTES_MAX,
		     &reply, err);
	if (rc == 0)
		memcpy(digest, reply.digest, DIGEST_TEXT_SIZE);
	http_reply_free(&reply);
	return rc;
}

/* Bytes must be what the digest says. */
static int compare(const void *bytes, size_t len, const char *digest, const char *what, struct err *err)
{
	char got[DIGEST_TEXT_SIZE];
	int rc = digest_of(bytes, len, digest, got, err);
	if (rc == 0 && strcmp(got, digest) != 0)
		rc = err_set(err, EBADMSG, "%s: its bytes have the digest %s instead of %s", what, got, digest);
	return rc;
}

int registry_manifest(struct registry *registry, const char *reference, struct buf *bytes,
		      char digest[DIGEST_TEXT_SIZE], struct err *err)
{
	struct http_reply reply = {0};
	bool is_digest = digest_is_valid(reference);
	int rc = get(registry, HTTP_GET, MANIFEST_ACCEPT, path_new("manifests/", reference),
		     MANIFEST_BYTES_MAX, &reply, err);
	const char *data = reply.body.data ? reply.body.data : "";
	if (rc == 0 && is_digest) {
		memcpy(digest, reference, strlen(reference) + 1);
		rc = compare(data, reply.body.len, reference, "manifest", err);
	} else if (rc == 0) {
		rc = digest_of(data, reply.body.len, NULL, digest, err);
	}
	/* With a tag the registry's word must hold, too: it is what HEAD is compared with. */
	if (rc == 0 && !is_digest && reply.digest[0] != '\0') {
		rc = compare(data, reply.body.len, reply.digest, "manifest", err);
		memcpy(digest, reply.digest, DIGEST_TEXT_SIZE);
	}
	if (rc == 0) {
		buf_add(bytes, data, reply.body.len);
		rc = bytes->failed ? err_errno(err, ENOMEM, "manifest") : 0;
	}
	http_reply_free(&reply);
	return rc;
}

int registry_blob(struct registry *registry, const struct manifest_blob *blob, size_t most,
		  struct buf *bytes, struct err *err)
{
	struct http_reply reply = {0};
	if (blob->size > most)
		return err_set(err, EFBIG, "blob %.19s: %llu bytes are too many", blob->digest,
			       (unsigned long long)blob->size);
	int rc = get(registry, HTTP_GET, NULL, path_new("blobs/", blob->digest), most, &reply, err);
	const char *data = reply.body.data ? reply.body.data : "";
	if (rc == 0 && reply.body.len != blob->size)
		rc = err_set(err, EBADMSG, "blob %.19s: %zu bytes came instead of %llu", blob->digest,
			     reply.body.len, (unsigned long long)blob->size);
	if (rc == 0)
		rc = compare(data, reply.body.len, blob->digest, "blob", err);
	if (rc == 0) {
		buf_add(bytes, data, reply.body.len);
		rc = bytes->failed ? err_errno(err, ENOMEM, "blob") : 0;
	}
	http_reply_free(&reply);
	return rc;
}

/* Link: </v2/…/tags/list?last=x&n=1000>; rel="next" → "tags/list?last=x&n=1000"; of the address
 * only the query is taken, so that it leads nowhere else. */
static char *next_page(const char *page, const char *link)
{
	const char *start = link ? strchr(link, '<') : NULL, *end = start ? strchr(start, '>') : NULL;
	const char *query = start ? strchr(start, '?') : NULL;
	if (end == NULL || query == NULL || query > end || strstr(end, "next") == NULL)
		return NULL;
	char *path = NULL;
	return asprintf(&path, "%s%.*s", page, (int)(end - query), query) < 0 ? NULL : path;
}

int registry_tags(struct registry *registry, char ***tags, size_t *count, struct err *err)
{
	char *path = path_new("tags/list?n=1000", "");
	*tags = NULL;
	*count = 0;
	int rc = 0;
	for (int page = 0; rc == 0 && path != NULL && page < PAGES_MAX; page++) {
		struct http_reply reply = {0};
		rc = get(registry, HTTP_GET, "application/json", take_ptr(&path), TAGS_BYTES_MAX, &reply, err);
		if (rc == 0)
			rc = manifest_tags_parse(reply.body.data ? reply.body.data : "", reply.body.len, tags,
						 count, err);
		if (rc == 0)
			path = next_page("tags/list", reply.link);
		http_reply_free(&reply);
	}
	free(path);
	return rc;
}

int registry_referrers(struct registry *registry, const char *digest,
		       int take(void *context, const char *bytes, size_t len, struct err *err),
		       void *context, struct err *err)
{
	AUTO_FREE char *first = path_new("referrers/", digest);
	char *path = first ? strdup(first) : NULL;
	int rc = path ? 0 : err_errno(err, ENOMEM, "registry");
	for (int page = 0; rc == 0 && path != NULL && page < PAGES_MAX; page++) {
		struct http_reply reply = {0};
		rc = get(registry, HTTP_GET, OCI_INDEX, take_ptr(&path), MANIFEST_BYTES_MAX, &reply, err);
		/* A registry without it may have a page of words for whatever it is asked. */
		if (rc == 0 && strncmp(reply.content_type, OCI_INDEX, strlen(OCI_INDEX)) != 0)
			rc = err_set(err, ENOENT, "the registry lists no referrers");
		if (rc == 0)
			rc = take(context, reply.body.data ? reply.body.data : "", reply.body.len, err);
		if (rc == 0)
			path = next_page(first, reply.link);
		http_reply_free(&reply);
	}
	free(path);
	return rc;
}

int registry_login(struct registry *registry, const char *user, const char *password, struct err *err)
{
	struct registry_place *place = &registry->places[registry->place_count - 1];
	place->knows_credentials = true;
	place->credentials = (struct auth_credentials){.user = strdup(user), .password = strdup(password)};
	if (place->credentials.user == NULL || place->credentials.password == NULL)
		return err_errno(err, ENOMEM, "login");
	struct registry_call call;
	struct http_reply reply = {0};
	registry_call_init(&call, registry, HTTP_GET, NULL, NULL);
	call.place = registry->place_count - 1;
	int rc = call_through(&call, TAGS_BYTES_MAX, &reply, err);
	http_reply_free(&reply);
	registry_call_free(&call);
	return rc;
}
