/*
 * cmpi_node.c - asks the holder of kept images (bcast/keep.h) for people (cmpi_node.h).
 *
 * What is kept is kept a node: an allocation's nodes are asked by its launcher, as in
 * `srun --ntasks-per-node=1 cmpi node ls`; so each line begins with the node's name.
 */
#include "launcher/cmpi_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bcast/keep.h"
#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/hostlist.h"
#include "common/log.h"

enum { DIGITS = 2 * KEEP_DIGEST_SIZE, DIGITS_LEAST = 6 };

static int fail(const struct err *err)
{
	log_error("%s", err->text);
	return EXITCODE_NODE;
}

static void digest_text(const uint8_t *digest, char text[DIGITS + 1])
{
	for (size_t i = 0; i < KEEP_DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

int cmpi_node_ls(char **argv)
{
	AUTO_FREE struct keep_image *images = NULL;
	char node[HOSTLIST_NAME_MAX] = "", digest[DIGITS + 1];
	uint32_t count;
	struct err err;
	(void)argv;
	gethostname(node, sizeof node - 1);
	if (keep_list(&images, &count, &err) < 0)
		return fail(&err);
	for (uint32_t i = 0; i < count; i++) {
		digest_text(images[i].digest, digest);
		printf("%s xxh3:%s %llu bytes, %u s left, %s\n", node, digest,
		       (unsigned long long)images[i].size, images[i].age_s, images[i].name);
	}
	return EXITCODE_OK;
}

/* The one image that `word` names. */
static int remove_one(const struct keep_image *images, uint32_t count, const char *word,
		      struct err *err)
{
	const struct keep_image *found = NULL;
	char digest[DIGITS + 1];
	uint32_t removed;
	const char *digits = strncmp(word, "xxh3:", 5) == 0 ? word + 5 : word;
	if (strlen(digits) < DIGITS_LEAST)
		return err_set(err, EINVAL, "%s: at least %d digits of a digest are wanted; cmpi node ls "
			       "prints them", word, DIGITS_LEAST);
	for (uint32_t i = 0; i < count; i++) {
		digest_text(images[i].digest, digest);
		if (strncmp(digest, digits, strlen(digits)) != 0)
			continue;
		if (found != NULL)
			return err_set(err, EINVAL, "%s: more than one image begins so", word);
		found = &images[i];
	}
	if (found == NULL)
		return err_set(err, ENOENT, "%s: no such image is kept on this node", word);
	return keep_remove(found->digest, &removed, err);
}

int cmpi_node_rm(char **argv)
{
	AUTO_FREE struct keep_image *images = NULL;
	uint32_t count;
	struct err err;
	if (strcmp(argv[0], "--all") == 0 && argv[1] == NULL)
		return keep_remove(NULL, &count, &err) < 0 ? fail(&err) : EXITCODE_OK;
	if (keep_list(&images, &count, &err) < 0)
		return fail(&err);
	int status = EXITCODE_OK;
	for (size_t i = 0; argv[i] != NULL; i++)
		if (remove_one(images, count, argv[i], &err) < 0)
			status = fail(&err);
	return status;
}
