/*
 * registry_impl.h - what the files of the registry client share: places, and one call.
 */
#ifndef IMAGE_REGISTRY_IMPL_H
#define IMAGE_REGISTRY_IMPL_H

#include "image/http.h"
#include "image/registry.h"
#include "image/registry_files.h"

/* A place where the repository can be had: a mirror, or the registry itself (the last one). */
struct registry_place {
	char *host;           /* HOST[:PORT], of URLs, certs.d and the list of insecure hosts */
	char *account;        /* under which credentials are kept: "docker.io" for registry-1.docker.io */
	char *repository;     /* with the mirror's prefix */
	bool is_plain;        /* http */
	bool has_answered;    /* then http and https are no question any more */
	struct http_trust trust;
	bool knows_credentials;
	struct auth_credentials credentials;
	char *authorization;  /* the header's value that is sent now; NULL: none */
	unsigned generation;  /* of authorization: counts its changes */
	bool is_basic;
};

struct registry_trust_entry {
	char *host;
	struct http_trust trust;
};

struct registry {
	struct registry_options options;
	struct http *http;
	struct registry_place *places;
	size_t place_count;
	struct registry_trust_entry *trusts;  /* of hosts that redirects led to */
	size_t trust_count;
	struct registry_fetch_state *fetches;
};

/* One thing that is asked for, over all its redirects, logins and repetitions. */
struct registry_call {
	struct registry *registry;
	enum http_method method;
	const char *accept;
	char *path;           /* below /v2/REPOSITORY/; NULL: /v2/ itself */
	size_t place;
	char *url;            /* where the next request goes; NULL: to the place */
	bool is_at_place;     /* not at a redirect's target: credentials may go along */
	unsigned redirects, tries, logins, generation;
};

/* `take_path` may be NULL. */
void registry_call_init(struct registry_call *call, struct registry *registry, enum http_method method,
			const char *accept, char *take_path);
void registry_call_free(struct registry_call *call);
/* Fills url, authorization, accept, method and trust; the strings are the call's. */
int registry_call_request(struct registry_call *call, struct http_request *request, struct err *err);
/* What now?  0: it is a success.  1: again, after *wait_ms.  Else an error. */
int registry_call_judge(struct registry_call *call, struct http_reply *reply, uint64_t *wait_ms,
			struct err *err);
/* Bytes came: what failed before is forgiven. */
static inline void registry_call_progress(struct registry_call *call)
{
	call->tries = call->logins = 0;
}

/* Answers a 401: a new place->authorization, or why not. */
int registry_authorize(struct registry *registry, struct registry_place *place,
		       const struct challenge *challenge, struct err *err);

/* "scheme://host:port" of a URL, newly allocated; NULL: no http or https URL. */
char *registry_origin_new(const char *url);
/* How the host of a URL is believed. */
int registry_trust_of(struct registry *registry, const char *url, const struct http_trust **trust,
		      struct err *err);

/* What a registry says in the body of an error, made fit to print. */
void registry_words(const struct http_reply *reply, char *text, size_t size);

void registry_fetches_free(struct registry *registry);

#endif
