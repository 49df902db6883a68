/*
 * keep_holder.h - the process that keeps images in a node's memory between runs.
 *
 * It ends by itself: when nothing is kept (any more), at the latest at the end of the allocation where
 * the workload manager says when that is (SLURM_JOB_END_TIME), and on SIGTERM.  What the workload
 * manager kills at the end of a step or an allocation, it kills: the holder is an ordinary process.
 */
#ifndef BCAST_KEEP_HOLDER_H
#define BCAST_KEEP_HOLDER_H

#include "common/err.h"

/* Starts `program --keep-holder` in a session of its own, with nothing of ours but the listening
 * socket of keep_listen() as descriptor KEEP_HOLDER_FD.  It is not waited for. */
enum { KEEP_HOLDER_FD = 3 };
int keep_holder_start(const char *program, int listen_fd, struct err *err);

/* Serves until the end. */
int keep_holder_run(int take_listen_fd);

#endif
