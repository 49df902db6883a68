/*
 * registry_conf.h - what the site and the user say about registries.
 *
 * Pure.  Lines of words, '#' starts a comment:
 *	insecure HOST[:PORT]                       plain http and unknown certificates are allowed there
 *	mirror   REGISTRY HOST[:PORT][/PREFIX]     asked first, in this order; then REGISTRY itself
 */
#ifndef IMAGE_REGISTRY_CONF_H
#define IMAGE_REGISTRY_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum { REGISTRY_CONF_LINES_MAX = 1000 };

struct registry_conf_mirror {
	char *registry, *place;
};

struct registry_conf {
	char **insecure;
	size_t insecure_count;
	struct registry_conf_mirror *mirrors;
	size_t mirror_count;
};

/* Adds what `text` says. -EINVAL with the line's number. */
int registry_conf_add(struct registry_conf *conf, const char *text, struct err *err);
int registry_conf_add_insecure(struct registry_conf *conf, const char *host, struct err *err);
bool registry_conf_is_insecure(const struct registry_conf *conf, const char *host);
void registry_conf_free(struct registry_conf *conf);
#define AUTO_REGISTRY_CONF __attribute__((cleanup(registry_conf_free)))

#endif
