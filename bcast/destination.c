/*
 * destination.c - writes beside, then renames (destination.h).
 *
 * The file has no name at all while it is filled (O_TMPFILE, open(2)), so that even a SIGKILL
 * leaves nothing behind.  File systems without that get a temporary name in the same directory,
 * which is removed on every way out but that one.
 */
#include "bcast/destination.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/remove_tree.h"

const char *destination_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Splits into directory (of `dir`, which has room for PATH_MAX) and name; fills in path and name. */
static int resolve(const char *path, const char *source_name, struct destination *destination,
		   char *dir, struct err *err)
{
	struct stat st;
	bool directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	const char *base = destination_base(path);
	const char *name = directory ? source_name : base;
	int dir_len = (int)(directory ? strlen(path) : (size_t)(base - path));
	if (name[0] == '\0')
		return err_set(err, ENOENT, "%s is not a directory", path);
	if (strlen(path) >= PATH_MAX / 2 || strlen(name) > NAME_MAX)
		return err_errno(err, ENAMETOOLONG, "%.100s...", path);
	snprintf(dir, PATH_MAX, "%.*s", dir_len > 0 ? dir_len : 1, dir_len > 0 ? path : ".");
	snprintf(destination->name, sizeof destination->name, "%s", name);
	snprintf(destination->path, sizeof destination->path, "%s%s%s", path,
		 directory ? "/" : "", directory ? name : "");
	return 0;
}

/* A device or a pipe would be replaced by a file: nobody who says /dev/null means that. */
static int check_replaceable(const struct destination *destination, struct err *err)
{
	struct stat st;
	if (fstatat(destination->dir_fd, destination->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		return 0;
	return err_set(err, EEXIST, "%s exists and is not a regular file; choose another name",
		       destination->path);
}

/* Unique on this node among living processes. */
static void make_temp_name(char name[NAME_MAX + 1])
{
	snprintf(name, NAME_MAX + 1, ".cmpi-bcast.%ld.%llx", (long)getpid(),
		 (unsigned long long)clock_now_ns());
}

static int open_file(struct destination *destination, struct err *err)
{
	destination->fd = openat(destination->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (destination->fd >= 0)
		return 0;
	make_temp_name(destination->temp);
	destination->fd = openat(destination->dir_fd, destination->temp,
				 O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (destination->fd >= 0)
		return 0;
	int number = errno;
	destination->temp[0] = '\0';
	return err_errno(err, number, "create %s", destination->path);
}

/* The name has to be free: nothing is replaced, and nothing merged. */
static int open_tree(struct destination *destination, struct err *err)
{
	struct stat st;
	if (fstatat(destination->dir_fd, destination->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(err, EEXIST, "%s exists, and a directory does not replace anything; remove it or "
			       "choose another name", destination->path);
	make_temp_name(destination->temp);
	int number = mkdirat(destination->dir_fd, destination->temp, 0700) < 0 ? errno : 0;
	if (number != 0) {
		destination->temp[0] = '\0';
		return err_errno(err, number, "create %s", destination->path);
	}
	destination->tree = true;
	destination->fd = openat(destination->dir_fd, destination->temp,
				 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return destination->fd >= 0 ? 0 : err_errno(err, errno, "open %s", destination->path);
}

static int open_either(const char *path, const char *source_name, bool tree,
		       struct destination *destination, struct err *err)
{
	char dir[PATH_MAX];
	*destination = (struct destination){.dir_fd = -1, .fd = -1};
	int rc = resolve(path, source_name, destination, dir, err);
	if (rc < 0)
		return rc;
	destination->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (destination->dir_fd < 0)
		return err_errno(err, errno, "open directory %s", dir);
	rc = tree ? 0 : check_replaceable(destination, err);
	if (rc == 0)
		rc = tree ? open_tree(destination, err) : open_file(destination, err);
	if (rc < 0)
		destination_close(destination);
	return rc;
}

int destination_open(const char *path, const char *source_name, struct destination *destination,
		     struct err *err)
{
	return open_either(path, source_name, false, destination, err);
}

int destination_open_tree(const char *path, const char *source_name, struct destination *destination,
			  struct err *err)
{
	return open_either(path, source_name, true, destination, err);
}

/* Gives a nameless file a temporary name: linkat(2) cannot replace, rename(2) can. */
static int name_file(struct destination *destination, struct err *err)
{
	char self[64];
	if (destination->temp[0] != '\0')
		return 0;
	snprintf(self, sizeof self, "/proc/self/fd/%d", destination->fd);
	make_temp_name(destination->temp);
	if (linkat(AT_FDCWD, self, destination->dir_fd, destination->temp, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	int number = errno;
	destination->temp[0] = '\0';
	return err_errno(err, number, "link %s", destination->path);
}

int destination_commit(struct destination *destination, mode_t mode, const struct timespec *mtime,
		       struct err *err)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, *mtime};
	if (fchmod(destination->fd, mode & 0777) < 0)
		return err_errno(err, errno, "chmod %s", destination->path);
	if (futimens(destination->fd, times) < 0)
		return err_errno(err, errno, "set the time of %s", destination->path);
	int rc = name_file(destination, err);
	if (rc < 0)
		return rc;
	if (renameat2(destination->dir_fd, destination->temp, destination->dir_fd, destination->name,
		      destination->tree ? RENAME_NOREPLACE : 0) < 0 &&
	    (errno != EINVAL || !destination->tree ||
	     renameat(destination->dir_fd, destination->temp, destination->dir_fd, destination->name) < 0))
		return err_errno(err, errno, "rename to %s", destination->path);
	destination->temp[0] = '\0';
	return 0;
}

void destination_close(struct destination *destination)
{
	if (destination->temp[0] != '\0' && destination->tree)
		remove_tree(destination->dir_fd, destination->temp);
	else if (destination->temp[0] != '\0')
		unlinkat(destination->dir_fd, destination->temp, 0);
	destination->temp[0] = '\0';
	close_fd(&destination->fd);
	close_fd(&destination->dir_fd);
}
