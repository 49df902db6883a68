/*
 * init_root_test.c - what cmpi-init's ranks find for a root: the image, mounts, directories, users.
 */
#include "tests/unit/runtime/init_fixture.h"

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

static const struct CMUnitTest tests[] = {
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
};

int main(void)
{
	return run_suites(tests, sizeof tests / sizeof *tests);
}
