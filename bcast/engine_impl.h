/*
 * engine_impl.h - what the files engine*.c share, and nobody else.  The essay is engine.c's.
 */
#ifndef BCAST_ENGINE_IMPL_H
#define BCAST_ENGINE_IMPL_H

#include <mpi.h>

#include "bcast/crew.h"
#include "bcast/deal.h"
#include "bcast/engine.h"
#include "common/clock.h"

enum {
	RECEIVES_AHEAD = 8,    /* posted, a stream */
	/* Under way: two of any size, to one child or to two, so that one is ready when the other is through; of small
	 * ones as many to each child as make up for a loop that is late.  More would only be sent in slices of each. */
	SENDS_LEAST = 2,
	SENDS_MOST = RECEIVES_AHEAD,
	SENDS_BYTES = 512 << 10,
	READS_AHEAD = 4,       /* chunks that are read or announced beyond those under way, a stream */
	LETTER_WORDS = 32,
	MAILBOX = 16,          /* receives of letters posted */
	TAG_MAIL = 0, TAG_PULL, TAG_PROBE, TAG_DATA,  /* TAG_DATA + stream */
	PROGRESS_EVERY_NS = 100 * (int)NS_PER_MS,
};

enum word_kind {
	WORD_ANNOUNCE = 1,  /* parent → child: chunk is `number` in `stream`, with its hash */
	WORD_END,           /* parent → child: `stream` has `number` chunks; chunk: enum stream_end */
	WORD_WANT,          /* child → parent: chunk, please */
	WORD_PULL,          /* to who has it: chunk once more, with TAG_PULL */
	WORD_FAIL,          /* to the readers: it is in vain; chunk: enum stream_end */
	WORD_DEMOTE,        /* parent → slow child: no more children of yours in `stream` */
	WORD_HANDOVER,      /* slow child → its child: from `number` on `stream` comes from rank `chunk` */
	WORD_ADOPT,         /* that child → new parent: from `number` on, announced up to `chunk` */
	WORD_PROBE,         /* to a grandchild: make ready for a chunk to be timed; number 1 back: I am */
	WORD_PROBED,        /* back: it has come */
	WORD_STOP,          /* to oneself: see engine_mail.c */
};

/* What comes of the chunks that were not announced. */
enum stream_end { STREAM_WHOLE, STREAM_LOST, STREAM_CANCELLED };

struct word {
	uint32_t epoch;     /* session.epoch: what is of an earlier transfer is dropped */
	uint16_t kind, stream;
	uint64_t chunk, number;
	uint8_t hash[MANIFEST_HASH_SIZE];
};

struct letter {
	struct word words[LETTER_WORDS];
};

enum chunk_state {
	CHUNK_MISSING,
	CHUNK_COMING,    /* it has been announced */
	CHUNK_CHECKING,  /* it is here and not verified yet; it is sent on */
	CHUNK_HERE,
	CHUNK_BAD,       /* it is asked for again */
	CHUNK_LOST,      /* for good: what is sent on is a message of length 0 */
};

struct chunk {
	uint8_t state, stream, failures, wanted;
	int32_t from;    /* the rank that it came from */
};

/* This rank's part of one stream. */
struct stream {
	int root, parent;       /* SCHEDULE_NO_PARENT at the root */
	uint32_t *order;        /* the chunks, by number; `announced` of `room` are known */
	uint64_t room;
	uint64_t announced, posted, arrived;
	int under_way;          /* receives */
	bool ended;
	enum stream_end end;
	bool demoted;           /* this rank has no children any more */
};

/* What this rank sends to one child in one stream. */
struct flow {
	int peer, stream;
	uint64_t told, next;    /* announced so far; number to be sent next */
	int under_way, most;
	bool told_end, closed;  /* closed: somebody else serves it */
	/* engine_slow.c: the window under observation, and slow ones in a row */
	bool demoted;
	uint64_t since_ns, since_sent, since_arrived;
	int slow_windows, probes;
};

enum slot_kind { SLOT_FREE, SLOT_RECEIVE, SLOT_SEND, SLOT_LETTER, SLOT_PULL_IN, SLOT_PULL_OUT,
		 SLOT_PROBE_IN, SLOT_PROBE_OUT };

