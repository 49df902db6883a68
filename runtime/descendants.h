/*
 * descendants.h - the processes that a sub-reaper is left with.
 *
 * Children whose parents died come to the nearest sub-reaper (PR_SET_CHILD_SUBREAPER), so killing
 * one's own children, again and again until there are none, kills all descendants, however they
 * daemonised.  No process group or session is asked, and kill(-1) never used.
 *
 * On a machine with much to do a killed process may take long to die, and so its children long to
 * come: descendants_kill() goes down the tree.
 */
#ifndef RUNTIME_DESCENDANTS_H
#define RUNTIME_DESCENDANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Is this child meant? */
typedef bool descendants_filter(void *context, pid_t pid);

/* Calls `function` for each child of this process, zombies included; proc_fd is /proc.
 * -errno when the list cannot be read.  Stops early when the function says false. */
int descendants_each(int proc_fd, descendants_filter *function, void *context);

/* SIGKILL to `pid`, a child of this process, and to all below it.  What is forked or orphaned meanwhile
 * may be left out: look again. */
void descendants_kill(int proc_fd, pid_t pid);

/* The letter of /proc/PID/stat (proc(5)): 'Z' is a zombie, whose own children have already gone to the sub-reaper;
 * 0 when there is no such process. */
char descendants_state(int proc_fd, pid_t pid);

#endif
