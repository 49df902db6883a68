/*
 * transfer_check.c - an MPI program: transfers with odd sizes and with damage on the way.
 *
 *	bcast_transfer_check DIR [large | pace BYTES]
 *
 * Each case is a row: size, chunk size, what goes wrong where, and the failure that all ranks must
 * see.  `pace` is for tests/cluster/bcast.sh: each rank prints when it had all, in ms, and how often it lost
 * its children.  Damage is done by the `received` event, which comes before a chunk is verified and sent on;
 * who is slow is said by the `judged` event, so that no clock decides what is tested.
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
#include "bcast/engine.h"
#include "bcast/manifest.h"
#include "bcast/transfer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"

enum harm { HARM_NONE, HARM_FLIP, HARM_TRUNCATE, HARM_TOUCH, HARM_NO_FILE, HARM_EARLIER,
	    HARM_CANCEL, HARM_SLOW, HARM_SELF_SLOW, HARM_SUSPECT };

enum { RAISE = 1, ORDER = 2, KNOWN = 4, HASHES = 8, WRONG_HASH = 16, NO_THREADS = 32 };

struct check {
	const char *name;
	uint64_t size;
	uint32_t chunk_size;
	enum schedule_kind kind;
	int readers;
	unsigned flags;
	enum harm harm;
	int rank;         /* where the harm is done; needs that many ranks */
	uint64_t chunk;   /* when that chunk arrived there; HARM_SLOW ...: when so many were sent to it */
	int times;        /* HARM_FLIP: as often */
	int number;       /* the errno of the failure, 0: none */
	int exit_code;
	const char *text; /* in the failure */
};

#define CHAIN SCHEDULE_CHAIN
#define TREE SCHEDULE_TWO_TREE
#define GOOD HARM_NONE, 0, 0, 0, 0, 0, ""

#define CANCELLED ECANCELED, EXITCODE_IMAGE, "nobody needs the rest of the file"

