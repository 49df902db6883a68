/*
 * daemon_mode.c - the session as cmpid wants it (daemon_mode.h).
 *
 * HELLO in → MPI_Init → cards, plan and key → SESSION out (cmpid builds its tree now) → the image,
 * with MOUNTABLE on the way → DONE out, descriptors closed → MPI_Finalize.
 *
 * What travels first: the superblock, the tables that it names, the hot chunks of the image's sidecar
 * (which also knows the hashes beforehand), the rest.  With a map of arrived chunks (common/arrival.h) each
 * verified chunk is marked there, and what its readers wait for is asked for first.
 *
 * When cmpid of rank 0 says CANCEL, the transfer is stopped in good order on all ranks (engine.h), and all say
 * CANCELLED.
 *
 * cmpid's death is ours: at once by the kernel (PR_SET_PDEATHSIG), and by the end of the socket,
 * for which every wait looks.  A failure is told to cmpid; it ends the job in good order.  Only
 * when the session is broken and cmpid does not react do we end it by MPI_Abort.
 */
#include "bcast/daemon_mode.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "bcast/chunk.h"
#include "bcast/control.h"
#include "bcast/early.h"
#include "bcast/exchange.h"
#include "bcast/keep.h"
#include "bcast/keep_session.h"
#include "bcast/readers.h"
#include "bcast/session.h"
#include "bcast/sidecar_file.h"
#include "bcast/source.h"
#include "bcast/transfer.h"
#include "common/arrival.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"

enum { ABORT_GRACE_MS = 2000, HOLDER_WAIT_MS = 3000 };

struct daemon {
	int fd, image_fd, arrival_fd;
	struct exchange_image image;
	enum schedule_kind kind;
	struct session session;
	struct session *movers;      /* among whom the image moves: all, or `lacking` */
	struct session lacking;
	struct bcast_hello hello;
	struct source source;
	struct sidecar sidecar;      /* a reader's; empty if there is none of this chunk size */
	struct arrival *arrival;     /* NULL: nobody looks at the image before it is complete */
	struct early early;
	const char *base;            /* of the image file, for looks at the superblock */
	uint64_t *order;             /* a reader's: the hot chunks */
	uint8_t *hashes, *known;     /* with kept images: rank 0's; what no rank lacks */
	struct manifest *manifest;   /* after the transfer */
	bool has_new_sidecar;        /* rank 0's: the image had none that fits */
	uint64_t bytes, started_ns;  /* arrived; when the transfer began */
	bool unwanted;               /* rank 0's: cmpid has said CANCEL */
	struct bcast_done done;
};

static int watch_daemon(void *context, struct err *err)
{
	struct daemon *daemon = context;
	if (control_alive(daemon->fd, &daemon->unwanted))
		return 0;
	return err_set(err, EPIPE, "cmpid has ended");
}

static void tell_progress(void *context, uint64_t bytes)
{
	const struct daemon *daemon = context;
	struct bcast_msg msg = {
		.type = BCAST_MSG_PROGRESS,
		.progress = {.bytes = bytes, .total = daemon->image.size},
	};
	control_send(daemon->fd, &msg, NULL);  /* the watch sees a cmpid that is gone */
}

/* Tells cmpid, which then ends us; the exit status if it does not. */
static int fail(struct daemon *daemon, const struct bcast_failed *failed)
{
	struct bcast_msg msg = {.type = BCAST_MSG_FAILED, .failed = *failed};
	control_send(daemon->fd, &msg, NULL);
	return failed->exit_code;
}

static int fail_early(struct daemon *daemon, int exit_code, const struct err *err)
{
	struct bcast_failed failed = {.exit_code = exit_code, .err = *err};
	return fail(daemon, &failed);
}

/* The others cannot be told by MPI: their cmpids tell them.  If ours does not end us, MPI does. */
static int fail_broken(struct daemon *daemon, const struct bcast_failed *failed)
{
	int exit_code = fail(daemon, failed);
	struct pollfd end = {.fd = daemon->fd, .events = POLLRDHUP};
	if (poll(&end, 1, ABORT_GRACE_MS) == 0)
		session_abort(&daemon->session, exit_code);
	return exit_code;
}

/* What is told with SESSION; a failure waits in *err until all ranks meet.  A sidecar's hashes and hot
 * chunks are of chunks of its own size, which is taken then. */
