/*
 * pull_registry.c - from a name in a registry to the layers of one image (pull_impl.h).
 *
 * A tag that is known costs one HEAD request; a digest that is known costs none.  Otherwise
 * pull_resolve.c finds manifest and config; the layers come in pull_layers.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "image/policy_check.h"
#include "image/pull_impl.h"
#include "image/ref_docker.h"

/* "No such tag" becomes "there are these". */
static int add_near_tags(struct pull_work *work, const struct docker_ref *ref, struct err *err)
{
	char **tags = NULL;
	size_t count = 0;
	AUTO_BUF struct buf near = {0};
	struct err original = *err, other;
	if (ref->tag[0] == '\0' || registry_tags(work->registry, &tags, &count, &other) < 0 || count == 0)
		err_set(err, ENOENT, "%s; check host, repository and tag", original.text);
	else {
		manifest_near_tags(tags, count, ref->tag, &near);
		err_set(err, ENOENT, "%s/%s has no tag \"%s\"; there is: %.*s%s", ref->registry, ref->repository,
			ref->tag, (int)near.len, near.len ? near.data : "", count > 8 ? ", ..." : "");
	}
	for (size_t i = 0; i < count; i++)
		free(tags[i]);
	free(tags);
	return -ENOENT;
}

/* What the policies call the image; a digest or tag is no part of it. */
static char *policy_name_new(const struct docker_ref *ref)
{
	char *name = NULL;
	return asprintf(&name, "docker://%s/%s", ref->registry, ref->repository) < 0 ? NULL : name;
}

static int resolve(struct pull_work *work, const struct docker_ref *ref, const struct policies *policies,
		   const char *policy_name, struct err *err)
{
	int rc = pull_resolve(work, ref->digest[0] ? ref->digest : ref->tag, err);
	const char *const digests[] = {work->remote, work->manifest};
	if (rc == 0)
		return policies_check_registry(policies, policy_name, work->registry, digests, 2, err);
	return rc == -ENOENT && work->remote[0] == '\0' ? add_near_tags(work, ref, err) : rc;
}

/* 1: the store has it, and it is what the registry means. */
static int look_first(struct pull_work *work, const struct docker_ref *ref, struct pull_result *result,
		      struct err *err)
{
	const struct pull_options *options = work->options;
	char remote[DIGEST_TEXT_SIZE];
	struct store_tag tag;
	/* A digest means the same for ever. */
	if (options->when != PULL_ALWAYS || ref->digest[0] != '\0') {
		int rc = pull_find_known(options, work->reference.data, NULL, NULL, result, err);
		if (rc != 0)
			return rc;
		if (options->when == PULL_NEVER)
			return err_set(err, ENOENT, "it is not in the image store %s, and nothing is to be "
				       "fetched; get it with: cmpi image pull %s", store_path(options->store),
				       work->reference.data);
		return 0;
	}
	bool is_known = store_tag_find(options->store, work->reference.data, &tag, NULL) == 0 ||
			(options->shared && store_tag_find(options->shared, work->reference.data, &tag, NULL) == 0);
	if (!is_known)
		return 0;
	int rc = registry_head(work->registry, ref->tag, remote, err);
	if (rc == -ENOENT)
		return add_near_tags(work, ref, err);
	if (rc < 0 || remote[0] == '\0')
		return rc;
	return pull_find_known(options, work->reference.data, remote, NULL, result, err);
}

int pull_from_registry(const struct pull_options *options, const char *location,
		       struct pull_result *result, struct err *err)
{
	AUTO_PULL_WORK struct pull_work work = {.options = options};
	struct registry_options registry = {.conf = options->conf, .note = options->note,
					    .context = options->context};
	struct docker_ref ref;
	AUTO_FREE char *name = NULL;
	if (asprintf(&name, "docker://%s", location) < 0) {
		name = NULL;
		return err_errno(err, ENOMEM, "reference");
	}
	AUTO_POLICIES struct policies policies = {0};
	int rc = docker_ref_parse(location, &ref, err);
	AUTO_FREE char *policy_name = rc == 0 ? policy_name_new(&ref) : NULL;
	if (rc == 0)
		rc = policies_load(NULL, &policies, err);
	if (rc == 0)
		rc = policy_name ? policies_allow(&policies, policy_name, NULL, err)
				 : err_errno(err, ENOMEM, "reference");
	if (rc == 0)
		rc = pull_reference(options, name, &work.reference, err);
	if (rc < 0)
		return rc;
	/* libcurl is not started for what needs no network. */
	bool needs_registry = options->when == PULL_ALWAYS && ref.digest[0] == '\0';
	if (needs_registry)
		rc = registry_open(&registry, ref.registry, ref.repository, &work.registry, err);
	if (rc == 0)
		rc = look_first(&work, &ref, result, err);
	if (rc != 0)
		return rc < 0 ? err_prefix(err, "image %s", name) : 0;
	if (work.registry == NULL)
		rc = registry_open(&registry, ref.registry, ref.repository, &work.registry, err);
	if (rc == 0)
		rc = resolve(&work, &ref, &policies, policy_name, err);
	if (rc == 0)
		rc = pull_work_finish(&work, result, err);
	return rc < 0 ? err_prefix(err, "image %s", name) : 0;
}
