/*
 * opt.h - one const table gives the parser, the help text and the man page.
 *
 * An option has one or more names ("-n -np --np"), all equal.  Accepted forms:
 * "--name value", "--name=value", "-x value", and "-xvalue" for names of one
 * letter.  Names with one dash and several letters ("-ppn") are looked up whole
 * first, as mpirun does.  Parsing stops at the first word that is no option, or
 * behind "--".
 */
#ifndef COMMON_OPT_H
#define COMMON_OPT_H

#include "common/buf.h"
#include "common/err.h"

enum opt_kind {
	OPT_FLAG,      /* takes no value */
	OPT_VALUE,     /* takes one */
	OPT_OPTIONAL,  /* takes one only as --name=value */
	OPT_HEADING,   /* no option: a heading of help and man page, in `help` */
	OPT_REFUSED,   /* known to users of others, not taken here: `help` says why and what to use */
};

struct opt {
	int id;
	enum opt_kind kind;
	const char *names;       /* separated by blanks; the first is the one in messages */
	const char *value_name;  /* "N", "SRC:DST[:ro]" */
	const char *help;        /* sentences; NULL: not shown */
};

/* A table ends with an entry of names NULL and help NULL. */
struct opt_parser {
	const struct opt *table;
	char **argv;  /* NULL-terminated, not changed */
	int index;    /* the next word to look at: start at 1 */
};

/* Returns 1 and sets *option and *value (inside argv; NULL for a flag), 0 at
 * the end of the options (parser->index is at the first argument), or -EINVAL
 * (unknown: with the nearest name; value missing or not wanted; refused). */
int opt_next(struct opt_parser *parser, const struct opt **option, const char **value,
	     struct err *err);

/* A whole number of [least, most]; the error names the option. */
int opt_number(const struct opt *option, const char *value, long least, long most, long *number,
	       struct err *err);

/* The options for --help, and as the body of a man page's OPTIONS section (man(7)). */
void opt_help(const struct opt *table, struct buf *out);
void opt_man(const struct opt *table, struct buf *out);

#endif
