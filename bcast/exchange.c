/*
 * exchange.c - one small broadcast, one allgather, then the blobs (exchange.h).
 *
 * The daemons wait for this to build their tree while the image travels, so it is few, small
 * steps: header from rank 0 → lengths of the cards → (does everybody have the memory?) → plan and
 * cards.
 *
 * The key is made by rank 0 and known to whoever is in the MPI session: that is the trust that
 * the launcher gave us.
 */
#include "bcast/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "common/exitcode.h"

struct header_wire {
	struct exchange_image image;
	uint64_t plan_len;
	uint8_t key[BCAST_KEY_SIZE];
};

static int make_key(uint8_t key[BCAST_KEY_SIZE], struct err *err)
{
	ssize_t got = getrandom(key, BCAST_KEY_SIZE, 0);
	if (got == BCAST_KEY_SIZE)
		return 0;
	return err_errno(err, got < 0 ? errno : EIO, "getrandom");
}

static int check_size(const struct session *session, uint32_t expected, struct err *err)
{
	if (session->size > BCAST_NODES_MAX)
		return err_set(err, E2BIG, "%d nodes; at most %d are possible", session->size,
			       BCAST_NODES_MAX);
	if (expected == 0 || expected == (uint32_t)session->size)
		return 0;
	return err_set(err, EPROTO, "cmpi-bcast's MPI sees %d node%s where the job has %u: it does not "
		       "understand the launcher; choose another one with --launcher, or the other "
		       "MPI's cmpi-bcast", session->size, session->size == 1 ? "" : "s", expected);
}

static int exchange_header(struct session *session, const struct bcast_hello *hello,
			   const struct exchange_image *image, struct exchange *exchange,
			   struct err *mine, struct err *err)
{
	struct bcast_session *out = &exchange->session;
	struct header_wire header = {.image = *image, .plan_len = hello->plan.len};
	if (session->rank == 0)
		make_key(header.key, mine);
	int rc = session_broadcast(session, 0, &header, sizeof header, err);
	if (rc < 0)
		return rc;
	exchange->image = header.image;
	*out = (struct bcast_session){
		.rank = (uint32_t)session->rank,
		.size = (uint32_t)session->size,
		.image_size = header.image.size,
		.plan.len = header.plan_len,
	};
	memcpy(out->key, header.key, sizeof out->key);
	explicit_bzero(&header, sizeof header);
	return 0;
}

/* lengths[]: of all cards, by rank. */
static int exchange_lengths(struct session *session, size_t len, int *lengths, struct err *err)
{
	MPI_Request request = MPI_REQUEST_NULL;
	int mine = (int)len;
	int code = MPI_Iallgather(&mine, 1, MPI_INT, lengths, 1, MPI_INT, session->comm, &request);
	int rc = session_check(session, code, "MPI_Iallgather", err);
	return rc < 0 ? rc : session_wait(session, &request, err);
}

/* Gives every card its place, by the lengths. */
static int make_room(struct exchange *exchange, const int *lengths, int *places, struct err *err)
{
	struct bcast_session *session = &exchange->session;
	size_t total = 0;
	for (uint32_t i = 0; i < session->size; i++) {
		places[i] = (int)total;
		total += (size_t)lengths[i];
	}
	exchange->plan = malloc(session->plan.len + 1);
	exchange->cards = malloc(total + 1);
	session->cards = calloc(session->size, sizeof *session->cards);
	if (exchange->plan == NULL || exchange->cards == NULL || session->cards == NULL)
		return err_errno(err, ENOMEM, "the cards of %u nodes", session->size);
	session->plan.bytes = exchange->plan;
	for (uint32_t i = 0; i < session->size; i++)
		session->cards[i] = (struct bcast_blob){exchange->cards + places[i],
							(size_t)lengths[i]};
	return 0;
}

static int exchange_blobs(struct session *session, const struct bcast_hello *hello,
			  struct exchange *exchange, const int *lengths, const int *places,
			  struct err *err)
{
	MPI_Request request = MPI_REQUEST_NULL;
	if (session->rank == 0 && hello->plan.len > 0)
		memcpy(exchange->plan, hello->plan.bytes, hello->plan.len);
	int rc = session_broadcast(session, 0, exchange->plan, exchange->session.plan.len, err);
	if (rc < 0)
		return rc;
	int code = MPI_Iallgatherv(hello->card.bytes, (int)hello->card.len, MPI_BYTE, exchange->cards,
				   lengths, places, MPI_BYTE, session->comm, &request);
	rc = session_check(session, code, "MPI_Iallgatherv", err);
	return rc < 0 ? rc : session_wait(session, &request, err);
}

int exchange_run(struct session *session, const struct bcast_hello *hello,
		 const struct exchange_image *image, struct exchange *exchange,
		 struct bcast_failed *failed)
{
	struct err err = ERR_NONE, mine = ERR_NONE;
	*exchange = (struct exchange){0};
	AUTO_FREE int *lengths = calloc((size_t)session->size, sizeof *lengths);
	AUTO_FREE int *places = calloc((size_t)session->size, sizeof *places);
	check_size(session, hello->node_count, &mine);
	/* Too small to be worth a round of its own: without it there is no way to go on together. */
	if (lengths == NULL || places == NULL) {
		session->broken = true;
		err_errno(&err, ENOMEM, "the lengths of %d cards", session->size);
		return session_fail(session, EXITCODE_INTERNAL, &err, failed);
	}
	if (exchange_header(session, hello, image, exchange, &mine, &err) < 0 ||
	    exchange_lengths(session, hello->card.len, lengths, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	if (mine.number == 0)
		make_room(exchange, lengths, places, &mine);
	int rc = session_agree(session, EXITCODE_SETUP, &mine, failed);
	if (rc < 0)
		return rc;
	if (exchange_blobs(session, hello, exchange, lengths, places, &err) < 0)
		return session_fail(session, EXITCODE_NODE, &err, failed);
	return 0;
}

void exchange_free(struct exchange *exchange)
{
	free(exchange->plan);
	free(exchange->cards);
	free(exchange->session.cards);
	explicit_bzero(exchange, sizeof *exchange);
}
