/*
 * recipes.h - what libraries load at run time, and what else a fabric wants: as data.
 *
 * NEEDED does not show modules, providers and components, nor devices and sockets.  They are described in
 * files (docs/mpi.md has the format for people):
 *
 *	# comment
 *	[recipe NAME]        or  [translator NAME]
 *	key = value
 *
 * A translator is a library that gives programs of one MPI ABI another MPI (gate_translator.c).
 *
 * A key may stand several times.  Those of cmpirun are in share/cmpirun/mpi/, a site's in
 * /etc/cmpirun/mpi.d/; all files *.conf of both are read, in the order of their names, ours first.
 */
#ifndef MPI_ABI_RECIPES_H
#define MPI_ABI_RECIPES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct host;

#define RECIPES_SITE_DIR "/etc/cmpirun/mpi.d"

enum recipe_key {
	RECIPE_LIBRARY,         /* SONAME pattern: the recipe applies when the host's MPI has such a library */
	RECIPE_TREE,            /* file or directory that it reads: absolute, or relative to its directory */
	RECIPE_BESIDE,          /* it looks for this name beside itself too, wherever it is found */
	RECIPE_LOAD,            /* SONAME that it opens by dlopen(3); not there: left out */
	RECIPE_CORE,            /* SONAME pattern: of one build with its modules, never the image's copy */
	RECIPE_DEVICE,          /* absolute path that is shown when the host has it */
	RECIPE_SOCKET,          /* absolute path (a socket or its directory) that is bound when the host has it */
	RECIPE_DROP,            /* variable of the image that means nothing to the host's MPI; NAME* for all */
	RECIPE_DROP_FABRIC,     /* the same for the host's fabric under the image's MPI as well */
	RECIPE_COMPONENT_PATH,  /* "PREFIX VARIABLE": the directory of modules with this name goes there */
	/* From here on of a translator: */
	RECIPE_FROM,            /* "mpich", "openmpi.40", "standard": what the image's programs were built for */
	RECIPE_TO,              /* the same: the host's MPI that they get */
	RECIPE_PREFIX,          /* where it is installed, or $VARIABLE; the first that is there */
	RECIPE_PRELOAD,         /* file below the prefix, "{mpi}" or "{fortran}": into LD_PRELOAD */
	RECIPE_LIBRARY_PATH,    /* directory below the prefix, whose files stand in for the image's MPI */
	RECIPE_ENVIRONMENT,     /* NAME=VALUE, with {prefix}, {mpi}, {fortran} */
	RECIPE_LEVEL,           /* "c", "fortran", "cxx": which interfaces it translates */
	RECIPE_KEY_COUNT
};

struct recipe_entry {
	enum recipe_key key;
	char *value;
};

struct recipe {
	char *name;
	bool is_translator;
	struct recipe_entry *entries;
	size_t entry_count;
};

struct recipes {
	struct recipe *items;
	size_t count;
};

/* Appends the recipes of one file's text; `file` for messages.  Pure and bounded: -EINVAL names the line.
 * *recipes may hold a part after an error; recipes_free() takes it. */
int recipes_parse(const char *text, size_t len, const char *file, struct recipes *recipes,
		  struct err *err);
void recipes_free(struct recipes *recipes);

/* A trailing '*' stands for any end. */
bool recipe_pattern_matches(const char *pattern, const char *text);
/* Does one of the recipe's patterns of this key fit? */
bool recipe_matches(const struct recipe *recipe, enum recipe_key key, const char *text);
/* The first value of the key, or NULL. */
const char *recipe_value(const struct recipe *recipe, enum recipe_key key);

/* recipe_files.c: reads ours and those of the site (in the host's root).  An error when ours are
 * missing, as a swap without them would lose modules in silence. */
int recipes_load(const struct host *host, struct recipes *recipes, struct err *err);

#endif
