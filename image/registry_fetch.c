/*
 * registry_fetch.c - blobs to files, several at once (registry.h).
 *
 * A fetch is a call (registry_call.c) that is on its way, or waits for its next try.  What came
 * stays in the file, and the next try asks for the rest (Range).  A registry that sends all
 * instead, or something that does not fit, makes the fetch fall back to 0.
 *
 * Invariant: a byte is written only at the place that the reply's header says and we asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "image/registry_impl.h"

enum { RESTARTS_MAX = 2, ATTEMPTS_MAX = 100 };

struct registry_fetch_state {
	struct registry_fetch_state *next;
	struct registry_fetch *fetch;
	struct registry *registry;
	struct registry_call call;
	bool is_under_way, is_cancelled, wants_restart;
	uint64_t start_ns;  /* of the next try */
	unsigned restarts, attempts;
	struct err err;     /* of begin and sink */
};

static void fall_back(struct registry_fetch_state *state)
{
	struct registry_fetch *fetch = state->fetch;
	if (fetch->have == 0)
		return;
	fetch->have = 0;
	if (ftruncate(fetch->fd, 0) < 0)
		err_errno(&state->err, errno, "layer");
	fetch->progress(fetch);
}

static int refuse(struct registry_fetch_state *state, const char *why)
{
	state->wants_restart = state->fetch->have > 0;
	return err_set(&state->err, EPROTO, "blob %.19s: %s", state->fetch->blob->digest, why);
}

static int on_begin(void *context, const struct http_reply *reply)
{
	struct registry_fetch_state *state = context;
	struct registry_fetch *fetch = state->fetch;
	if (state->is_cancelled)
		return -ECANCELED;
	if (reply->status == 206) {
		if (!reply->has_range || reply->range_from != fetch->have ||
		    reply->range_total != fetch->blob->size)
			return refuse(state, "the registry sends another part than the one that was asked for");
		return 0;
	}
	fall_back(state);
	if (reply->content_length >= 0 && (uint64_t)reply->content_length != fetch->blob->size)
		return err_set(&state->err, EBADMSG, "blob %.19s: the registry has %lld bytes, the manifest "
			       "says %llu", fetch->blob->digest, (long long)reply->content_length,
			       (unsigned long long)fetch->blob->size);
	return -state->err.number;
}

static int on_bytes(void *context, const void *bytes, size_t len)
{
	struct registry_fetch_state *state = context;
	struct registry_fetch *fetch = state->fetch;
	const char *at = bytes;
	if (state->is_cancelled)
		return -ECANCELED;
	if (len > fetch->blob->size - fetch->have)
		return err_set(&state->err, EBADMSG, "blob %.19s: more bytes come than the manifest says (%llu)",
			       fetch->blob->digest, (unsigned long long)fetch->blob->size);
	while (len > 0) {
		ssize_t put = pwrite(fetch->fd, at, len, (off_t)fetch->have);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_errno(&state->err, errno, "write a layer into the store");
		at += put;
		len -= (size_t)put;
		fetch->have += (uint64_t)put;
	}
	registry_call_progress(&state->call);
	fetch->progress(fetch);
	return 0;
}

static void end(struct registry_fetch_state *state, int rc, const struct err *err)
{
	struct registry_fetch *fetch = state->fetch;
	struct registry_fetch_state **where = &state->registry->fetches;
	while (*where != state)
		where = &(*where)->next;
	*where = state->next;
	bool is_cancelled = state->is_cancelled;
	if (!is_cancelled)
		fetch->state = NULL;  /* else it may be gone already */
	registry_call_free(&state->call);
	struct err copy = err ? *err : ERR_NONE;
	free(state);
	if (!is_cancelled)
		fetch->done(fetch, rc, &copy);
}

/* A reply that is a success: is it all? */
static int judge_end(struct registry_fetch_state *state, uint64_t *wait_ms, struct err *err)
{
	struct registry_fetch *fetch = state->fetch;
	if (fetch->have == fetch->blob->size)
		return 0;
	/* A registry that breaks off without a word of how much was to come. */
	struct http_reply reply = {.failure = HTTP_NETWORK};
	snprintf(reply.failure_text, sizeof reply.failure_text, "blob %.19s ended after %llu of %llu bytes",
		 fetch->blob->digest, (unsigned long long)fetch->have, (unsigned long long)fetch->blob->size);
	return registry_call_judge(&state->call, &reply, wait_ms, err);
}

