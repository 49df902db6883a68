/*
 * registry_call.c - one call, over redirects, logins and repetitions (registry_impl.h).
 *
 * A reply is judged by a few rules, in this order: no reply → again, then the next place; 401 → log
 * in and again; 3xx → where it points; 408, 429, 5xx → wait and again; 404 and others → the next
 * place, then an error.
 *
 * Invariants
 * - Authorization goes to the place's own origin, never to a redirect's target.
 * - After a redirect's target failed, the call starts again at the place: a signed address that has
 *   expired is replaced by a fresh one.
 * - https never becomes http by a redirect, unless the target is listed as insecure.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "image/registry_impl.h"

enum { REDIRECTS_MAX = 8, TRIES_MAX = 4, LOGINS_MAX = 2, WAIT_MAX_S = 120, BACKOFF_MS = 100 };

void registry_call_init(struct registry_call *call, struct registry *registry, enum http_method method,
			const char *accept, char *take_path)
{
	*call = (struct registry_call){.registry = registry, .method = method, .accept = accept,
				       .path = take_path};
}

void registry_call_free(struct registry_call *call)
{
	free(call->path);
	free(call->url);
	call->path = call->url = NULL;
}

char *registry_origin_new(const char *url)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL, *port = NULL, *origin = NULL;
	if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    (strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0)) {
		if (asprintf(&origin, "%s://%s:%s", scheme, host, port) < 0)
			origin = NULL;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
	return origin;
}

int registry_trust_of(struct registry *registry, const char *url, const struct http_trust **trust,
		      struct err *err)
{
	AUTO_FREE char *origin = registry_origin_new(url);
	if (origin == NULL)
		return err_set(err, EPROTO, "\"%.200s\" is no http or https address", url);
	char *host = strstr(origin, "://") + 3;
	/* Lists and folders name the port only when it is not the usual one. */
	bool is_https = strncmp(origin, "https", 5) == 0;
	size_t len = strlen(host), tail = strlen(is_https ? ":443" : ":80");
	if (len > tail && strcmp(host + len - tail, is_https ? ":443" : ":80") == 0)
		host[len - tail] = '\0';
	for (size_t i = 0; i < registry->trust_count; i++)
		if (strcmp(registry->trusts[i].host, host) == 0) {
			*trust = &registry->trusts[i].trust;
			return 0;
		}
	enum { TRUSTS_MAX = 64 };
	if (registry->trusts == NULL)
		registry->trusts = calloc(TRUSTS_MAX, sizeof *registry->trusts);
	if (registry->trusts == NULL || registry->trust_count == TRUSTS_MAX)
		return err_set(err, EPROTO, "redirects to more than %d hosts", TRUSTS_MAX);
	struct registry_trust_entry *entry = &registry->trusts[registry->trust_count];
	int rc = registry_trust_load(registry->options.conf, host, &entry->trust, err);
	if (rc < 0)
		return rc;
	if ((entry->host = strdup(host)) == NULL)
		return err_errno(err, ENOMEM, "registry");
	registry->trust_count++;
	*trust = &entry->trust;
	return 0;
}

void registry_words(const struct http_reply *reply, char *text, size_t size)
{
	json_t *root = json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, 0, NULL);
	const json_t *first = json_array_get(json_object_get(root, "errors"), 0);
	const char *words = json_string_value(json_object_get(first, "message"));
	if (words == NULL)
		words = json_string_value(json_object_get(first, "code"));
	if (words == NULL)
		words = json_string_value(json_object_get(root, "details"));
	snprintf(text, size, "%s", words ? words : "");
	/* It goes to a terminal. */
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 32 || *c == 127)
			*c = ' ';
	json_decref(root);
}

static struct registry_place *place_of(const struct registry_call *call)
{
	return &call->registry->places[call->place];
}

static void start_again(struct registry_call *call)
{
	free(call->url);
	call->url = NULL;
	call->redirects = 0;
}

int registry_call_request(struct registry_call *call, struct http_request *request, struct err *err)
{
	struct registry_place *place = place_of(call);
	if (call->url == NULL) {
		int len = call->path ? asprintf(&call->url, "http%s://%s/v2/%s/%s", place->is_plain ? "" : "s",
						place->host, place->repository, call->path)
				     : asprintf(&call->url, "http%s://%s/v2/", place->is_plain ? "" : "s", place->host);
		if (len < 0) {
			call->url = NULL;
			return err_errno(err, ENOMEM, "registry");
		}
		call->is_at_place = true;
	}
	request->method = call->method;
	request->url = call->url;
	request->accept = call->accept;
	request->authorization = call->is_at_place ? place->authorization : NULL;
	request->trust = &place->trust;
	call->generation = place->generation;
	return call->is_at_place ? 0 : registry_trust_of(call->registry, call->url, &request->trust, err);
}

