/*
 * backend_kernel.c - the image mounted by the kernel's squashfs, over a loop device (backend.h).
 *
 * Three mounts, stacked on the process's root: squashfs on a loop device that vanishes with its
 * last user, a tmpfs for what is added, and an overlay of both: squashfs itself cannot take the
 * mount points that the image lacks.  After the pivot the lower two are detached with the old root;
 * the overlay keeps them alive.
 */
#include "runtime/backend.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/squash_file.h"
#include "runtime/mount_api.h"

enum { LOOP_TRIES = 64, LOOP_NAME_MAX = 32 };

/* A free loop device for the image.  Others look for one too: then it is EBUSY, and we ask again. */
static int loop_open(int image_fd, char name[LOOP_NAME_MAX], struct err *err)
{
	AUTO_FD int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0)
		return err_errno(err, errno, "open /dev/loop-control (modprobe loop, or --mount fuse)");
	struct squash_part part;
	int rc = squash_file_part(image_fd, &part, err);
	if (rc < 0)
		return rc;
	struct loop_config config = {
		.fd = (unsigned)image_fd,
		.info.lo_offset = part.at,
		.info.lo_sizelimit = part.at ? part.size : 0,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};
	for (int i = 0; i < LOOP_TRIES; i++) {
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
		if (number < 0)
			return err_errno(err, errno, "find a free loop device");
		snprintf(name, LOOP_NAME_MAX, "/dev/loop%d", number);
		AUTO_FD int fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return err_errno(err, errno, "open %s", name);
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&fd);
		if (errno != EBUSY)
			return err_errno(err, errno, "give the image to %s", name);
	}
	return err_set(err, EBUSY, "no free loop device after %d tries", LOOP_TRIES);
}

static int squashfs_mount(int image_fd, struct err *err)
{
	char name[LOOP_NAME_MAX], words[200];
	AUTO_FD int loop_fd = loop_open(image_fd, name, err);
	if (loop_fd < 0)
		return loop_fd;
	const struct mount_option options[] = {{"source", name}, {"ro", NULL}, {0}};
	int fd = mount_api_new("squashfs", options,
			       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, words, sizeof words);
	if (fd < 0)
		return err_errno(err, -fd, "mount the image by the kernel's squashfs%s%s (does it know the "
				 "image's compressor? --mount fuse does)", words[0] ? ": " : "", words);
	return fd;
}

static int upper_mount(struct err *err)
{
	const struct mount_option options[] = {{"mode", "0755"}, {0}};
	AUTO_FD int fd = mount_api_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, NULL, 0);
	if (fd < 0)
		return err_errno(err, -fd, "tmpfs for the image's mount points");
	if (mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0755) < 0)
		return err_errno(err, errno, "tmpfs for the image's mount points");
	return take_fd(&fd);
}

static int overlay_mount(int lower_fd, int upper_fd, struct err *err)
{
	char lower[64], upper[64], work[64], words[200];
	snprintf(lower, sizeof lower, "/proc/self/fd/%d", lower_fd);
	snprintf(upper, sizeof upper, "/proc/self/fd/%d/upper", upper_fd);
	snprintf(work, sizeof work, "/proc/self/fd/%d/work", upper_fd);
	const struct mount_option options[] = {
		{"source", "cmpirun"}, {"lowerdir", lower}, {"upperdir", upper}, {"workdir", work}, {0}};
	int fd = mount_api_new("overlay", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, words,
			       sizeof words);
	if (fd < 0)
		return err_errno(err, -fd, "overlay for the image's mount points%s%s", words[0] ? ": " : "",
				 words);
	return fd;
}

int backend_kernel_attach(const struct backend_input *input, struct backend_root *root,
			  struct err *err)
{
	AUTO_FD int lower_fd = squashfs_mount(input->image_fd, err);
	if (lower_fd < 0)
		return lower_fd;
	AUTO_FD int upper_fd = upper_mount(err);
	if (upper_fd < 0)
		return upper_fd;
	int rc = mount_api_attach_root(lower_fd);
	if (rc == 0)
		rc = mount_api_attach_root(upper_fd);
	if (rc < 0)
		return err_errno(err, -rc, "attach the image's mount");
	root->image_fd = mount_api_clone(lower_fd, "", false);
	root->root_fd = overlay_mount(lower_fd, upper_fd, err);
	if (root->root_fd < 0)
		return root->root_fd;
	rc = root->image_fd < 0 ? root->image_fd : mount_api_attach_root(root->root_fd);
	return rc < 0 ? err_errno(err, -rc, "attach the image's mount") : 0;
}
