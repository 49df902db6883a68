/*
 * layout.c - members of OCI layouts and of archives (layout.h).
 *
 * An archive is read once, from front to end, since it may be compressed, and since Docker's archives
 * name their layers at the end.  Docker links a layer that stands twice (a symbolic or a hard link):
 * links are followed inside of the set of members only.
 */
#include "image/layout.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/cleanup.h"
#include "image/layer_tar.h"
#include "image/layer_unzip.h"
#include "image/manifest_json.h"

enum { MEMBERS_MAX = 4096, SMALL_MAX = 64 << 10, LINKS_MAX = 8, PIECE = 256 << 10 };

struct member {
	char *name, *target;  /* cleaned; target: it is a link to that */
	int fd;               /* -1: in memory */
	struct buf bytes;
	uint64_t size;
};

struct layout {
	int directory_fd;     /* -1: an archive */
	int scratch_fd;
	struct member *members;
	size_t count;
};

/* -- names ------------------------------------------------------------------------- */

/* "./a//b/../c" → "a/c"; NULL when it leads out, or memory ran out. */
static char *clean_new(const char *folder, const char *path)
{
	char *out = malloc(strlen(folder) + strlen(path) + 2), *rest = NULL;
	AUTO_FREE char *joined = NULL;
	if (out == NULL || asprintf(&joined, "%s/%s", folder, path) < 0) {
		free(out);
		joined = NULL;
		return NULL;
	}
	size_t len = 0;
	for (char *part = strtok_r(joined, "/", &rest); part != NULL; part = strtok_r(NULL, "/", &rest)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			if (len == 0) {
				free(out);
				return NULL;
			}
			while (len > 0 && out[len - 1] != '/')
				len--;
			len -= len > 0;
			continue;
		}
		len += (size_t)sprintf(out + len, "%s%s", len ? "/" : "", part);
	}
	out[len] = '\0';
	return out;
}

/* The folder a member is in: "" at the top. */
static char *folder_new(const char *name)
{
	const char *slash = strrchr(name, '/');
	return slash ? strndup(name, (size_t)(slash - name)) : strdup("");
}

static struct member *find(const struct layout *layout, const char *name)
{
	/* The last of a name counts, as when it is unpacked. */
	for (size_t i = layout->count; i-- > 0;)
		if (strcmp(layout->members[i].name, name) == 0)
			return &layout->members[i];
	return NULL;
}

static struct member *follow(const struct layout *layout, const char *name)
{
	struct member *member = find(layout, name);
	for (int links = 0; member != NULL && member->target != NULL; links++)
		member = links < LINKS_MAX ? find(layout, member->target) : NULL;
	return member;
}

/* -- archives ---------------------------------------------------------------------- */

