/*
 * tool_mode.c - `mpiexec -ppn 1 cmpi-bcast SRC DST` (tool_mode.h, cmpi-bcast(1)).
 *
 * One rank a node copies, the lowest; others on the same node wait, asleep.  Rank 0 opens SRC, other
 * readers (readers.h) the same path; rank 0 tells its size, mode, time and name, and prints; every copying rank opens DST beside its final
 * name, lands the file in it (transfer.h) and renames it when all ranks have verified theirs.
 *
 * A signal that asks for an end (INT, TERM, HUP) is taken from a signalfd by the session's watch,
 * so that temporary names are removed on that way too.
 *
 * Caveat: on a disk the file lands by way of the page cache, and is not synced.
 */
#include "bcast/tool_mode.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#include "bcast/chunk.h"
#include "bcast/destination.h"
#include "bcast/leaders.h"
#include "bcast/manifest.h"
#include "bcast/readers.h"
#include "bcast/session.h"
#include "bcast/source.h"
#include "bcast/transfer.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"

enum { ASLEEP_NS = 2 * (int)NS_PER_MS };

/* What rank 0 tells of its file. */
struct file_wire {
	uint64_t size, mtime_s, mtime_ns;
	uint32_t mode;
	int32_t readers;
	char name[NAME_MAX + 1];
};

struct tool {
	const struct tool_options *options;
	struct session all, copiers;
	int signal_fd;
	struct source source;
	struct file_wire file;
	uint32_t chunk_size;
	struct destination destination;
	struct bcast_done done;
	uint64_t total_ns;
};

static int watch_signals(void *context, struct err *err)
{
	const struct tool *tool = context;
	struct signalfd_siginfo info;
	if (read(tool->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
		return 0;
	return err_set(err, EINTR, "interrupted by signal %u", info.ssi_signo);
}

static int catch_signals(struct tool *tool, struct err *err)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	tool->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (tool->signal_fd < 0)
		return err_errno(err, errno, "signalfd");
	tool->all.watch = watch_signals;
	tool->all.watch_context = tool;
	return 0;
}

static void print_progress(void *context, uint64_t bytes)
{
	const struct tool *tool = context;
	if (tool->all.rank == 0)
		fprintf(stderr, "cmpi-bcast: %llu of %llu MiB\n", (unsigned long long)bytes >> 20,
			(unsigned long long)tool->file.size >> 20);
}

static void open_source(struct tool *tool, struct err *err)
{
	const char *path = tool->options->source, *advice;
	if (tool->copiers.rank != 0 || source_open(path, &tool->source, err) < 0)
		return;
	tool->file = (struct file_wire){
		.size = tool->source.size,
		.mtime_s = (uint64_t)tool->source.mtime.tv_sec,
		.mtime_ns = (uint64_t)tool->source.mtime.tv_nsec,
		.mode = tool->source.mode,
		.readers = readers_choose(&tool->source, tool->options->readers, tool->copiers.size,
					  &advice),
	};
	if (advice != NULL)
		log_note("%s: %s", path, advice);
	snprintf(tool->file.name, sizeof tool->file.name, "%.*s", NAME_MAX, destination_base(path));
}

/* The bytes of the file as its file system gives them back, hashed again. */
static int reread(const struct tool *tool, struct err *err)
{
	const struct destination *destination = &tool->destination;
	struct chunk_layout layout;
	struct manifest *manifest = NULL;
	uint8_t digest[MANIFEST_HASH_SIZE];
	uint64_t size = tool->file.size;
	if (size == 0)
		return 0;
	/* Only pages that are on the disk can be dropped from memory. */
	if (fsync(destination->fd) < 0)
		return err_errno(err, errno, "sync %s", destination->path);
	posix_fadvise(destination->fd, 0, 0, POSIX_FADV_DONTNEED);
	void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, destination->fd, 0);
	if (bytes == MAP_FAILED)
		return err_errno(err, errno, "map %s", destination->path);
	madvise(bytes, size, MADV_SEQUENTIAL);
	int rc = chunk_layout_make(size, tool->chunk_size, &layout, err);
	if (rc == 0)
		rc = manifest_new(&layout, &manifest, err);
	if (rc == 0) {
		manifest_hash_all(manifest, bytes);
		manifest_digest(manifest, digest);
		if (memcmp(digest, tool->done.digest, sizeof digest) != 0)
			rc = err_set(err, EBADMSG, "%s reads back other bytes than were written; "
				     "check the disk", destination->path);
	}
	manifest_free(&manifest);
	munmap(bytes, size);
	return rc;
}

/* Collective among the copiers: verified files get their names. */
static int commit(struct tool *tool, struct bcast_failed *failed)
{
	struct err mine = ERR_NONE;
	int rc;
	if (tool->options->verify) {
		reread(tool, &mine);
		if ((rc = session_agree(&tool->copiers, EXITCODE_NODE, &mine, failed)) < 0)
			return rc;
	}
	struct timespec mtime = {(time_t)tool->file.mtime_s, (long)tool->file.mtime_ns};
	destination_commit(&tool->destination, tool->file.mode, &mtime, &mine);
	return session_agree(&tool->copiers, EXITCODE_SETUP, &mine, failed);
}

