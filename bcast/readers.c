/*
 * readers.c - one broadcast of the file's name, and a vote (readers.h).  Nothing of it happens when rank 0
 * reads alone.
 */
#include "bcast/readers.h"

#include <string.h>

#include "bcast/transfer.h"

struct file_wire {
	uint64_t size, at;
	int64_t mtime_s, mtime_ns;
	int32_t forced;
	char path[PATH_MAX];
};

int readers_choose(const struct source *source, int wanted, int nodes, const char **advice)
{
	struct source_place place;
	*advice = NULL;
	if (wanted > 0)
		return wanted < nodes ? wanted : nodes;
	source_look(source, &place);
	return source_readers(&place, nodes, source->size, advice);
}

static int open_same(const struct session *session, const struct file_wire *file,
		     struct source *source, struct err *err)
{
	int rc = source_open(file->path, source, err);
	if (rc == 0 && file->at > 0)
		rc = source_find_image(source, err);
	if (rc < 0)
		return rc;
	if (source->size == file->size && source->at == file->at && source->mtime.tv_sec == file->mtime_s &&
	    source->mtime.tv_nsec == file->mtime_ns)
		return 0;
	source_close(source);
	return err_set(err, ESTALE, "%s is another file on %s than on the first node; use one reader "
		       "(--readers 1), or put it on a file system that they share", file->path,
		       session->node);
}

/* *all: nobody's open failed. */
static int vote(struct session *session, bool mine, int *all, struct err *err)
{
	MPI_Request request = MPI_REQUEST_NULL;
	int ok = mine;
	int code = MPI_Iallreduce(&ok, all, 1, MPI_INT, MPI_MIN, session->comm, &request);
	int rc = session_check(session, code, "MPI_Iallreduce", err);
	return rc < 0 ? rc : session_wait(session, &request, err);
}

int readers_open(struct session *session, enum schedule_kind kind, int readers, bool forced,
		 struct source *source, struct err *mine, struct err *err)
{
	struct file_wire file = {.forced = forced};
	struct err failed = ERR_NONE;
	int all = 0, rc;
	if (readers <= 1)
		return 1;
	if (session->rank == 0 && source->fd >= 0) {
		file.size = source->size;
		file.at = source->at;
		file.mtime_s = source->mtime.tv_sec;
		file.mtime_ns = source->mtime.tv_nsec;
		memcpy(file.path, source->path, sizeof file.path);
	}
	if ((rc = session_broadcast(session, 0, &file, sizeof file, err)) < 0)
		return rc;
	if (file.path[0] == '\0')  /* rank 0 is about to say why */
		return 1;
	file.path[sizeof file.path - 1] = '\0';
	if (session->rank > 0 && transfer_reads(session, kind, readers))
		open_same(session, &file, source, &failed);
	if ((rc = vote(session, failed.number == 0, &all, err)) < 0)
		return rc;
	if (all || file.forced) {
		if (failed.number != 0 && mine->number == 0)
			*mine = failed;
		return readers;
	}
	if (session->rank > 0)
		source_close(source);
	return 1;
}
