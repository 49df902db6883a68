/*
 * keep_session.c - asks all nodes' holders at once (keep_session.h).
 *
 * In: the digest or the hashes of the image.  Out: nothing needs to travel, or which chunks need not.
 *
 * Only chunks at the same place count: an image that was rebuilt shifts what lies behind the first change
 * of length, and then everything behind it travels.  A kept image of another chunk size is hashed anew.  A
 * chunk that is taken over is hashed in any case: the holder's word is not believed.
 */
#include "bcast/keep_session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bcast/keep.h"
#include "common/cleanup.h"

/* Each of `count` bytes becomes the least that a rank has there. */
static int reduce(struct session *session, uint8_t *bytes, uint64_t count, struct err *err)
{
	enum { PIECE = 1 << 20 };
	AUTO_FREE uint8_t *mine = malloc(PIECE);
	if (mine == NULL) {
		session->broken = true;
		return err_errno(err, ENOMEM, "what the nodes keep");
	}
	for (uint64_t at = 0; at < count; at += PIECE) {
		int len = (int)(count - at < PIECE ? count - at : PIECE);
		MPI_Request request;
		memcpy(mine, bytes + at, (size_t)len);
		int code = MPI_Iallreduce(mine, bytes + at, len, MPI_UINT8_T, MPI_MIN, session->comm,
					  &request);
		int rc = session_check(session, code, "MPI_Iallreduce", err);
		if (rc == 0)
			rc = session_wait(session, &request, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int keep_session_ask(struct session *session, const uint8_t digest[MANIFEST_HASH_SIZE], bool *here,
		     bool *everywhere, struct err *err)
{
	int fd = -1;
	*here = keep_get(digest, &fd, NULL, NULL) == 0;
	close_fd(&fd);
	uint8_t least = *here;
	int rc = reduce(session, &least, 1, err);
	*everywhere = rc == 0 && least;
	return rc;
}

int keep_session_movers(struct session *session, bool here, struct session *movers, struct err *err)
{
	bool moves = session->rank == 0 || !here;
	*movers = *session;
	movers->comm = MPI_COMM_NULL;
	movers->rank = movers->size = 0;
	int code = MPI_Comm_split(session->comm, moves ? 0 : MPI_UNDEFINED, session->rank, &movers->comm);
	int rc = session_check(session, code, "MPI_Comm_split", err);
	if (rc < 0 || !moves)
		return rc;
	MPI_Comm_rank(movers->comm, &movers->rank);
	MPI_Comm_size(movers->comm, &movers->size);
	return 0;
}

void keep_session_free(struct session *movers)
{
	if (movers->size > 0 && !movers->broken)
		MPI_Comm_free(&movers->comm);
	movers->size = 0;
}

/* One chunk of a kept image to the new one's file, if its bytes are what they must be. */
static bool copy_chunk(const struct chunk_layout *layout, uint64_t chunk, const uint8_t *want,
		       int from, int to, char *bytes)
{
	uint8_t hash[MANIFEST_HASH_SIZE];
	size_t len = chunk_length(layout, chunk);
	off_t at = (off_t)chunk_offset(layout, chunk);
	if (pread(from, bytes, len, at) != (ssize_t)len)
		return false;
	manifest_hash(bytes, len, hash);
	return memcmp(hash, want, sizeof hash) == 0 && pwrite(to, bytes, len, at) == (ssize_t)len;
}

static void take_from(const struct chunk_layout *layout, const struct keep_image *image,
		      const uint8_t *hashes, int to, uint8_t *known)
{
	AUTO_FD int from = -1;
	struct sidecar old = {0};
	AUTO_FREE char *bytes = malloc(layout->chunk_size);
	if (bytes == NULL || keep_get(image->digest, &from, &old, NULL) < 0)
		return;
	bool has_hashes = old.chunk_size == layout->chunk_size;
	for (uint64_t i = 0; i < layout->count && chunk_prefix(layout, i + 1) <= old.size; i++) {
		const uint8_t *want = hashes + i * MANIFEST_HASH_SIZE;
		if (!known[i] && (!has_hashes || memcmp(old.hashes + i * MANIFEST_HASH_SIZE, want,
							MANIFEST_HASH_SIZE) == 0))
			known[i] = copy_chunk(layout, i, want, from, to, bytes);
	}
	sidecar_free(&old);
}

int keep_session_delta(struct session *session, const struct chunk_layout *layout,
		       const uint8_t *root_hashes, int image_fd, uint8_t **hashes, uint8_t **known,
		       struct err *err)
{
	size_t len = layout->count * MANIFEST_HASH_SIZE;
	struct keep_image *images = NULL;
	uint32_t count = 0;
	*hashes = malloc(len + 1);
	*known = calloc(layout->count + 1, 1);
	if (*hashes == NULL || *known == NULL) {
		session->broken = true;
		return err_errno(err, ENOMEM, "hashes of the image");
	}
	if (session->rank == 0)
		memcpy(*hashes, root_hashes, len);
	int rc = session_broadcast(session, 0, *hashes, len, err);
	if (rc < 0)
		return rc;
	if (image_fd >= 0 && keep_list(&images, &count, NULL) == 0)
		for (uint32_t i = 0; i < count; i++)
			take_from(layout, &images[i], *hashes, image_fd, *known);
	free(images);
	return reduce(session, *known, layout->count, err);
}
