/*
 * config.c - the config behind a squashfs (config.h): JSON by jansson, and the reads.
 *
 * Strings with a NUL in them cannot be words of a program or its environment: jansson refuses
 * them.  Unknown members are ignored, so a newer writer can add some.
 */
#include "image/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/file_read.h"

static int broken(struct err *err, const char *what)
{
	return err_set(err, EBADMSG, "the image's config: %s", what);
}

/* A string member; "" when it is not there or null. */
static int take_string(const json_t *object, const char *key, char **out, struct err *err)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_is_string(value) ? json_string_value(value) : "";
	if (value && !json_is_string(value) && !json_is_null(value))
		return err_set(err, EBADMSG, "the image's config: %s is not a string", key);
	*out = strdup(text);
	return *out ? 0 : err_set(err, ENOMEM, "no memory for the image's config");
}

static int take_strings(const json_t *object, const char *key, char ***out, struct err *err)
{
	const json_t *value = json_object_get(object, key);
	size_t count = json_array_size(value);  /* 0 for anything else */
	if (value && !json_is_array(value) && !json_is_null(value))
		return err_set(err, EBADMSG, "the image's config: %s is not a list", key);
	if (count > CONFIG_STRINGS_MAX)
		return err_set(err, E2BIG, "the image's config: %s has %zu words", key, count);
	*out = calloc(count + 1, sizeof **out);
	for (size_t i = 0; *out && i < count; i++) {
		const char *text = json_string_value(json_array_get(value, i));
		if (!text)
			return err_set(err, EBADMSG, "the image's config: a word of %s is not a string", key);
		if (!((*out)[i] = strdup(text)))
			return err_set(err, ENOMEM, "no memory for the image's config");
	}
	return *out ? 0 : err_set(err, ENOMEM, "no memory for the image's config");
}

static int take_all(const json_t *root, struct image_config *config, struct err *err)
{
	const json_t *inner = json_object_get(root, "config");
	const struct { const json_t *object; const char *key; char **to; } strings[] = {
		{root, "reference", &config->reference},
		{root, "manifest_digest", &config->manifest_digest},
		{root, "config_digest", &config->config_digest},
		{root, "architecture", &config->architecture},
		{root, "variant", &config->variant},
		{root, "os", &config->os},
		{inner, "WorkingDir", &config->work_dir},
		{inner, "User", &config->user},
	};
	const struct { const char *key; char ***to; } lists[] = {
		{"Env", &config->env}, {"Entrypoint", &config->entrypoint}, {"Cmd", &config->cmd},
	};
	int rc = 0;
	if (!json_is_object(root))
		return broken(err, "it is not an object");
	for (size_t i = 0; rc == 0 && i < sizeof strings / sizeof *strings; i++)
		rc = take_string(strings[i].object, strings[i].key, strings[i].to, err);
	for (size_t i = 0; rc == 0 && i < sizeof lists / sizeof *lists; i++)
		rc = take_strings(inner, lists[i].key, lists[i].to, err);
	for (char **entry = config->env; rc == 0 && *entry; entry++)
		if (!strchr(*entry, '=') || **entry == '=')
			rc = broken(err, "an Env that is not NAME=VALUE");
	return rc;
}

int image_config_parse(const char *json, size_t len, struct image_config *config, struct err *err)
{
	json_error_t where;
	*config = (struct image_config){0};
	json_t *root = json_loadb(json, len, 0, &where);
	if (!root)
		return err_set(err, EBADMSG, "the image's config: line %d: %s", where.line, where.text);
	int rc = take_all(root, config, err);
	json_decref(root);
	if (rc == 0 && !(config->json = strndup(json, len)))
		rc = err_set(err, ENOMEM, "no memory for the image's config");
	if (rc < 0)
		image_config_free(config);
	return rc;
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings && strings[i]; i++)
		free(strings[i]);
	free(strings);
}

void image_config_free(struct image_config *config)
{
	free(config->json);
	free(config->reference);
	free(config->manifest_digest);
	free(config->config_digest);
	free(config->architecture);
	free(config->variant);
	free(config->os);
	free_strings(config->env);
	free_strings(config->entrypoint);
	free_strings(config->cmd);
	free(config->work_dir);
	free(config->user);
	*config = (struct image_config){0};
}

static int read_at(int fd, void *bytes, size_t len, uint64_t at, struct err *err)
{
	ssize_t got = file_read_at(fd, bytes, len, at);
	if (got >= 0 && (size_t)got == len)
		return 0;
	return err_errno(err, got < 0 ? (int)-got : EIO, "read behind the squashfs");
}

int image_config_read(const struct image_file *file, struct image_config *config, struct err *err)
{
	uint8_t block[TAIL_BLOCK];
	struct config_tail tail;
	*config = (struct image_config){0};
	if (file->at > 0 || !config_tail_possible(file->size, file->super.bytes_used))
		return -ENOENT;
	uint64_t block_at = file->size - sizeof block;
	int rc = read_at(file->fd, block, sizeof block, block_at, err);
	if (rc == 0)
		rc = config_tail_parse(block + sizeof block - TAIL_SIZE, file->size, file->super.bytes_used,
				       &tail, err);
	if (rc < 0)
		return rc;
	AUTO_FREE char *json = malloc((size_t)tail.json_len + 1);
	if (!json)
		return err_set(err, ENOMEM, "no memory for the image's config");
	if (tail.json_at >= block_at)
		memcpy(json, block + (tail.json_at - block_at), (size_t)tail.json_len);
	else
		rc = read_at(file->fd, json, (size_t)tail.json_len, tail.json_at, err);
	if (rc == 0)
		rc = image_config_parse(json, (size_t)tail.json_len, config, err);
	config->tail = tail;
	return rc;
}

int image_config_check_machine(const struct image_config *config, const char *machine,
			       struct err *err)
{
	/* Go's names and the kernel's; the second machine runs the first's programs too. */
	static const struct { const char *go, *machine, *also; } names[] = {
		{"amd64", "x86_64", ""},     {"386", "i686", "x86_64"},   {"arm64", "aarch64", ""},
		{"arm", "armv7l", "aarch64"}, {"ppc64le", "ppc64le", ""}, {"s390x", "s390x", ""},
		{"riscv64", "riscv64", ""},   {"loong64", "loongarch64", ""},
	};
	if (config->os[0] && strcmp(config->os, "linux") != 0)
		return err_set(err, ENOEXEC, "the image is for %s, not for Linux", config->os);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(config->architecture, names[i].go) != 0)
			continue;
		if (strcmp(machine, names[i].machine) == 0 || strcmp(machine, names[i].also) == 0)
			return 0;
		return err_set(err, ENOEXEC, "the image is for %s, this machine is %s; pull the image of "
			       "this platform", config->architecture, machine);
	}
	return 0;  /* a name that nobody here knows is the user's to try */
}

size_t image_config_command(const struct image_config *config, char **words, size_t room)
{
	char **const lists[] = {config->entrypoint, config->cmd};
	size_t count = 0;
	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; lists[list][i]; i++, count++)
			if (count < room)
				words[count] = lists[list][i];
	return count;
}
