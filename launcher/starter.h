/*
 * starter.h - how the daemons get onto their nodes.
 *
 * A table of command-line templates; a user's own template works the same way.
 * Words of a template are separated by blanks (quotes as in a shell); in a word
 * these are filled in:
 *
 *	{nodes}     how many nodes
 *	{hosts}     their names, "a,b,c"
 *	{hostlist}  the same folded, "n[1-3]"
 *	{hostfile}  a file with a name a line
 *	{cpus}      CPUs of the allocation on a node, where known (else the word is left out)
 *	{export}    "-x NAME" for each environment variable that carries the plan
 *	{root}      "--allow-run-as-root" for root, else the word is left out
 *	{daemon}    cmpid; added at the end if the template does not name it
 */
#ifndef LAUNCHER_STARTER_H
#define LAUNCHER_STARTER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "launcher/hosts.h"
#include "launcher/plan.h"

struct starter {
	const char *name;
	const char *bcast;         /* the suffix of the cmpi-bcast that its wire-up suits; NULL: none */
	const char *commands[4];   /* the first that is in PATH is taken as the template's first word */
	const char *template;      /* the words behind the command */
	bool supervised;           /* cmpirun stays as its parent (supervisor.h) */
};

/* Ends with a name of NULL.  starters[0] is "local": cmpirun itself is the daemon. */
extern const struct starter starters[];

/* What a template is filled with. */
struct starter_values {
	const struct hostlist *nodes;
	const char *hostfile, *daemon;  /* paths */
	uint32_t cpus;                  /* 0: unknown */
	char *const *environment;       /* CMPIRUN_PLAN* are looked for in it */
	bool is_root;
};

/* Chooses by --launcher (a name, or a template: then *template is it), else by the
 * place.  helpers: the directory of cmpid and cmpi-bcast.*; path: PATH.
 * *command is the command found (newly allocated; NULL for local and templates).
 * Fails with what is missing. */
int starter_choose(const struct options *options, const struct hosts *hosts,
		   const struct plan *plan, const char *helpers, const char *path,
		   const struct starter **starter, char **command, struct err *err);

/* The argv, NULL-terminated, one allocation a word; free with starter_argv_free.
 * -EINVAL for an unknown {word} or an open quote. Pure. */
int starter_expand(const char *command, const char *template, const struct starter_values *values,
		   char ***argv, struct err *err);
void starter_argv_free(char **argv);

/* Is that name this machine? "localhost", or gethostname(2) up to the first dot. */
bool starter_is_this_node(const char *name);

#endif