static const struct check checks[] = {
	{"empty", 0, 1000, CHAIN, 1, 0, GOOD},
	{"one byte", 1, 1000, CHAIN, 1, 0, GOOD},
	{"chunk - 1", 999, 1000, CHAIN, 1, 0, GOOD},
	{"chunk", 1000, 1000, CHAIN, 1, 0, GOOD},
	{"chunk + 1", 1001, 1000, CHAIN, 1, 0, GOOD},
	{"a byte a chunk", 1500, 1, CHAIN, 1, 0, GOOD},
	{"many small chunks", 1000001, 1000, CHAIN, 1, 0, GOOD},
	{"large chunks", 37 << 20, 16 << 20, CHAIN, 1, 0, GOOD},
	{"no threads", 9000001, 1 << 18, CHAIN, 1, NO_THREADS, GOOD},
	{"two trees: empty", 0, 1000, TREE, 1, 0, GOOD},
	{"two trees: one byte", 1, 1000, TREE, 1, 0, GOOD},
	{"two trees", 1000001, 1000, TREE, 1, 0, GOOD},
	{"two readers: one byte", 1, 1000, CHAIN, 2, 0, GOOD},
	{"two readers", 600001, 1000, CHAIN, 2, 0, GOOD},
	{"two readers, two trees", 600001, 1000, TREE, 2, 0, GOOD},
	{"a reader a rank", 600001, 1000, TREE, 16, 0, GOOD},
	{"an order", 600001, 1000, CHAIN, 1, ORDER, GOOD},
	{"an order, readers, trees", 600001, 1000, TREE, 3, ORDER, GOOD},
	{"raised at random", 600001, 1000, CHAIN, 1, RAISE, GOOD},
	{"raised at random, readers, trees", 600001, 1000, TREE, 2, RAISE | ORDER, GOOD},
	{"hashes known", 300001, 1000, TREE, 2, HASHES, GOOD},
	{"chunks known", 300001, 1000, TREE, 2, HASHES | KNOWN | RAISE, GOOD},
	{"the file is not what is known of it", 300001, 1000, CHAIN, 1, HASHES | WRONG_HASH, HARM_NONE, 0, 0,
	 0, EBADMSG, EXITCODE_IMAGE, "are not what its sidecar says"},
	{"damage once", 300000, 1000, CHAIN, 1, 0, HARM_FLIP, 1, 123, 1, 0, 0, ""},
	{"damage in the last chunk", 299001, 1000, CHAIN, 1, 0, HARM_FLIP, 1, 299, 1, 0, 0, ""},
	{"damage once, two trees", 300000, 1000, TREE, 1, 0, HARM_FLIP, 2, 123, 1, 0, 0, ""},
	{"damage twice: the reader helps", 300000, 1000, CHAIN, 1, 0, HARM_FLIP, 2, 5, 2, 0, 0, ""},
	{"damage on a reader's link", 300000, 1000, CHAIN, 1, 0, HARM_FLIP, 1, 123, 9, EBADMSG,
	 EXITCODE_NODE, "chunk 123 of 300 (1000 bytes at 123000) arrived damaged from rank 0 again and again; "
	 "have the link to node "},
	{"damage on a link", 300000, 1000, CHAIN, 1, 0, HARM_FLIP, 2, 5, 9, EBADMSG, EXITCODE_NODE,
	 "arrived damaged from rank 1 again and again; have the link to node "},
	{"damage on a link, readers, trees", 300000, 1000, TREE, 2, 0, HARM_FLIP, 1, 6, 9, EBADMSG,
	 EXITCODE_NODE, "arrived damaged from rank "},
	{"a slow rank", 350 << 15, 1 << 15, CHAIN, 1, 0, HARM_SLOW, 2, 20, 0, 0, 0, ""},
	{"a slow rank next to the reader", 350 << 15, 1 << 15, CHAIN, 1, 0, HARM_SLOW, 1, 20, 0, 0, 0, ""},
	{"a slow rank, two trees", 350 << 15, 1 << 15, TREE, 1, 0, HARM_SLOW, 2, 20, 0, 0, 0, ""},
	{"a slow rank finds out", 350 << 15, 1 << 15, CHAIN, 1, 0, HARM_SELF_SLOW, 1, 20, 0, 0, 0, ""},
	{"a suspected rank", 350 << 15, 1 << 15, CHAIN, 1, 0, HARM_SUSPECT, 1, 20, 0, 0, 0, ""},
	{"unwanted", 3000000, 1000, CHAIN, 1, 0, HARM_CANCEL, 0, 50, 0, CANCELLED},
	{"unwanted, two trees", 3000000, 1000, TREE, 1, 0, HARM_CANCEL, 0, 50, 0, CANCELLED},
	{"unwanted, readers, trees", 3000000, 1000, TREE, 2, RAISE, HARM_CANCEL, 0, 50, 0, CANCELLED},
	{"unwanted, large chunks", 1000 << 15, 1 << 15, CHAIN, 1, 0, HARM_CANCEL, 0, 20, 0, CANCELLED},
	{"unwanted, another rank says", 1000 << 15, 1 << 15, CHAIN, 1, 0, HARM_CANCEL, 1, 20, 0, CANCELLED},
	{"truncated while read", 3000000, 1000, CHAIN, 1, 0, HARM_TRUNCATE, 0, 50, 0, ENODATA,
	 EXITCODE_IMAGE, "was truncated while it was read"},
	{"truncated while read by two", 3000000, 1000, TREE, 2, 0, HARM_TRUNCATE, 0, 50, 0, ENODATA,
	 EXITCODE_IMAGE, "was truncated while it was read"},
	{"changed while read", 3000000, 1000, CHAIN, 1, 0, HARM_TOUCH, 0, 50, 0, ESTALE, EXITCODE_IMAGE,
	 "was changed while it was read"},
	{"no place to land", 5000, 1000, CHAIN, 1, 0, HARM_NO_FILE, 1, 0, 0, EBADF, EXITCODE_SETUP,
	 "no file to put it into"},
	{"failed before", 5000, 1000, CHAIN, 1, 0, HARM_EARLIER, 1, 0, 0, EXDEV, 42, "something earlier"},
	{"good after all that", 300000, 1000, CHAIN, 1, 0, GOOD},
};