/* Collective among the copiers. */
static int copy(struct tool *tool, struct bcast_failed *failed)
{
	struct transfer transfer = {
		.earlier_exit_code = EXITCODE_USAGE,
		.progress = tool->options->progress ? print_progress : NULL,
		.context = tool,
	};
	struct err err = ERR_NONE;
	uint64_t started = clock_now_ns();
	open_source(tool, &transfer.earlier);
	if (session_broadcast(&tool->copiers, 0, &tool->file, sizeof tool->file, &err) < 0)
		return session_fail(&tool->copiers, EXITCODE_NODE, &err, failed);
	/* Without a name there is no source, and rank 0 is about to say why. */
	tool->file.name[NAME_MAX] = '\0';
	if (tool->file.name[0] != '\0')
		destination_open(tool->options->destination, tool->file.name, &tool->destination,
				 &transfer.earlier);
	transfer.size = tool->file.size;
	transfer_choose(tool->file.size, tool->copiers.size, tool->file.readers, &transfer.kind,
			&transfer.chunk_size);
	int rc = readers_open(&tool->copiers, transfer.kind, tool->file.readers,
			      tool->options->readers > 0, &tool->source, &transfer.earlier, &err);
	if (rc < 0)
		return session_fail(&tool->copiers, EXITCODE_NODE, &err, failed);
	transfer.readers = rc;
	tool->chunk_size = transfer.chunk_size;
	transfer.source = tool->source.fd >= 0 ? &tool->source : NULL;
	transfer.fd = tool->destination.fd;
	rc = transfer_run(&tool->copiers, &transfer, &tool->done, failed);
	if (rc == 0)
		rc = commit(tool, failed);
	destination_close(&tool->destination);
	source_close(&tool->source);
	tool->total_ns = clock_now_ns() - started;
	return rc;
}

static void print_json(const struct tool *tool)
{
	const struct bcast_done *done = &tool->done;
	char digest[2 * BCAST_DIGEST_SIZE + 1];
	for (size_t i = 0; i < BCAST_DIGEST_SIZE; i++)
		snprintf(digest + 2 * i, 3, "%02x", done->digest[i]);
	printf("{\"bytes\":%llu,\"nodes\":%d,\"digest\":\"xxh3:%s\",\"init_ns\":%llu,\"land_ns\":%llu,"
	       "\"read_ns\":%llu,\"transfer_ns\":%llu,\"verify_ns\":%llu,\"total_ns\":%llu}\n",
	       (unsigned long long)done->bytes, tool->copiers.size, digest,
	       (unsigned long long)done->init_ns, (unsigned long long)done->land_ns,
	       (unsigned long long)done->read_ns, (unsigned long long)done->transfer_ns,
	       (unsigned long long)done->verify_ns, (unsigned long long)tool->total_ns);
}

static void report(const struct tool *tool, int rc, const struct bcast_failed *failed)
{
	if (tool->all.rank != 0)
		return;
	if (rc < 0)
		log_error("%s", failed->err.text);
	else if (tool->options->json)
		print_json(tool);
	else if (tool->options->progress)
		log_note("%llu MiB on %d nodes in %.3f s", (unsigned long long)tool->done.bytes >> 20,
			 tool->copiers.size, (double)tool->total_ns / (double)NS_PER_S);
}

/* Rank 0 copies, so it knows the outcome; the ranks that do not copy sleep here. */
static int share_outcome(struct tool *tool, int exit_code)
{
	struct err err = ERR_NONE;
	int32_t code = exit_code;
	if (tool->copiers.size == 0)
		tool->all.sleep_ns = ASLEEP_NS;
	if (session_broadcast(&tool->all, 0, &code, sizeof code, &err) == 0)
		return code;
	log_error("%s", err.text);
	session_abort(&tool->all, EXITCODE_NODE);
}

static int run(struct tool *tool, struct bcast_failed *failed)
{
	struct err err = ERR_NONE;
	if (catch_signals(tool, &err) < 0 || leaders_keep(&tool->all, &tool->copiers, &err) < 0) {
		tool->all.broken = true;
		return session_fail(&tool->all, EXITCODE_NODE, &err, failed);
	}
	if (tool->all.rank == 0 && tool->copiers.size < tool->all.size)
		log_note("%d ranks on %d node%s: one a node copies", tool->all.size,
			 tool->copiers.size, tool->copiers.size == 1 ? "" : "s");
	int rc = tool->copiers.size > 0 ? copy(tool, failed) : 0;
	tool->all.broken |= tool->copiers.broken;
	return rc;
}

int tool_mode_run(const struct tool_options *options, const struct err *usage)
{
	struct tool tool = {
		.options = options,
		.signal_fd = -1,
		.source.fd = -1,
		.destination = {.fd = -1, .dir_fd = -1},
	};
	struct bcast_failed failed = {.exit_code = EXITCODE_USAGE, .err = *usage};
	struct err err = ERR_NONE;
	uint64_t started = clock_now_ns();
	if (session_open(&tool.all, &err) < 0) {
		log_error("%s", err.text);
		return EXITCODE_NODE;
	}
	tool.done.init_ns = clock_now_ns() - started;
	int rc = usage->number != 0 ? -usage->number : run(&tool, &failed);
	if (tool.all.broken) {
		log_error("%s", failed.err.text);
		session_abort(&tool.all, failed.exit_code);
	}
	report(&tool, rc, &failed);
	int exit_code = share_outcome(&tool, rc < 0 ? failed.exit_code : EXITCODE_OK);
	leaders_free(&tool.copiers);
	session_close(&tool.all);
	close_fd(&tool.signal_fd);
	return exit_code;
}
