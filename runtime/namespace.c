/*
 * namespace.c - unshare(2), id maps, pivot_root(2) (namespace.h).
 *
 * Mounts are received from the host, never sent to it (MS_SLAVE): an automounter keeps working for
 * the directories that a plan binds.
 *
 * Why a failure is explained from a table: unshare(2) says EPERM or ENOSPC for half a dozen
 * switches of an administrator, and only the switch's name helps.
 */
#include "runtime/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Switches that forbid user namespaces, when they have this value. */
static const struct {
	const char *path, *value, *cure;
} switches[] = {
	{"/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=65536"},
	{"/proc/sys/user/max_mnt_namespaces", "0", "sysctl user.max_mnt_namespaces=65536"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0",
	 "sysctl kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
	 "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile with userns "
	 "for cmpi-init"},
};

static bool switch_is(const char *path, const char *value)
{
	char text[32];
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (len <= 0)
		return false;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, value) == 0;
}

static int explain_refusal(const char *what, int number, struct err *err)
{
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		if (switch_is(switches[i].path, switches[i].value))
			return err_set(err, number, "%s: %s; %s is %s on this node, ask the administrator for: %s",
				       what, strerror(number), switches[i].path + strlen("/proc/sys/"),
				       switches[i].value, switches[i].cure);
	if (number == ENOSPC || number == EUSERS)
		return err_set(err, number, "%s: %s; the node's limit of namespaces is reached "
			       "(user.max_user_namespaces, user.max_mnt_namespaces) or they are nested "
			       "too deep", what, strerror(number));
	return err_set(err, number, "%s: %s; user namespaces are forbidden here by a security policy "
		       "(seccomp of a container, SELinux, AppArmor, or a chroot)", what,
		       strerror(number));
}

static int write_text(const char *path, const char *text)
{
	AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int map_ids(uid_t uid, gid_t gid, struct err *err)
{
	char text[64];
	/* Without it an ordinary user may not write gid_map (user_namespaces(7)). */
	int rc = write_text("/proc/self/setgroups", "deny");
	if (rc < 0 && rc != -ENOENT)
		return explain_refusal("write /proc/self/setgroups", -rc, err);
	snprintf(text, sizeof text, "%u %u 1\n", uid, uid);
	if ((rc = write_text("/proc/self/uid_map", text)) < 0)
		return explain_refusal("map the user id", -rc, err);
	snprintf(text, sizeof text, "%u %u 1\n", gid, gid);
	if ((rc = write_text("/proc/self/gid_map", text)) < 0)
		return explain_refusal("map the group id", -rc, err);
	return 0;
}

int namespace_enter(bool *privileged, struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	*privileged = uid == 0 && unshare(CLONE_NEWNS) == 0;
	if (!*privileged) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return explain_refusal("make a user and mount namespace", errno, err);
		int rc = map_ids(uid, gid, err);
		if (rc < 0)
			return rc;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return explain_refusal("separate the mounts from the host's", errno, err);
	return 0;
}

int namespace_pivot(int new_root_fd, struct err *err)
{
	if (fchdir(new_root_fd) < 0)
		return err_errno(err, errno, "enter the image's root");
	/* "." twice: the old root is put over the new one, and detached (pivot_root(2), NOTES). */
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			return err_errno(err, errno, "detach the host's root");
	} else if (errno != EINVAL || chroot(".") < 0) {
		/* EINVAL: a node whose root is its initramfs cannot pivot (diskless clusters);
		 * the old root then stays below ours, out of reach without privilege. */
		return err_errno(err, errno, "pivot into the image");
	}
	if (chdir("/") < 0)
		return err_errno(err, errno, "enter the image's root");
	return 0;
}
