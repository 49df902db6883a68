/*
 * log.h - lines for people, on stderr.
 *
 * Only mains and the daemons' event code print; libraries return an err.  A
 * line is "PROGRAM[: NODE]: text\n", written with one write(2) so that lines of
 * many daemons on one pipe stay whole.  The log is the project's only mutable
 * global: level, program and node name, set once at start.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level {
	LOG_LEVEL_QUIET,    /* errors only */
	LOG_LEVEL_NORMAL,   /* and warnings and one-line notes */
	LOG_LEVEL_VERBOSE,  /* and what is being done */
	LOG_LEVEL_DEBUG,    /* and how */
};

/* `program` and `node` are copied (node may be NULL: not yet known). */
void log_open(const char *program, const char *node, enum log_level level);
enum log_level log_level(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
