/*
 * backend_fuse.c - the image served by cmpi-imgfs (backend.h).
 *
 * The device must be opened inside the user namespace that mounts it; who serves it does not
 * matter.  Order: open, start the server (it reads the image's tables while we mount), mount, and
 * close our copy of the device at once, so that the server's death ends the connection: what would
 * wait for an answer then gets ENOTCONN and does not hang.
 *
 * No permission checks by the kernel (no default_permissions): the image belongs to the caller as a
 * whole, and a file of mode 0600 in it is his as well.
 */
#include "runtime/backend.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "runtime/child.h"
#include "runtime/imgfs_start.h"
#include "runtime/mount_api.h"

static int device_explain(int number, struct err *err)
{
	struct stat status;
	if (number == ENOENT)
		return err_set(err, number, "/dev/fuse is missing on this node; load the module (modprobe "
			       "fuse), or give the container that we are in the device (--device /dev/fuse)");
	if (number == ENODEV || number == ENXIO)
		return err_set(err, number, "/dev/fuse is there, but this kernel has no FUSE: load the "
			       "module (modprobe fuse)");
	if ((number == EACCES || number == EPERM) && stat("/dev/fuse", &status) == 0)
		return err_set(err, number, "open /dev/fuse: %s; it has mode %04o, owner %u, group %u and "
			       "needs 0666 (chmod 0666 /dev/fuse; udev and systemd do so by default)",
			       strerror(number), (unsigned)(status.st_mode & 07777),
			       (unsigned)status.st_uid, (unsigned)status.st_gid);
	return err_errno(err, number, "open /dev/fuse");
}

static int server_start(const struct backend_input *input, int device_fd, pid_t *server,
			struct err *err)
{
	char name[] = "cmpi-imgfs", uid[16], gid[16], hash[2 * INIT_HASH_SIZE + 1];
	snprintf(uid, sizeof uid, "%u", geteuid());
	snprintf(gid, sizeof gid, "%u", getegid());
	char *argv[5] = {name};
	size_t count = 1;
	if (!input->privileged) {
		argv[count++] = uid;
		argv[count++] = gid;
	}
	for (size_t i = 0; input->root_hash != NULL && i < INIT_HASH_SIZE; i++)
		snprintf(hash + 2 * i, 3, "%02x", input->root_hash[i]);
	if (input->root_hash != NULL)
		argv[count++] = hash;
	/* Its blocks then come from huge pages (glibc 2.35; no harm where that is unknown): a millisecond
	 * of page faults less before the first program runs. */
	char huge_pages[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1", *environment[] = {huge_pages, NULL};
	struct child_fd fds[5] = {{device_fd, IMGFS_FUSE_FD}, {input->image_fd, IMGFS_IMAGE_FD}};
	size_t fd_count = 2;
	if (input->arrival_fd >= 0)
		fds[fd_count++] = (struct child_fd){input->arrival_fd, IMGFS_ARRIVAL_FD};
	if (input->profile_fd >= 0)
		fds[fd_count++] = (struct child_fd){input->profile_fd, IMGFS_PROFILE_FD};
	if (input->owner_fd >= 0)
		fds[fd_count++] = (struct child_fd){input->owner_fd, IMGFS_OWNER_FD};
	const struct child child = {
		.path = input->imgfs_path,
		.argv = argv,
		.environment = environment,
		.fds = fds,
		.fd_count = fd_count,
		.own_group = true,  /* a terminal's ^C is not for it */
	};
	bool exec_failed;
	pid_t pid = child_spawn(&child, &exec_failed);
	if (pid < 0)
		return err_errno(err, -pid, "start the image server %s", input->imgfs_path);
	*server = pid;
	return 0;
}

static int fuse_mount(int device_fd, struct err *err)
{
	char fd[16], uid[16], gid[16], words[200];
	snprintf(fd, sizeof fd, "%d", device_fd);
	snprintf(uid, sizeof uid, "%u", geteuid());
	snprintf(gid, sizeof gid, "%u", getegid());
	const struct mount_option options[] = {
		{"source", "cmpi-imgfs"}, {"subtype", "cmpirun"}, {"fd", fd},   {"rootmode", "40000"},
		{"user_id", uid},         {"group_id", gid},      {"allow_other", NULL}, {0},
	};
	int mount_fd = mount_api_new("fuse", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, words,
				     sizeof words);
	if (mount_fd < 0)
		return err_errno(err, -mount_fd, "mount the image by FUSE%s%s", words[0] ? ": " : "", words);
	return mount_fd;
}

/* Two things come of it.  The kernel had made up the root's owner, an id that may not exist here, and
 * would forbid writing to it.  And it learns all names at the top (usr, lib, etc, ...) by one
 * answer, of which most are asked for by the set-up and each first exec. */
static int root_read(int root_fd, struct err *err)
{
	struct stat status;
	char entries[16384];
	AUTO_FD int fd = fstat(root_fd, &status) < 0
				 ? -1 : openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || syscall(SYS_getdents64, fd, entries, sizeof entries) < 0)
		return err_errno(err, errno, "read the image's root directory");
	return 0;
}

int backend_fuse_attach(const struct backend_input *input, struct backend_root *root,
			struct err *err)
{
	AUTO_FD int device_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device_fd < 0)
		return device_explain(errno, err);
	root->root_fd = fuse_mount(device_fd, err);
	if (root->root_fd < 0)
		return root->root_fd;
	int rc = server_start(input, device_fd, &root->server, err);
	close_fd(&device_fd);
	if (rc < 0)
		return rc;
	rc = root_read(root->root_fd, err);
	if (rc < 0)
		return rc;
	rc = mount_api_attach_root(root->root_fd);
	if (rc == 0)
		rc = root->image_fd = mount_api_clone(root->root_fd, "", false);
	return rc < 0 ? err_errno(err, -rc, "attach the image's mount") : 0;
}

const char *backend_server_words(int status)
{
	static const struct {
		enum imgfs_exit code;
		const char *words;
	} table[] = {
		{IMGFS_EXIT_UNMOUNTED, "its mount was taken away"},
		{IMGFS_EXIT_USAGE, "it was started wrongly (cmpi-init and cmpi-imgfs of different versions?)"},
		{IMGFS_EXIT_IMAGE, "the image's tables are damaged; copy or build the image again"},
		{IMGFS_EXIT_SESSION, "the FUSE session failed"},
		{IMGFS_EXIT_MEMORY, "it ran out of memory"},
		{IMGFS_EXIT_ARRIVAL, "the image does not arrive any more"},
		{IMGFS_EXIT_PROFILE, "the profile cannot be written"},
	};
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGKILL ? "it was killed (out of memory?)" : "it crashed";
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if ((int)table[i].code == WEXITSTATUS(status))
			return table[i].words;
	return "it ended";
}
