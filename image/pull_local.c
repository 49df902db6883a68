/*
 * pull_local.c - images from files of this machine (pull_impl.h).
 *
 * Layouts and archives go the way of a registry's image, with layers that are here already; a tar (an
 * ACI's rootfs) or a directory is one layer; what is squashfs already (a SIF file's partition, Shifter's and other
 * squashfs files) is copied into the store, by reference where the file system can (FICLONE).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/squash_file.h"
#include "image/config.h"
#include "image/image_file.h"
#include "image/layout_tar.h"
#include "image/manifest_aci.h"
#include "image/manifest_archive.h"
#include "image/policy_check.h"
#include "image/pull_impl.h"
#include "image/registry_files.h"
#include "image/tar_member.h"

enum { META_BYTES_MAX = 1 << 20 };

/* -- where it is ----------------------------------------------------------------- */

/* PATH[:TAG]: the shortest path that is there; what is behind its colon, or NULL. */
static int split_tag(const char *location, char **path, const char **tag, struct err *err)
{
	*tag = NULL;
	for (const char *end = location; end != NULL; end++) {
		end = strchrnul(end, ':');
		*path = strndup(location, (size_t)(end - location));
		if (*path == NULL)
			return err_errno(err, ENOMEM, "reference");
		if (**path != '\0' && access(*path, F_OK) == 0) {
			*tag = *end == ':' ? end + 1 : NULL;
			return 0;
		}
		free(take_ptr(path));
		if (*end == '\0')
			break;
	}
	return err_set(err, ENOENT, "%s: there is no such file", location);
}

