/*
 * tool_mode.c - `mpiexec -ppn 1 cmpi-bcast SRC... DST` (tool_mode.h, cmpi-bcast(1)).
 *
 * One rank a node copies, the lowest; others on the same node wait, asleep.  Rank 0 looks at the sources
 * (bundle_scan.h) and tells the list of what is to be copied; all copying ranks make room for it
 * (bundle_land.h), one transfer (transfer.h) carries all bytes, and when all ranks have verified theirs
 * everything gets its name.  Rank 0 prints.
 *
 * A file alone is read by one descriptor, of several readers (readers.h) if that helps; of a tree each file is opened when
 * its turn comes.
 *
 * A signal that asks for an end (INT, TERM, HUP) is taken from a signalfd by the session's watch,
 * so that temporary names are removed on that way too.
 *
 * Caveat: on a disk the files land by way of the page cache, and are not synced.
 */
#include "bcast/tool_mode.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bcast/bundle.h"
#include "bcast/bundle_land.h"
#include "bcast/bundle_scan.h"
#include "bcast/chunk.h"
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

/* What rank 0 tells first. */
struct head_wire {
	uint64_t list_len;  /* 0: it has failed */
	int32_t readers;
};

struct tool {
	const struct tool_options *options;
	struct session all, copiers;
	int signal_fd;
	struct bundle bundle;
	struct bundle_land land;
	struct source source;
	int readers;
	enum schedule_kind kind;
	uint32_t chunk_size;
	struct manifest *manifest;
	struct bcast_done done;
	struct engine_result result;
	uint64_t started_ns, total_ns, scan_ns, commit_ns, told_ns;
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

/* On a terminal a line that changes; elsewhere a line a second. */
static void print_progress(void *context, uint64_t bytes)
{
	struct tool *tool = context;
	uint64_t now = clock_now_ns();
	bool terminal = isatty(STDERR_FILENO), last = bytes == tool->bundle.size;
	if (tool->all.rank != 0 ||
	    (!terminal && !last && tool->told_ns > 0 && now - tool->told_ns < NS_PER_S))
		return;
	tool->told_ns = now;
	double seconds = (double)(now - tool->started_ns) / (double)NS_PER_S;
	fprintf(stderr, "%scmpi-bcast: %llu of %llu MiB, %.0f MB/s%s", terminal ? "\r" : "",
		(unsigned long long)bytes >> 20, (unsigned long long)tool->bundle.size >> 20,
		(double)bytes / 1e6 / seconds, terminal && !last ? "\033[K" : "\n");
}

/* Rank 0: the sources. */
static void look_at_sources(struct tool *tool, struct head_wire *head, struct err *err)
{
	const struct tool_options *options = tool->options;
	const char *advice = NULL;
	size_t skipped;
	head->readers = options->readers > 0 ? options->readers : 1;
	if (bundle_scan(options->sources, options->source_count, &tool->bundle, &skipped, err) < 0)
		return;
	if (skipped > 0)
		log_note("%zu sockets, pipes or devices are left out", skipped);
	if (tool->bundle.entry_count > 1) {
		source_open_bundle(&tool->bundle, &tool->source);
	} else if (tool->bundle.entries[0].kind == BUNDLE_FILE) {
		if (source_open(options->sources[0], &tool->source, err) < 0)
			return;
		head->readers = readers_choose(&tool->source, options->readers, tool->copiers.size, &advice);
	}
	if (advice != NULL)
		log_note("%s: %s", options->sources[0], advice);
	tool->scan_ns = clock_now_ns() - tool->started_ns;
}

/* Collective: the list to all. *mine: what is wrong with it here. <0: the session broke. */
static int tell_list(struct tool *tool, struct err *mine, struct err *err)
{
	AUTO_BUF struct buf list = {0};
	AUTO_FREE char *received = NULL;
	struct head_wire head = {0};
	bool first = tool->copiers.rank == 0;
	int rc;
	if (first) {
		look_at_sources(tool, &head, mine);
		if (mine->number == 0)
			bundle_encode(&tool->bundle, &list);
		if (list.failed)
			err_errno(mine, ENOMEM, "the list of what is copied");
		head.list_len = mine->number == 0 ? list.len : 0;
	}
	if ((rc = session_broadcast(&tool->copiers, 0, &head, sizeof head, err)) < 0)
		return rc;
	tool->readers = head.readers;
	if (head.list_len == 0)
		return 0;
	if (!first && (received = malloc(head.list_len)) == NULL) {
		tool->copiers.broken = true;
		return err_errno(err, ENOMEM, "a list of %llu bytes", (unsigned long long)head.list_len);
	}
	rc = session_broadcast(&tool->copiers, 0, first ? list.data : received, head.list_len, err);
	if (rc == 0 && !first)
		bundle_decode(received, head.list_len, &tool->bundle, mine);
	return rc;
}

/* Which file is it that reads back otherwise? */
static int compare(const struct tool *tool, struct err *err)
{
	struct chunk_layout layout;
	struct manifest *again = NULL;
	int rc = chunk_layout_make(tool->bundle.size, tool->chunk_size, &layout, err);
	if (rc < 0 || (rc = manifest_new(&layout, &again, err)) < 0)
		return rc;
	if (layout.size > 0)
		manifest_hash_all(again, tool->land.landing.base);
	for (uint64_t i = 0; rc == 0 && i < layout.count; i++) {
		const struct bundle_entry *entry = bundle_find(&tool->bundle, chunk_offset(&layout, i));
		if (memcmp(manifest_get(again, i), manifest_get(tool->manifest, i), MANIFEST_HASH_SIZE) == 0)
			continue;
		rc = err_set(err, EBADMSG, "%s%s%s reads back other bytes than were written, or a file behind it; "
			     "check the disk", tool->land.destinations[entry ? entry->item : 0].path,
			     entry && entry->path[0] ? "/" : "", entry ? entry->path : "");
	}
	manifest_free(&again);
	return rc;
}

/* Collective among the copiers: verified files get their names. */
static int commit(struct tool *tool, struct bcast_failed *failed)
{
	struct err mine = ERR_NONE;
	uint64_t started = clock_now_ns();
	bundle_land_unpack(&tool->land, &mine);
	int rc = session_agree(&tool->copiers, EXITCODE_SETUP, &mine, failed);
	if (rc == 0 && tool->options->verify) {
		if (bundle_land_reread(&tool->land, &mine) == 0)
			compare(tool, &mine);
		rc = session_agree(&tool->copiers, EXITCODE_NODE, &mine, failed);
	}
	if (rc < 0)
		return rc;
	bundle_land_commit(&tool->land, &mine);
	rc = session_agree(&tool->copiers, EXITCODE_SETUP, &mine, failed);
	tool->commit_ns = clock_now_ns() - started;
	return rc;
}

/* Collective: the sources at all readers; their number, or <0: the session broke. */
static int open_readers(struct tool *tool, struct err *mine, struct err *err)
{
	if (tool->bundle.entry_count == 1)
		return readers_open(&tool->copiers, tool->kind, tool->readers, tool->options->readers > 0,
				    &tool->source, mine, err);
	if (tool->bundle.entry_count > 0 && tool->copiers.rank > 0 &&
	    transfer_reads(&tool->copiers, tool->kind, tool->readers))
		source_open_bundle(&tool->bundle, &tool->source);
	return tool->readers;
}

static bool has_source(const struct tool *tool)
{
	return tool->source.fd >= 0 || tool->source.bundle != NULL;
}

/* Collective among the copiers. */
static int move(struct tool *tool, const struct err *earlier, struct bcast_failed *failed)
{
	struct transfer transfer = {
		.earlier = *earlier,
		.earlier_exit_code = earlier->number == ENOSPC || earlier->number == ENOMEM ? EXITCODE_SETUP
											     : EXITCODE_USAGE,
		.size = tool->bundle.size,
		.fd = -1,
		.landing = &tool->land.landing,
		.manifest = &tool->manifest,
		.result = &tool->result,
		.progress = tool->options->progress ? print_progress : NULL,
		.context = tool,
	};
	struct err err = ERR_NONE;
	transfer_choose(transfer.size, tool->copiers.size, tool->readers, &tool->kind, &tool->chunk_size);
	int readers = open_readers(tool, &transfer.earlier, &err);
	if (readers < 0)
		return session_fail(&tool->copiers, EXITCODE_NODE, &err, failed);
	tool->readers = transfer.readers = readers;
	transfer.kind = tool->kind;
	transfer.chunk_size = tool->chunk_size;
	/* Who failed has nothing to read, and all will hear of it before anybody reads. */
	transfer.source = has_source(tool) ? &tool->source : NULL;
	return transfer_run(&tool->copiers, &transfer, &tool->done, failed);
}

/* Collective among the copiers. */
static int copy(struct tool *tool, struct bcast_failed *failed)
{
	struct err mine = ERR_NONE, err = ERR_NONE;
	tool->started_ns = clock_now_ns();
	if (tell_list(tool, &mine, &err) < 0)
		return session_fail(&tool->copiers, EXITCODE_NODE, &err, failed);
	uint64_t told = clock_now_ns();
	/* Without a list there is no source, and rank 0 is about to say why. */
	if (mine.number == 0 && tool->bundle.entry_count > 0)
		bundle_land_open(&tool->bundle, tool->options->destination, &tool->land, &mine);
	uint64_t land_ns = clock_now_ns() - told;
	int rc = move(tool, &mine, failed);
	tool->done.land_ns += land_ns;
	if (rc == 0)
		rc = commit(tool, failed);
	/* MPI may still write into the memory of a session that broke in the middle. */
	if (tool->copiers.broken)
		tool->land.landing = (struct landing){0};
	bundle_land_close(&tool->land);
	source_close(&tool->source);
	manifest_free(&tool->manifest);
	tool->total_ns = clock_now_ns() - tool->started_ns;
	return rc;
}

static void print_json(const struct tool *tool)
{
	const struct bcast_done *done = &tool->done;
	const struct bundle *bundle = &tool->bundle;
	char digest[2 * BCAST_DIGEST_SIZE + 1];
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
		{"nodes", (uint64_t)tool->copiers.size},
		{"files", bundle_count(bundle, BUNDLE_FILE)},
		{"directories", bundle_count(bundle, BUNDLE_DIRECTORY)},
		{"links", bundle_count(bundle, BUNDLE_SYMLINK) + bundle_count(bundle, BUNDLE_HARDLINK)},
		{"readers", (uint64_t)tool->readers},
		{"chunk_size", tool->chunk_size},
		{"read_bytes", tool->source.read_bytes},
		{"repairs", tool->result.repairs},
		{"init_ns", done->init_ns},
		{"scan_ns", tool->scan_ns},
		{"land_ns", done->land_ns},
		{"read_ns", done->read_ns},
		{"transfer_ns", done->transfer_ns},
		{"verify_ns", done->verify_ns},
		{"commit_ns", tool->commit_ns},
		{"total_ns", tool->total_ns},
	};
	for (size_t i = 0; i < BCAST_DIGEST_SIZE; i++)
		snprintf(digest + 2 * i, 3, "%02x", done->digest[i]);
	printf("{\"bytes\":%llu,\"digest\":\"xxh3:%s\",\"schedule\":\"%s\"",
	       (unsigned long long)done->bytes, digest, schedule_kind_name(tool->kind));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		printf(",\"%s\":%llu", numbers[i].name, (unsigned long long)numbers[i].value);
	printf("}\n");
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
	bundle_free(&tool.bundle);
	leaders_free(&tool.copiers);
	session_close(&tool.all);
	close_fd(&tool.signal_fd);
	return exit_code;
}
