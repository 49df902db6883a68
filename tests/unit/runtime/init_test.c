/*
 * init_test.c - cmpi-init as a whole: real namespaces, mounts and processes.
 *
 * The same suite for each way that this machine allows: as an ordinary user by FUSE, and as root by FUSE
 * and by the kernel.  Root runs all three: it drops its privilege in a child, and gives that a
 * /dev/fuse of its own in a mount namespace, so that nothing of the machine is changed.  The image
 * is made here from busybox.
 */
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

/* Runs a script on the default root and returns what it wrote; it must exit 0. */
static const char *run_script(const char *script)
{
	struct session *session = session_new_at(script, "/tmp");
	run(session);
	if (session->failures > 0)
		fail_msg("%s", session->err.text);
	if (session->status != 0)
		fail_msg("status 0x%x: %s", session->status, session->output);
	return session->output;
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

/* Is there a process whose command line has this word? */
static bool process_exists(const char *word)
{
	bool found = false;
	DIR *dir = opendir("/proc");
	for (struct dirent *entry; (entry = readdir(dir)) != NULL && !found;) {
		char path[300], text[4096];
		snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
		int fd = atoi(entry->d_name) > 0 ? open(path, O_RDONLY) : -1;
		ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text);
		if (fd >= 0)
			close(fd);
		found = len > 0 && memmem(text, (size_t)len, word, strlen(word)) != NULL;
	}
	closedir(dir);
	return found;
}

static bool vanishes(const char *word)
{
	for (int i = 0; i < 300 && process_exists(word); i++)
		usleep(10000);
	return !process_exists(word);
}

/* ---- ranks ---- */

static void test_exit_status(void **state)
{
	(void)state;
	struct session *session = session_new("exit 3");
	run(session);
	assert_true(session->attached && session->ended);
	assert_int_equal(session->timing.backend, backend);
	assert_int_equal(session->init_status, 0);
	assert_int_equal(WEXITSTATUS(session->status), 3);
	assert_int_equal(session->gone, 1);
	assert_false(session->server_died);
}

static void test_signalled_rank(void **state)
{
	(void)state;
	struct session *session = session_new("kill -9 $$");
	run(session);
	assert_true(WIFSIGNALED(session->status));
	assert_int_equal(WTERMSIG(session->status), SIGKILL);
}

static void test_many_ranks(void **state)
{
	(void)state;
	struct session *session = session_new("exit 0");
	session->ranks = 200;
	run(session);
	assert_int_equal(session->started, 200);
	assert_int_equal(session->exited, 200);
	assert_true(session->gone >= 1);  /* more when they end faster than they start */
}

static void test_environment_and_descriptors(void **state)
{
	(void)state;
	struct session *session =
		session_new("echo A=$A B=$B C=$C PWD=$PWD; ls /proc/self/fd; echo pmi >&7");
	const char *const extra[] = {"B=rank", "C=3"};
	char a[] = "A=1", b[] = "B=job", pwd[] = "PWD=/nowhere", path[] = "PATH=/bin";
	char *base[] = {a, b, pwd, path, NULL};
	session->job.environment = base;
	session->spawn.environment = extra;
	session->spawn.environment_count = 2;
	session->spawn.pmi_fd = 7;
	run(session);
	assert_non_null(strstr(session->output, "A=1 B=rank C=3 PWD=/\n"));
	assert_non_null(strstr(session->output, "\n0\n1\n2\n3\n7\n"));  /* 3 is ls' own */
}

static void test_cpu_mask(void **state)
{
	(void)state;
	struct session *session = session_new("grep Cpus_allowed_list /proc/self/status");
	const uint8_t cpu0 = 1;
	session->spawn.cpus = &cpu0;
	session->spawn.cpu_bytes = 1;
	run(session);
	assert_non_null(strstr(session->output, "Cpus_allowed_list:\t0\n"));
}

