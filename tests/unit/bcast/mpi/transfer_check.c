/*
 * transfer_check.c - an MPI program: transfers with odd sizes and with damage on the way.
 *
 *	bcast_transfer_check DIR [large]
 *
 * Each case is a row: size, chunk size, what goes wrong where, and the failure that all ranks must
 * see.  Damage is done by the `arrived` event, which comes before a chunk is hashed and sent on.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bcast/chunk.h"
#include "bcast/transfer.h"
#include "common/cleanup.h"
#include "common/exitcode.h"

enum harm { HARM_NONE, HARM_FLIP, HARM_TRUNCATE, HARM_TOUCH, HARM_NO_FILE, HARM_EARLIER };

struct check {
	const char *name;
	uint64_t size;
	uint32_t chunk_size;
	enum harm harm;
	int rank;         /* where the harm is done; needs that many ranks */
	uint64_t chunk;   /* when that chunk arrived there */
	int number;       /* the errno of the failure, 0: none */
	int exit_code;
	const char *text; /* in the failure */
};

static const struct check checks[] = {
	{"empty", 0, 1000, HARM_NONE, 0, 0, 0, 0, ""},
	{"one byte", 1, 1000, HARM_NONE, 0, 0, 0, 0, ""},
	{"chunk - 1", 999, 1000, HARM_NONE, 0, 0, 0, 0, ""},
	{"chunk", 1000, 1000, HARM_NONE, 0, 0, 0, 0, ""},
	{"chunk + 1", 1001, 1000, HARM_NONE, 0, 0, 0, 0, ""},
	{"a byte a chunk", 1500, 1, HARM_NONE, 0, 0, 0, 0, ""},
	{"many small chunks", 5000001, 1000, HARM_NONE, 0, 0, 0, 0, ""},
	{"chunks above a slice", 9000001, 1 << 20, HARM_NONE, 0, 0, 0, 0, ""},
	{"large chunks", 37 << 20, 16 << 20, HARM_NONE, 0, 0, 0, 0, ""},
	{"damage at rank 1", 300000, 1000, HARM_FLIP, 1, 123, EBADMSG, EXITCODE_NODE,
	 "chunk 123 of 300 (1000 bytes at 123000) arrived damaged from rank 0"},
	{"damage in the last chunk", 299001, 1000, HARM_FLIP, 1, 299, EBADMSG, EXITCODE_NODE,
	 "chunk 299 of 300 (1 bytes"},
	{"damage at rank 2", 300000, 1000, HARM_FLIP, 2, 5, EBADMSG, EXITCODE_NODE,
	 "arrived damaged from rank 1"},
	{"truncated while read", 9000000, 1000, HARM_TRUNCATE, 0, 50, ENODATA, EXITCODE_IMAGE,
	 "was truncated while it was read"},
	{"changed while read", 9000000, 1000, HARM_TOUCH, 0, 50, ESTALE, EXITCODE_IMAGE,
	 "was changed while it was read"},
	{"no place to land", 5000, 1000, HARM_NO_FILE, 1, 0, EBADF, EXITCODE_SETUP,
	 "no file to put it into"},
	{"failed before", 5000, 1000, HARM_EARLIER, 1, 0, EXDEV, 42, "something earlier"},
	{"good after all that", 300000, 1000, HARM_NONE, 0, 0, 0, 0, ""},
};

static const struct check large = {"3 GB", 3000000001ull, 4 << 20, HARM_NONE, 0, 0, 0, 0, ""};

struct run {
	const struct check *check;
	struct session *session;
	const char *path;
	uint64_t arrived;
};

static _Noreturn void die(const struct run *run, const char *what)
{
	fprintf(stderr, "transfer_check: %s: rank %d: %s\n", run->check->name, run->session->rank, what);
	MPI_Abort(MPI_COMM_WORLD, 1);
	abort();
}

enum { BLOCK = 1 << 20 };

/* What block number `block` of every file holds: no two are alike. */
static void fill_block(uint64_t block, uint64_t words[BLOCK / 8])
{
	uint64_t first = block * (BLOCK / 8);
	for (uint64_t i = 0; i < BLOCK / 8; i++)
		words[i] = (first + i + 1) * 0x9e3779b97f4a7c15ull;
}

static size_t block_length(uint64_t size, uint64_t at)
{
	return size - at < BLOCK ? (size_t)(size - at) : BLOCK;
}