static int describe_file(const char *path, struct pull_work *work, struct err *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return err_errno(err, errno, "%s", path);
	snprintf(work->validator, sizeof work->validator, "%" PRIu64 ":%" PRId64 ".%09ld:%" PRIu64,
		 (uint64_t)st.st_size, (int64_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (uint64_t)st.st_ino);
	return 0;
}

/* 1: the store has it, made of the very same file. */
static int look_first(struct pull_work *work, struct pull_result *result, struct err *err)
{
	return pull_find_known(work->options, work->reference.data, work->remote[0] ? work->remote : NULL,
			       work->validator[0] ? work->validator : NULL, result, err);
}

static int set_layer(struct pull_work *work, size_t index, int take_layer, uint64_t size, struct err *err)
{
	struct pull_layer *layer = &work->layers[index];
	layer->fd = take_layer;
	layer->is_given = true;
	if (layer->blob.size == 0)
		layer->blob.size = size;
	work->status[index] = (struct pull_layer_status){.digest = layer->blob.digest, .size = size, .have = size};
	if (layer->blob.size != size)
		return err_set(err, EBADMSG, "layer %.19s has %" PRIu64 " bytes, the manifest says %" PRIu64,
			       layer->blob.digest, size, layer->blob.size);
	return 0;
}

/* -- layouts ----------------------------------------------------------------------- */

static int open_layout(struct pull_work *work, const struct image_ref *ref, const char *path, struct err *err)
{
	return ref->kind == IMAGE_KIND_OCI
		       ? layout_open_directory(path, &work->layout, err)
		       : layout_open_archive(path, store_fd(work->options->store), &work->layout, err);
}

static int pull_oci(struct pull_work *work, const struct image_ref *ref, struct pull_result *result,
		    struct err *err)
{
	AUTO_FREE char *path = NULL;
	const char *tag;
	char digest[DIGEST_TEXT_SIZE];
	int rc = split_tag(ref->location, &path, &tag, err);
	if (rc == 0)
		rc = open_layout(work, ref, path, err);
	if (rc == 0)
		rc = layout_find_tag(work->layout, tag, digest, err);
	if (rc < 0)
		return rc;
	memcpy(work->remote, digest, sizeof digest);
	rc = look_first(work, result, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = pull_resolve(work, digest, err);
	for (size_t i = 0; rc == 0 && i < work->layer_count; i++) {
		uint64_t size;
		int fd = -1;
		rc = layout_blob_member(work->layout, work->layers[i].blob.digest, &fd, &size, err);
		if (rc == 0)
			rc = set_layer(work, i, fd, size, err);
	}
	return rc < 0 ? rc : pull_work_finish(work, result, err);
}

/* Docker's archive says no digests of its layers; the config's diff_ids do. */
static int take_archive(struct pull_work *work, const struct manifest_archive *archive, struct err *err)
{
	struct manifest manifest = {.layer_count = archive->layer_count};
	int rc = layout_read(work->layout, archive->config, MANIFEST_CONFIG_MAX, &work->config, err);
	if (rc < 0)
		return rc;
	manifest.layers = calloc(archive->layer_count + 1, sizeof *manifest.layers);
	if (manifest.layers == NULL)
		return err_errno(err, ENOMEM, "archive");
	rc = pull_work_take_manifest(work, &manifest, err);
	manifest_json_free(&manifest);
	for (size_t i = 0; rc == 0 && i < archive->layer_count; i++) {
		uint64_t size;
		int fd = -1;
		rc = layout_member(work->layout, archive->layers[i], &fd, &size, err);
		if (rc == 0)
			rc = set_layer(work, i, fd, size, err);
	}
	return rc;
}

/* Before Docker 1.10: a chain of layers, each naming its parent, from the top one down; the top one's
 * JSON is the image's config. */
struct chain {
	char (*ids)[MANIFEST_LAYER_ID_SIZE];  /* top first */
	size_t count;
};

static int follow_chain(struct pull_work *work, struct chain *chain, struct err *err)
{
	char name[MANIFEST_LAYER_ID_SIZE + 8];
	int rc = 0;
	for (;;) {
		AUTO_BUF struct buf bytes = {0};
		char *id = chain->ids[chain->count++];
		snprintf(name, sizeof name, "%s/json", id);
		rc = layout_read(work->layout, name, MANIFEST_CONFIG_MAX, &bytes, err);
		if (rc == 0)
			rc = manifest_layer_parent(bytes.data, bytes.len, chain->ids[chain->count], err);
		if (rc < 0)
			return err_prefix(err, "%s", name);
		if (chain->count == 1)
			buf_add(&work->config, bytes.data, bytes.len);
		if (chain->ids[chain->count][0] == '\0')
			return work->config.failed ? err_errno(err, ENOMEM, "config") : 0;
		if (chain->count == MANIFEST_LAYERS_MAX)
			return err_set(err, EBADMSG, "more than %d layers upon each other", MANIFEST_LAYERS_MAX);
	}
}

static int take_chain(struct pull_work *work, const char *wanted, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	AUTO_FREE char (*ids)[MANIFEST_LAYER_ID_SIZE] = calloc(MANIFEST_LAYERS_MAX + 1, sizeof *ids);
	struct chain chain = {.ids = ids};
	char name[MANIFEST_LAYER_ID_SIZE + 16];
	if (ids == NULL)
		return err_errno(err, ENOMEM, "archive");
	int rc = layout_read(work->layout, "repositories", MANIFEST_BYTES_MAX, &bytes, err);
	if (rc == -ENOENT)
		return err_set(err, ENOTSUP, "this is no archive of docker save: it has neither a manifest.json nor "
			       "repositories");
	if (rc == 0)
		rc = manifest_repositories_parse(bytes.data, bytes.len, wanted, ids[0], err);
	if (rc == 0)
		rc = follow_chain(work, &chain, err);
	if (rc == 0)
		rc = pull_work_set_layers(work, chain.count, err);
	for (size_t i = 0; rc == 0 && i < chain.count; i++) {
		uint64_t size;
		int fd = -1;
		snprintf(name, sizeof name, "%s/layer.tar", ids[chain.count - 1 - i]);
		rc = layout_member(work->layout, name, &fd, &size, err);
		if (rc == 0)
			rc = set_layer(work, i, fd, size, err);
	}
	return rc;
}

static int pull_docker_archive(struct pull_work *work, const struct image_ref *ref,
			       struct pull_result *result, struct err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_BUF struct buf bytes = {0};
	struct manifest_archive archive = {0};
	const char *name;
	int rc = split_tag(ref->location, &path, &name, err);
	if (rc == 0)
		rc = describe_file(path, work, err);
	if (rc == 0)
		rc = look_first(work, result, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = open_layout(work, ref, path, err);
	if (rc == 0)
		rc = layout_read(work->layout, "manifest.json", MANIFEST_BYTES_MAX, &bytes, err);
	if (rc == -ENOENT) {
		rc = take_chain(work, name, err);
	} else if (rc == 0) {
		rc = manifest_archive_parse(bytes.data, bytes.len, name, &archive, err);
		if (rc == 0)
			rc = take_archive(work, &archive, err);
		manifest_archive_free(&archive);
	}
	return rc < 0 ? rc : pull_work_finish(work, result, err);
}

/* -- a tar, a directory -------------------------------------------------------------- */

static int finish_one_layer(struct pull_work *work, int take_layer_fd, uint64_t size, const char *below,
			    struct pull_result *result, struct err *err)
{
	AUTO_FD int fd = take_layer_fd;
	int rc = pull_work_set_layers(work, 1, err);
	if (rc == 0)
		rc = set_layer(work, 0, take_fd(&fd), size, err);
	if (rc == 0)
		work->layers[0].below = below;
	return rc < 0 ? rc : pull_work_finish(work, result, err);
}

/* What an ACI says beside its rootfs. */
static int read_aci(struct pull_work *work, int fd, struct err *err)
{
	AUTO_BUF struct buf manifest = {0};
	AUTO_FREE char *config = NULL;
	int rc = tar_member_read(fd, "manifest", MANIFEST_BYTES_MAX, &manifest, err);
	if (rc == 0)
		rc = manifest_aci_config_new(manifest.data, manifest.len, &config, err);
	if (rc < 0)
		return rc;
	buf_add(&work->config, config, strlen(config));
	return work->config.failed ? err_errno(err, ENOMEM, "config") : 0;
}

static int pull_tar(struct pull_work *work, const struct image_ref *ref, struct pull_result *result,
		    struct err *err)
{
	struct stat st;
	int rc = describe_file(ref->location, work, err);
	if (rc == 0)
		rc = look_first(work, result, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	AUTO_FD int fd = open(ref->location, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", ref->location);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a regular file", ref->location);
	bool is_aci = ref->kind == IMAGE_KIND_ACI;
	rc = is_aci ? read_aci(work, fd, err) : 0;
	return rc < 0 ? rc : finish_one_layer(work, take_fd(&fd), (uint64_t)st.st_size, is_aci ? "rootfs" : NULL,
					      result, err);
}

static int pull_directory(struct pull_work *work, const struct image_ref *ref, struct pull_result *result,
			  struct err *err)
{
	uint64_t len, hashed;
	char digest[DIGEST_TEXT_SIZE];
	AUTO_FD int fd = openat(store_fd(work->options->store), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("tar", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "a file for the tar");
	int rc = layout_tar_write(ref->location, fd, &len, err);
	if (rc == 0)
		rc = digest_of_file(fd, NULL, digest, &hashed, err);
	if (rc < 0)
		return rc;
	snprintf(work->validator, sizeof work->validator, "%s", digest);
	rc = look_first(work, result, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return finish_one_layer(work, take_fd(&fd), len, NULL, result, err);
}

/* -- squashfs already ------------------------------------------------------------------ */

static int copy_range(int from, uint64_t at, uint64_t size, int to, struct err *err)
{
	struct file_clone_range range = {.src_fd = from, .src_offset = at, .src_length = size};
	if (ioctl(to, FICLONERANGE, &range) == 0)
		return 0;
	off_t source = (off_t)at, target = 0;
	while (size > 0) {
		ssize_t put = copy_file_range(from, &source, to, &target, size, 0);
		if (put < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
			char piece[65536];
			put = pread(from, piece, size < sizeof piece ? size : sizeof piece, source);
			if (put > 0)
				put = pwrite(to, piece, (size_t)put, target);
			source += put > 0 ? put : 0;
			target += put > 0 ? put : 0;
		}
		if (put <= 0)
			return err_errno(err, put < 0 ? errno : EIO, "copy");
		size -= (uint64_t)put;
	}
	return 0;
}

/* The config goes where ours is, unless one is there already. */
static int add_config(const struct pull_work *work, int fd, struct image_file *file, const char *config,
		      struct err *err)
{
	struct image_config known;
	struct build_input input = {.config = config, .config_len = strlen(config),
				    .reference = work->reference.data};
	file->fd = fd;
	int rc = image_config_read(file, &known, NULL);
	file->fd = -1;
	if (rc == 0)
		image_config_free(&known);
	return rc == 0 ? 0 : build_add_tail(&input, fd, file->super.bytes_used, err);
}

/* Copies a part of a file into the store and looks at it. */
static int pull_squash(struct pull_work *work, int from, const struct squash_part *part,
		       const char *config, struct pull_result *result, struct err *err)
{
	struct store *store = work->options->store;
	struct image_file file;
	struct store_image *image = &result->image;
	char temporary[64];
	AUTO_FD int fd = -1;
	int rc = store_image_create(store, &fd, temporary, err);
	if (rc < 0)
		return rc;
	rc = copy_range(from, part->at, part->size, fd, err);
	if (rc == 0)
		rc = image_file_check(fd, work->reference.data, &file, err);
	if (rc == 0 && config != NULL)
		rc = add_config(work, fd, &file, config, err);
	if (rc == 0)
		rc = digest_of_file(fd, NULL, image->digest, &image->size, err);
	if (rc == 0) {
		snprintf(image->key, sizeof image->key, "%s", digest_hex(image->digest));
		snprintf(image->reference, sizeof image->reference, "%s", work->reference.data);
		image->files = file.super.inodes;
		image->created = image->used = time(NULL);
		rc = store_image_publish(store, image, fd, temporary, err);
	}
	if (rc < 0)
		store_temporary_remove(store, temporary);
	return rc < 0 ? rc : pull_work_finish_known(work, image->key, result, err);
}

static int pull_squash_file(struct pull_work *work, const struct image_ref *ref, struct pull_result *result,
			    struct err *err)
{
	AUTO_FREE char *path = NULL, *config = NULL;
	AUTO_BUF struct buf meta = {0};
	struct stat st;
	bool is_shifter = ref->kind == IMAGE_KIND_SHIFTER;
	size_t len = strlen(ref->location), tail = strlen(".squashfs");
	bool has_suffix = len > tail && strcmp(ref->location + len - tail, ".squashfs") == 0;
	if (asprintf(&path, "%s%s", ref->location, is_shifter && !has_suffix ? ".squashfs" : "") < 0) {
		path = NULL;
		return err_errno(err, ENOMEM, "reference");
	}
	int rc = describe_file(path, work, err);
	if (rc == 0)
		rc = look_first(work, result, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	struct squash_part part = {0, (uint64_t)st.st_size};
	if (ref->kind == IMAGE_KIND_SIF)
		rc = squash_file_part(fd, &part, err);
	if (rc == 0 && ref->kind == IMAGE_KIND_SIF && part.at == 0)
		rc = err_set(err, EMEDIUMTYPE, "this is not a SIF file");
	if (is_shifter) {
		strcpy(path + strlen(path) - tail, ".meta");
		if (registry_file_read(path, META_BYTES_MAX, &meta, err) == 0 && meta.len > 0)
			rc = manifest_shifter_config_new(meta.data, &config, err);
	}
	if (rc < 0)
		return err_prefix(err, "%s", path);
	return pull_squash(work, fd, &part, config, result, err);
}

/* -- all ------------------------------------------------------------------------------- */

/* A local source is "file:" and its path to the policies, tag and all.  What wants a signature is run as
 * the squashfs file that it is signed as, not through the store. */
static int hold_against_policies(const char *reference, struct err *err)
{
	AUTO_POLICIES struct policies policies = {0};
	AUTO_FREE char *name = NULL;
	const char *path = strchr(reference, ':');
	bool wanted = false;
	if (asprintf(&name, "file:%s", path ? path + 1 : reference) < 0) {
		name = NULL;
		return err_errno(err, ENOMEM, "reference");
	}
	int rc = policies_load(NULL, &policies, err);
	if (rc == 0)
		rc = policies_allow(&policies, name, &wanted, err);
	if (rc == 0 && wanted)
		rc = err_set(err, EKEYREJECTED, "a policy wants a signature of %s, which only a squashfs file that is "
			     "run directly can have", name);
	return rc;
}

int pull_from_files(const struct pull_options *options, const struct image_ref *ref,
		    struct pull_result *result, struct err *err)
{
	AUTO_PULL_WORK struct pull_work work = {.options = options};
	AUTO_FREE char *whole = NULL;
	if (asprintf(&whole, "%s:%s", image_kind_scheme(ref->kind), ref->location) < 0) {
		whole = NULL;
		return err_errno(err, ENOMEM, "reference");
	}
	int rc = pull_reference(options, whole, &work.reference, err);
	if (rc == 0)
		rc = hold_against_policies(work.reference.data, err);
	if (rc < 0)
		return err_prefix(err, "image");
	switch (ref->kind) {
	case IMAGE_KIND_OCI:
	case IMAGE_KIND_OCI_ARCHIVE:
		rc = pull_oci(&work, ref, result, err);
		break;
	case IMAGE_KIND_DOCKER_ARCHIVE:
		rc = pull_docker_archive(&work, ref, result, err);
		break;
	case IMAGE_KIND_TAR:
	case IMAGE_KIND_ACI:
		rc = pull_tar(&work, ref, result, err);
		break;
	case IMAGE_KIND_DIRECTORY:
		rc = pull_directory(&work, ref, result, err);
		break;
	default:
		rc = pull_squash_file(&work, ref, result, err);
		break;
	}
	return rc < 0 ? err_prefix(err, "image %s", whole) : 0;
}
