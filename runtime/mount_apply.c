/*
 * mount_apply.c - one function for each kind of operation (mount_apply.h).
 *
 * Where missing mount points are made: in the root itself.  Both back ends give a root that takes
 * mkdir and mknod during set-up and keeps them in memory (cmpi-imgfs by itself, for the kernel's
 * squashfs an overlay), so this code does not know which one it has.  An overlay over FUSE would
 * serve both, but stand in the way of every lookup and open of every rank, and not every site's
 * kernel lets a user mount one.
 *
 * A plan's own files live in the tmpfs of MOUNT_PLAN_HOME below "files", by number.
 */
#include "runtime/mount_apply.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "runtime/mount_api.h"
#include "runtime/root_path.h"
#include "runtime/user_db.h"

enum { USER_DB_BYTES_MAX = 16 << 20 };

struct apply {
	int root_fd;
	int image_fd;
	int home_fd;        /* the tmpfs of MOUNT_PLAN_HOME, writable still */
	unsigned file_count;
	int exit_code;      /* for the error that comes next */
};

static const char *kind_of(mode_t mode)
{
	return S_ISDIR(mode) ? "a directory" : "a file";
}

/* Attaches a mount of the given kind at op's target, which is made where it is missing. */
static int attach_at(struct apply *apply, int mount_fd, bool directory, const char *target,
		     struct err *err)
{
	AUTO_FD int target_fd = root_path_make(apply->root_fd, target, directory, err);
	if (target_fd < 0)
		return target_fd;
	struct stat status;
	if (fstat(target_fd, &status) < 0)
		return err_errno(err, errno, "mount point %s", target);
	if (directory != S_ISDIR(status.st_mode)) {
		apply->exit_code = EXITCODE_USAGE;
		return err_set(err, directory ? ENOTDIR : EISDIR,
			       "mount %s: the source is %s and the image has %s there", target,
			       directory ? "a directory" : "a file", kind_of(status.st_mode));
	}
	int rc = mount_api_attach(mount_fd, target_fd);
	return rc < 0 ? err_errno(err, -rc, "mount %s", target) : 0;
}

/* Has the image a file, or a directory that is not empty, at `path`? */
static bool image_has(const struct apply *apply, const char *path)
{
	int fd = root_path_open(apply->image_fd, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd == -ENOTDIR;
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		close_fd(&fd);
		return true;
	}
	int entries = 0;
	for (struct dirent *entry; entries == 0 && (entry = readdir(dir)) != NULL;)
		entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return entries > 0;
}

static int apply_bind(struct apply *apply, const struct mount_op *op, struct err *err)
{
	if ((op->flags & MOUNT_KEEP_IMAGE) && image_has(apply, op->target))
		return 0;
	AUTO_FD int mount_fd = mount_api_clone(AT_FDCWD, op->source, true);
	if (mount_fd < 0) {
		if (op->flags & MOUNT_OPTIONAL)
			return 0;
		apply->exit_code = EXITCODE_USAGE;
		return err_errno(err, -mount_fd, "bind %s on %s", op->source, op->target);
	}
	struct stat status;
	if (fstat(mount_fd, &status) < 0)
		return err_errno(err, errno, "bind %s on %s", op->source, op->target);
	int rc = op->flags & MOUNT_READ_ONLY ? mount_api_set(mount_fd, MOUNT_ATTR_RDONLY, true) : 0;
	if (rc < 0)
		return err_errno(err, -rc, "bind %s on %s read-only", op->source, op->target);
	return attach_at(apply, mount_fd, S_ISDIR(status.st_mode), op->target, err);
}

static int apply_tmpfs(struct apply *apply, const struct mount_op *op, struct err *err)
{
	char mode[16], size[32];
	snprintf(mode, sizeof mode, "%o", op->mode);
	snprintf(size, sizeof size, "%llu", (unsigned long long)op->size);
	const struct mount_option options[] = {
		{"mode", mode}, {op->size > 0 ? "size" : NULL, size}, {0}};
	AUTO_FD int mount_fd = mount_api_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
					     NULL, 0);
	if (mount_fd < 0)
		return err_errno(err, -mount_fd, "tmpfs at %s", op->target);
	return attach_at(apply, mount_fd, true, op->target, err);
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, bytes, len);
		if (written < 0)
			return -errno;
		bytes += written;
		len -= (size_t)written;
	}
	return 0;
}

/* Binds a file with this content over `target`. */
static int add_file(struct apply *apply, const char *target, const void *content, size_t len,
		    mode_t mode, struct err *err)
{
	char name[32];
	snprintf(name, sizeof name, "files/%u", apply->file_count++);
	AUTO_FD int fd = openat(apply->home_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, errno, "make the file %s", target);
	int rc = write_all(fd, content, len);
	if (rc == 0 && fchmod(fd, mode) < 0)
		rc = -errno;
	if (rc < 0)
		return err_errno(err, -rc, "write the file %s", target);
	AUTO_FD int mount_fd = mount_api_clone(apply->home_fd, name, false);
	rc = mount_fd < 0 ? mount_fd : mount_api_set(mount_fd, MOUNT_ATTR_RDONLY, false);
	if (rc < 0)
		return err_errno(err, -rc, "bind the file %s", target);
	return attach_at(apply, mount_fd, false, target, err);
}

