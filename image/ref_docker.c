/*
 * ref_docker.c - Docker's names of images (ref_docker.h).
 *
 * From the back: the digest behind '@', the tag behind the last ':' that has no '/' behind it,
 * then the host in front of the first '/'.
 */
#include "image/ref_docker.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
	return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

/* ".", "_", "__" or any number of "-": how many characters, 0 when it is none. */
static size_t separator_len(const char *at)
{
	if (*at == '.')
		return 1;
	if (*at == '_')
		return at[1] == '_' ? 2 : 1;
	return strspn(at, "-");
}

/* Parts of lower-case letters and digits, with separators between, and slashes between parts. */
static bool is_repository(const char *text)
{
	if (!is_lower_or_digit(*text))
		return false;
	while (*text != '\0') {
		while (is_lower_or_digit(*text))
			text++;
		if (*text == '\0')
			return true;
		size_t len = *text == '/' ? 1 : separator_len(text);
		if (len == 0 || !is_lower_or_digit(text[len]))
			return false;
		text += len;
	}
	return true;
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	return len >= 1 && len <= 5 && text[len] == '\0';
}

static bool is_host(const char *text)
{
	if (*text == '[') {
		size_t len = strspn(text + 1, "0123456789abcdefABCDEF:.");
		const char *end = text + 1 + len;
		return len >= 2 && *end == ']' && (end[1] == '\0' || (end[1] == ':' && is_port(end + 2)));
	}
	/* Labels of letters, digits and inner hyphens. */
	for (const char *label = text;;) {
		size_t len = 0;
		while (is_alnum(label[len]) || label[len] == '-')
			len++;
		if (len == 0 || label[0] == '-' || label[len - 1] == '-')
			return false;
		label += len;
		if (*label == '\0')
			return true;
		if (*label == ':')
			return is_port(label + 1);
		if (*label != '.')
			return false;
		label++;
	}
}

static bool is_tag(const char *text)
{
	size_t len = 0;
	while (is_alnum(text[len]) || text[len] == '_' || (len > 0 && (text[len] == '.' || text[len] == '-')))
		len++;
	return len >= 1 && len <= DOCKER_REF_TAG_MAX && text[len] == '\0';
}

/* Does the first part (of `len` bytes, before a slash) name a host? */
static bool names_host(const char *part, size_t len)
{
	if (len == strlen("localhost") && strncmp(part, "localhost", len) == 0)
		return true;
	for (size_t i = 0; i < len; i++)
		if (part[i] == '.' || part[i] == ':' || isupper((unsigned char)part[i]))
			return true;
	return false;
}

static int split_name(char *name, const char *text, struct docker_ref *ref, struct err *err)
{
	char *slash = strchr(name, '/');
	const char *path = name;
	if (slash != NULL && names_host(name, (size_t)(slash - name))) {
		*slash = '\0';
		path = slash + 1;
		if (!is_host(name))
			return err_set(err, EINVAL, "image docker://%.200s: \"%.100s\" is not a registry's "
				       "HOST or HOST:PORT", text, name);
		bool is_hub = strcmp(name, "index.docker.io") == 0 || strcmp(name, "registry-1.docker.io") == 0;
		snprintf(ref->registry, sizeof ref->registry, "%s", is_hub ? "docker.io" : name);
	} else {
		snprintf(ref->registry, sizeof ref->registry, "docker.io");
	}
	if (!is_repository(path)) {
		bool upper = false;
		for (const char *c = path; *c != '\0'; c++)
			upper = upper || isupper((unsigned char)*c);
		return err_set(err, EINVAL, "image docker://%.200s: \"%.100s\" is not a repository's name; %s", text,
			       path, upper ? "it must be in lower case"
					   : "lower-case letters and digits, with . _ - / between them");
	}
	bool is_short = strcmp(ref->registry, "docker.io") == 0 && strchr(path, '/') == NULL;
	int len = snprintf(ref->repository, sizeof ref->repository, "%s%s", is_short ? "library/" : "", path);
	if (len + strlen(ref->registry) + 1 > DOCKER_REF_NAME_MAX)
		return err_set(err, EINVAL, "image docker://%.100s...: the name has more than %d characters",
			       text, DOCKER_REF_NAME_MAX);
	return 0;
}

int docker_ref_parse(const char *text, struct docker_ref *ref, struct err *err)
{
	char name[3 * DOCKER_REF_NAME_MAX];
	*ref = (struct docker_ref){0};
	if (strlen(text) >= sizeof name)
		return err_set(err, EINVAL, "image docker://%.100s...: the name is too long", text);
	memcpy(name, text, strlen(text) + 1);
	char *at = strchr(name, '@');
	if (at != NULL) {
		*at = '\0';
		int rc = digest_copy(ref->digest, at + 1, err);
		if (rc < 0)
			return err_prefix(err, "image docker://%.200s", text);
	}
	char *colon = strrchr(name, ':');
	if (colon != NULL && strchr(colon, '/') == NULL) {
		*colon = '\0';
		if (!is_tag(colon + 1))
			return err_set(err, EINVAL, "image docker://%.200s: \"%.100s\" is not a tag (1 to %d of "
				       "letters, digits, _ . -)", text, colon + 1, DOCKER_REF_TAG_MAX);
		memcpy(ref->tag, colon + 1, strlen(colon + 1) + 1);
	} else if (at == NULL) {
		memcpy(ref->tag, "latest", sizeof "latest");
	}
	return split_name(name, text, ref, err);
}

void docker_ref_format(const struct docker_ref *ref, struct buf *out)
{
	buf_printf(out, "docker://%s/%s", ref->registry, ref->repository);
	if (ref->tag[0] != '\0')
		buf_printf(out, ":%s", ref->tag);
	if (ref->digest[0] != '\0')
		buf_printf(out, "@%s", ref->digest);
}
