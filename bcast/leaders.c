/*
 * leaders.c - names in, a smaller session out (leaders.h).
 *
 * MPI_Comm_split_type(SHARED) would ask who can share memory, which ranks of two virtual nodes on
 * one host can; the question here is who shares a file name, and the processor name is nearer to
 * that.
 */
#include "bcast/leaders.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

static int gather_names(struct session *all, char *names, struct err *err)
{
	MPI_Request request = MPI_REQUEST_NULL;
	int code = MPI_Iallgather(all->node, sizeof all->node, MPI_BYTE, names, sizeof all->node,
				  MPI_BYTE, all->comm, &request);
	int rc = session_check(all, code, "MPI_Iallgather", err);
	return rc < 0 ? rc : session_wait(all, &request, err);
}

static bool is_first_of_name(const struct session *all, const char *names)
{
	for (int rank = 0; rank < all->rank; rank++)
		if (strncmp(names + (size_t)rank * sizeof all->node, all->node, sizeof all->node) == 0)
			return false;
	return true;
}

int leaders_keep(struct session *all, struct session *leaders, struct err *err)
{
	AUTO_FREE char *names = calloc((size_t)all->size, sizeof all->node);
	if (names == NULL)
		return err_errno(err, ENOMEM, "names of %d ranks", all->size);
	int rc = gather_names(all, names, err);
	if (rc < 0)
		return rc;
	*leaders = *all;
	leaders->comm = MPI_COMM_NULL;
	leaders->rank = leaders->size = 0;
	int color = is_first_of_name(all, names) ? 0 : MPI_UNDEFINED;
	rc = session_check(all, MPI_Comm_split(all->comm, color, all->rank, &leaders->comm),
			   "MPI_Comm_split", err);
	if (rc < 0 || leaders->comm == MPI_COMM_NULL)
		return rc;
	MPI_Comm_rank(leaders->comm, &leaders->rank);
	MPI_Comm_size(leaders->comm, &leaders->size);
	return 0;
}

void leaders_free(struct session *leaders)
{
	if (leaders->comm != MPI_COMM_NULL && leaders->size > 0 && !leaders->broken)
		MPI_Comm_free(&leaders->comm);
	leaders->size = 0;
}
