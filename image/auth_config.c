/*
 * auth_config.c - reads and edits the credentials files of docker and podman (auth_config.h).
 *
 * Keys are written in many ways: "host", "host/path", "https://host/v1/", and Docker Hub's
 * "https://index.docker.io/v1/".  All are brought to host[/path] before they are compared.
 */
#include "image/auth_config.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"

static void wipe(char **secret)
{
	if (*secret != NULL)
		OPENSSL_cleanse(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void auth_credentials_free(struct auth_credentials *credentials)
{
	wipe(&credentials->password);
	wipe(&credentials->identity_token);
	wipe(&credentials->registry_token);
	wipe(&credentials->user);
	wipe(&credentials->helper);
}

char *auth_basic_new(const char *user, const char *password)
{
	size_t len = strlen(user) + 1 + strlen(password);
	AUTO_FREE char *plain = malloc(len + 1);
	char *encoded = malloc(4 * ((len + 2) / 3) + 1);
	if (plain == NULL || encoded == NULL) {
		free(encoded);
		return NULL;
	}
	sprintf(plain, "%s:%s", user, password);
	EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)plain, (int)len);
	OPENSSL_cleanse(plain, len);
	return encoded;
}

/* Docker pads with NUL bytes; a colon parts user from password. */
static int split_basic(const char *encoded, struct auth_credentials *into, struct err *err)
{
	size_t len = strlen(encoded);
	while (len > 0 && strchr("\r\n ", encoded[len - 1]) != NULL)
		len--;
	AUTO_FREE char *plain = calloc(1, len + 4);
	if (plain == NULL || len > 65536)
		return err_set(err, plain ? EBADMSG : ENOMEM, "auth: %zu bytes", len);
	/* Padding may be missing. */
	AUTO_BUF struct buf padded = {0};
	buf_add(&padded, encoded, len);
	while (padded.len % 4 != 0)
		buf_add_u8(&padded, '=');
	int got = padded.failed ? -1
				: EVP_DecodeBlock((unsigned char *)plain, (unsigned char *)padded.data, (int)padded.len);
	char *colon = got > 0 ? strchr(plain, ':') : NULL;
	if (colon == NULL)
		return err_set(err, EBADMSG, "\"auth\" is not base64 of USER:PASSWORD");
	*colon = '\0';
	into->user = strdup(plain);
	into->password = strdup(colon + 1);
	OPENSSL_cleanse(plain, len);
	return into->user && into->password ? 0 : err_errno(err, ENOMEM, "auth");
}

/* "https://host/v1/" → "host"; Hub's several names → "docker.io". */
static void normalise_key(const char *key, char *name, size_t size)
{
	const char *scheme = strstr(key, "://");
	snprintf(name, size, "%s", scheme ? scheme + 3 : key);
	if (scheme != NULL)
		name[strcspn(name, "/")] = '\0';
	size_t len = strlen(name);
	while (len > 0 && name[len - 1] == '/')
		name[--len] = '\0';
	if (strcmp(name, "index.docker.io") == 0 || strcmp(name, "registry-1.docker.io") == 0 ||
	    strcmp(name, "index.docker.io/v1") == 0)
		snprintf(name, size, "docker.io");
}

/* The key itself or a folder above the repository: its length, 0 when it does not match. */
static size_t match_len(const char *key, const char *full)
{
	size_t len = strlen(key);
	bool matches = strncmp(key, full, len) == 0 && (full[len] == '\0' || full[len] == '/');
	return matches ? len : 0;
}

static int take_string(const json_t *object, const char *key, char **to, struct err *err)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (text == NULL || *text == '\0')
		return 0;
	*to = strdup(text);
	return *to ? 0 : err_errno(err, ENOMEM, "auth");
}

static int take_entry(const json_t *entry, struct auth_credentials *found, struct err *err)
{
	const char *basic = json_string_value(json_object_get(entry, "auth"));
	int rc = 0;
	if (basic != NULL && *basic != '\0')
		rc = split_basic(basic, found, err);
	else {
		rc = take_string(entry, "username", &found->user, err);
		if (rc == 0)
			rc = take_string(entry, "password", &found->password, err);
	}
	if (rc == 0)
		rc = take_string(entry, "identitytoken", &found->identity_token, err);
	if (rc == 0)
		rc = take_string(entry, "registrytoken", &found->registry_token, err);
	return rc;
}

static bool is_empty(const struct auth_credentials *found)
{
	return found->user == NULL && found->identity_token == NULL && found->registry_token == NULL;
}

