/*
 * registry_auth.c - answers "401 Unauthorized" (registry_impl.h).
 *
 * Basic: user and password, as they are in the user's files.  Bearer: the registry names a server
 * (realm) that gives out tokens for a scope, to anybody or for credentials: by GET with Basic, or
 * by POST with a refresh token (the distribution project's token and oauth specifications).
 *
 * Invariant: a realm is asked over https, or is on a host that is listed as insecure.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "image/registry_impl.h"

enum { TOKEN_BYTES_MAX = 1 << 20, TOKEN_TRIES = 4, TOKEN_WAIT_MAX_S = 30 };

static int refused(const struct registry_place *place, const char *why, struct err *err)
{
	return err_set(err, EKEYREJECTED, "registry %s: %s; log in with: cmpi image login %s", place->host, why,
		       place->account);
}

static int learn_credentials(struct registry_place *place, struct err *err)
{
	if (place->knows_credentials)
		return 0;
	int rc = registry_credentials_find(place->account, place->repository, &place->credentials, err);
	place->knows_credentials = rc == 0;
	return rc;
}

static int set_authorization(struct registry_place *place, const char *scheme, const char *secret,
			     struct err *err)
{
	char *value = NULL;
	/* A token with a line end in it would be a header of its own. */
	if (strpbrk(secret, "\r\n") != NULL)
		return err_set(err, EPROTO, "registry %s: a token with a line end", place->host);
	if (asprintf(&value, "%s %s", scheme, secret) < 0)
		return err_errno(err, ENOMEM, "token");
	free(place->authorization);
	place->authorization = value;
	place->generation++;
	place->is_basic = strcmp(scheme, "Basic") == 0;
	return 0;
}

static int authorize_basic(struct registry_place *place, struct err *err)
{
	const struct auth_credentials *known = &place->credentials;
	if (known->user == NULL || known->password == NULL)
		return refused(place, "it wants a user and a password", err);
	if (place->is_basic && place->authorization != NULL)
		return refused(place, "it does not accept the user and password that are stored", err);
	AUTO_FREE char *basic = auth_basic_new(known->user, known->password);
	return basic ? set_authorization(place, "Basic", basic, err) : err_errno(err, ENOMEM, "token");
}

/* -- tokens ------------------------------------------------------------------ */

static void add_field(struct buf *out, char separator, const char *name, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);
	if (escaped == NULL)
		out->failed = true;
	else
		buf_printf(out, "%s%s%s=%s", separator ? (char[]){separator, '\0'} : "", name, "", escaped);
	curl_free(escaped);
}

/* Several scopes in one challenge are separated by blanks; a server wants one field each. */
static void add_scopes(struct buf *out, const char *scope)
{
	AUTO_FREE char *copy = strdup(scope);
	char *rest = NULL;
	for (char *one = copy ? strtok_r(copy, " ", &rest) : NULL; one; one = strtok_r(NULL, " ", &rest))
		add_field(out, '&', "scope", one);
}

struct token_request {
	struct http_request http;
	struct buf url, form;
	char *authorization;
};

static void token_request_free(struct token_request *request)
{
	buf_free(&request->url);
	buf_free(&request->form);
	free(request->authorization);
}

static int compose(const struct registry_place *place, const struct challenge *challenge,
		   struct token_request *request, struct err *err)
{
	const struct auth_credentials *known = &place->credentials;
	char scope[1200];
	snprintf(scope, sizeof scope, "repository:%s:pull", place->repository);
	const char *wanted = challenge->scope[0] ? challenge->scope : scope;
	buf_printf(&request->url, "%s", challenge->realm);
	if (known->identity_token != NULL) {
		request->http.method = HTTP_POST;
		buf_printf(&request->form, "grant_type=refresh_token&client_id=cmpirun");
		add_field(&request->form, '&', "service", challenge->service);
		add_field(&request->form, '&', "scope", wanted);
		add_field(&request->form, '&', "refresh_token", known->identity_token);
		buf_add_u8(&request->form, 0);
		request->http.form = request->form.data;
	} else {
		add_field(&request->url, strchr(challenge->realm, '?') ? '&' : '?', "service", challenge->service);
		add_scopes(&request->url, wanted);
		if (known->user != NULL && known->password != NULL) {
			AUTO_FREE char *basic = auth_basic_new(known->user, known->password);
			if (basic == NULL || asprintf(&request->authorization, "Basic %s", basic) < 0)
				return err_errno(err, ENOMEM, "token");
		}
	}
	buf_add_u8(&request->url, 0);
	if (request->url.failed || request->form.failed)
		return err_errno(err, ENOMEM, "token");
	request->http.url = request->url.data;
	request->http.authorization = request->authorization;
	request->http.body_max = TOKEN_BYTES_MAX;
	request->http.accept = "application/json";
	return 0;
}

