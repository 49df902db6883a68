/*
 * leaders.c - names in, a smaller session out (leaders.h).
 *
 * MPI_Comm_split_type(SHARED) would ask who can share memory, which ranks of two virtual nodes on
 * one host can; the question here is who shares a file name, and the processor name is nearer to
 * that.
 */
#include "bcast/leaders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bcast/node_order.h"
#include "common/cleanup.h"

/* What every rank tells of its node. */
struct site_wire {
	char name[MPI_MAX_PROCESSOR_NAME];
	char switches[256];  /* cut: what is near the top counts most */
};

static int gather_sites(struct session *all, struct site_wire *sites, struct err *err)
{
	MPI_Request request = MPI_REQUEST_NULL;
	struct site_wire mine = {0};
	const char *switches = getenv("SLURM_TOPOLOGY_ADDR");
	snprintf(mine.name, sizeof mine.name, "%s", all->node);
	snprintf(mine.switches, sizeof mine.switches, "%s", switches ? switches : "");
	int code = MPI_Iallgather(&mine, sizeof mine, MPI_BYTE, sites, sizeof mine, MPI_BYTE,
				  all->comm, &request);
	int rc = session_check(all, code, "MPI_Iallgather", err);
	if (rc < 0 || (rc = session_wait(all, &request, err)) < 0)
		return rc;
	for (int rank = 0; rank < all->size; rank++) {
		sites[rank].name[sizeof sites->name - 1] = '\0';
		sites[rank].switches[sizeof sites->switches - 1] = '\0';
	}
	return 0;
}

static bool is_first_of_name(const struct session *all, const struct site_wire *sites)
{
	for (int rank = 0; rank < all->rank; rank++)
		if (strcmp(sites[rank].name, sites[all->rank].name) == 0)
			return false;
	return true;
}

/* *key: where this rank stands in the order. */
static int find_place(const struct session *all, const struct site_wire *wire, int *key,
		      struct err *err)
{
	AUTO_FREE struct node_site *sites = calloc((size_t)all->size, sizeof *sites);
	AUTO_FREE int *order = calloc((size_t)all->size, sizeof *order);
	if (sites == NULL || order == NULL)
		return err_errno(err, ENOMEM, "places of %d ranks", all->size);
	for (int rank = 0; rank < all->size; rank++)
		sites[rank] = (struct node_site){wire[rank].name, wire[rank].switches};
	int rc = node_order_make(sites, all->size, 0, order, err);
	for (int i = 0; rc == 0 && i < all->size; i++)
		if (order[i] == all->rank)
			*key = i;
	return rc;
}

int leaders_keep(struct session *all, struct session *leaders, struct err *err)
{
	AUTO_FREE struct site_wire *sites = calloc((size_t)all->size, sizeof *sites);
	int key = 0, rc;
	if (sites == NULL)
		return err_errno(err, ENOMEM, "names of %d ranks", all->size);
	if ((rc = gather_sites(all, sites, err)) < 0 || (rc = find_place(all, sites, &key, err)) < 0)
		return rc;
	*leaders = *all;
	leaders->comm = MPI_COMM_NULL;
	leaders->rank = leaders->size = 0;
	int color = is_first_of_name(all, sites) ? 0 : MPI_UNDEFINED;
	rc = session_check(all, MPI_Comm_split(all->comm, color, key, &leaders->comm),
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
