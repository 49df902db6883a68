/*
 * registry_files.c - configuration, certificates and credentials on disk (registry_files.h).
 *
 * A credentials file is replaced as a whole, by rename, and readable by its owner only.
 */
#include "image/registry_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "image/auth_helper.h"

enum { CONF_BYTES_MAX = 1 << 20, PEM_BYTES_MAX = 4 << 20, FILES_MAX = 3 };

int registry_file_read(const char *path, size_t most, struct buf *bytes, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	for (;;) {
		char *room = buf_reserve(bytes, 65536);
		if (room == NULL)
			return err_errno(err, ENOMEM, "%s", path);
		ssize_t got = read(fd, room, 65535);
		if (got < 0)
			return err_errno(err, errno, "%s", path);
		room[got] = '\0';
		if (got == 0)
			return 0;
		bytes->len += (size_t)got;
		if (bytes->len > most)
			return err_set(err, EFBIG, "%s: more than %zu bytes", path, most);
	}
}

/* $VARIABLE/tail, or $HOME/fallback/tail; false when neither variable is set. */
static bool path_below(const char *variable, const char *fallback, const char *tail, char *path,
		       size_t size)
{
	const char *folder = getenv(variable), *home = getenv("HOME");
	if (folder != NULL && *folder != '\0')
		return snprintf(path, size, "%s/%s", folder, tail) < (int)size;
	if (fallback == NULL || home == NULL || *home == '\0')
		return false;
	return snprintf(path, size, "%s/%s/%s", home, fallback, tail) < (int)size;
}

/* -- registries.conf ------------------------------------------------------ */

static int conf_load_one(struct registry_conf *conf, const char *path, bool must_exist, struct err *err)
{
	AUTO_BUF struct buf text = {0};
	int rc = registry_file_read(path, CONF_BYTES_MAX, &text, err);
	if (rc == -ENOENT && !must_exist)
		return 0;
	if (rc == 0 && (rc = registry_conf_add(conf, text.data, err)) < 0)
		err_prefix(err, "%s", path);
	return rc;
}

int registry_conf_load(struct registry_conf *conf, struct err *err)
{
	char path[4096];
	const char *only = getenv("CMPIRUN_REGISTRIES");
	if (only != NULL && *only != '\0')
		return conf_load_one(conf, only, true, err);
	int rc = 0;
	if (path_below("XDG_CONFIG_HOME", ".config", "cmpirun/registries.conf", path, sizeof path))
		rc = conf_load_one(conf, path, false, err);
	return rc < 0 ? rc : conf_load_one(conf, "/etc/cmpirun/registries.conf", false, err);
}

/* -- certificates ---------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);
	return len > tail && strcmp(name + len - tail, suffix) == 0;
}

static int take_certificate(const char *folder, const char *name, struct buf *pem,
			    struct http_trust *trust, struct err *err)
{
	AUTO_FREE char *path = NULL;
	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return err_errno(err, ENOMEM, "certificates");
	}
	if (has_suffix(name, ".crt")) {
		int rc = registry_file_read(path, PEM_BYTES_MAX, pem, err);
		buf_add_u8(pem, '\n');
		return rc;
	}
	if (has_suffix(name, ".cert") && trust->certificate == NULL) {
		trust->certificate = strdup(path);
		/* name.cert goes with name.key. */
		trust->key = strndup(path, strlen(path) - strlen("cert"));
		char *key = NULL;
		if (trust->key != NULL && asprintf(&key, "%skey", trust->key) < 0)
			key = NULL;
		free(trust->key);
		trust->key = key;
		return trust->certificate && key ? 0 : err_errno(err, ENOMEM, "certificates");
	}
	return 0;
}

static int take_folder(const char *folder, struct http_trust *trust, struct err *err)
{
	struct dirent **names = NULL;
	int count = scandir(folder, &names, NULL, alphasort), rc = 0;
	AUTO_BUF struct buf pem = {0};
	for (int i = 0; i < count; i++) {
		if (rc == 0)
			rc = take_certificate(folder, names[i]->d_name, &pem, trust, err);
		free(names[i]);
	}
	free(names);
	if (rc == 0 && pem.len > 0) {
		buf_add_u8(&pem, 0);
		if (pem.failed)
			return err_errno(err, ENOMEM, "certificates");
		trust->ca_pem = take_ptr(&pem.data);
	}
	return rc;
}

int registry_trust_load(const struct registry_conf *conf, const char *host, struct http_trust *trust,
			struct err *err)
{
	char folder[4096], tail[700];
	*trust = (struct http_trust){.is_insecure = registry_conf_is_insecure(conf, host)};
	if (strchr(host, '/') != NULL || host[0] == '.')
		return 0;  /* no name of a folder */
	snprintf(tail, sizeof tail, "containers/certs.d/%s", host);
	int rc = 0;
	if (path_below("XDG_CONFIG_HOME", ".config", tail, folder, sizeof folder))
		rc = take_folder(folder, trust, err);
	static const char *const places[] = {"/etc/containers/certs.d", "/etc/docker/certs.d"};
	for (size_t i = 0; rc == 0 && i < 2 && trust->ca_pem == NULL && trust->certificate == NULL; i++) {
		snprintf(folder, sizeof folder, "%s/%s", places[i], host);
		rc = take_folder(folder, trust, err);
	}
	if (rc < 0)
		registry_trust_free(trust);
	return rc;
}