static void make_source(const struct run *run)
{
	static uint64_t words[BLOCK / 8];
	uint64_t size = run->check->size;
	FILE *file = fopen(run->path, "w");
	for (uint64_t at = 0; file != NULL && at < size; at += BLOCK) {
		fill_block(at / BLOCK, words);
		fwrite(words, 1, block_length(size, at), file);
	}
	if (file == NULL || fclose(file) != 0)
		die(run, "cannot make the source");
}

static void touch(const char *path)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 1}};
	utimensat(AT_FDCWD, path, times, 0);
}

static void on_arrived(void *context, uint64_t chunk, char *bytes, size_t len)
{
	struct run *run = context;
	const struct check *check = run->check;
	run->arrived++;
	if (check->rank != run->session->rank || check->chunk != chunk)
		return;
	if (check->harm == HARM_FLIP)
		bytes[len / 2] ^= 1;
	else if (check->harm == HARM_TRUNCATE)
		(void)!truncate(run->path, 100);
	else if (check->harm == HARM_TOUCH)
		touch(run->path);
}

static void check_content(const struct run *run, int fd)
{
	uint64_t size = run->check->size;
	struct stat st;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != size)
		die(run, "another size");
	if (size == 0)
		return;
	static uint64_t words[BLOCK / 8];
	const char *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		die(run, "mmap");
	for (uint64_t at = 0; at < size; at += BLOCK) {
		fill_block(at / BLOCK, words);
		if (memcmp(bytes + at, words, block_length(size, at)) != 0)
			die(run, "another content");
	}
	munmap((void *)bytes, size);
}

static void check_outcome(const struct run *run, int rc, const struct bcast_failed *failed)
{
	const struct check *check = run->check;
	char got[1200];
	snprintf(got, sizeof got, "got %d, exit %d, rank %u: %s", rc, failed->exit_code, failed->rank,
		 failed->err.text);
	if (rc != -check->number)
		die(run, got);
	if (rc < 0 && (failed->exit_code != check->exit_code || (int)failed->rank != check->rank ||
		       strstr(failed->err.text, check->text) == NULL))
		die(run, got);
	if (rc < 0 && run->session->size > 1 && strncmp(failed->err.text, "node ", 5) != 0)
		die(run, got);
}

static void run_check(struct session *session, const struct check *check, const char *path)
{
	struct run run = {.check = check, .session = session, .path = path};
	struct source source = {.fd = -1};
	struct bcast_done done;
	struct bcast_failed failed = {0};
	if (check->rank >= session->size)
		return;
	bool here = check->rank == session->rank;
	AUTO_FD int fd = memfd_create("check", MFD_CLOEXEC);
	struct transfer transfer = {
		.kind = SCHEDULE_CHAIN,
		.size = check->size,
		.chunk_size = check->chunk_size,
		.fd = here && check->harm == HARM_NO_FILE ? -1 : fd,
		.arrived = on_arrived,
		.context = &run,
	};
	if (here && check->harm == HARM_EARLIER) {
		transfer.earlier_exit_code = 42;
		err_set(&transfer.earlier, EXDEV, "something earlier");
	}
	if (session->rank == 0) {
		make_source(&run);
		if (source_open(path, &source, &failed.err) < 0)
			die(&run, failed.err.text);
		transfer.source = &source;
	}
	int rc = transfer_run(session, &transfer, &done, &failed);
	check_outcome(&run, rc, &failed);
	if (rc == 0) {
		struct chunk_layout layout;
		chunk_layout_make(check->size, check->chunk_size, &layout, NULL);
		check_content(&run, fd);
		if (run.arrived != layout.count || done.bytes != check->size)
			die(&run, "not every chunk once");
	}
	source_close(&source);
}

int main(int argc, char **argv)
{
	struct session session;
	struct err err = ERR_NONE;
	char path[PATH_MAX];
	if (argc < 2 || session_open(&session, &err) < 0) {
		fprintf(stderr, "transfer_check: %s\n", err.text);
		return 1;
	}
	snprintf(path, sizeof path, "%s/source", argv[1]);
	if (argc > 2)
		run_check(&session, &large, path);
	for (size_t i = 0; argc == 2 && i < sizeof checks / sizeof *checks; i++)
		run_check(&session, &checks[i], path);
	session_close(&session);
	return 0;
}