static const struct check large = {"3 GB", 3000000001ull, 4 << 20, CHAIN, 1, 0, GOOD};

struct run {
	const struct check *check;
	struct session *session;
	const char *path;
	char *landed;      /* the landing file, read-only */
	uint64_t arrived;
	int harmed;
	bool unwanted;     /* HARM_CANCEL */
	unsigned seed;
	struct engine_result result;
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

static bool strikes(const struct run *run, uint64_t chunk)
{
	return run->check->rank == run->session->rank && run->check->chunk == chunk;
}

/* Before it is verified: what happens on the way. */
static void on_received(void *context, uint64_t chunk, char *bytes, size_t len)
{
	struct run *run = context;
	if (strikes(run, chunk) && run->check->harm == HARM_FLIP && run->harmed++ < run->check->times)
		bytes[len / 2] ^= 1;
}

static bool judges(const struct check *check)
{
	return check->harm >= HARM_SLOW;
}

/* Once, in the middle. */
static enum engine_verdict on_judged(void *context, int child, uint64_t sent)
{
	struct run *run = context;
	const struct check *check = run->check;
	int slow = check->harm == HARM_SELF_SLOW ? run->session->rank : child;
	if (slow != check->rank || sent < check->chunk || run->harmed++ > 0)
		return ENGINE_KEEPS_UP;
	return check->harm == HARM_SLOW        ? ENGINE_CHILD_SLOW
	       : check->harm == HARM_SELF_SLOW ? ENGINE_SELF_SLOW
					       : ENGINE_CHILD_SUSPECT;
}

/* What may be read from now on must be right from now on. */
static void check_chunk(const struct run *run, uint64_t chunk)
{
	uint64_t at = chunk * run->check->chunk_size, end = at + run->check->chunk_size;
	if (end > run->check->size)
		end = run->check->size;
	for (uint64_t len; at < end; at += len) {
		uint64_t word = (at / 8 + 1) * 0x9e3779b97f4a7c15ull;
		len = 8 - at % 8 < end - at ? 8 - at % 8 : end - at;
		if (memcmp(run->landed + at, (const char *)&word + at % 8, len) != 0)
			die(run, "a chunk that had arrived was not right");
	}
}

static void on_arrived(void *context, uint64_t chunk)
{
	struct run *run = context;
	run->arrived++;
	if (run->landed != NULL)
		check_chunk(run, chunk);
	if (!strikes(run, chunk))
		return;
	if (run->check->harm == HARM_TRUNCATE)
		(void)!truncate(run->path, 100);
	else if (run->check->harm == HARM_TOUCH)
		touch(run->path);
	else if (run->check->harm == HARM_CANCEL)
		run->unwanted = true;
}

static bool is_unwanted(void *context)
{
	const struct run *run = context;
	return run->unwanted;
}

/* Now and then any chunk at all. */
static bool on_wanted(void *context, uint64_t *chunk)
{
	struct run *run = context;
	if (rand_r(&run->seed) % 3 != 0)
		return false;
	*chunk = (uint64_t)rand_r(&run->seed) % (run->check->size / run->check->chunk_size + 3);
	return true;
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
	/* That the rest is unwanted is known to all, and told by the first. */
	int rank = check->number == ECANCELED ? 0 : check->rank;
	if (rc < 0 && (failed->exit_code != check->exit_code || (int)failed->rank != rank ||
		       strstr(failed->err.text, check->text) == NULL))
		die(run, got);
	if (rc < 0 && run->session->size > 1 && strncmp(failed->err.text, "node ", 5) != 0)
		die(run, got);
}

/* What the case knows beforehand. */
struct facts {
	uint8_t *hashes, *known;
	uint64_t *order;
};

static void make_facts(const struct check *check, const struct chunk_layout *layout,
		       struct facts *facts)
{
	static uint64_t words[BLOCK / 8];
	facts->hashes = calloc(layout->count, MANIFEST_HASH_SIZE);
	facts->known = calloc(layout->count, 1);
	facts->order = calloc(layout->count, sizeof *facts->order);
	fill_block(0, words);
	for (uint64_t i = 0; i < layout->count; i++) {
		if (check->flags & HASHES)
			manifest_hash((char *)words + chunk_offset(layout, i), chunk_length(layout, i),
				      facts->hashes + i * MANIFEST_HASH_SIZE);
		facts->known[i] = i % 3 == 1;
		facts->order[i] = (i * 7919) % layout->count;
	}
	if (check->flags & WRONG_HASH)
		facts->hashes[40 * MANIFEST_HASH_SIZE] ^= 1;
}

static void free_facts(struct facts *facts)
{
	free(facts->hashes);
	free(facts->known);
	free(facts->order);
}

/* The landing file, with what is known to be in it; mapped once more, for looks from outside. */
static int make_landing(struct run *run, const struct chunk_layout *layout,
			const struct facts *facts)
{
	static uint64_t words[BLOCK / 8];
	int fd = memfd_create("check", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)layout->size) < 0)
		die(run, "memfd");
	fill_block(0, words);
	for (uint64_t i = 0; (run->check->flags & KNOWN) && i < layout->count; i++)
		if (facts->known[i] &&
		    pwrite(fd, (char *)words + chunk_offset(layout, i), chunk_length(layout, i),
			   (off_t)chunk_offset(layout, i)) < 0)
			die(run, "pwrite");
	if (layout->size > 0 && layout->size < 100000000)
		run->landed = mmap(NULL, layout->size, PROT_READ, MAP_SHARED, fd, 0);
	return fd;
}

