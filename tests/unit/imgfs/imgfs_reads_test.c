/*
 * imgfs_reads_test.c - reads while the image arrives: whatever the order, each is answered once and
 * with the file's bytes; none holds up another; an arrival that fails, or whose daemon dies, ends
 * them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/squash_super.h"
#include "runtime/imgfs_reads.h"

enum { CHUNK = 16384, FILES = 4, READS = 400 };

static char work[] = "/tmp/cmpirun-reads-XXXXXX";
static const char *const names[FILES] = {"a", "b", "c", "small"};
static const char make_tree[] =
	"cd %s && mkdir tree && head -c 900000 /dev/urandom > tree/a && head -c 300000 /dev/urandom > tree/b && "
	"cat tree/a tree/b > tree/c && echo hello > tree/small && "
	"mksquashfs tree image -comp zstd -all-root -no-progress -quiet > /dev/null";

static struct {
	char *image;
	size_t size;
	char *bytes[FILES];
	size_t sizes[FILES];
} all;

static char *slurp(const char *name, size_t *size)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", work, name);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	*size = (size_t)lseek(fd, 0, SEEK_END);
	char *bytes = malloc(*size + 1);
	if (pread(fd, bytes, *size, 0) != (ssize_t)*size)
		abort();
	return bytes;
}

static int setup(void **state)
{
	char command[1024], name[64];
	(void)state;
	if (mkdtemp(work) == NULL)
		return -1;
	snprintf(command, sizeof command, make_tree, work);
	if (system(command) != 0)
		return -1;
	all.image = slurp("image", &all.size);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "tree/%s", names[i]);
		all.bytes[i] = slurp(name, &all.sizes[i]);
	}
	snprintf(command, sizeof command, "rm -rf %s", work);
	return system(command);
}

/* ---- an image of which nothing is here but what was marked ---- */

struct node {
	int fd, map_fd;
	struct arrival *arrival;
	struct imgfs *imgfs;
	struct imgfs_reads *reads;
	uint64_t inos[FILES];
	atomic_int answered, wrong, failed;
	uint8_t here[4096];
};

struct token {
	struct node *node;
	int file;
	uint64_t offset;
	size_t size;
	atomic_int answers;
};

static void on_answer(void *context, void *raw, const char *bytes, ssize_t length)
{
	struct node *node = context;
	struct token *token = raw;
	token->answers++;
	if (length == -EIO) {
		node->failed++;
	} else {
		size_t left = token->offset < all.sizes[token->file] ? all.sizes[token->file] - token->offset : 0;
		size_t expected = left < token->size ? left : token->size;
		if (length != (ssize_t)expected ||
		    memcmp(bytes, all.bytes[token->file] + token->offset, expected) != 0)
			node->wrong++;
	}
	node->answered++;
}

static void arrive(struct node *node, uint64_t chunk)
{
	size_t at = chunk * CHUNK, len = all.size - at < CHUNK ? all.size - at : CHUNK;
	if (node->here[chunk])
		return;
	assert_int_equal(pwrite(node->fd, all.image + at, len, (off_t)at), len);
	node->here[chunk] = 1;
	arrival_mark(node->arrival, chunk);
}

static uint64_t chunks(void)
{
	return (all.size + CHUNK - 1) / CHUNK;
}

static void node_start(struct node *node, int owner_fd)
{
	struct squash_super super;
	struct err err;
	*node = (struct node){.fd = memfd_create("image", MFD_CLOEXEC), .map_fd = arrival_file_new(&err)};
	assert_int_equal(ftruncate(node->fd, (off_t)all.size), 0);
	assert_int_equal(arrival_create(node->map_fd, all.size, CHUNK, &node->arrival, &err), 0);
	assert_int_equal(squash_super_parse(all.image, 96, all.size, &super, &err), 0);
	arrive(node, 0);
	for (uint64_t chunk = super.inode_table / CHUNK; chunk < chunks(); chunk++)
		arrive(node, chunk);
	const struct imgfs_options options = {.source = {node->arrival, owner_fd}};
	assert_int_equal(imgfs_open(node->fd, &options, &node->imgfs, &err), 0);
	assert_int_equal(imgfs_reads_new(node->imgfs, on_answer, node, &node->reads, &err), 0);
	for (int i = 0; i < FILES; i++) {
		struct imgfs_entry entry;
		assert_int_equal(imgfs_lookup(node->imgfs, IMGFS_ROOT, names[i], &entry), 0);
		node->inos[i] = entry.ino;
	}
}

static void node_end(struct node *node)
{
	imgfs_reads_free(&node->reads);
	imgfs_free(&node->imgfs);
	arrival_free(&node->arrival);
	close(node->fd);
	close(node->map_fd);
}

static void submit(struct token *token, struct node *node, int file, uint64_t offset, size_t size)
{
	*token = (struct token){.node = node, .file = file, .offset = offset, .size = size};
	imgfs_reads_submit(node->reads, token, node->inos[file], size, offset);
}

