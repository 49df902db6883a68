/*
 * cleanup.h - scope-bound ownership.
 *
 *	AUTO_FREE char *path = NULL;	freed at the end of the scope
 *	AUTO_FD int fd = open(...);	closed at the end of the scope if >= 0
 *	return take_fd(&fd);		the caller owns it now
 *
 * A parameter named take_x is owned by the callee from the call on, also when
 * the call fails.  close() keeps errno, so an err can be set after a scope.
 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *where)
{
	free(*(void **)where);
}

static inline void close_fd(int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_FD __attribute__((cleanup(close_fd)))
/* AUTO_CALL(foo_free): for a `struct foo *` whose release is foo_free(struct foo **). */
#define AUTO_CALL(function) __attribute__((cleanup(function)))

static inline int take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

/* Takes the pointer out of *where, which becomes NULL. */
#define take_ptr(where)                                                                            \
	__extension__({                                                                            \
		__auto_type taken_ = *(where);                                                     \
		*(where) = NULL;                                                                   \
		taken_;                                                                            \
	})

#endif
