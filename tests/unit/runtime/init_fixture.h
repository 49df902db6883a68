/*
 * init_fixture.h - cmpi-init as a whole, for init_test.c and init_root_test.c: an image made of
 * busybox, sessions in it, and the suite in each way that this machine allows.
 *
 * As an ordinary user by FUSE, and as root by FUSE and by the kernel.  Root runs all three: it drops
 * its privilege in a child, and gives that a /dev/fuse of its own in a mount namespace, so that
 * nothing of the machine is changed.
 */
#ifndef TESTS_RUNTIME_INIT_FIXTURE_H
#define TESTS_RUNTIME_INIT_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/exitcode.h"
#include "tests/unit/runtime/session.h"

static const char init_path[] = TEST_BINARY_DIR "/bin/cmpi-init";
static const char imgfs_path[] = TEST_BINARY_DIR "/bin/cmpi-imgfs";
static const uid_t test_uid = 54321;

static char work[64];                  /* everything of this test; removed at the end */
static char image[128], home[128];
static enum init_backend backend;

/* ---- help ---- */

static int shell(const char *format, ...)
{
	char command[4096];
	va_list ap;
	va_start(ap, format);
	vsnprintf(command, sizeof command, format, ap);
	va_end(ap);
	return system(command);
}

static char sh[] = "/bin/sh", dash_c[] = "-c", *words[] = {sh, dash_c, NULL, NULL};

static struct mount_defaults defaults_of(const char *cwd)
{
	return (struct mount_defaults){
		.home = home,
		.cwd = cwd,
		.user = {getuid(), getgid(), "tester", "testers", home, "/bin/sh"}};
}

/* One rank that runs `script` in cwd on the default root. */
static struct session *session_new_at(const char *script, const char *cwd)
{
	static struct session session;
	session = (struct session){0};
	session.image = image;
	session.backend = backend;
	session.ranks = 1;
	session.spawn.pmi_fd = INIT_PMI_NONE;
	words[2] = (char *)script;
	session.job.argv = words;
	session.job.cwd = (char *)cwd;
	struct mount_defaults defaults = defaults_of(cwd);
	assert_int_equal(mount_plan_add_defaults(&session.plan, &defaults, NULL), 0);
	return &session;
}

static struct session *session_new(const char *script)
{
	return session_new_at(script, "/");
}

static void run(struct session *session)
{
	assert_int_equal(session_run(session, init_path, imgfs_path), 0);
	assert_false(session->timed_out);
}

static void assert_fails(struct session *session, int exit_code, const char *word)
{
	run(session);
	assert_int_equal(session->failures > 0, 1);
	if (session->exit_code != exit_code || strstr(session->err.text, word) == NULL)
		fail_msg("wanted %d and \"%s\", got %d: %s", exit_code, word, session->exit_code,
			 session->err.text);
	assert_true(session->ended);
}

/* ---- preparation ---- */

static const char make_image[] =
	"set -e; cd %s; mkdir -p root/bin root/etc root/usr/share root/var/home root/opt/empty root/tmp root/many "
	"home/sub elsewhere; cp \"$(command -v busybox)\" root/bin/busybox; "
	"for a in sh true sleep cat ls touch mkdir test grep readlink md5sum dd wc rm setsid kill id "
	"whoami umount df awk tail pwd; do ln -s busybox root/bin/$a; done; "
	"echo root:x:0:0:root:/root:/bin/sh > root/etc/passwd; echo root:x:0: > root/etc/group; "
	"ln -s /run/nowhere/resolv.conf root/etc/resolv.conf; ln -s /var/home root/home; "
	"echo thing > root/usr/share/thing; touch root/tmp/of-image; "
	"for i in $(seq 500); do echo $i > root/many/$i; done; "
	"head -c 3000000 /dev/urandom > root/big; head -c 1000000 /dev/zero >> root/big; "
	"md5sum < root/big | cut -c1-32 > root/big.md5; "
	"printf '#!/opt/no-interpreter\\n' > root/bin/bad-script; echo words > root/bin/text; "
	"cp root/bin/busybox root/bin/foreign; printf '\\377\\1' | dd of=root/bin/foreign bs=1 seek=18 "
	"conv=notrunc 2>/dev/null; chmod 755 root/bin/*; "
	"echo home > home/mark; printf '#!/bin/sh\\necho app ran\\n' > home/app; chmod 755 home/app; "
	"echo content > elsewhere/file; "
	"mksquashfs root image.sqsh -quiet -no-progress -comp %s -all-root >/dev/null; rm -rf root; "
	"chown -R %u:%u .; chmod -R go+rX .";

static int prepare(const char *compressor)
{
	strcpy(work, "/var/tmp/cmpirun-test-XXXXXX");
	if (mkdtemp(work) == NULL)
		return -1;
	snprintf(image, sizeof image, "%s/image.sqsh", work);
	snprintf(home, sizeof home, "%s/home", work);
	uid_t uid = geteuid() == 0 ? test_uid : geteuid();
	return shell(make_image, work, compressor, uid, uid);
}

/* A /dev with a FUSE device that everybody may open, whatever this machine's has for a mode. */
static int private_dev(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	dev_t fuse = makedev(10, 229);
	if (mount("dev", work, "tmpfs", 0, "mode=0777") < 0)
		return -1;
	if (shell("cd %s && mkdir shm pts && for d in null zero full random urandom tty; do : > $d && "
		  "mount --bind /dev/$d $d; done && cp -a /dev/loop-control /dev/loop[0-9]* . 2>/dev/null; true",
		  work) != 0)
		return -1;
	char path[128];
	snprintf(path, sizeof path, "%s/fuse-of-test", work);
	umask(0);
	if (mknod(path, S_IFCHR | 0666, fuse) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/fuse-closed", work);
	if (mknod(path, S_IFCHR | 0600, fuse) < 0 ||
	    shell("cd %s && ln -s fuse-of-test fuse", work) != 0)
		return -1;
	return mount(work, "/dev", NULL, MS_MOVE, NULL);
}

static int run_suite(const struct CMUnitTest *tests, size_t count, enum init_backend wanted, bool drop)
{
	pid_t pid = fork();
	if (pid == 0) {
		backend = wanted;
		/* Dumpable again: else /proc/self would stay root's. */
		if (drop && (setgid(test_uid) < 0 || setuid(test_uid) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0))
			_exit(99);
		printf("-- uid %u, %s\n", geteuid(), wanted == INIT_BACKEND_KERNEL ? "kernel" : "FUSE");
		_exit(_cmocka_run_group_tests("init", tests, count, NULL, NULL));
	}
	int status = -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The suite in each way that this machine allows: main()'s value. */
static int run_suites(const struct CMUnitTest *tests, size_t count)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	int failed = prepare("zstd");
	bool root = failed == 0 && geteuid() == 0 && private_dev() == 0;
	if (failed == 0)
		failed = run_suite(tests, count, INIT_BACKEND_FUSE, geteuid() == 0);
	if (root) {
		failed += run_suite(tests, count, INIT_BACKEND_FUSE, false);
		if (access("/dev/loop-control", W_OK) == 0 && shell("grep -q squashfs /proc/filesystems") == 0)
			failed += run_suite(tests, count, INIT_BACKEND_KERNEL, false);
	}
	shell("rm -rf %s", work);
	return failed == 0 ? 0 : 1;
}

#endif