static void note(const struct registry_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void note(const struct registry_call *call, const char *format, ...)
{
	char text[400];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (call->registry->options.note != NULL)
		call->registry->options.note(call->registry->options.context, text);
}

/* On to the next place, when there is one; else the error that is in *err. */
static int next_place(struct registry_call *call, uint64_t *wait_ms, const struct err *err)
{
	if (call->place + 1 >= call->registry->place_count)
		return -err->number;
	note(call, "%s; going on with %s", err->text, call->registry->places[call->place + 1].host);
	call->place++;
	call->tries = call->logins = 0;
	start_again(call);
	*wait_ms = 0;
	return 1;
}

static int again(struct registry_call *call, uint64_t wait_s, uint64_t *wait_ms)
{
	*wait_ms = wait_s > 0 ? wait_s * 1000 : (uint64_t)BACKOFF_MS << (2 * call->tries);
	call->tries++;
	start_again(call);
	return 1;
}

static int judge_failure(struct registry_call *call, const struct http_reply *reply, uint64_t *wait_ms,
			 struct err *err)
{
	struct registry_place *place = place_of(call);
	if (reply->failure == HTTP_TOO_LONG) {
		err_set(err, EBADMSG, "registry %s: it sends more than it should", place->host);
		return next_place(call, wait_ms, err);
	}
	if (reply->failure == HTTP_CERTIFICATE) {
		err_set(err, EHOSTDOWN, "registry %s: its certificate is not trusted: %s; put the authority's "
			"certificate into ~/.config/containers/certs.d/%s/ca.crt", place->host,
			reply->failure_text, place->host);
		return next_place(call, wait_ms, err);
	}
	/* An insecure registry may speak plain http: found out once. */
	if (reply->failure == HTTP_NO_CONNECTION && call->is_at_place && place->trust.is_insecure &&
	    !place->is_plain && !place->has_answered) {
		place->is_plain = true;
		start_again(call);
		*wait_ms = 0;
		return 1;
	}
	if (call->tries < TRIES_MAX && (reply->failure == HTTP_NETWORK || call->tries < 2))
		return again(call, 0, wait_ms);
	err_set(err, EHOSTDOWN, "registry %s %s: %s", place->host,
		reply->failure == HTTP_NO_CONNECTION ? "cannot be reached" : "breaks off", reply->failure_text);
	return next_place(call, wait_ms, err);
}

static int judge_login(struct registry_call *call, const struct http_reply *reply, uint64_t *wait_ms,
		       struct err *err)
{
	struct registry_place *place = place_of(call);
	*wait_ms = 0;
	if (!call->is_at_place) {
		if (call->tries < 2)
			return again(call, 0, wait_ms);
		err_set(err, EKEYREJECTED, "registry %s: it leads to %.200s, which refuses access", place->host,
			call->url);
		return next_place(call, wait_ms, err);
	}
	/* Somebody else has got a new token meanwhile. */
	if (call->generation != place->generation) {
		start_again(call);
		return 1;
	}
	if (call->logins >= LOGINS_MAX) {
		char words[200];
		registry_words(reply, words, sizeof words);
		bool is_known = place->credentials.user != NULL || place->credentials.identity_token != NULL;
		err_set(err, EKEYREJECTED, "registry %s: no access to %s%s%s; %s%s", place->host,
			place->repository, words[0] ? ": " : "", words,
			is_known ? "the credentials that are stored do not allow it"
				 : "it does not exist, or is not for everybody: cmpi image login ",
			is_known ? "" : place->account);
		return next_place(call, wait_ms, err);
	}
	call->logins++;
	start_again(call);
	if (registry_authorize(call->registry, place, &reply->challenge, err) < 0)
		return next_place(call, wait_ms, err);
	return 1;
}

/* Location may be relative. */
static char *resolve(const char *base, const char *location)
{
	CURLU *parts = curl_url();
	char *url = NULL, *copy = NULL;
	if (parts != NULL && curl_url_set(parts, CURLUPART_URL, base, 0) == CURLUE_OK &&
	    curl_url_set(parts, CURLUPART_URL, location, CURLU_DISALLOW_USER) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_URL, &url, 0) == CURLUE_OK)
		copy = strdup(url);
	curl_free(url);
	curl_url_cleanup(parts);
	return copy;
}