static int add_member(struct layout *layout, const struct layer_entry *entry, struct err *err)
{
	AUTO_FREE char *name = clean_new("", entry->path), *target = NULL;
	bool is_link = entry->target != NULL;
	if (name == NULL || entry->segments != NULL || (!is_link && !S_ISREG(entry->mode)))
		return 0;  /* leads out, a folder, a sparse file: nothing that could be asked for */
	if (is_link) {
		AUTO_FREE char *folder = entry->hard_link ? strdup("") : folder_new(name);
		target = folder ? clean_new(folder, entry->target) : NULL;
		if (target == NULL)
			return 0;
	}
	if (layout->count == MEMBERS_MAX)
		return err_set(err, E2BIG, "more than %d members: this is no archive of images", MEMBERS_MAX);
	struct member *bigger = realloc(layout->members, (layout->count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return err_errno(err, ENOMEM, "archive");
	layout->members = bigger;
	struct member *member = &bigger[layout->count++];
	*member = (struct member){.name = take_ptr(&name), .target = take_ptr(&target), .fd = -1,
				  .size = is_link ? 0 : entry->size};
	if (is_link || entry->size <= SMALL_MAX)
		return 0;
	member->fd = openat(layout->scratch_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (member->fd < 0)
		member->fd = memfd_create("layer", MFD_CLOEXEC);  /* NFS has no nameless files */
	return member->fd < 0 ? err_errno(err, errno, "archive: a file for %s", member->name) : 0;
}

struct unpacking {
	struct layout *layout;
	struct member *member;  /* whose data comes; NULL: nobody's */
	struct layer_tar *tar;
};

static int on_entry(void *context, const struct layer_entry *entry, struct err *err)
{
	struct unpacking *unpacking = context;
	size_t before = unpacking->layout->count;
	int rc = add_member(unpacking->layout, entry, err);
	unpacking->member = unpacking->layout->count > before ? &unpacking->layout->members[before] : NULL;
	return rc;
}

static int on_data(void *context, const void *bytes, size_t len, struct err *err)
{
	struct unpacking *unpacking = context;
	struct member *member = unpacking->member;
	if (member == NULL)
		return 0;
	if (member->fd < 0) {
		buf_add(&member->bytes, bytes, len);
		return member->bytes.failed ? err_errno(err, ENOMEM, "archive") : 0;
	}
	for (const char *at = bytes; len > 0;) {
		ssize_t put = write(member->fd, at, len);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_errno(err, errno, "archive: %s", member->name);
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

static int on_plain(void *context, const void *bytes, size_t len, struct err *err)
{
	struct unpacking *unpacking = context;
	return layer_tar_feed(unpacking->tar, bytes, len, err);
}

static int unpack(struct layout *layout, int fd, struct err *err)
{
	struct unpacking unpacking = {.layout = layout};
	struct layer_tar_sink sink = {on_entry, on_data, &unpacking};
	struct layer_unzip *unzip = layer_unzip_new(on_plain, &unpacking);
	AUTO_FREE char *piece = malloc(PIECE);
	unpacking.tar = layer_tar_new(&sink);
	int rc = unzip && piece && unpacking.tar ? 0 : err_errno(err, ENOMEM, "archive");
	while (rc == 0) {
		ssize_t got = read(fd, piece, PIECE);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			rc = err_errno(err, errno, "read");
		if (got <= 0)
			break;
		rc = layer_unzip_feed(unzip, piece, (size_t)got, err);
	}
	if (rc == 0)
		rc = layer_unzip_end(unzip, err);
	if (rc == 0)
		rc = layer_tar_end(unpacking.tar, err);
	layer_unzip_free(&unzip);
	layer_tar_free(&unpacking.tar);
	return rc;
}

static struct layout *layout_new(void)
{
	struct layout *layout = calloc(1, sizeof *layout);
	if (layout != NULL)
		layout->directory_fd = layout->scratch_fd = -1;
	return layout;
}

int layout_open_archive(const char *path, int scratch_fd, struct layout **layout, struct err *err)
{
	struct layout *made = layout_new();
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || made == NULL) {
		int rc = fd < 0 ? err_errno(err, errno, "%s", path) : err_errno(err, ENOMEM, "archive");
		layout_free(&made);
		return rc;
	}
	made->scratch_fd = scratch_fd;
	int rc = unpack(made, fd, err);
	if (rc < 0) {
		layout_free(&made);
		return err_prefix(err, "%s", path);
	}
	*layout = made;
	return 0;
}

int layout_open_directory(const char *path, struct layout **layout, struct err *err)
{
	struct layout *made = layout_new();
	if (made == NULL)
		return err_errno(err, ENOMEM, "layout");
	made->directory_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made->directory_fd < 0) {
		int rc = err_errno(err, errno, "%s", path);
		layout_free(&made);
		return rc;
	}
	*layout = made;
	return 0;
}

void layout_free(struct layout **where)
{
	struct layout *layout = *where;
	if (layout == NULL)
		return;
	for (size_t i = 0; i < layout->count; i++) {
		free(layout->members[i].name);
		free(layout->members[i].target);
		buf_free(&layout->members[i].bytes);
		close_fd(&layout->members[i].fd);
	}
	free(layout->members);
	close_fd(&layout->directory_fd);
	free(layout);
	*where = NULL;
}

/* -- members ------------------------------------------------------------------------ */

static int open_in_directory(struct layout *layout, const char *name, struct err *err)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_IN_ROOT};
	int fd = (int)syscall(SYS_openat2, layout->directory_fd, name, &how, sizeof how);
	return fd < 0 ? err_errno(err, errno, "%s", name) : fd;
}

/* What is in memory becomes a file of its own. */
static int member_fd(const struct member *member, struct err *err)
{
	if (member->fd >= 0) {
		int fd = fcntl(member->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? err_errno(err, errno, "archive") : fd;
	}
	AUTO_FD int fd = memfd_create("member", MFD_CLOEXEC);
	if (fd < 0 || (member->bytes.len > 0 &&
		       write(fd, member->bytes.data, member->bytes.len) != (ssize_t)member->bytes.len))
		return err_errno(err, errno, "archive");
	return take_fd(&fd);
}

int layout_member(struct layout *layout, const char *name, int *fd, uint64_t *size, struct err *err)
{
	struct stat st;
	AUTO_FD int found = -1;
	if (layout->directory_fd >= 0) {
		found = open_in_directory(layout, name, err);
		if (found < 0)
			return found;
		if (fstat(found, &st) < 0 || !S_ISREG(st.st_mode))
			return err_set(err, EINVAL, "%s is not a file", name);
		*size = (uint64_t)st.st_size;
	} else {
		AUTO_FREE char *clean = clean_new("", name);
		const struct member *member = clean ? follow(layout, clean) : NULL;
		if (member == NULL)
			return err_set(err, ENOENT, "the archive has no %.200s", name);
		found = member_fd(member, err);
		if (found < 0)
			return found;
		*size = member->size;
	}
	*fd = take_fd(&found);
	return 0;
}

int layout_read(struct layout *layout, const char *name, size_t most, struct buf *bytes, struct err *err)
{
	AUTO_FD int fd = -1;
	uint64_t size;
	int rc = layout_member(layout, name, &fd, &size, err);
	if (rc < 0)
		return rc;
	if (size > most)
		return err_set(err, EFBIG, "%s has %llu bytes, more than %zu", name, (unsigned long long)size, most);
	char *room = buf_reserve(bytes, (size_t)size + 1);
	if (room == NULL)
		return err_errno(err, ENOMEM, "%s", name);
	ssize_t got = pread(fd, room, (size_t)size, 0);
	if (got < 0 || (uint64_t)got != size)
		return err_set(err, EIO, "%s cannot be read", name);
	room[size] = '\0';
	bytes->len += (size_t)size;
	return 0;
}

static int blob_name(const char *digest, char name[DIGEST_TEXT_SIZE + 8], struct err *err)
{
	if (!digest_is_valid(digest))
		return err_set(err, EBADMSG, "\"%.80s\" is not a digest", digest);
	const char *hex = digest_hex(digest);
	snprintf(name, DIGEST_TEXT_SIZE + 8, "blobs/%.*s/%s", (int)(hex - digest - 1), digest, hex);
	return 0;
}

int layout_blob_member(struct layout *layout, const char *digest, int *fd, uint64_t *size,
		       struct err *err)
{
	char name[DIGEST_TEXT_SIZE + 8];
	int rc = blob_name(digest, name, err);
	return rc < 0 ? rc : layout_member(layout, name, fd, size, err);
}

int layout_blob(struct layout *layout, const char *digest, size_t most, struct buf *bytes,
		struct err *err)
{
	char name[DIGEST_TEXT_SIZE + 8], got[DIGEST_TEXT_SIZE];
	size_t before = bytes->len;
	int rc = blob_name(digest, name, err);
	if (rc == 0)
		rc = layout_read(layout, name, most, bytes, err);
	if (rc == 0)
		rc = digest_of(bytes->data + before, bytes->len - before, digest, got, err);
	if (rc == 0 && strcmp(got, digest) != 0)
		rc = err_set(err, EBADMSG, "%s is damaged: its digest is %s", name, got);
	return rc;
}

int layout_find_tag(struct layout *layout, const char *tag, char digest[DIGEST_TEXT_SIZE],
		    struct err *err)
{
	AUTO_BUF struct buf bytes = {0}, names = {0};
	AUTO_MANIFEST struct manifest index = {0};
	int rc = layout_read(layout, "index.json", MANIFEST_BYTES_MAX, &bytes, err);
	if (rc == 0)
		rc = manifest_parse(bytes.data, bytes.len, &index, err);
	if (rc < 0)
		return err_prefix(err, "index.json");
	const struct manifest_entry *found = NULL;
	size_t images = 0;
	for (size_t i = 0; i < index.entry_count; i++) {
		const struct manifest_entry *entry = &index.entries[i];
		if (entry->is_skipped)
			continue;
		images++;
		buf_printf(&names, "%s%s", names.len ? ", " : "", entry->name[0] ? entry->name : entry->manifest.digest);
		/* Docker writes the whole reference for a name. */
		const char *colon = strrchr(entry->name, ':');
		bool fits = tag == NULL || strcmp(entry->name, tag) == 0 || strcmp(entry->manifest.digest, tag) == 0 ||
			    (colon != NULL && strcmp(colon + 1, tag) == 0);
		if (fits)
			found = entry;
	}
	if (tag == NULL && images > 1)
		return err_set(err, ENOENT, "there are %zu images: put :TAG behind; there is: %.*s", images,
			       (int)names.len, names.data);
	if (found == NULL)
		return err_set(err, ENOENT, "no image \"%s\"; there is: %.*s", tag ? tag : "", (int)names.len,
			       names.len ? names.data : "none");
	memcpy(digest, found->manifest.digest, DIGEST_TEXT_SIZE);
	return 0;
}
