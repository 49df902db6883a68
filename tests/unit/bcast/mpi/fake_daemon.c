/*
 * fake_daemon.c - plays cmpid, one a rank, for daemon.sh.
 *
 *	bcast_fake_daemon BCAST OUT IMAGE [KEY=VALUE ...]
 *
 * Starts BCAST with a socket and a memory file and writes what came of it to OUT/rank.R: key, plan,
 * cards, whether the memory file equals IMAGE, or the failure.  All ranks' files must be alike, so
 * they can be compared by cmp(1).
 *
 *	path=P          what rank 0 is told to send instead of IMAGE ("": nothing)
 *	readers=K       how many ranks shall read it
 *	map=1           with a map of arrived chunks, which must be complete at the end
 *	nodes=N         the number of nodes that HELLO expects
 *	victim=DIR      one process, the one that can mkdir DIR, is the victim
 *	victim-dir=T    the victim's memory file is in the directory T
 *	victim=DIR die=1   the victim ends as soon as it has the SESSION
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bcast/bcast_client.h"
#include "common/arrival.h"
#include "common/cleanup.h"
#include "common/exitcode.h"

struct fake {
	struct loop *loop;
	const char *out, *image, *victim_dir;
	bool victim, die;
	int image_fd, arrival_fd;
	uint32_t rank;
	uint64_t image_size;
	int progress_count, session_count, done_count, failed_count;
	struct buf report;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "fake_daemon: %s\n", what);
	exit(99);
}

static void add_hex(struct buf *out, const char *name, const void *bytes, size_t len)
{
	buf_printf(out, "%s ", name);
	for (size_t i = 0; i < len; i++)
		buf_printf(out, "%02x", ((const uint8_t *)bytes)[i]);
	buf_printf(out, "\n");
}

static void on_session(void *context, const struct bcast_session *session)
{
	struct fake *fake = context;
	fake->session_count++;
	fake->rank = session->rank;
	fake->image_size = session->image_size;
	if (fake->victim && fake->die)
		_exit(77);
	buf_printf(&fake->report, "size %u\n", session->size);
	add_hex(&fake->report, "key", session->key, sizeof session->key);
	buf_printf(&fake->report, "plan %.*s\n", (int)session->plan.len, session->plan.bytes);
	for (uint32_t i = 0; i < session->size; i++)
		buf_printf(&fake->report, "card %u %.*s\n", i, (int)session->cards[i].len,
			   session->cards[i].bytes);
}

static void on_progress(void *context, const struct bcast_progress *progress)
{
	struct fake *fake = context;
	fake->progress_count++;
	if (progress->bytes > progress->total || progress->total != fake->image_size)
		die("progress beyond the whole");
}

static bool same_content(int fd, const char *path)
{
	static char ours[1 << 20], theirs[1 << 20];
	AUTO_FD int other = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	if (other < 0)
		return false;
	for (off_t at = 0;; at += got) {
		got = pread(other, theirs, sizeof theirs, at);
		if (pread(fd, ours, sizeof ours, at) != got)
			return false;
		if (got <= 0)
			return got == 0;
		if (memcmp(ours, theirs, (size_t)got) != 0)
			return false;
	}
}

static void on_done(void *context, const struct bcast_done *done)
{
	struct fake *fake = context;
	fake->done_count++;
	buf_printf(&fake->report, "bytes %llu\n", (unsigned long long)done->bytes);
	add_hex(&fake->report, "digest", done->digest, sizeof done->digest);
	buf_printf(&fake->report, "content %s\n",
		   same_content(fake->image_fd, fake->image) ? "same" : "DIFFERENT");
	struct arrival *arrival = NULL;
	if (fake->arrival_fd >= 0 && fake->image_size > 0)
		buf_printf(&fake->report, "map %s\n",
			   arrival_open(fake->arrival_fd, &arrival, NULL) == 0 &&
			   arrival_has(arrival, 0, fake->image_size) ? "complete" : "INCOMPLETE");
	arrival_free(&arrival);
	if (done->init_ns == 0 || done->exchange_ns == 0)
		die("durations are missing");
}

static void on_failed(void *context, const struct bcast_failed *failed)
{
	struct fake *fake = context;
	fake->failed_count++;
	buf_printf(&fake->report, "failed rank=%u exit=%d %s\n", failed->rank, failed->exit_code,
		   failed->err.text);
}

static void on_ended(void *context, int status)
{
	struct fake *fake = context;
	buf_printf(&fake->report, "ended %d\n", status);
	loop_stop(fake->loop, 0);
}

static const struct bcast_client_events events = {
	.session = on_session,
	.progress = on_progress,
	.done = on_done,
	.failed = on_failed,
	.ended = on_ended,
};

static void write_report(struct fake *fake)
{
	char path[PATH_MAX];
	/* Without a session the rank is not known. */
	snprintf(path, sizeof path, "%s/%s.%ld", fake->out, fake->session_count ? "rank" : "none",
		 fake->session_count ? (long)fake->rank : (long)getpid());
	FILE *file = fopen(path, "w");
	if (file == NULL || fwrite(fake->report.data, 1, fake->report.len, file) != fake->report.len ||
	    fclose(file) != 0)
		die("cannot write the report");
}

static int make_image_file(const struct fake *fake)
{
	if (!fake->victim || fake->victim_dir == NULL)
		return memfd_create("image", MFD_CLOEXEC);
	return open(fake->victim_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* "KEY=VALUE" → VALUE, or NULL. */
static const char *option(char **argv, const char *key)
{
	size_t len = strlen(key);
	for (; *argv != NULL; argv++)
		if (strncmp(*argv, key, len) == 0 && (*argv)[len] == '=')
			return *argv + len + 1;
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die("usage: bcast_fake_daemon BCAST OUT IMAGE [KEY=VALUE ...]");
	struct fake fake = {.out = argv[2], .image = argv[3], .victim_dir = option(argv, "victim-dir")};
	const char *path = option(argv, "path"), *victim = option(argv, "victim");
	const char *nodes = option(argv, "nodes");
	struct err err = ERR_NONE;
	struct bcast_client *client = NULL;
	struct bcast_hello hello = {.plan = {"a plan of no meaning", 20}};
	char card[64];
	snprintf(card, sizeof card, "card of process %ld", (long)getpid());
	hello.card = (struct bcast_blob){card, strlen(card)};
	hello.node_count = nodes ? (uint32_t)atoi(nodes) : 0;
	snprintf(hello.image_path, sizeof hello.image_path, "%s", path ? path : fake.image);
	fake.victim = victim != NULL && mkdir(victim, 0700) == 0;
	fake.die = option(argv, "die") != NULL;
	const char *readers = option(argv, "readers");
	hello.readers = readers ? (uint32_t)atoi(readers) : 0;
	fake.arrival_fd = option(argv, "map") ? arrival_file_new(&err) : -1;
	fake.image_fd = make_image_file(&fake);
	if (fake.image_fd < 0 || loop_new(&fake.loop, &err) < 0)
		die("cannot start");
	const struct bcast_client_options options = {
		.bcast_path = argv[1],
		.image_fd = fake.image_fd,
		.arrival_fd = fake.arrival_fd,
		.hello = &hello,
	};
	if (bcast_client_start(fake.loop, &options, &events, &fake, &client, &err) < 0)
		die(err.text);
	loop_run(fake.loop, &err);
	if (fake.done_count + fake.failed_count != 1)
		die("neither done nor failed, or both");
	write_report(&fake);
	bcast_client_free(&client);
	loop_free(&fake.loop);
	buf_free(&fake.report);
	return 0;
}