void registry_trust_free(struct http_trust *trust)
{
	free(trust->ca_pem);
	free(trust->certificate);
	free(trust->key);
	*trust = (struct http_trust){0};
}

/* -- credentials ------------------------------------------------------------ */

/* The files to look into, in order; how many. */
static size_t credential_files(char paths[FILES_MAX][4096])
{
	size_t count = 0;
	const char *only = getenv("REGISTRY_AUTH_FILE");
	if (only != NULL && *only != '\0') {
		snprintf(paths[0], sizeof paths[0], "%s", only);
		return 1;
	}
	count += path_below("XDG_RUNTIME_DIR", NULL, "containers/auth.json", paths[count], sizeof paths[0]);
	count += path_below("XDG_CONFIG_HOME", ".config", "containers/auth.json", paths[count],
			    sizeof paths[0]);
	count += path_below("DOCKER_CONFIG", ".docker", "config.json", paths[count], sizeof paths[0]);
	return count;
}

int registry_credentials_find(const char *registry, const char *repository,
			      struct auth_credentials *found, struct err *err)
{
	char paths[FILES_MAX][4096];
	size_t count = credential_files(paths);
	for (size_t i = 0; i < count; i++) {
		AUTO_BUF struct buf bytes = {0};
		int rc = registry_file_read(paths[i], AUTH_CONFIG_BYTES_MAX, &bytes, err);
		if (rc == -ENOENT || rc == -ENOTDIR)
			continue;
		if (rc < 0)
			return rc;
		rc = auth_config_find(bytes.data, bytes.len, registry, repository, found, err);
		if (rc < 0)
			return err_prefix(err, "credentials %s", paths[i]);
		if (rc == 0)
			continue;
		return found->helper != NULL ? auth_helper_get(registry, found, err) : 0;
	}
	*found = (struct auth_credentials){0};
	return 0;
}

static int make_folder_of(const char *path, struct err *err)
{
	AUTO_FREE char *folder = strdup(path);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash == NULL || slash == folder)
		return 0;
	*slash = '\0';
	if (access(folder, F_OK) == 0)
		return 0;
	int rc = make_folder_of(folder, err);
	if (rc < 0)
		return rc;
	return mkdir(folder, 0700) < 0 && errno != EEXIST ? err_errno(err, errno, "%s", folder) : 0;
}

static int replace_file(const char *path, const char *text, struct err *err)
{
	AUTO_FREE char *next = NULL;
	int rc = make_folder_of(path, err);
	if (rc < 0)
		return rc;
	if (asprintf(&next, "%s.XXXXXX", path) < 0) {
		next = NULL;
		return err_errno(err, ENOMEM, "%s", path);
	}
	AUTO_FD int fd = mkostemp(next, O_CLOEXEC);  /* mode 0600 */
	if (fd < 0)
		return err_errno(err, errno, "%s", next);
	size_t len = strlen(text);
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0 || rename(next, path) < 0) {
		rc = err_errno(err, errno ? errno : ENOSPC, "%s", path);
		unlink(next);
	}
	return rc;
}

int registry_credentials_store(const char *registry, const char *user, const char *password,
			       char *where, size_t where_size, struct err *err)
{
	char paths[FILES_MAX][4096];
	size_t count = credential_files(paths), chosen = 0;
	if (count == 0)
		return err_set(err, ENOENT, "there is no place for credentials: HOME is not set");
	while (chosen + 1 < count && access(paths[chosen], F_OK) != 0)
		chosen++;
	const char *path = paths[chosen];
	AUTO_BUF struct buf bytes = {0};
	int rc = registry_file_read(path, AUTH_CONFIG_BYTES_MAX, &bytes, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	AUTO_CREDENTIALS struct auth_credentials known = {0};
	if (bytes.len > 0 && (rc = auth_config_find(bytes.data, bytes.len, registry, "", &known, err)) < 0)
		return err_prefix(err, "credentials %s", path);
	if (known.helper != NULL) {
		snprintf(where, where_size, "docker-credential-%s", known.helper);
		return auth_helper_store(known.helper, registry, user, password, err);
	}
	AUTO_FREE char *text = NULL;
	bool changed = false;
	rc = auth_config_edit(bytes.data, bytes.len, registry, user, password, &text, &changed, err);
	if (rc < 0)
		return err_prefix(err, "credentials %s", path);
	snprintf(where, where_size, "%s", path);
	if (!changed)
		return err_set(err, ENOENT, "%s knows nothing about %s", path, registry);
	return replace_file(path, text, err);
}
