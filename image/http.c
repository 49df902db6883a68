/*
 * http.c - requests on libcurl (http.h).
 *
 * http_do() uses one easy handle over and over, so its connections are kept; http_start() one handle a
 * transfer on a multi handle.  libcurl calls header and body functions; `done` is called outside of
 * libcurl, so that it may start and end transfers.
 *
 * Caveat: a stalled transfer (below 100 bytes/s for 30 s) counts as a network failure.
 */
#include "image/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "version.h"

enum { CONNECT_TIMEOUT_S = 20, STALL_TIMEOUT_S = 30, STALL_BYTES_S = 100, ERROR_BODY_MAX = 64 << 10 };

struct http {
	CURLM *multi;
	CURL *easy;
	struct http_transfer *transfers;
};

struct http_transfer {
	struct http_transfer *next;
	struct http_request request;
	struct http_reply reply;
	CURL *easy;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	bool has_begun, was_refused, is_too_long;
	uint64_t received;
};

void http_reply_free(struct http_reply *reply)
{
	free(reply->location);
	free(reply->link);
	buf_free(&reply->body);
	*reply = (struct http_reply){0};
}

/* -- what comes ---------------------------------------------------------- */

static void take_range(struct http_reply *reply, const char *value)
{
	unsigned long long from, to, total;
	char end;
	if (sscanf(value, "bytes %20llu-%20llu/%20llu%c", &from, &to, &total, &end) == 3 && from <= to &&
	    to < total) {
		reply->has_range = true;
		reply->range_from = from;
		reply->range_total = total;
	}
}

static void take_header(struct http_reply *reply, const char *name, char *value)
{
	if (strcasecmp(name, "content-length") == 0)
		reply->content_length = isdigit((unsigned char)*value) ? strtoll(value, NULL, 10) : -1;
	else if (strcasecmp(name, "content-range") == 0)
		take_range(reply, value);
	else if (strcasecmp(name, "content-type") == 0)
		snprintf(reply->content_type, sizeof reply->content_type, "%s", value);
	else if (strcasecmp(name, "docker-content-digest") == 0)
		digest_copy(reply->digest, value, NULL);
	else if (strcasecmp(name, "www-authenticate") == 0)
		challenge_add(&reply->challenge, value);
	else if (strcasecmp(name, "ratelimit-remaining") == 0)
		snprintf(reply->rate_limit, sizeof reply->rate_limit, "%s", value);
	else if (strcasecmp(name, "retry-after") == 0 && isdigit((unsigned char)*value))
		reply->retry_after_s = strtoull(value, NULL, 10);
	else if (strcasecmp(name, "retry-after") == 0) {
		time_t when = curl_getdate(value, NULL), now = time(NULL);
		reply->retry_after_s = when > now ? (uint64_t)(when - now) : 0;
	} else if (strcasecmp(name, "location") == 0) {
		free(reply->location);
		reply->location = strdup(value);
	} else if (strcasecmp(name, "link") == 0) {
		free(reply->link);
		reply->link = strdup(value);
	}
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
	struct http_transfer *transfer = context;
	size_t len = size * count;
	char line[8192];
	if (len >= sizeof line)
		return len;  /* nothing that we need is so long */
	memcpy(line, bytes, len);
	line[len] = '\0';
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	if (strncmp(line, "HTTP/", 5) == 0) {
		/* Of a proxy or "100 Continue" before: forgotten. */
		http_reply_free(&transfer->reply);
		transfer->reply.content_length = -1;
		const char *blank = strchr(line, ' ');
		transfer->reply.status = blank ? atoi(blank) : 0;
		return size * count;
	}
	char *colon = strchr(line, ':');
	if (colon != NULL) {
		*colon = '\0';
		take_header(&transfer->reply, line, colon + 1 + strspn(colon + 1, " \t"));
	}
	return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http_transfer *transfer = context;
	const struct http_request *request = &transfer->request;
	struct http_reply *reply = &transfer->reply;
	size_t len = size * count;
	bool is_success = reply->status == 200 || reply->status == 206;
	if (!is_success || request->sink == NULL) {
		size_t most = is_success ? request->body_max : ERROR_BODY_MAX;
		if (len > most - reply->body.len) {
			transfer->is_too_long = is_success;
			return is_success ? 0 : len;  /* of an error's text the start is enough */
		}
		buf_add(&reply->body, bytes, len);
		return reply->body.failed ? 0 : len;
	}
	if (!transfer->has_begun && request->begin != NULL && request->begin(request->context, reply) != 0) {
		transfer->was_refused = true;
		return 0;
	}
	transfer->has_begun = true;
	transfer->received += len;
	if (transfer->received > request->body_max) {
		transfer->is_too_long = true;
		return 0;
	}
	if (request->sink(request->context, bytes, len) != 0) {
		transfer->was_refused = true;
		return 0;
	}
	return len;
}

