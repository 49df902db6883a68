/*
 * stdin_pump.h - a terminal's input for rank 0.
 *
 * Rank 0 gets our stdin itself where it can.  It cannot when that is a terminal
 * and the job has a process group of its own: a read from the background stops
 * the reader (SIGTTIN, termios(3)).  Then the bytes go through a pipe.
 */
#ifndef LAUNCHER_STDIN_PUMP_H
#define LAUNCHER_STDIN_PUMP_H

#include "common/err.h"
#include "common/loop.h"

struct stdin_pump;

/* *rank_fd: the pipe's read end for the rank, the caller's. */
int stdin_pump_new(struct loop *loop, int *rank_fd, struct stdin_pump **pump, struct err *err);
void stdin_pump_free(struct stdin_pump **pump);

#endif
