/*
 * daemon_mode.h - cmpi-bcast as the child of cmpid.  (Uses MPI.)
 */
#ifndef BCAST_DAEMON_MODE_H
#define BCAST_DAEMON_MODE_H

/* Runs the whole session; owns the descriptors (image_fd and arrival_fd may be -1).  Returns the exit status of
 * the process, which is to end by _exit(2): after a failure MPI may not be in a state to be
 * cleaned up. */
int daemon_mode_run(int take_daemon_fd, int take_image_fd, int take_arrival_fd);

#endif