/* -- a handle ------------------------------------------------------------ */

static void set_trust(CURL *easy, const struct http_trust *trust)
{
	const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
	if (file != NULL && *file != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, file);
	if (folder != NULL && *folder != '\0')
		curl_easy_setopt(easy, CURLOPT_CAPATH, folder);
	if (trust == NULL)
		return;
	if (trust->is_insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (trust->ca_pem != NULL) {
		/* Takes the place of the file of authorities; the folder of them stays. */
		struct curl_blob pem = {trust->ca_pem, strlen(trust->ca_pem), CURL_BLOB_NOCOPY};
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &pem);
	}
	if (trust->certificate != NULL) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, trust->certificate);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, trust->key);
	}
}

static int add_header(struct http_transfer *transfer, const char *name, const char *value)
{
	AUTO_FREE char *line = NULL;
	if (value == NULL)
		return 0;
	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	struct curl_slist *list = curl_slist_append(transfer->headers, line);
	if (list == NULL)
		return -ENOMEM;
	transfer->headers = list;
	return 0;
}

static void set_fixed(CURL *easy)
{
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_S);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "cmpirun/" CMPIRUN_VERSION);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static int prepare(struct http_transfer *transfer, CURL *easy)
{
	const struct http_request *request = &transfer->request;
	char range[32];
	set_fixed(easy);
	set_trust(easy, request->trust);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	if (request->method == HTTP_HEAD)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (request->method == HTTP_POST)
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->form ? request->form : "");
	if (request->from > 0) {
		snprintf(range, sizeof range, "%llu-", (unsigned long long)request->from);
		curl_easy_setopt(easy, CURLOPT_RANGE, range);
	}
	int rc = add_header(transfer, "Accept", request->accept);
	if (rc == 0)
		rc = add_header(transfer, "Authorization", request->authorization);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	transfer->reply.content_length = -1;
	return rc;
}

static enum http_failure failure_of(const struct http_transfer *transfer, CURLcode code)
{
	if (transfer->is_too_long)
		return HTTP_TOO_LONG;
	if (transfer->was_refused)
		return HTTP_SINK;
	switch (code) {
	case CURLE_OK:
		return HTTP_FINE;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return HTTP_CERTIFICATE;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_SSL_CONNECT_ERROR:
		return HTTP_NO_CONNECTION;
	default:
		return HTTP_NETWORK;
	}
}

static void conclude(struct http_transfer *transfer, CURLcode code)
{
	struct http_reply *reply = &transfer->reply;
	reply->failure = failure_of(transfer, code);
	if (reply->failure != HTTP_FINE)
		snprintf(reply->failure_text, sizeof reply->failure_text, "%s",
			 transfer->error[0] ? transfer->error : curl_easy_strerror(code));
	if (reply->failure == HTTP_FINE && transfer->request.sink != NULL && !transfer->has_begun &&
	    transfer->request.begin != NULL && (reply->status == 200 || reply->status == 206) &&
	    transfer->request.begin(transfer->request.context, reply) != 0)
		reply->failure = HTTP_SINK;  /* an empty body: its header counts, too */
}

