/*
 * registry_conf.c - insecure hosts and mirrors (registry_conf.h).
 */
#include "image/registry_conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

static int no_memory(struct err *err)
{
	return err_errno(err, ENOMEM, "registries");
}

int registry_conf_add_insecure(struct registry_conf *conf, const char *host, struct err *err)
{
	char **bigger = realloc(conf->insecure, (conf->insecure_count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return no_memory(err);
	conf->insecure = bigger;
	if ((bigger[conf->insecure_count] = strdup(host)) == NULL)
		return no_memory(err);
	conf->insecure_count++;
	return 0;
}

static int add_mirror(struct registry_conf *conf, const char *registry, const char *place, struct err *err)
{
	struct registry_conf_mirror *bigger =
		realloc(conf->mirrors, (conf->mirror_count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return no_memory(err);
	conf->mirrors = bigger;
	bigger[conf->mirror_count] = (struct registry_conf_mirror){strdup(registry), strdup(place)};
	conf->mirror_count++;
	return bigger[conf->mirror_count - 1].registry && bigger[conf->mirror_count - 1].place
		       ? 0 : no_memory(err);
}

static int add_line(struct registry_conf *conf, char *line, struct err *err)
{
	line[strcspn(line, "#")] = '\0';
	char *rest = NULL, *words[4];
	size_t count = 0;
	for (char *word = strtok_r(line, " \t\r", &rest); word != NULL && count < 4;
	     word = strtok_r(NULL, " \t\r", &rest))
		words[count++] = word;
	if (count == 0)
		return 0;
	if (strcmp(words[0], "insecure") == 0 && count == 2)
		return registry_conf_add_insecure(conf, words[1], err);
	if (strcmp(words[0], "mirror") == 0 && count == 3)
		return add_mirror(conf, words[1], words[2], err);
	return err_set(err, EINVAL, "\"%.60s\": a line is \"insecure HOST[:PORT]\" or \"mirror REGISTRY "
		       "HOST[:PORT][/PREFIX]\"", words[0]);
}

int registry_conf_add(struct registry_conf *conf, const char *text, struct err *err)
{
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy;
	if (copy == NULL)
		return no_memory(err);
	for (int number = 1; rest != NULL; number++) {
		char *line = strsep(&rest, "\n");
		int rc = number > REGISTRY_CONF_LINES_MAX
				 ? err_set(err, EINVAL, "more than %d lines", REGISTRY_CONF_LINES_MAX)
				 : add_line(conf, line, err);
		if (rc < 0)
			return err_prefix(err, "line %d", number);
	}
	return 0;
}

bool registry_conf_is_insecure(const struct registry_conf *conf, const char *host)
{
	for (size_t i = 0; i < conf->insecure_count; i++)
		if (strcmp(conf->insecure[i], host) == 0)
			return true;
	return false;
}

void registry_conf_free(struct registry_conf *conf)
{
	for (size_t i = 0; i < conf->insecure_count; i++)
		free(conf->insecure[i]);
	for (size_t i = 0; i < conf->mirror_count; i++) {
		free(conf->mirrors[i].registry);
		free(conf->mirrors[i].place);
	}
	free(conf->insecure);
	free(conf->mirrors);
	*conf = (struct registry_conf){0};
}
