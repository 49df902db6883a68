/*
 * config.h - what an image says about itself: environment, program, origin.
 *
 * It is JSON, made once from the OCI config (image/config_make.h) and carried behind the squashfs
 * (image/config_tail.h).  A squashfs of another maker has none, and runs without.
 */
#ifndef IMAGE_CONFIG_H
#define IMAGE_CONFIG_H

#include "image/config_tail.h"
#include "image/image_file.h"

enum { CONFIG_STRINGS_MAX = 100000 };

struct image_config {
	char *json;             /* all of it, NUL-terminated: for who wants labels */
	char *reference;        /* where it came from; "" */
	char *manifest_digest, *config_digest;  /* "" */
	char *architecture, *variant, *os;      /* as Go spells them: amd64, arm64; "" */
	char **env, **entrypoint, **cmd;        /* NULL-terminated, never NULL */
	char *work_dir, *user;  /* "" */
	struct config_tail tail;
};

/* Reads what is behind the squashfs: nothing when the file ends with it or is a SIF file, else 4 KiB,
 * or a bit more for a long config.  -ENOENT (err untouched): there is none; -EBADMSG: broken. */
int image_config_read(const struct image_file *file, struct image_config *config, struct err *err);
/* Pure.  *config gets its own copies; tail is not set.  -EBADMSG. */
int image_config_parse(const char *json, size_t len, struct image_config *config, struct err *err);
void image_config_free(struct image_config *config);

/* Can a machine (uname(2): x86_64, aarch64) run the image's programs?  -ENOEXEC with both names. */
int image_config_check_machine(const struct image_config *config, const char *machine,
			       struct err *err);

/* Entrypoint and Cmd as one command, inside of the config; count 0: the image names none.
 * `words` has room for CONFIG_STRINGS_MAX * 2 at most: give as many as the two have, and one. */
size_t image_config_command(const struct image_config *config, char **words, size_t room);

#endif