static int apply_file(struct apply *apply, const struct mount_op *op, struct err *err)
{
	return add_file(apply, op->target, op->content, op->content_len, op->mode, err);
}

static int apply_symlink(struct apply *apply, const struct mount_op *op, struct err *err)
{
	return root_path_link(apply->root_fd, op->target, op->content, err);
}

/* Reads a file of the image; a missing one is empty. */
static int read_image_file(const struct apply *apply, const char *path, struct buf *out,
			   struct err *err)
{
	AUTO_FD int fd = root_path_open(apply->root_fd, path, O_RDONLY | O_NONBLOCK);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return err_errno(err, -fd, "read the image's %s", path);
	for (;;) {
		char *room = buf_reserve(out, 16384);
		ssize_t len = room ? read(fd, room, 16384) : 0;
		if (room == NULL || len < 0 || out->len > USER_DB_BYTES_MAX)
			return err_errno(err, room && len < 0 ? errno : EFBIG, "read the image's %s", path);
		if (len == 0)
			return 0;
		out->len += (size_t)len;
	}
}

static int apply_user_db(struct apply *apply, const struct mount_op *op, struct err *err)
{
	struct mount_user user;
	AUTO_FREE char *text = NULL;
	int rc = mount_user_parse(op, &user, &text, err);
	if (rc < 0)
		return rc;
	const struct {
		const char *path;
		uint32_t id;
		void (*add)(const char *text, size_t len, const struct mount_user *user, struct buf *out);
	} files[] = {{"/etc/passwd", user.uid, user_db_add_user}, {"/etc/group", user.gid, user_db_add_group}};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		AUTO_BUF struct buf old = {0}, new = {0};
		if ((rc = read_image_file(apply, files[i].path, &old, err)) < 0)
			return rc;
		if (user_db_has_id(old.data, old.len, files[i].id))
			continue;
		files[i].add(old.data, old.len, &user, &new);
		if (new.failed)
			return err_errno(err, ENOMEM, "%s", files[i].path);
		if ((rc = add_file(apply, files[i].path, new.data, new.len, 0644, err)) < 0)
			return rc;
	}
	return 0;
}

/* The tmpfs of MOUNT_PLAN_HOME, with the image in it once more. */
static int home_make(struct apply *apply, int *home_fd, struct err *err)
{
	const struct mount_option options[] = {{"mode", "0755"}, {0}};
	AUTO_FD int fd = mount_api_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, NULL, 0);
	if (fd < 0)
		return err_errno(err, -fd, "tmpfs at %s", MOUNT_PLAN_HOME);
	if (mkdirat(fd, "files", 0755) < 0 || mkdirat(fd, "image", 0755) < 0)
		return err_errno(err, errno, "fill %s", MOUNT_PLAN_HOME);
	int rc = attach_at(apply, fd, true, MOUNT_PLAN_HOME, err);
	if (rc < 0)
		return rc;
	AUTO_FD int target_fd = openat(fd, "image", O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = target_fd < 0 ? -errno : mount_api_set(apply->image_fd, MOUNT_ATTR_RDONLY, false);
	if (rc == 0)
		rc = mount_api_attach(apply->image_fd, target_fd);
	if (rc < 0)
		return err_errno(err, -rc, "show the image at %s", MOUNT_PLAN_IMAGE);
	*home_fd = take_fd(&fd);
	return 0;
}

static int apply_all(struct apply *apply, const struct mount_plan *plan, struct err *err)
{
	static int (*const functions[])(struct apply *, const struct mount_op *, struct err *) = {
		[MOUNT_BIND] = apply_bind,       [MOUNT_TMPFS] = apply_tmpfs,     [MOUNT_FILE] = apply_file,
		[MOUNT_USER_DB] = apply_user_db, [MOUNT_SYMLINK] = apply_symlink,
	};
	for (size_t i = 0; i < plan->count; i++) {
		int rc = functions[plan->ops[i].kind](apply, &plan->ops[i], err);
		if (rc < 0)
			return rc;
	}
	int rc = mount_api_set(apply->home_fd, MOUNT_ATTR_RDONLY, false);
	if (rc == 0)
		rc = mount_api_set(apply->root_fd, MOUNT_ATTR_RDONLY, false);
	return rc < 0 ? err_errno(err, -rc, "make the root read-only") : 0;
}

int mount_apply(const struct mount_plan *plan, int root_fd, int image_fd, int *exit_code,
		struct err *err)
{
	struct apply apply = {
		.root_fd = root_fd, .image_fd = image_fd, .home_fd = -1, .exit_code = EXITCODE_SETUP};
	int rc = home_make(&apply, &apply.home_fd, err);
	if (rc == 0)
		rc = apply_all(&apply, plan, err);
	close_fd(&apply.home_fd);
	*exit_code = apply.exit_code;
	return rc;
}