/* A request under way, beside requests[] of the same index. */
struct slot {
	enum slot_kind kind;
	int at;                 /* index of stream (receive) or flow (send) */
	uint64_t number, chunk;
	void *memory;           /* a letter, or what a probe comes into; freed when done */
};

struct pull {
	int peer;
	uint64_t chunk;
};

struct engine {
	struct session *session;
	const struct engine_job *job;
	struct engine_result *result;
	struct chunk *chunks;
	uint64_t here, open;    /* chunks that are here; that came and are not settled */
	uint64_t bytes_here;
	struct stream streams[SCHEDULE_STREAMS_MAX];
	int stream_count;
	struct flow *flows;
	int flow_count, flow_room;
	int sends_ahead;        /* to a child */
	struct crew *crew;
	/* reader */
	struct deal *deal;      /* NULL: no reader */
	int reads, next_tree;   /* reads under way */
	bool reading_done;
	/* requests */
	MPI_Request *requests;
	struct slot *slots;
	int *indices, *free_slots;
	MPI_Status *statuses;
	int slot_room, free_count, under_way;
	/* mail */
	struct letter mailbox[MAILBOX];
	MPI_Request mail[MAILBOX];
	int mail_head;
	/* repair */
	uint64_t *bad;
	size_t bad_count, bad_room;
	bool pulling;
	struct pull *pulls;
	size_t pull_count, pull_room;
	/* engine_slow.c: the chunk that is timed */
	uint64_t started_ns, watched_ns;
	uint64_t probe_ns, probe_each_ns;  /* when it was sent; what the child takes for one */
	int probe_flow;         /* that child's; -1: no probe is under way */
	int probe_peer;
	/* the end */
	MPI_Request barrier;
	bool at_end;
	bool busy;              /* this turn did something */
	bool told_unwanted;
	uint64_t told_ns;
};

/* engine.c */
int engine_take_slot(struct engine *engine, const struct slot *slot, int *index, struct err *err);
int engine_check_post(struct engine *engine, int code, const char *what, struct err *err);
/* A stream ends so, here or above. */
void engine_note_end(struct engine *engine, enum stream_end end);
void engine_settle(struct engine *engine, uint64_t chunk, enum chunk_state state);
int engine_add_flow(struct engine *engine, int peer, int stream, uint64_t told, uint64_t next,
		    struct err *err);
/* Grows an array of items so that one more fits. */
int engine_grow(void **items, size_t *room, size_t count, size_t item_size, struct err *err);
#define ENGINE_GROW(items, room, count, err)                                                       \
	engine_grow((void **)&(items), &(room), (count), sizeof *(items), (err))

/* engine_mail.c */
int engine_mail_open(struct engine *engine, struct err *err);
int engine_mail_take(struct engine *engine, struct err *err);
int engine_mail_say(struct engine *engine, int peer, const struct word *word, struct err *err);
int engine_mail_tell(struct engine *engine, struct err *err);
int engine_mail_close(struct engine *engine, struct err *err);

/* engine_reader.c */
int engine_reader_open(struct engine *engine, struct err *err);
int engine_reader_turn(struct engine *engine, struct err *err);
int engine_reader_take(struct engine *engine, const struct crew_task *task, struct err *err);
void engine_reader_fail(struct engine *engine, const struct err *why);
void engine_reader_cancel(struct engine *engine);
int engine_want(struct engine *engine, uint64_t chunk, struct err *err);

/* engine_repair.c */
int engine_damaged(struct engine *engine, uint64_t chunk, struct err *err);
int engine_serve_pull(struct engine *engine, int peer, uint64_t chunk, struct err *err);
int engine_repair_turn(struct engine *engine, struct err *err);
/* It will never come; who waits for it below gets a message of length 0. */
void engine_lose(struct engine *engine, uint64_t chunk);
/* All readers are told to end their streams so. */
int engine_give_up(struct engine *engine, enum stream_end end, struct err *err);
int engine_check_received(struct engine *engine, uint64_t chunk, int len, struct err *err);

int engine_post_receive(struct engine *engine, int stream, struct err *err);
void engine_free_slot(struct engine *engine, int index);

/* engine_slow.c */
int engine_probe_done(struct engine *engine, int peer, struct err *err);
int engine_slow_turn(struct engine *engine, struct err *err);
int engine_slow_take(struct engine *engine, int source, const struct word *word, struct err *err);

#endif