static void submit_random(struct token *token, struct node *node, unsigned *seed)
{
	int file = rand_r(seed) % FILES;
	submit(token, node, file, (uint64_t)rand_r(seed) % (all.sizes[file] + 100),
	       (size_t)rand_r(seed) % 200000);
}

static void await_answers(struct node *node, int count)
{
	while (node->answered < count)
		usleep(1000);
}

/* ---- the tests ---- */

static struct token tokens[READS];

static void *arrive_in_any_order(void *context)
{
	struct node *node = context;
	unsigned seed = 5;
	uint64_t order[4096], wanted;
	for (uint64_t i = 0; i < chunks(); i++)
		order[i] = i;
	for (uint64_t i = chunks() - 1; i > 0; i--) {
		uint64_t other = (uint64_t)rand_r(&seed) % (i + 1), moved = order[i];
		order[i] = order[other];
		order[other] = moved;
	}
	for (uint64_t i = 0; i < chunks(); i++) {
		if (i % 3 == 0 && arrival_take_wanted(node->arrival, &wanted))
			arrive(node, wanted);
		arrive(node, order[i]);
		usleep(300);
	}
	arrival_end(node->arrival, false);
	return NULL;
}

static void test_any_order(void **state)
{
	(void)state;
	struct node node;
	unsigned seed = 7;
	pthread_t thread;
	node_start(&node, -1);
	assert_int_equal(pthread_create(&thread, NULL, arrive_in_any_order, &node), 0);
	for (int i = 0; i < READS; i++) {
		submit_random(&tokens[i], &node, &seed);
		if (i % 50 == 0)
			usleep(2000);
	}
	await_answers(&node, READS);
	pthread_join(thread, NULL);
	assert_int_equal(node.wrong, 0);
	assert_int_equal(node.failed, 0);
	for (int i = 0; i < READS; i++)
		assert_int_equal(tokens[i].answers, 1);
	node_end(&node);
}

static void test_a_failed_arrival(void **state)
{
	(void)state;
	struct node node;
	unsigned seed = 9;
	node_start(&node, -1);
	for (uint64_t chunk = 0; chunk < chunks(); chunk += 2)
		arrive(&node, chunk);
	for (int i = 0; i < READS; i++)
		submit_random(&tokens[i], &node, &seed);
	assert_true(node.answered < READS);
	assert_int_equal(node.failed, 0);
	arrival_end(node.arrival, true);
	await_answers(&node, READS);
	assert_int_equal(node.wrong, 0);
	assert_true(node.failed > 0);
	submit(&tokens[0], &node, 0, 0, 100000);  /* after the failure: at once */
	assert_int_equal(node.answered, READS + 1);
	node_end(&node);
}

static void test_a_waiting_read_holds_up_nobody(void **state)
{
	(void)state;
	struct node node;
	struct imgfs_entry entry;
	struct arrival *arrival;
	uint64_t wanted;
	node_start(&node, -1);
	arrival = node.arrival;
	for (int i = 0; i < 20; i++)
		submit(&tokens[i], &node, 0, (uint64_t)i * 40000, 40000);
	int waiting = 20 - node.answered;
	assert_true(waiting > 10);
	assert_int_equal(imgfs_lookup(node.imgfs, IMGFS_ROOT, "b", &entry), 0);
	assert_int_equal(imgfs_lookup(node.imgfs, IMGFS_ROOT, "x", &entry), -ENOENT);
	while (node.answered < 20) {
		if (arrival_take_wanted(arrival, &wanted))
			arrive(&node, wanted);
		else
			usleep(100);
	}
	/* All of a is here now, of which c begins: the same blocks, and nobody waits. */
	submit(&tokens[20], &node, 0, 0, 200000);
	assert_int_equal(tokens[20].answers, 1);
	assert_int_equal(node.wrong + node.failed, 0);
	node_end(&node);
}

static void test_the_daemon_dies(void **state)
{
	(void)state;
	struct node node;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	AUTO_FD int owner_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(owner_fd >= 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	node_start(&node, owner_fd);
	submit(&tokens[0], &node, 0, 0, 100000);
	await_answers(&node, 1);
	assert_int_equal(node.failed, 1);
	assert_true(arrival_has_failed(node.arrival));
	node_end(&node);
}

static void test_ended_while_waiting(void **state)
{
	(void)state;
	struct node node;
	node_start(&node, -1);
	for (int i = 0; i < 10; i++)
		submit(&tokens[i], &node, 0, (uint64_t)i * 80000, 80000);
	imgfs_reads_free(&node.reads);
	assert_int_equal(node.answered, 10);
	assert_int_equal(node.wrong, 0);
	node_end(&node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order), cmocka_unit_test(test_a_failed_arrival),
		cmocka_unit_test(test_a_waiting_read_holds_up_nobody), cmocka_unit_test(test_the_daemon_dies),
		cmocka_unit_test(test_ended_while_waiting),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