static int judge_redirect(struct registry_call *call, const struct http_reply *reply, uint64_t *wait_ms,
			  struct err *err)
{
	struct registry_place *place = place_of(call);
	AUTO_FREE char *target = reply->location ? resolve(call->url, reply->location) : NULL;
	AUTO_FREE char *from = registry_origin_new(call->url);
	AUTO_FREE char *to = target ? registry_origin_new(target) : NULL;
	const struct http_trust *trust;
	*wait_ms = 0;
	if (++call->redirects > REDIRECTS_MAX || from == NULL || to == NULL) {
		err_set(err, EPROTO, "registry %s: %s", place->host,
			call->redirects > REDIRECTS_MAX ? "it redirects in a circle"
							: "it redirects to something that is no http address");
		return next_place(call, wait_ms, err);
	}
	int rc = registry_trust_of(call->registry, target, &trust, err);
	if (rc < 0)
		return rc;
	bool goes_down = strncmp(from, "https:", 6) == 0 && strncmp(to, "http:", 5) == 0;
	if (goes_down && !trust->is_insecure) {
		err_set(err, EPROTO, "registry %s: it redirects from https to %s, which is refused; if that "
			"is meant to be, list that host as insecure", place->host, to);
		return next_place(call, wait_ms, err);
	}
	/* Still the place itself?  Then it may go on knowing us. */
	AUTO_FREE char *own = NULL;
	if (asprintf(&own, "http%s://%s/", place->is_plain ? "" : "s", place->host) < 0)
		own = NULL;
	AUTO_FREE char *own_origin = own ? registry_origin_new(own) : NULL;
	call->is_at_place = own_origin != NULL && strcmp(own_origin, to) == 0;
	free(call->url);
	call->url = take_ptr(&target);
	return 1;
}

static int judge_passing(struct registry_call *call, const struct http_reply *reply, uint64_t *wait_ms,
			 struct err *err)
{
	struct registry_place *place = place_of(call);
	char words[200];
	registry_words(reply, words, sizeof words);
	bool is_limit = reply->status == 429;
	if (call->tries < TRIES_MAX && reply->retry_after_s <= WAIT_MAX_S) {
		int rc = again(call, reply->retry_after_s, wait_ms);
		if (*wait_ms >= 1000)
			note(call, "registry %s: %s%s%s; again in %llu s", place->host,
			     is_limit ? "too many requests" : "it is busy", words[0] ? ": " : "", words,
			     (unsigned long long)(*wait_ms / 1000));
		return rc;
	}
	if (is_limit)
		err_set(err, EBUSY, "registry %s: its rate limit is used up%s%s%s%s%s; wait%s, or log in with: "
			"cmpi image login %s", place->host, words[0] ? ": " : "", words,
			reply->rate_limit[0] ? " (remaining: " : "", reply->rate_limit,
			reply->rate_limit[0] ? ")" : "", reply->retry_after_s ? " as long as it says" : "",
			place->account);
	else
		err_set(err, EHOSTDOWN, "registry %s: it answers %d%s%s", place->host, reply->status,
			words[0] ? ": " : "", words);
	return next_place(call, wait_ms, err);
}

static int judge_other(struct registry_call *call, const struct http_reply *reply, uint64_t *wait_ms,
		       struct err *err)
{
	struct registry_place *place = place_of(call);
	char words[200];
	registry_words(reply, words, sizeof words);
	/* What a signed address says when it is too old. */
	if (!call->is_at_place && call->tries < 2)
		return again(call, 0, wait_ms);
	if (reply->status == 404)
		err_set(err, ENOENT, "registry %s has no %s%s%s", place->host, place->repository,
			call->path ? "/" : "", call->path ? call->path : "");
	else if (reply->status == 403)
		err_set(err, EKEYREJECTED, "registry %s: access to %s denied%s%s", place->host,
			place->repository, words[0] ? ": " : "", words);
	else
		err_set(err, EPROTO, "registry %s: it answers %d to %s%s%s", place->host, reply->status,
			call->path ? call->path : "/v2/", words[0] ? ": " : "", words);
	return next_place(call, wait_ms, err);
}

int registry_call_judge(struct registry_call *call, struct http_reply *reply, uint64_t *wait_ms,
			struct err *err)
{
	*wait_ms = 0;
	if (reply->failure != HTTP_FINE)
		return judge_failure(call, reply, wait_ms, err);
	if (call->is_at_place)
		place_of(call)->has_answered = true;
	int status = reply->status;
	if (status == 200 || status == 206)
		return 0;
	if (status == 401)
		return judge_login(call, reply, wait_ms, err);
	if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308)
		return judge_redirect(call, reply, wait_ms, err);
	if (status == 408 || status == 429 || status >= 500)
		return judge_passing(call, reply, wait_ms, err);
	return judge_other(call, reply, wait_ms, err);
}
