/*
 * http.h - HTTP requests by libcurl: one at a time, or many at once.
 *
 * Nothing is followed, retried or answered here: redirects, 401 and 429 are replies like others
 * (registry.c).  No netrc, no cookies, no decoding of contents, no user name in a URL; only http
 * and https.  Proxies come from the environment, as libcurl reads it.
 */
#ifndef IMAGE_HTTP_H
#define IMAGE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "image/challenge.h"
#include "image/digest.h"

struct http;
struct http_transfer;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST };

/* How a host is believed, and how we show who we are; the caller's, alive while used. */
struct http_trust {
	bool is_insecure;             /* any certificate */
	char *ca_pem;                 /* beside the system's authorities; NULL: none */
	char *certificate, *key;      /* of the client: paths; NULL: none */
};

enum http_failure { HTTP_FINE, HTTP_NETWORK, HTTP_NO_CONNECTION, HTTP_CERTIFICATE, HTTP_SINK, HTTP_TOO_LONG };

struct http_reply {
	int status;                   /* 0: no reply */
	enum http_failure failure;    /* HTTP_FINE: the reply is complete */
	char failure_text[256];
	int64_t content_length;       /* -1: not said */
	bool has_range;               /* Content-Range: bytes from-to/total */
	uint64_t range_from, range_total;
	uint64_t retry_after_s;       /* 0: not said */
	char digest[DIGEST_TEXT_SIZE];/* Docker-Content-Digest, valid, or "" */
	char content_type[128];
	char rate_limit[128];         /* RateLimit-Remaining, as it came */
	char *location, *link;        /* NULL: none; owned */
	struct challenge challenge;
	struct buf body;              /* of a reply without sink, or one that is no success */
};

struct http_request {
	enum http_method method;
	const char *url;
	const char *accept, *authorization;  /* header values; may be NULL */
	const char *form;                    /* of a POST */
	uint64_t from;                       /* above 0: Range: bytes=from- */
	size_t body_max;                     /* above that: HTTP_TOO_LONG */
	const struct http_trust *trust;
	/* May be NULL: the body goes to reply->body.  Else `begin` sees the header of a 200 or 206
	 * and `sink` gets the body; not 0 ends the transfer with HTTP_SINK. */
	int (*begin)(void *context, const struct http_reply *reply);
	int (*sink)(void *context, const void *bytes, size_t len);
	/* Of http_start(): called from http_wait(); the reply is freed behind it. */
	void (*done)(void *context, struct http_reply *reply);
	void *context;
};

int http_new(struct http **http, struct err *err);
/* Ends what is under way, without `done`. */
void http_free(struct http **http);

/* One request, until its end.  An error only when it could not be tried (memory). */
int http_do(struct http *http, const struct http_request *request, struct http_reply *reply,
	    struct err *err);
void http_reply_free(struct http_reply *reply);

/* Strings of the request are copied, but not trust and context. */
int http_start(struct http *http, const struct http_request *request, struct err *err);
/* Waits at most timeout_ms for something to happen and calls what is done. */
int http_wait(struct http *http, int timeout_ms, struct err *err);

#endif