/* -- one at a time -------------------------------------------------------- */

int http_do(struct http *http, const struct http_request *request, struct http_reply *reply,
	    struct err *err)
{
	struct http_transfer transfer = {.request = *request};
	curl_easy_reset(http->easy);
	if (prepare(&transfer, http->easy) < 0) {
		curl_slist_free_all(transfer.headers);
		return err_errno(err, ENOMEM, "%s", request->url);
	}
	conclude(&transfer, curl_easy_perform(http->easy));
	curl_slist_free_all(transfer.headers);
	*reply = transfer.reply;
	return 0;
}

/* -- many at once --------------------------------------------------------- */

static void transfer_free(struct http *http, struct http_transfer *transfer)
{
	struct http_transfer **where = &http->transfers;
	while (*where != NULL && *where != transfer)
		where = &(*where)->next;
	if (*where != NULL)
		*where = transfer->next;
	if (transfer->easy != NULL) {
		curl_multi_remove_handle(http->multi, transfer->easy);
		curl_easy_cleanup(transfer->easy);
	}
	curl_slist_free_all(transfer->headers);
	http_reply_free(&transfer->reply);
	free(transfer);
}

int http_start(struct http *http, const struct http_request *request, struct err *err)
{
	struct http_transfer *transfer = calloc(1, sizeof *transfer);
	if (transfer == NULL)
		return err_errno(err, ENOMEM, "%s", request->url);
	transfer->request = *request;
	transfer->next = http->transfers;
	http->transfers = transfer;
	transfer->easy = curl_easy_init();
	if (transfer->easy == NULL || prepare(transfer, transfer->easy) < 0 ||
	    curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK) {
		transfer_free(http, transfer);
		return err_errno(err, ENOMEM, "%s", request->url);
	}
	/* libcurl has copies of its own. */
	transfer->request.url = transfer->request.accept = NULL;
	transfer->request.authorization = transfer->request.form = NULL;
	return 0;
}

int http_wait(struct http *http, int timeout_ms, struct err *err)
{
	int running, queued;
	CURLMcode code = curl_multi_perform(http->multi, &running);
	CURLMsg *message = NULL;
	if (code == CURLM_OK && (message = curl_multi_info_read(http->multi, &queued)) == NULL) {
		code = curl_multi_poll(http->multi, NULL, 0, timeout_ms, NULL);
		if (code == CURLM_OK)
			code = curl_multi_perform(http->multi, &running);
		message = curl_multi_info_read(http->multi, &queued);
	}
	if (code != CURLM_OK)
		return err_set(err, EIO, "libcurl: %s", curl_multi_strerror(code));
	for (; message != NULL; message = curl_multi_info_read(http->multi, &queued)) {
		struct http_transfer *transfer = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		conclude(transfer, message->data.result);
		transfer->request.done(transfer->request.context, &transfer->reply);
		transfer_free(http, transfer);
	}
	return 0;
}

int http_new(struct http **http, struct err *err)
{
	struct http *made = calloc(1, sizeof *made);
	if (made == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(made);
		return err_set(err, ENOMEM, "libcurl cannot be started");
	}
	made->multi = curl_multi_init();
	made->easy = curl_easy_init();
	if (made->multi == NULL || made->easy == NULL) {
		http_free(&made);
		return err_errno(err, ENOMEM, "libcurl");
	}
	*http = made;
	return 0;
}

void http_free(struct http **http)
{
	if (*http == NULL)
		return;
	while ((*http)->transfers != NULL)
		transfer_free(*http, (*http)->transfers);
	curl_easy_cleanup((*http)->easy);
	curl_multi_cleanup((*http)->multi);
	curl_global_cleanup();
	free(*http);
	*http = NULL;
}
