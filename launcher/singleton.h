/*
 * singleton.h - does a rank run alone, as a world of its own?
 *
 * An MPI that does not find its process management becomes n programs of one rank each, in silence.  It shows in what a
 * process has mapped: transports and components are loaded in MPI_Init, behind the first word to the PMI server.  So a
 * process with them that has never said that word has started alone.
 */
#ifndef LAUNCHER_SINGLETON_H
#define LAUNCHER_SINGLETON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SINGLETON_NAME_MAX = 256 };

/* Do these lines of /proc/PID/maps show an MPI that has been initialised?  `library` gets the name of its C
 * library.  Pure. */
bool singleton_shows(const char *maps, size_t len, char library[SINGLETON_NAME_MAX]);

/* The same of a process and its descendants, of which a shell script has some.  False also for what is gone
 * or may not be looked at. */
bool singleton_is(pid_t pid, char library[SINGLETON_NAME_MAX]);

#endif