/* Who was said to be slow has lost its children, once a tree; that they have everything nevertheless is seen as
 * with any other case.  A suspect's probe may come back too late. */
static void check_result(const struct run *run)
{
	const struct engine_result *result = &run->result;
	const struct check *check = run->check;
	uint32_t demotions = 0, repairs = 0;
	MPI_Allreduce(&result->demotions, &demotions, 1, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
	MPI_Allreduce(&result->repairs, &repairs, 1, MPI_UINT32_T, MPI_SUM, MPI_COMM_WORLD);
	uint32_t least = check->harm == HARM_SUSPECT ? 0 : 1, most = check->kind == CHAIN ? 1 : 2;
	if (judges(check) && (demotions < least || demotions > most))
		die(run, "another number of demotions");
	/* Damage that was passed on before it was noticed is repaired below, too. */
	if (check->harm == HARM_FLIP ? repairs < (uint32_t)check->times : repairs > 0)
		die(run, "another number of repairs");
}

static void run_check(struct session *session, const struct check *check, const char *path)
{
	struct run run = {.check = check, .session = session, .path = path,
			  .seed = (unsigned)session->rank + 1};
	struct source source = {.fd = -1};
	struct chunk_layout layout;
	struct facts facts;
	struct bcast_done done;
	struct bcast_failed failed = {0};
	/* Who loses children has some. */
	if (check->rank + judges(check) >= session->size)
		return;
	bool here = check->rank == session->rank;
	chunk_layout_make(check->size, check->chunk_size, &layout, NULL);
	make_facts(check, &layout, &facts);
	AUTO_FD int fd = make_landing(&run, &layout, &facts);
	struct transfer transfer = {
		.kind = check->kind,
		.readers = check->readers,
		.size = check->size,
		.chunk_size = check->chunk_size,
		.fd = here && check->harm == HARM_NO_FILE ? -1 : fd,
		.hashes = check->flags & HASHES ? facts.hashes : NULL,
		.known = check->flags & KNOWN ? facts.known : NULL,
		.order = check->flags & ORDER ? facts.order : NULL,
		.order_count = check->flags & ORDER ? layout.count : 0,
		.no_threads = check->flags & NO_THREADS,
		.seal = true,
		.result = &run.result,
		.arrived = on_arrived,
		.wanted = check->flags & RAISE ? on_wanted : NULL,
		.unwanted = is_unwanted,
		.received = on_received,
		.judged = judges(check) ? on_judged : NULL,
		.context = &run,
	};
	if (here && check->harm == HARM_EARLIER) {
		transfer.earlier_exit_code = 42;
		err_set(&transfer.earlier, EXDEV, "something earlier");
	}
	if (session->rank == 0)
		make_source(&run);
	MPI_Barrier(MPI_COMM_WORLD);
	if (transfer_reads(session, check->kind, check->readers)) {
		if (source_open(path, &source, &failed.err) < 0)
			die(&run, failed.err.text);
		transfer.source = &source;
	}
	MPI_Barrier(MPI_COMM_WORLD);
	int rc = transfer_run(session, &transfer, &done, &failed);
	check_outcome(&run, rc, &failed);
	if (rc == 0) {
		check_result(&run);
		check_content(&run, fd);
		if (run.arrived != layout.count || done.bytes != check->size)
			die(&run, "not every chunk once");
		if (fcntl(fd, F_GET_SEALS) != (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL |
					       (run.landed == NULL ? F_SEAL_WRITE : 0)))
			die(&run, "not sealed");
		uint64_t read = 0;
		MPI_Allreduce(&(uint64_t){source.read_bytes}, &read, 1, MPI_UINT64_T, MPI_SUM,
			      MPI_COMM_WORLD);
		uint64_t saved = 0;
		for (uint64_t i = 0; transfer.known != NULL && i < layout.count; i++)
			saved += facts.known[i] ? chunk_length(&layout, i) : 0;
		if (read != check->size - saved)
			die(&run, "not every byte read once");
	}
	if (run.landed != NULL)
		munmap(run.landed, layout.size);
	free_facts(&facts);
	source_close(&source);
}

struct pace {
	uint64_t size, complete_ns;
};

/* The first time; a rank may go on serving others. */
static void note_complete(void *context, uint64_t bytes)
{
	struct pace *pace = context;
	if (bytes == pace->size && pace->complete_ns == 0)
		pace->complete_ns = clock_now_ns();
}

/* One transfer as cmpi-bcast would do it; the order of the lines does not matter. */
static void run_pace(struct session *session, const char *path, uint64_t size)
{
	struct check check = {"pace", size, 0, CHAIN, 1, 0, GOOD};
	struct run run = {.check = &check, .session = session, .path = path};
	struct source source = {.fd = -1};
	struct engine_result result = {0};
	struct bcast_done done;
	struct bcast_failed failed = {0};
	struct pace pace = {.size = size};
	AUTO_FD int fd = memfd_create("pace", MFD_CLOEXEC);
	struct transfer transfer = {.size = size, .fd = fd, .result = &result, .progress = note_complete,
				    .context = &pace};
	transfer_choose(size, session->size, 1, &transfer.kind, &transfer.chunk_size);
	if (session->rank == 0) {
		make_source(&run);
		if (source_open(path, &source, &failed.err) < 0)
			die(&run, failed.err.text);
		transfer.source = &source;
	}
	MPI_Barrier(MPI_COMM_WORLD);
	uint64_t started_ns = clock_now_ns();
	if (transfer_run(session, &transfer, &done, &failed) < 0)
		die(&run, failed.err.text);
	check_content(&run, fd);
	printf("%s %llu ms %u\n", session->node,
	       (unsigned long long)((pace.complete_ns - started_ns) / NS_PER_MS), result.demotions);
	fflush(stdout);
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
	if (argc > 3)
		run_pace(&session, path, strtoull(argv[3], NULL, 10));
	else if (argc > 2)
		run_check(&session, &large, path);
	for (size_t i = 0; argc == 2 && i < sizeof checks / sizeof *checks; i++)
		run_check(&session, &checks[i], path);
	session_close(&session);
	return 0;
}