static void on_done(void *context, struct http_reply *reply)
{
	struct registry_fetch_state *state = context;
	struct err err = ERR_NONE;
	uint64_t wait_ms = 0;
	int rc;
	state->is_under_way = false;
	if (state->is_cancelled) {
		end(state, -ECANCELED, NULL);
		return;
	}
	bool is_unfit = reply->failure == HTTP_SINK || reply->status == 416;
	if (is_unfit && (state->wants_restart || reply->status == 416) && state->restarts++ < RESTARTS_MAX) {
		state->wants_restart = false;
		state->err = ERR_NONE;
		fall_back(state);
		rc = state->err.number ? -state->err.number : 1;
		err = state->err;
		free(take_ptr(&state->call.url));
	} else if (reply->failure == HTTP_SINK) {
		err = state->err;
		rc = err.number ? -err.number : -ECANCELED;
	} else {
		rc = registry_call_judge(&state->call, reply, &wait_ms, &err);
		if (rc == 0)
			rc = judge_end(state, &wait_ms, &err);
	}
	if (rc <= 0)
		end(state, rc, &err);
	else
		state->start_ns = clock_now_ns() + wait_ms * NS_PER_MS;
}

static int start(struct registry_fetch_state *state, struct err *err)
{
	struct registry_fetch *fetch = state->fetch;
	struct http_request request = {
		.from = fetch->have,
		/* Not the rest: a registry may send all again. */
		.body_max = (size_t)fetch->blob->size,
		.begin = on_begin,
		.sink = on_bytes,
		.done = on_done,
		.context = state,
	};
	if (++state->attempts > ATTEMPTS_MAX)
		return err_set(err, EHOSTDOWN, "blob %.19s: the registry broke off %d times",
			       fetch->blob->digest, ATTEMPTS_MAX);
	int rc = registry_call_request(&state->call, &request, err);
	if (rc == 0)
		rc = http_start(state->registry->http, &request, err);
	state->is_under_way = rc == 0;
	return rc;
}

int registry_fetch_start(struct registry *registry, struct registry_fetch *fetch, struct err *err)
{
	struct registry_fetch_state *state = calloc(1, sizeof *state);
	char *path = NULL;
	if (state == NULL || asprintf(&path, "blobs/%s", fetch->blob->digest) < 0) {
		free(state);
		return err_errno(err, ENOMEM, "layer");
	}
	state->fetch = fetch;
	state->registry = registry;
	registry_call_init(&state->call, registry, HTTP_GET, NULL, path);
	state->next = registry->fetches;
	registry->fetches = state;
	fetch->state = state;
	return 0;
}

void registry_fetch_cancel(struct registry *registry, struct registry_fetch *fetch)
{
	(void)registry;
	struct registry_fetch_state *state = take_ptr(&fetch->state);
	if (state == NULL)
		return;
	state->is_cancelled = true;
	if (!state->is_under_way)
		end(state, -ECANCELED, NULL);
}



/* Starts what is due; returns how long the next one waits, at most `timeout_ms`. */
static int start_due(struct registry *registry, int timeout_ms)
{
	uint64_t now = clock_now_ns();
	struct registry_fetch_state *next;
	for (struct registry_fetch_state *state = registry->fetches; state != NULL; state = next) {
		struct err err;
		next = state->next;
		if (state->is_under_way)
			continue;
		if (state->start_ns > now) {
			uint64_t wait_ms = (state->start_ns - now) / NS_PER_MS + 1;
			timeout_ms = wait_ms < (uint64_t)timeout_ms ? (int)wait_ms : timeout_ms;
			continue;
		}
		int rc = start(state, &err);
		if (rc < 0)
			end(state, rc, &err);
	}
	return timeout_ms;
}

int registry_wait(struct registry *registry, int timeout_ms, struct err *err)
{
	timeout_ms = start_due(registry, timeout_ms);
	return http_wait(registry->http, timeout_ms, err);
}

void registry_fetches_free(struct registry *registry)
{
	while (registry->fetches != NULL) {
		struct registry_fetch_state *state = registry->fetches;
		registry->fetches = state->next;
		registry_call_free(&state->call);
		free(state);
	}
}