/* A helper's name becomes part of a program's name. */
static int take_helper(const char *name, struct auth_credentials *found, struct err *err)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (len == 0 || name[len] != '\0')
		return err_set(err, EBADMSG, "\"%.60s\" is no name of a credential helper", name);
	found->helper = strdup(name);
	return found->helper ? 1 : err_errno(err, ENOMEM, "auth");
}

static int find_in(json_t *root, const char *registry, const char *repository,
		   struct auth_credentials *found, struct err *err)
{
	char full[600], name[600];
	const char *key, *helper = json_string_value(json_object_get(root, "credsStore"));
	json_t *entry, *best = NULL;
	size_t best_len = 0;
	snprintf(full, sizeof full, "%s/%s", registry, repository);
	json_object_foreach(json_object_get(root, "credHelpers"), key, entry) {
		normalise_key(key, name, sizeof name);
		if (strcmp(name, registry) == 0 && json_is_string(entry))
			return take_helper(json_string_value(entry), found, err);
	}
	json_object_foreach(json_object_get(root, "auths"), key, entry) {
		normalise_key(key, name, sizeof name);
		size_t len = match_len(name, full);
		if (len > best_len) {
			best_len = len;
			best = entry;
		}
	}
	/* With a store for all, docker leaves an empty entry in "auths". */
	int rc = best ? take_entry(best, found, err) : 0;
	if (rc < 0 || !is_empty(found))
		return rc < 0 ? rc : 1;
	return helper != NULL && *helper != '\0' ? take_helper(helper, found, err) : 0;
}

int auth_config_find(const void *bytes, size_t len, const char *registry, const char *repository,
		     struct auth_credentials *found, struct err *err)
{
	json_error_t error;
	*found = (struct auth_credentials){0};
	json_t *root = json_loadb(bytes, len, 0, &error);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, EBADMSG, "not JSON: %s (line %d)", error.text, error.line);
	}
	int rc = find_in(root, registry, repository, found, err);
	json_decref(root);
	if (rc < 0)
		auth_credentials_free(found);
	return rc;
}

int auth_helper_parse(const void *bytes, size_t len, struct auth_credentials *found, struct err *err)
{
	json_error_t error;
	*found = (struct auth_credentials){0};
	json_t *root = json_loadb(bytes, len, JSON_DISABLE_EOF_CHECK, &error);
	int rc = json_is_object(root) ? 0 : err_set(err, EBADMSG, "its answer is not JSON");
	if (rc == 0)
		rc = take_string(root, "Username", &found->user, err);
	if (rc == 0)
		rc = take_string(root, "Secret", &found->password, err);
	json_decref(root);
	if (rc == 0 && (found->user == NULL || found->password == NULL))
		rc = err_set(err, EBADMSG, "its answer has no Username or no Secret");
	if (rc == 0 && strcmp(found->user, "<token>") == 0) {
		found->identity_token = take_ptr(&found->password);
		wipe(&found->user);
	}
	if (rc < 0)
		auth_credentials_free(found);
	return rc;
}

static int edit(json_t *root, const char *registry, const char *user, const char *password,
		bool *changed, struct err *err)
{
	bool is_hub = strcmp(registry, "docker.io") == 0;
	const char *key = is_hub ? "https://index.docker.io/v1/" : registry, *old;
	json_t *auths = json_object_get(root, "auths"), *entry;
	char name[600];
	void *next;
	if (!json_is_object(auths)) {
		auths = json_object();
		if (json_object_set_new(root, "auths", auths) < 0)
			return err_errno(err, ENOMEM, "auth");
	}
	json_object_foreach_safe(auths, next, old, entry) {
		normalise_key(old, name, sizeof name);
		if (strcmp(name, registry) == 0) {
			json_object_del(auths, old);
			*changed = true;
		}
	}
	if (user == NULL)
		return 0;
	AUTO_FREE char *basic = auth_basic_new(user, password);
	entry = basic ? json_pack("{s:s}", "auth", basic) : NULL;
	*changed = true;
	return entry == NULL || json_object_set_new(auths, key, entry) < 0 ? err_errno(err, ENOMEM, "auth")
									    : 0;
}

int auth_config_edit(const void *bytes, size_t len, const char *registry, const char *user,
		     const char *password, char **text, bool *changed, struct err *err)
{
	json_error_t error;
	json_t *root = len == 0 ? json_object() : json_loadb(bytes, len, 0, &error);
	*changed = false;
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, EBADMSG, "not JSON: %s (line %d)", error.text, error.line);
	}
	int rc = edit(root, registry, user, password, changed, err);
	if (rc == 0) {
		*text = json_dumps(root, JSON_INDENT(8));
		if (*text == NULL)
			rc = err_errno(err, ENOMEM, "auth");
	}
	json_decref(root);
	return rc;
}