static int take_token(struct registry_place *place, const struct buf *body, struct err *err)
{
	json_t *root = json_loadb(body->data ? body->data : "", body->len, 0, NULL);
	const char *token = json_string_value(json_object_get(root, "token"));
	if (token == NULL || *token == '\0')
		token = json_string_value(json_object_get(root, "access_token"));
	const char *next = json_string_value(json_object_get(root, "refresh_token"));
	int rc = token != NULL && *token != '\0'
			 ? set_authorization(place, "Bearer", token, err)
			 : err_set(err, EPROTO, "registry %s: its token server's answer has no token", place->host);
	if (rc == 0 && next != NULL && place->credentials.identity_token != NULL) {
		char *copy = strdup(next);
		if (copy != NULL) {
			free(place->credentials.identity_token);
			place->credentials.identity_token = copy;
		}
	}
	json_decref(root);
	return rc;
}

static int check_realm(struct registry_place *place, const char *realm, const struct http_trust *trust,
		       struct err *err)
{
	AUTO_FREE char *origin = registry_origin_new(realm);
	if (origin == NULL)
		return err_set(err, EPROTO, "registry %s: its token server \"%.100s\" is no http address",
			       place->host, realm);
	if (strncmp(origin, "http:", 5) == 0 && !trust->is_insecure)
		return err_set(err, EPROTO, "registry %s: its token server %s is not on https; if that is "
			       "meant to be, list its host as insecure", place->host, origin);
	return 0;
}

static int ask_token(struct registry *registry, const struct token_request *request,
		     struct http_reply *reply, struct err *err)
{
	for (unsigned try = 1;; try++) {
		int rc = http_do(registry->http, &request->http, reply, err);
		if (rc < 0)
			return rc;
		bool is_passing = reply->failure == HTTP_NETWORK || reply->failure == HTTP_NO_CONNECTION ||
				  reply->status == 429 || reply->status >= 500;
		if (!is_passing || try == TOKEN_TRIES || reply->retry_after_s > TOKEN_WAIT_MAX_S)
			return 0;
		uint64_t wait_ms = reply->retry_after_s ? reply->retry_after_s * 1000 : 100u << (2 * try);
		struct timespec pause = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000) * 1000000};
		http_reply_free(reply);
		nanosleep(&pause, NULL);
	}
}

static int authorize_bearer(struct registry *registry, struct registry_place *place,
			    const struct challenge *challenge, struct err *err)
{
	const struct auth_credentials *known = &place->credentials;
	if (known->registry_token != NULL && place->generation == 0)
		return set_authorization(place, "Bearer", known->registry_token, err);
	struct token_request request = {0};
	struct http_reply reply = {0};
	char words[300];
	int rc = registry_trust_of(registry, challenge->realm, &request.http.trust, err);
	if (rc == 0)
		rc = check_realm(place, challenge->realm, request.http.trust, err);
	if (rc == 0)
		rc = compose(place, challenge, &request, err);
	if (rc == 0)
		rc = ask_token(registry, &request, &reply, err);
	if (rc == 0 && reply.failure != HTTP_FINE)
		rc = err_set(err, EHOSTDOWN, "registry %s: its token server %.200s: %s", place->host,
			     challenge->realm, reply.failure_text);
	else if (rc == 0 && reply.status == 200)
		rc = take_token(place, &reply.body, err);
	else if (rc == 0) {
		registry_words(&reply, words, sizeof words);
		bool is_denied = reply.status >= 400 && reply.status < 404;
		rc = is_denied ? refused(place, known->user || known->identity_token
						 ? "its token server does not accept the credentials that are stored"
						 : "its token server wants credentials", err)
			       : err_set(err, EHOSTDOWN, "registry %s: its token server %.200s answers %d%s%s",
					 place->host, challenge->realm, reply.status, words[0] ? ": " : "", words);
	}
	http_reply_free(&reply);
	token_request_free(&request);
	return rc;
}

int registry_authorize(struct registry *registry, struct registry_place *place,
		       const struct challenge *challenge, struct err *err)
{
	int rc = learn_credentials(place, err);
	if (rc < 0)
		return rc;
	switch (challenge->scheme) {
	case CHALLENGE_BEARER:
		return authorize_bearer(registry, place, challenge, err);
	case CHALLENGE_BASIC:
		return authorize_basic(place, err);
	default:
		return err_set(err, EKEYREJECTED, "registry %s: it wants a kind of login that is not known here "
			       "(%s); Basic and Bearer are", place->host,
			       challenge->others[0] ? challenge->others : "it does not say which");
	}
}
