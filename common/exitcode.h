/*
 * exitcode.h - the exit statuses of our own failures.
 *
 * A job's status is that of its first failing rank: its exit code, or 128 + the
 * signal that ended it.  Our own failures use codes that programs rarely use,
 * 126 and 127 as in a shell (and podman).  The table is printed by `cmpirun --help` and the
 * man page is generated from it.
 */
#ifndef COMMON_EXITCODE_H
#define COMMON_EXITCODE_H

enum exitcode {
	EXITCODE_OK = 0,
	EXITCODE_USAGE = 120,     /* an option, argument or file of the user's is wrong */
	EXITCODE_IMAGE = 121,     /* the image is missing, truncated, or not an image */
	EXITCODE_NODE = 122,      /* a node was lost or could not be started */
	EXITCODE_SETUP = 123,     /* a node cannot be made ready: namespaces, FUSE, memory */
	EXITCODE_TIMEOUT = 124,   /* --timeout passed (as timeout(1)) */
	EXITCODE_INTERNAL = 125,  /* cmpirun itself failed (as podman) */
	EXITCODE_NOEXEC = 126,    /* the program is there but cannot be executed */
	EXITCODE_NOPROGRAM = 127, /* the program is not in the image */
	EXITCODE_SIGNAL = 128,    /* + the number of the signal */
};

struct exitcode_text {
	enum exitcode code;
	const char *text;
};

/* Ends with a text of NULL. */
extern const struct exitcode_text exitcode_texts[];

#endif
