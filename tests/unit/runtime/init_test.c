/*
 * init_test.c - cmpi-init as a whole: ranks, their ends, what they leave behind, and failures.
 */
#include "tests/unit/runtime/init_fixture.h"

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

/* And stays away: a process that is just executing its program has no command line for a moment. */
static bool vanishes(const char *word)
{
	enum { LOOKS = 300, IN_A_ROW = 10 };
	int absent = 0;
	for (int i = 0; i < LOOKS && absent < IN_A_ROW; i++) {
		absent = process_exists(word) ? 0 : absent + 1;
		usleep(10000);
	}
	return absent == IN_A_ROW;
}

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
	cmocka_unit_test(test_bad_images),
	cmocka_unit_test(test_damaged_tables),
	cmocka_unit_test(test_server_killed),
	cmocka_unit_test(test_kernel_needs_root),
	cmocka_unit_test(test_node_memory),
	cmocka_unit_test(test_no_user_namespaces),
	cmocka_unit_test(test_no_fuse),
};

int main(void)
{
	return run_suites(tests, sizeof tests / sizeof *tests);
}
