/*
 * image_file.c - opens the image and looks at its superblock (image_file.h).
 *
 * Invariant: no byte behind the superblock is read here.  A special file is never
 * opened blockingly: O_NONBLOCK, so a FIFO given by mistake is an error, not a hang.
 */
#include "image/image_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/squash_file.h"

static int open_refused(const char *path, int number, struct err *err)
{
	switch (number) {
	case ENOENT:
		return err_set(err, number, "image %s: there is no such file; check the path (it is looked "
			       "for on the machine where cmpirun runs)", path);
	case EACCES:
		return err_set(err, number, "image %s: no permission to read it; ask its owner for read "
			       "access, or copy it", path);
	case ENOTDIR:
		return err_set(err, number, "image %s: a part of the path is not a directory", path);
	default:
		return err_errno(err, number, "image %s: open", path);
	}
}

static int refuse_type(const struct stat *st, const char *name, struct err *err)
{
	if (S_ISDIR(st->st_mode))
		return err_set(err, EISDIR, "image %s: this is a directory; make an image of it with: "
			       "mksquashfs %s FILE.sqsh -comp zstd", name, name);
	if (!S_ISREG(st->st_mode))
		return err_set(err, EMEDIUMTYPE, "image %s: not a regular file; give a squashfs file", name);
	return 0;
}

int image_file_check(int fd, const char *name, struct image_file *file, struct err *err)
{
	struct stat st;
	struct squash_part part;
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "image %s: fstat", name);
	int rc = refuse_type(&st, name, err);
	if (rc < 0)
		return rc;
	struct squash_super super;
	rc = squash_file_look(fd, &part, &super, err);
	if (rc < 0)
		return err_prefix(err, "image %s", name);
	*file = (struct image_file){
		.fd = -1,
		.at = part.at,
		.size = part.size,
		.file_size = (uint64_t)st.st_size,
		.inode = st.st_ino,
		.device = st.st_dev,
		.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
		.super = super,
	};
	return 0;
}

int image_file_open(const char *path, struct image_file *file, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return open_refused(path, errno, err);
	int rc = image_file_check(fd, path, file, err);
	if (rc < 0)
		return rc;
	file->fd = take_fd(&fd);
	return 0;
}

int image_file_unchanged(const struct image_file *file, const char *name, struct err *err)
{
	struct stat st;
	if (fstat(file->fd, &st) < 0)
		return err_errno(err, errno, "image %s: fstat", name);
	int64_t mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	if ((uint64_t)st.st_size != file->file_size)
		return err_set(err, ESTALE, "image %s: its size changed from %llu to %llu bytes while it was "
			       "used; start again when nobody writes to it", name,
			       (unsigned long long)file->file_size, (unsigned long long)st.st_size);
	if (mtime_ns != file->mtime_ns)
		return err_set(err, ESTALE, "image %s: it was written to while it was used; start again "
			       "when nobody writes to it", name);
	return 0;
}

void image_file_close(struct image_file *file)
{
	close_fd(&file->fd);
}