static void open_source(struct daemon *daemon, struct err *err)
{
	const char *advice;
	if (daemon->session.rank != 0 || daemon->hello.image_path[0] == '\0' ||
	    source_open(daemon->hello.image_path, &daemon->source, err) < 0 ||
	    source_find_image(&daemon->source, err) < 0)
		return;
	enum schedule_kind kind;
	uint32_t chunk_size;
	int nodes = daemon->session.size;
	int readers = readers_choose(&daemon->source, (int)daemon->hello.readers, nodes, &advice);
	if (advice != NULL)
		log_debug("%s: %s", daemon->source.path, advice);
	transfer_choose(daemon->source.size, nodes, readers, &kind, &chunk_size);
	if (sidecar_load(daemon->source.path, daemon->source.fd, &daemon->sidecar, NULL) == 0)
		chunk_size = daemon->sidecar.chunk_size;
	daemon->has_new_sidecar = daemon->sidecar.chunk_size == 0;
	daemon->image = (struct exchange_image){.size = daemon->source.size, .chunk_size = chunk_size,
						.readers = readers, .keep_s = daemon->hello.keep_s,
						.has_digest = !daemon->has_new_sidecar};
	memcpy(daemon->image.digest, daemon->sidecar.digest, sizeof daemon->image.digest);
	snprintf(daemon->image.name, sizeof daemon->image.name, "%.*s", KEEP_NAME_MAX - 1,
		 daemon->source.path);
}

/* At the other readers; the sidecar there may be another one, or none. */
static int open_readers(struct daemon *daemon, struct err *earlier, struct err *err)
{
	uint32_t chunk_size;
	struct sidecar *sidecar = &daemon->sidecar;
	transfer_choose(daemon->image.size, daemon->movers->size, daemon->image.readers, &daemon->kind,
			&chunk_size);
	int readers = readers_open(daemon->movers, daemon->kind, daemon->image.readers,
				   daemon->hello.readers > 0, &daemon->source, earlier, err);
	if (readers < 0)
		return readers;
	daemon->image.readers = readers;
	if (daemon->movers->rank > 0 && daemon->source.fd >= 0 &&
	    sidecar_load(daemon->source.path, daemon->source.fd, sidecar, NULL) == 0 &&
	    sidecar->chunk_size != daemon->image.chunk_size)
		sidecar_free(sidecar);
	daemon->order = calloc(sidecar->hot_count + 1, sizeof *daemon->order);
	for (size_t i = 0; daemon->order != NULL && i < sidecar->hot_count; i++)
		daemon->order[i] = sidecar->hot[i];
	return 0;
}

static int exchange(struct daemon *daemon, struct bcast_failed *failed)
{
	struct exchange exchange;
	struct err err = ERR_NONE;
	uint64_t started = clock_now_ns();
	int rc = exchange_run(&daemon->session, &daemon->hello, &daemon->image, &exchange, failed);
	if (rc == 0) {
		daemon->image = exchange.image;
		daemon->done.exchange_ns = clock_now_ns() - started;
		struct bcast_msg msg = {.type = BCAST_MSG_SESSION, .session = exchange.session};
		rc = control_send(daemon->fd, &msg, &err);
		daemon->session.broken |= rc < 0;
		if (rc < 0)
			session_fail(&daemon->session, EXITCODE_INTERNAL, &err, failed);
	}
	exchange_free(&exchange);
	return rc;
}

static bool has_chunk(void *context, uint64_t chunk)
{
	const struct daemon *daemon = context;
	const struct chunk_layout *layout = &daemon->early.layout;
	return arrival_has(daemon->arrival, chunk_offset(layout, chunk), chunk_length(layout, chunk));
}

static void on_arrived(void *context, uint64_t chunk)
{
	struct daemon *daemon = context;
	daemon->bytes += chunk_length(&daemon->early.layout, chunk);
	arrival_mark(daemon->arrival, chunk);
	if (!early_arrived(&daemon->early, chunk, daemon->base, has_chunk, daemon))
		return;
	struct bcast_msg msg = {
		.type = BCAST_MSG_MOUNTABLE,
		.mountable = {.bytes = daemon->bytes,
			      .after_ns = clock_now_ns() - daemon->started_ns},
	};
	control_send(daemon->fd, &msg, NULL);
}

