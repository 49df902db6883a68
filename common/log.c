/*
 * log.c - one line, one write (log.h).
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
	enum log_level level;
	char prefix[160];
} log_state = {.level = LOG_LEVEL_NORMAL, .prefix = "cmpirun"};

void log_open(const char *program, const char *node, enum log_level level)
{
	log_state.level = level;
	snprintf(log_state.prefix, sizeof log_state.prefix, "%s%s%s", program, node ? ": " : "",
		 node ? node : "");
}

enum log_level log_level(void)
{
	return log_state.level;
}

static void log_line(const char *format, va_list ap)
{
	char line[2048];
	int len = snprintf(line, sizeof line, "%s: ", log_state.prefix);
	int more = vsnprintf(line + len, sizeof line - (size_t)len, format, ap);
	size_t total = (size_t)len + (more > 0 ? (size_t)more : 0);
	if (total > sizeof line - 2)
		total = sizeof line - 2;
	line[total++] = '\n';
	/* Nobody is left to tell when stderr itself fails. */
	ssize_t ignored = write(STDERR_FILENO, line, total);
	(void)ignored;
}

#define LOG_FUNCTION(name, least)                                                                  \
	void name(const char *format, ...)                                                         \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, format);                                                              \
		if (log_state.level >= (least))                                                    \
			log_line(format, ap);                                                      \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_QUIET)
LOG_FUNCTION(log_note, LOG_LEVEL_NORMAL)
LOG_FUNCTION(log_info, LOG_LEVEL_VERBOSE)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
