/*
 * supervisor.h - cmpirun as the parent of a launcher that loses what the daemons say.
 *
 * srun tells all that its tasks said, and their status.  Not so an mpiexec: Hydra's ends by an
 * assertion of its own when a node is lost, before it has printed why the job ended; its status
 * is 255 or 0 where the job's is another; and with a cable pulled neither Hydra nor Open MPI
 * notices anything.  So cmpirun stays, with a connection of its own to the daemon of node 0:
 *
 *	cmpid → cmpirun    SAY        text for people
 *	                   STATUS     u32: the job's exit status; the daemon then waits for the end
 *	                              of the connection
 *	cmpirun → cmpid    INTERRUPT  u32: a signal that cmpirun got
 *
 * The connection is one of the control tree's (tree.h): cmpirun is its node 0 and the daemon node 1;
 * the key travels in the plan.  Where it cannot be made (a firewall), all is as without it.
 */
#ifndef LAUNCHER_SUPERVISOR_H
#define LAUNCHER_SUPERVISOR_H

#include "common/err.h"
#include "launcher/plan.h"

enum supervisor_frame {
	SUPERVISOR_FRAME_SAY = 1,
	SUPERVISOR_FRAME_STATUS,
	SUPERVISOR_FRAME_INTERRUPT,
};
enum { SUPERVISOR_SELF = 0, SUPERVISOR_DAEMON = 1, SUPERVISOR_NODES = 2 };

struct supervisor;

/* Opens the listener and puts its card and key into the plan, which is to be exported after. */
int supervisor_new(struct plan *plan, struct supervisor **supervisor, struct err *err);
void supervisor_free(struct supervisor **supervisor);

/* Starts argv (PATH is searched) and stays until it has ended and the daemon of node 0 has said
 * all.  The job's exit status, or the launcher's as a shell would tell it; prints what the daemon
 * says.  -errno when nothing could be started. */
int supervisor_run(struct supervisor *supervisor, char *const *argv, struct err *err);

#endif
