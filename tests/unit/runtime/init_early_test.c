/*
 * init_early_test.c - ranks in an image that is still arriving: they read what the image has and never
 * zeros, and an arrival that fails ends their waiting.
 */
#include "tests/unit/runtime/init_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#include "common/arrival.h"
#include "common/cleanup.h"
#include "common/squash_super.h"

enum { CHUNK = 65536 };

/* The image's file, of which nothing is here at first but what a mount needs. */
struct coming {
	int fd, map_fd;
	char *bytes;
	size_t size;
	struct arrival *arrival;
	char path[64], started[160];  /* the file to serve; what a rank makes once it runs */
	bool fail;                    /* when that is there */
};

static void bring(struct coming *coming, uint64_t chunk)
{
	size_t at = chunk * CHUNK, len = coming->size - at < CHUNK ? coming->size - at : CHUNK;
	if (pwrite(coming->fd, coming->bytes + at, len, (off_t)at) != (ssize_t)len)
		abort();
	arrival_mark(coming->arrival, chunk);
}

static void coming_start(struct coming *coming, bool fail)
{
	struct squash_super super;
	struct err err;
	*coming = (struct coming){.fail = fail, .map_fd = arrival_file_new(&err)};
	AUTO_FD int fd = open(image, O_RDONLY | O_CLOEXEC);
	coming->size = (size_t)lseek(fd, 0, SEEK_END);
	coming->bytes = malloc(coming->size);
	assert_int_equal(pread(fd, coming->bytes, coming->size, 0), coming->size);
	coming->fd = memfd_create("image", MFD_CLOEXEC);
	assert_int_equal(ftruncate(coming->fd, (off_t)coming->size), 0);
	snprintf(coming->path, sizeof coming->path, "/proc/self/fd/%d", coming->fd);
	snprintf(coming->started, sizeof coming->started, "%s/started", home);
	unlink(coming->started);
	assert_int_equal(arrival_create(coming->map_fd, coming->size, CHUNK, &coming->arrival, &err), 0);
	assert_int_equal(squash_super_parse(coming->bytes, 96, coming->size, &super, &err), 0);
	bring(coming, 0);
	for (uint64_t chunk = super.inode_table / CHUNK; chunk < arrival_chunk_count(coming->arrival); chunk++)
		bring(coming, chunk);
}

static void coming_end(struct coming *coming)
{
	arrival_free(&coming->arrival);
	free(coming->bytes);
	close(coming->fd);
	close(coming->map_fd);
}

/* What is wanted first, and the rest from the back; or, to fail, what is wanted until a rank runs. */
static void *arrive(void *context)
{
	struct coming *coming = context;
	uint64_t next = arrival_chunk_count(coming->arrival), wanted;
	while (next > 0) {
		if (coming->fail && access(coming->started, F_OK) == 0)
			break;
		while (arrival_take_wanted(coming->arrival, &wanted))
			bring(coming, wanted);
		usleep(2000);
		if (!coming->fail && !arrival_has(coming->arrival, --next * CHUNK, CHUNK))
			bring(coming, next);
	}
	arrival_end(coming->arrival, coming->fail);
	return NULL;
}

static struct session *run_early(struct coming *coming, const char *script)
{
	pthread_t thread;
	struct session *session = session_new(script);
	session->image = coming->path;
	session->arrival_fd = coming->map_fd;
	assert_int_equal(pthread_create(&thread, NULL, arrive, coming), 0);
	run(session);
	arrival_end(coming->arrival, true);
	coming->fail = true;
	shell("touch %s", coming->started);
	pthread_join(thread, NULL);
	return session;
}

static void test_reads_wait(void **state)
{
	(void)state;
	struct coming coming;
	if (backend == INIT_BACKEND_KERNEL)
		skip();
	coming_start(&coming, false);
	struct session *session = run_early(&coming, "test \"$(cat /usr/share/thing)\" = thing && "
					    "dd if=/big bs=64k 2>/dev/null | md5sum | grep -q \"$(cat /big.md5)\" && echo same");
	if (session->failures > 0)
		fail_msg("%s", session->err.text);
	assert_string_equal(session->output, "same\n");
	coming_end(&coming);
}

static void test_a_failed_arrival(void **state)
{
	(void)state;
	struct coming coming;
	char script[256];
	if (backend == INIT_BACKEND_KERNEL)
		skip();
	coming_start(&coming, true);
	snprintf(script, sizeof script, "touch %s; cat /big > /dev/null && echo complete", coming.started);
	struct session *session = run_early(&coming, script);
	assert_true(session->ended);
	assert_int_equal(session->exited, 1);
	assert_true(session->status != 0);
	assert_null(strstr(session->output, "complete"));
	coming_end(&coming);
}

static void test_the_kernel_cannot_wait(void **state)
{
	(void)state;
	struct coming coming;
	if (backend != INIT_BACKEND_KERNEL)
		skip();
	coming_start(&coming, false);
	struct session *session = session_new("true");
	session->image = coming.path;
	session->arrival_fd = coming.map_fd;
	assert_fails(session, EXITCODE_SETUP, "--mount fuse");
	coming_end(&coming);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reads_wait),
	cmocka_unit_test(test_a_failed_arrival),
	cmocka_unit_test(test_the_kernel_cannot_wait),
};

int main(void)
{
	return run_suites(tests, sizeof tests / sizeof *tests);
}
