/*
 * init_msg.h - what cmpid and cmpi-init say to each other.
 *
 * One message is one packet of a SOCK_SEQPACKET pair (common/fdpass.h).  Larger values (mount plan,
 * job) travel in a memfd beside it.  Requests may be sent ahead without waiting for answers:
 * cmpi-init works them off in order; after an ERROR it drops further ATTACH, JOB and SPAWN.
 *
 *	request     descriptors                     answers
 *	MEMORY      -                               IMAGE_FILE +1: the empty node-memory file
 *	ATTACH      plan memfd, image, then if it   ATTACHED
 *	            has them: the map of arrived
 *	            chunks, the profile to write
 *	JOB         job memfd                       (none)
 *	ENVIRONMENT memfd: "NAME=VALUE\0"...         (none); added to the job's
 *	SESSION     directory                       (none); `name` in it is removed when cmpi-init ends
 *	SPAWN       stdin, stdout, stderr[, pmi]    SPAWNED, later EXITED
 *	SIGNAL      -                               (none)
 *	KILL        -                               EXITED of each rank, GONE
 *	QUIT        -                               as KILL, then the end of cmpi-init
 *
 * Any of them may be answered by ERROR.  SERVER_DIED and EXITED come on their own; GONE comes each time
 * the last descendant that is not the image server has ended (also after the ranks' normal end).
 */
#ifndef RUNTIME_INIT_MSG_H
#define RUNTIME_INIT_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum init_msg_type {
	INIT_MSG_MEMORY = 1,
	INIT_MSG_ATTACH,
	INIT_MSG_JOB,
	INIT_MSG_SPAWN,
	INIT_MSG_SIGNAL,
	INIT_MSG_KILL,
	INIT_MSG_QUIT,
	INIT_MSG_SESSION,
	INIT_MSG_ENVIRONMENT,
	INIT_MSG_IMAGE_FILE = 32,
	INIT_MSG_ATTACHED,
	INIT_MSG_SPAWNED,
	INIT_MSG_EXITED,
	INIT_MSG_SERVER_DIED,
	INIT_MSG_ERROR,
	INIT_MSG_GONE,
};

enum init_backend { INIT_BACKEND_AUTO, INIT_BACKEND_FUSE, INIT_BACKEND_KERNEL };

/* Every rank has the same; `environment` is NULL-terminated, as argv. */
struct init_job {
	char **argv, **environment;
	char *cwd;          /* a path of the container */
	bool cwd_required;  /* false: cwd_else, then "/", when cwd is not there */
	bool interactive;   /* the ranks stay in cmpid's process group (a terminal's foreground) */
	char *cwd_else;     /* tried when cwd is not there and not required; NULL or "": none */
};

enum { INIT_HASH_SIZE = 32 };
enum { INIT_NO_RANK = -1, INIT_PMI_NONE = -1, INIT_CPU_BYTES_MAX = 512, INIT_ENV_MAX = 256 };

struct init_spawn {
	uint32_t rank, local_rank;
	int32_t pmi_fd;                   /* the number that the rank's PMI descriptor gets, >= 3,
					   * or INIT_PMI_NONE: then only three are passed */
	const char *const *environment;   /* added to the job's: the later one of a name wins */
	size_t environment_count;
	const uint8_t *cpus;              /* sched_setaffinity(2) mask, little-endian bits */
	size_t cpu_bytes;                 /* 0: not bound */
};

struct init_attached {
	uint64_t unshare_ns, mount_ns, pivot_ns;
	enum init_backend backend;
};

struct init_exited {
	uint32_t rank;
	int32_t status;  /* as of waitpid(2) */
	uint64_t max_rss_kb, user_us, system_us;
};

struct init_msg {
	enum init_msg_type type;
	union {
		struct { uint64_t size; } memory;         /* bytes */
		struct {
			enum init_backend backend;
			bool has_arrival, has_profile;
			bool is_checked;          /* against the hash tree of this root */
			uint8_t root_hash[INIT_HASH_SIZE];
		} attach;
		struct init_spawn spawn;
		struct { int32_t signo; } signal;
		struct { char name[64]; } session;        /* one component */
		struct init_attached attached;
		struct { uint32_t rank; int32_t pid; } spawned;
		struct init_exited exited;
		struct { int32_t status; } server_died;
		struct { int32_t rank, exit_code; struct err err; } error;  /* rank or INIT_NO_RANK */
	};
	/* The strings of a parsed SPAWN; they point into the bytes that were parsed. */
	const char *environment_room[INIT_ENV_MAX];
};

void init_msg_pack(const struct init_msg *msg, struct buf *out);
/* -EPROTO for anything else.  A parsed SPAWN points into msg and `bytes`. */
int init_msg_parse(const void *bytes, size_t len, struct init_msg *msg, struct err *err);
/* The number of descriptors that must come with it. */
size_t init_msg_fd_count(const struct init_msg *msg);

void init_job_pack(const struct init_job *job, struct buf *out);
int init_job_parse(const void *bytes, size_t len, struct init_job *job, struct err *err);
void init_job_free(struct init_job *job);  /* of a parsed one */

#endif