/* What a mount needs is asked for by the readers alone: they know it first, and for all. */
static bool take_wanted(void *context, uint64_t *chunk)
{
	struct daemon *daemon = context;
	if (daemon->source.fd >= 0 && early_take_wanted(&daemon->early, chunk))
		return true;
	return arrival_take_wanted(daemon->arrival, chunk);
}

/* Who asked for a map looks into it; without one nothing is told before the end. */
static int make_map(struct daemon *daemon, struct err *err)
{
	struct chunk_layout layout;
	if (daemon->arrival_fd < 0 || daemon->image.size == 0)
		return 0;
	int rc = chunk_layout_make(daemon->image.size, daemon->image.chunk_size, &layout, err);
	if (rc == 0)
		rc = arrival_create(daemon->arrival_fd, layout.size, layout.chunk_size,
				    &daemon->arrival, err);
	early_init(&daemon->early, &layout);
	return rc;
}

static bool is_unwanted(void *context)
{
	const struct daemon *daemon = context;
	return daemon->unwanted;
}

static void landed(void *context, const char *base)
{
	struct daemon *daemon = context;
	daemon->base = base;
}

/* Collective: what need not travel, since nodes keep it from an earlier run.  Then the movers are rank 0 and
 * those that lack something; *here: this rank is none of them. */
static int look_at_kept(struct daemon *daemon, bool *here, struct err *err)
{
	struct chunk_layout layout;
	bool everywhere;
	*here = false;
	if (daemon->image.keep_s == 0 || !daemon->image.has_digest || daemon->image.size == 0)
		return 0;
	int rc = keep_session_ask(&daemon->session, daemon->image.digest, here, &everywhere, err);
	if (rc < 0 || everywhere)
		return rc;
	if ((rc = keep_session_movers(&daemon->session, *here, &daemon->lacking, err)) < 0)
		return rc;
	daemon->movers = &daemon->lacking;
	*here = daemon->lacking.size == 0;
	if (*here)
		return 0;
	if (chunk_layout_make(daemon->image.size, daemon->image.chunk_size, &layout, err) < 0) {
		daemon->movers->broken = true;
		return -EINVAL;
	}
	return keep_session_delta(daemon->movers, &layout, daemon->sidecar.hashes, daemon->image_fd,
				  &daemon->hashes, &daemon->known, err);
}

/* All that is known of the image now. */
static int make_sidecar(const struct daemon *daemon, int fd, struct sidecar *sidecar, struct err *err)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return err_errno(err, errno, "stat the image");
	status.st_size = (off_t)daemon->image.size;
	int rc = sidecar_init(&status, daemon->image.chunk_size, sidecar, err);
	for (uint64_t i = 0; rc == 0 && i < sidecar->chunk_count; i++)
		memcpy(sidecar->hashes + i * SIDECAR_HASH_SIZE, manifest_get(daemon->manifest, i),
		       SIDECAR_HASH_SIZE);
	if (rc == 0)
		sidecar_set_digest(sidecar);
	return rc;
}

/* For the next run.  Nothing depends on it: a failure is worth a word to who asks. */
static void remember_image(struct daemon *daemon)
{
	AUTO_SIDECAR struct sidecar of_file = {0}, of_memory = {0};
	struct err err = ERR_NONE;
	if (daemon->manifest == NULL)
		return;
	if (daemon->session.rank == 0 && daemon->source.fd >= 0 && daemon->has_new_sidecar &&
	    (make_sidecar(daemon, daemon->source.fd, &of_file, &err) < 0 ||
	     sidecar_store(daemon->source.path, &of_file, &err) < 0))
		log_debug("%s", err.text);
	if (daemon->image.keep_s > 0 &&
	    (make_sidecar(daemon, daemon->image_fd, &of_memory, &err) < 0 ||
	     keep_put(daemon->image.name, daemon->image_fd, &of_memory, daemon->image.keep_s,
		      HOLDER_WAIT_MS, &err) < 0))
		log_note("the image is not kept on node %s: %s", daemon->session.node, err.text);
}