static void test_missing_program(void **state)
{
	(void)state;
	static const struct {
		const char *program;
		int code;
		const char *word;
	} cases[] = {
		{"/no/such", EXITCODE_NOPROGRAM, "no program /no/such"},
		{"nosuch", EXITCODE_NOPROGRAM, "PATH is"},
		{"/etc/group", EXITCODE_NOEXEC, "not executable"},
		{"/etc", EXITCODE_NOEXEC, "not executable"},
		{"/bin/bad-script", EXITCODE_NOPROGRAM, "/opt/no-interpreter"},
		{"/bin/text", EXITCODE_NOEXEC, "neither a program nor a script"},
		{"/bin/foreign", EXITCODE_NOEXEC, "an unknown machine"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct session *session = session_new("");
		char *argv[] = {(char *)cases[i].program, NULL};
		session->job.argv = argv;
		assert_fails(session, cases[i].code, cases[i].word);
	}
}

static void test_signals_reach_the_group(void **state)
{
	(void)state;
	/* The rank's child gets it as well: it is in the group. */
	struct session *session =
		session_new("trap 'wait; echo rank; exit 5' TERM; "
			    "sh -c 'trap \"echo child; exit 0\" TERM; while :; do sleep 0.01; done' & wait");
	session->signo = SIGTERM;
	run(session);
	assert_int_equal(WEXITSTATUS(session->status), 5);
	assert_non_null(strstr(session->output, "child"));
}

/* ---- what is left behind ---- */

static void test_kill_takes_daemons(void **state)
{
	(void)state;
	struct session *session = session_new("setsid sleep 7777771 & setsid sleep 7777771 & wait");
	session->kill_when_started = true;
	run(session);
	assert_true(WIFSIGNALED(session->status));
	assert_int_equal(session->gone, 1);
	assert_true(vanishes("7777771"));
}

static void test_quit_takes_daemons(void **state)
{
	(void)state;
	/* The rank ends, its daemon does not: QUIT. */
	run(session_new("setsid sh -c 'sleep 7777772' & exit 0"));
	assert_true(vanishes("7777772"));
}

static void test_gone_waits_for_daemons(void **state)
{
	(void)state;
	struct session *session = session_new("setsid sleep 0.3 & exit 0");
	session->keep_after_exit = true;
	uint64_t start = clock_now_ns();
	run(session);
	assert_int_equal(session->gone, 1);
	assert_true(clock_now_ns() - start >= 300 * NS_PER_MS);
}

static void test_init_killed(void **state)
{
	(void)state;
	struct session *session = session_new("setsid sleep 7777773 & sleep 7777773");
	session->kill_init_with = SIGKILL;
	run(session);
	assert_true(session->ended);
	assert_true(WIFSIGNALED(session->init_status));
	/* Nothing is left when `ended` is told: not "soon after". */
	assert_false(process_exists("7777773"));
}

static void test_cmpid_gone(void **state)
{
	(void)state;
	struct session *session = session_new("setsid sleep 7777774 & sleep 7777774");
	session->drop_client = true;
	run(session);
	assert_true(session->started == 1);
	assert_true(vanishes("7777774"));
}

/* ---- the root ---- */

static void test_root_is_the_image(void **state)
{
	(void)state;
	run_script("test -x /bin/busybox && test ! -e /usr/lib && "
		   "test \"$(cat /usr/share/thing)\" = thing && test \"$(ls /many | wc -l)\" = 500 && "
		   "test \"$(readlink /home)\" = /var/home && "
		   "dd if=/big bs=64k 2>/dev/null | md5sum | grep -q \"$(cat /big.md5)\"");
}

static void test_root_is_read_only(void **state)
{
	(void)state;
	const char *output = run_script("for d in / /etc /usr/share /.cmpirun /.cmpirun/image /opt/empty; do "
					"touch $d/x 2>&1; mkdir $d/y 2>&1; done; true");
	int refusals = 0;
	for (const char *at = output; (at = strstr(at, "Read-only file system")) != NULL; at++)
		refusals++;
	assert_int_equal(refusals, 12);
}

static void test_no_privilege_inside(void **state)
{
	(void)state;
	run_script("grep -q 'NoNewPrivs:.1' /proc/self/status");
	if (geteuid() != 0)
		run_script("grep -q 'CapEff:.0000000000000000' /proc/self/status && ! umount /proc 2>/dev/null");
}

static void test_defaults(void **state)
{
	(void)state;
	char script[1024];
	snprintf(script, sizeof script,
		 "test -e /proc/self/exe && test -d /sys/kernel && test -c /dev/null && "
		 "echo hello > /dev/null && test -w /tmp && test \"$(cat %s/mark)\" = home && "
		 "echo written > %s/from-inside", home, home);
	run_script(script);
	assert_int_equal(shell("test \"$(cat %s/from-inside)\" = written", home), 0);
}

static void test_hidden_stays_usable(void **state)
{
	(void)state;
	run_script("test ! -e /tmp/of-image && test -e /.cmpirun/image/tmp/of-image && "
		   "test -x /.cmpirun/image/bin/busybox && test ! -e /.cmpirun/image/proc/self");
}

static void test_user_database(void **state)
{
	(void)state;
	run_script("test \"$(id -u)\" = \"$(grep -c x: /etc/passwd >/dev/null; id -u)\" && whoami && id -gn && "
		   "grep -q ^root: /etc/passwd && grep -q ^root: /etc/group");
	const char *output = run_script("whoami");
	assert_string_equal(output, geteuid() == 0 ? "root\n" : "tester\n");
}

static void run_cwd(const char *cwd, const char *script, const char *expected)
{
	struct session *session = session_new_at(script, cwd);
	run(session);
	if (session->failures > 0)
		fail_msg("%s", session->err.text);
	assert_string_equal(session->output, expected);
}

static void test_working_directory(void **state)
{
	(void)state;
	char cwd[160], expected[200];
	snprintf(cwd, sizeof cwd, "%s/sub", home);
	snprintf(expected, sizeof expected, "%s\n", cwd);
	run_cwd(cwd, "pwd", expected);
	/* One that only the host has. */
	snprintf(cwd, sizeof cwd, "%s/elsewhere", work);
	snprintf(expected, sizeof expected, "%s\nfile\n", cwd);
	run_cwd(cwd, "pwd; ls", expected);
	/* One that must not hide the image's. */
	run_cwd("/usr/share", "pwd; cat thing; test -e /usr/share/thing", "/usr/share\nthing\n");
	/* An empty one of the image is hidden; a missing one falls back to /. */
	run_cwd("/no/such/directory", "pwd", "/\n");
}

static void test_required_working_directory(void **state)
{
	(void)state;
	struct session *session = session_new("pwd");
	session->job.cwd = (char *)"/no/such/directory";
	session->job.cwd_required = true;
	assert_fails(session, EXITCODE_USAGE, "/no/such/directory");
}

static void test_relative_program(void **state)
{
	(void)state;
	struct session *session = session_new_at("", home);
	char app[] = "./app", *argv[] = {app, NULL};
	session->job.argv = argv;
	run(session);
	assert_string_equal(session->output, "app ran\n");
}

static void run_volumes(const char *const *volumes, const char *script)
{
	struct session *session = session_new(script);
	for (; *volumes != NULL; volumes++) {
		char text[512];
		snprintf(text, sizeof text, "%s%s", work, *volumes);
		assert_int_equal(mount_plan_add_volume(&session->plan, text, NULL), 0);
	}
	run(session);
	if (session->failures > 0)
		fail_msg("%s", session->err.text);
	if (session->status != 0)
		fail_msg("status 0x%x: %s", session->status, session->output);
}

static void test_volumes(void **state)
{
	(void)state;
	/* Missing targets, targets through the image's links, files, read-only, nested ones. */
	const char *const volumes[] = {
		"/elsewhere:/data",
		"/elsewhere:/a/b/c:ro",
		"/elsewhere/file:/etc/new/file",
		"/elsewhere:/home/me",
		"/elsewhere/file:/etc/resolv.conf",
		"/elsewhere/file:/usr/share/thing:ro",
		"/home:/data/inner",
		NULL,
	};
	run_volumes(volumes,
		    "set -e; test -e /data/file; echo x > /data/written; rm /data/written; test -e /a/b/c/file; "
		    "! touch /a/b/c/x 2>/dev/null; grep -q content /etc/new/file; "
		    "test -e /var/home/me/file; grep -q content /etc/resolv.conf; "
		    "grep -q content /usr/share/thing; test -e /data/inner/mark; "
		    "test -e /run/nowhere/resolv.conf; test ! -e /.cmpirun/image/data/file");
	/* The one mount point that was missing in a directory of the host. */
	shell("rmdir %s/elsewhere/inner", work);
}

static void test_volume_errors(void **state)
{
	(void)state;
	static const struct {
		const char *volume, *word;
	} cases[] = {
		{"/missing:/data", "No such file"},
		{"/elsewhere:/etc/passwd", "the source is a directory and the image has a file"},
		{"/elsewhere/file:/usr/share", "the source is a file and the image has a directory"},
		{"/elsewhere:/etc/passwd/x", "Not a directory"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct session *session = session_new("true");
		char text[512];
		snprintf(text, sizeof text, "%s%s", work, cases[i].volume);
		assert_int_equal(mount_plan_add_volume(&session->plan, text, NULL), 0);
		assert_fails(session, i == 3 ? EXITCODE_SETUP : EXITCODE_USAGE, cases[i].word);
	}
}

static void test_other_operations(void **state)
{
	(void)state;
	struct session *session =
		session_new("set -e; test \"$(cat /.cmpirun/mpi/note)\" = text; test -x /opt/tool; "
			    "test \"$(/opt/tool)\" = tool; echo x > /scratch/file; "
			    "test \"$(readlink /opt/link)\" = /scratch/file; cat /opt/link; "
			    "test \"$(df -k /scratch | tail -n 1 | awk '{print $2}')\" = 1024; "
			    "! { echo y > /.cmpirun/mpi/note; } 2>/dev/null");
	mount_plan_add_file(&session->plan, "/.cmpirun/mpi/note", "text\n", 5, 0644, NULL);
	mount_plan_add_file(&session->plan, "/opt/tool", "#!/bin/sh\necho tool\n", 20, 0755, NULL);
	mount_plan_add_tmpfs(&session->plan, "/scratch", 1 << 20, 0777, NULL);
	mount_plan_add_symlink(&session->plan, "/opt/link", "/scratch/file", NULL);
	run(session);
	if (session->failures > 0)
		fail_msg("%s", session->err.text);
	assert_int_equal(session->status, 0);
	assert_string_equal(session->output, "x\n");
}

/* ---- failures ---- */

static void test_bad_images(void **state)
{
	(void)state;
	static const struct {
		const char *make, *word;
	} cases[] = {
		{"head -c 100000 /dev/zero >", "not a squashfs image"},
		{"head -c 40000 %s >", "truncated"},
		{": >", "empty"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char command[512], path[128];
		snprintf(command, sizeof command, cases[i].make, image);
		snprintf(path, sizeof path, "%s/bad.sqsh", work);
		assert_int_equal(shell("%s %s", command, path), 0);
		struct session *session = session_new("true");
		session->image = path;
		assert_fails(session, EXITCODE_IMAGE, cases[i].word);
	}
}

static void test_damaged_tables(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof path, "%s/damaged.sqsh", work);
	/* The superblock is whole; all behind the data is noise. */
	assert_int_equal(shell("cp %s %s && size=$(stat -c %%s %s) && dd if=/dev/urandom of=%s bs=1 "
			       "seek=$((size - 9000)) count=9000 conv=notrunc 2>/dev/null", image, path, path,
			       path), 0);
	struct session *session = session_new("true");
	session->image = path;
	run(session);
	assert_true(session->failures > 0 && session->ended);
}

static void test_server_killed(void **state)
{
	(void)state;
	if (backend != INIT_BACKEND_FUSE)
		skip();
	struct session *session = session_new("sleep 0.2; cat /big > /dev/null || exit 9");
	char script[256];
	/* The rank kills its own server: it has the same user. */
	snprintf(script, sizeof script,
		 "for p in $(cat /proc/$PPID/task/$PPID/children); do test $p = $$ || kill -9 $p; done; "
		 "sleep 0.1; read x < /big && exit 1; exit 9");
	words[2] = script;
	run(session);
	assert_true(session->server_died);
	assert_int_equal(WTERMSIG(session->server_status), SIGKILL);
	/* An error of read(2), or SIGBUS if a page of the program itself was not there yet. */
	assert_true(WIFSIGNALED(session->status) || WEXITSTATUS(session->status) == 9);
}

static void test_kernel_needs_root(void **state)
{
	(void)state;
	if (geteuid() == 0)
		skip();
	struct session *session = session_new("true");
	session->backend = INIT_BACKEND_KERNEL;
	assert_fails(session, EXITCODE_SETUP, "needs root");
}

struct memory_test {
	struct loop *loop;
	int fd;  /* or a negative exit code */
};

static void on_memory(void *context, int take_fd)
{
	struct memory_test *test = context;
	test->fd = take_fd;
	loop_stop(test->loop, 0);
}

static void on_memory_failed(void *context, int32_t rank, int exit_code, const struct err *err)
{
	struct memory_test *test = context;
	(void)rank;
	assert_non_null(strstr(err->text, "MiB"));
	test->fd = -exit_code;
	loop_stop(test->loop, 0);
}

static int memory_of(uint64_t size)
{
	struct memory_test test = {.fd = -1000};
	struct init_client *client;
	struct err err;
	const struct init_client_options options = {init_path, imgfs_path};
	const struct init_client_events events = {.memory = on_memory, .failed = on_memory_failed};
	assert_int_equal(loop_new(&test.loop, &err), 0);
	assert_int_equal(init_client_start(test.loop, &options, &events, &test, &client, &err), 0);
	assert_int_equal(init_client_request_memory(client, size, &err), 0);
	loop_run(test.loop, &err);
	init_client_free(&client);
	loop_free(&test.loop);
	return test.fd;
}

static void test_node_memory(void **state)
{
	(void)state;
	struct stat status;
	int fd = memory_of(5 << 20);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, 5 << 20);
	/* It outlives cmpi-init, and has no name. */
	assert_int_equal(pwrite(fd, "x", 1, (5 << 20) - 1), 1);
	assert_int_equal(status.st_nlink, 0);
	close(fd);
	assert_int_equal(memory_of(1ull << 50), -EXITCODE_SETUP);
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (!written)
		perror(path);
	close(fd);
	return written;
}

/* In a user namespace of our own we may set its limit of further ones to nothing. */
static bool forbid_user_namespaces(void)
{
	char users[64], groups[64];
	snprintf(users, sizeof users, "%u %u 1", geteuid(), geteuid());
	snprintf(groups, sizeof groups, "%u %u 1", getegid(), getegid());
	return unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", users) && write_file("/proc/self/gid_map", groups) &&
	       write_file("/proc/sys/user/max_user_namespaces", "0");
}

static void test_no_user_namespaces(void **state)
{
	(void)state;
	if (geteuid() == 0)
		skip();
	pid_t pid = fork();
	if (pid == 0) {
		struct session *session = session_new("true");
		if (!forbid_user_namespaces() || session_run(session, init_path, imgfs_path) < 0)
			_exit(2);
		bool named = strstr(session->err.text, "sysctl user.max_user_namespaces") != NULL;
		if (!named)
			fprintf(stderr, "%s\n", session->err.text);
		_exit(named && session->exit_code == EXITCODE_SETUP ? 0 : 1);
	}
	int status = -1;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* ---- permissions taken away (only where root can give itself a /dev) ---- */

static void test_no_fuse(void **state)
{
	(void)state;
	if (backend != INIT_BACKEND_FUSE)
		skip();
	const char *const spoiled[] = {"chmod", "unlink"};
	for (size_t i = 0; i < 2; i++) {
		struct stat status;
		if (stat("/dev/fuse-of-test", &status) < 0)
			skip();
		bool by_mode = strcmp(spoiled[i], "chmod") == 0;
		if (by_mode && geteuid() == 0)
			continue;
		/* Links that main() prepared: an unreadable device, and none. */
		assert_int_equal(shell("ln -sfn %s /dev/fuse", by_mode ? "fuse-closed" : "fuse-none"), 0);
		struct session *session = session_new("true");
		assert_fails(session, EXITCODE_SETUP, by_mode ? "0600" : "missing");
	}
	assert_int_equal(shell("ln -sfn fuse-of-test /dev/fuse"), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_exit_status),
	cmocka_unit_test(test_signalled_rank),
	cmocka_unit_test(test_many_ranks),
	cmocka_unit_test(test_environment_and_descriptors),
	cmocka_unit_test(test_cpu_mask),
	cmocka_unit_test(test_missing_program),
	cmocka_unit_test(test_signals_reach_the_group),
	cmocka_unit_test(test_kill_takes_daemons),
	cmocka_unit_test(test_quit_takes_daemons),
	cmocka_unit_test(test_gone_waits_for_daemons),
	cmocka_unit_test(test_init_killed),
	cmocka_unit_test(test_cmpid_gone),
	cmocka_unit_test(test_root_is_the_image),
	cmocka_unit_test(test_root_is_read_only),
	cmocka_unit_test(test_no_privilege_inside),
	cmocka_unit_test(test_defaults),
	cmocka_unit_test(test_hidden_stays_usable),
	cmocka_unit_test(test_user_database),
	cmocka_unit_test(test_working_directory),
	cmocka_unit_test(test_required_working_directory),
	cmocka_unit_test(test_relative_program),
	cmocka_unit_test(test_volumes),
	cmocka_unit_test(test_volume_errors),
	cmocka_unit_test(test_other_operations),
	cmocka_unit_test(test_bad_images),
	cmocka_unit_test(test_damaged_tables),
	cmocka_unit_test(test_server_killed),
	cmocka_unit_test(test_kernel_needs_root),
	cmocka_unit_test(test_node_memory),
	cmocka_unit_test(test_no_user_namespaces),
	cmocka_unit_test(test_no_fuse),
};

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

static int run_suite(enum init_backend wanted, bool drop)
{
	pid_t pid = fork();
	if (pid == 0) {
		backend = wanted;
		/* Dumpable again: else /proc/self would stay root's. */
		if (drop && (setgid(test_uid) < 0 || setuid(test_uid) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0))
			_exit(99);
		printf("-- uid %u, %s\n", geteuid(), wanted == INIT_BACKEND_KERNEL ? "kernel" : "FUSE");
		_exit(cmocka_run_group_tests_name("init", tests, NULL, NULL));
	}
	int status = -1;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	int failed = prepare("zstd");
	bool root = failed == 0 && geteuid() == 0 && private_dev() == 0;
	if (failed == 0)
		failed = run_suite(INIT_BACKEND_FUSE, geteuid() == 0);
	if (root) {
		failed += run_suite(INIT_BACKEND_FUSE, false);
		if (access("/dev/loop-control", W_OK) == 0 && shell("grep -q squashfs /proc/filesystems") == 0)
			failed += run_suite(INIT_BACKEND_KERNEL, false);
	}
	shell("rm -rf %s", work);
	return failed == 0 ? 0 : 1;
}
