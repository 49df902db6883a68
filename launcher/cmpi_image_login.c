/*
 * cmpi_image_login.c - `cmpi image login` and `logout` (cmpi_image.h).
 *
 * The password comes from the terminal, unseen, or from stdin; never from an argument, which everybody
 * on the machine can read.  It is tried at the registry before it is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/exitcode.h"
#include "common/log.h"
#include "image/ref_docker.h"
#include "image/registry.h"
#include "image/registry_files.h"
#include "launcher/cmpi_image.h"

enum { WORD_MAX = 65536 };

/* "host[:port]" as registries are named; "docker.io" for all of Hub's names. */
static int take_host(const char *text, char *host, size_t size, struct err *err)
{
	char probe[DOCKER_REF_NAME_MAX];
	struct docker_ref ref;
	const char *start = strstr(text, "://") ? strstr(text, "://") + 3 : text;
	size_t len = strcspn(start, "/");
	/* A name without dot or port would be taken for a repository. */
	bool is_plain = memchr(start, '.', len) == NULL && memchr(start, ':', len) == NULL &&
			strncmp(start, "localhost", len) != 0;
	if (len == 0 || len + 3 > sizeof probe || is_plain)
		return err_set(err, EINVAL, "\"%.100s\" is not a registry: HOST or HOST:PORT", text);
	snprintf(probe, sizeof probe, "%.*s/x", (int)len, start);
	int rc = docker_ref_parse(probe, &ref, err);
	if (rc == 0)
		snprintf(host, size, "%s", ref.registry);
	return rc;
}

static int read_line(FILE *from, char *word, size_t size, const char *what, struct err *err)
{
	if (fgets(word, (int)size, from) == NULL)
		return err_set(err, EINVAL, "no %s was given", what);
	word[strcspn(word, "\r\n")] = '\0';
	return word[0] ? 0 : err_set(err, EINVAL, "the %s is empty", what);
}

static int ask(const char *what, bool unseen, char *word, size_t size, struct err *err)
{
	struct termios before, quiet;
	FILE *terminal = fopen("/dev/tty", "r+e");
	if (terminal == NULL)
		return err_set(err, EINVAL, "there is no terminal to ask for the %s: give --username and "
			       "--password-stdin", what);
	fprintf(terminal, "%s: ", what);
	fflush(terminal);
	bool is_quiet = unseen && tcgetattr(fileno(terminal), &before) == 0;
	if (is_quiet) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(fileno(terminal), TCSAFLUSH, &quiet);
	}
	int rc = read_line(terminal, word, size, what, err);
	if (is_quiet) {
		tcsetattr(fileno(terminal), TCSAFLUSH, &before);
		fprintf(terminal, "\n");
	}
	fclose(terminal);
	return rc;
}

static int try_login(const struct cmpi_image_options *options, const char *host, const char *user,
		     const char *password, struct err *err)
{
	struct registry_options registry_options = {.conf = &options->conf};
	struct registry *registry = NULL;
	int rc = registry_open(&registry_options, host, "", &registry, err);
	if (rc == 0)
		rc = registry_login(registry, user, password, err);
	registry_free(&registry);
	return rc;
}

int cmpi_image_login(const struct cmpi_image_options *options, char **argv)
{
	static char password[WORD_MAX];
	char host[300], user[1000] = "", where[4200];
	struct err err;
	int rc = take_host(argv[0], host, sizeof host, &err);
	if (rc == 0 && options->user != NULL)
		snprintf(user, sizeof user, "%s", options->user);
	else if (rc == 0)
		rc = ask("user", false, user, sizeof user, &err);
	if (rc == 0 && strchr(user, ':') != NULL)
		rc = err_set(&err, EINVAL, "a user's name has no colon");
	if (rc == 0)
		rc = options->password_stdin ? read_line(stdin, password, sizeof password, "password", &err)
					     : ask("password", true, password, sizeof password, &err);
	if (rc == 0)
		rc = try_login(options, host, user, password, &err);
	if (rc == 0)
		rc = registry_credentials_store(host, user, password, where, sizeof where, &err);
	explicit_bzero(password, sizeof password);
	if (rc == 0 && !options->quiet)
		log_note("logged in at %s; kept in %s", host, where);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

int cmpi_image_logout(const struct cmpi_image_options *options, char **argv)
{
	char host[300], where[4200];
	struct err err;
	int rc = take_host(argv[0], host, sizeof host, &err);
	if (rc == 0)
		rc = registry_credentials_store(host, NULL, NULL, where, sizeof where, &err);
	if (rc == 0 && !options->quiet)
		log_note("%s is forgotten in %s", host, where);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}