static int move_image(struct daemon *daemon, struct err *earlier, struct bcast_failed *failed)
{
	struct err err = ERR_NONE;
	daemon->started_ns = clock_now_ns();
	bool is_here;
	if (look_at_kept(daemon, &is_here, &err) < 0)
		return session_fail(&daemon->session, EXITCODE_NODE, &err, failed);
	if (is_here) {
		daemon->done.kept = 1;
		daemon->done.bytes = daemon->image.size;
		memcpy(daemon->done.digest, daemon->image.digest, sizeof daemon->done.digest);
		sidecar_free(&daemon->sidecar);
		return 0;
	}
	if (open_readers(daemon, earlier, &err) < 0)
		return session_fail(&daemon->session, EXITCODE_NODE, &err, failed);
	bool is_image = earlier->number != 0;
	if (earlier->number == 0)
		make_map(daemon, earlier);
	bool has_map = daemon->arrival != NULL;
	struct transfer transfer = {
		.kind = daemon->kind,
		.readers = daemon->image.readers,
		.size = daemon->image.size,
		.chunk_size = daemon->image.chunk_size > 0 ? daemon->image.chunk_size : 1,
		.source = daemon->source.fd >= 0 ? &daemon->source : NULL,
		.fd = daemon->image_fd,
		.hashes = daemon->hashes != NULL ? daemon->hashes : daemon->sidecar.hashes,
		.known = daemon->known,
		.manifest = &daemon->manifest,
		.order = daemon->order,
		.order_count = daemon->order != NULL ? daemon->sidecar.hot_count : 0,
		.earlier = *earlier,
		.earlier_exit_code = is_image ? EXITCODE_IMAGE : EXITCODE_SETUP,
		.seal = true,
		.landed = landed,
		.arrived = has_map ? on_arrived : NULL,
		.wanted = has_map ? take_wanted : NULL,
		.unwanted = is_unwanted,
		.progress = tell_progress,
		.context = daemon,
	};
	int rc = transfer_run(daemon->movers, &transfer, &daemon->done, failed);
	if (has_map)
		arrival_end(daemon->arrival, rc < 0);
	arrival_free(&daemon->arrival);
	sidecar_free(&daemon->sidecar);
	free(take_ptr(&daemon->order));
	free(take_ptr(&daemon->hashes));
	free(take_ptr(&daemon->known));
	return rc;
}

/* cmpid goes on at once; what is left is our own affair. */
static int tell_done(struct daemon *daemon, enum bcast_msg_type type)
{
	struct bcast_msg msg = {.type = type, .done = daemon->done};
	return control_send(daemon->fd, &msg, NULL);
}

static int run_session(struct daemon *daemon)
{
	struct bcast_failed failed;
	struct err earlier = ERR_NONE;
	open_source(daemon, &earlier);
	int rc = exchange(daemon, &failed);
	if (rc == 0)
		rc = move_image(daemon, &earlier, &failed);
	daemon->session.broken |= daemon->movers->broken;
	close_fd(&daemon->arrival_fd);
	if (rc < 0 && daemon->session.broken)
		return fail_broken(daemon, &failed);
	bool is_cancelled = rc == -ECANCELED;
	if (rc < 0 && !is_cancelled) {
		rc = fail(daemon, &failed);
	} else {
		rc = tell_done(daemon, is_cancelled ? BCAST_MSG_CANCELLED : BCAST_MSG_DONE);
		rc = rc < 0 ? EXITCODE_INTERNAL : EXITCODE_OK;
		if (!is_cancelled)
			remember_image(daemon);
	}
	manifest_free(&daemon->manifest);
	source_close(&daemon->source);
	close_fd(&daemon->image_fd);
	daemon->session.watch = NULL;
	keep_session_free(&daemon->lacking);
	close_fd(&daemon->fd);
	session_close(&daemon->session);
	return rc;
}

int daemon_mode_run(int take_daemon_fd, int take_image_fd, int take_arrival_fd)
{
	struct daemon daemon = {.fd = take_daemon_fd, .image_fd = take_image_fd,
				.arrival_fd = take_arrival_fd, .source.fd = -1};
	AUTO_BUF struct buf in = {0};
	struct err err = ERR_NONE;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Had cmpid died before that line, its socket would be at its end. */
	if (control_read_hello(daemon.fd, &in, &daemon.hello, &err) < 0)
		return fail_early(&daemon, EXITCODE_INTERNAL, &err);
	uint64_t started = clock_now_ns();
	if (session_open(&daemon.session, &err) < 0)
		return fail_early(&daemon, EXITCODE_NODE, &err);
	daemon.done.init_ns = clock_now_ns() - started;
	daemon.session.watch = watch_daemon;
	daemon.session.watch_context = &daemon;
	daemon.movers = &daemon.session;
	return run_session(&daemon);
}
