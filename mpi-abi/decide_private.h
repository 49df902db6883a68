/*
 * decide_private.h - what the steps of a decision share.
 *
 * decide.c runs the steps, gates.c refuses, choice.c takes one of two copies of a
 * library, effects.c writes down what is to be done, proof.c tries it out on paper.  A step returns 0 to go on,
 * DECIDED when the decision is made, or -errno.
 */
#ifndef MPI_ABI_DECIDE_PRIVATE_H
#define MPI_ABI_DECIDE_PRIVATE_H

#include "mpi-abi/closure.h"
#include "mpi-abi/image_index.h"
#include "mpi-abi/decide.h"
#include "mpi-abi/host.h"
#include "mpi-abi/ldcache.h"
#include "mpi-abi/names.h"
#include "mpi-abi/recipes.h"

enum { DECIDED = 1 };

/* One SONAME of the closure in the image: its copy there, if any, and who wins. */
struct choice {
	const char *soname;        /* of the closure */
	const char *image_path;    /* real path of what the image's linker would load, or NULL */
	bool take_image;
};

struct deciding {
	const struct abi_request *request;
	struct abi_decision *decision;
	enum abi_level level;
	const struct image_index *index;
	struct host *host;
	struct host_mpi mpi;
	struct recipes recipes;
	struct closure *closure;
	const struct recipe *translator; /* with ABI_LEVEL_TRANSLATOR */
	char *translator_prefix, *preload; /* paths of the container; preload: as LD_PRELOAD */
	enum mpi_family family;            /* the image's */
	int generation;
	unsigned machine;
	struct ldcache image_cache;     /* empty when the image has none */
	struct choice *choices;         /* one for each library of the closure */
	size_t choice_count;
	struct err *err;
};

/* Writes a refusal down; returns DECIDED. */
int deciding_refuse(struct deciding *deciding, enum abi_reason reason, const char *ways_out,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
int deciding_no_memory(struct deciding *deciding);

/* Is it a component of an MPI or fabric, in a directory of such? */
bool deciding_is_module(const struct deciding *deciding, const char *path);
/* Does this binary count as a consumer of the family? */
bool deciding_is_consumer(const struct deciding *deciding, const struct image_binary *binary);
/* The library of the family that it uses, as it is NEEDED; NULL: none. */
const char *deciding_used(const struct deciding *deciding, const struct image_binary *binary);
/* What family does this NEEDED belong to in this image? */
enum mpi_family deciding_family_of_needed(const struct deciding *deciding, const char *needed);
/* The host's library in place of `soname` of the family; NULL when the host has none. */
const struct closure_library *deciding_counterpart(const struct deciding *deciding,
						   const char *soname);

/* gates.c */
int gate_image(struct deciding *deciding);     /* sets family, generation, machine */
int gate_host(struct deciding *deciding);      /* sets mpi, closure */
int gate_fabric(struct deciding *deciding);    /* gate_fabric.c; the same for libfabric */
int gate_translator(struct deciding *deciding); /* gate_translator.c; the same for a translator */
int gate_pmi(struct deciding *deciding);       /* gate_pmi.c */
int gate_symbols(struct deciding *deciding);
int gate_versions(struct deciding *deciding);  /* after the choices */

/* choice.c */
int choices_make(struct deciding *deciding);
const struct choice *choice_of(const struct deciding *deciding, const char *soname);
/* Where linkers look without being told, of all machines; ends with NULL. */
extern const char *const image_library_dirs[];
/* What the image's linker loads for `soname`, without RPATH; NULL: nothing. */
const struct image_binary *image_library_find(const struct deciding *deciding, const char *soname);
/* 1 when the image's copy is at least as new as the host's, 0 when not. Pure. */
int choice_image_is_newer(const struct elf *image, const char *image_path, const struct elf *host,
			  const char *host_path);

/* Environment of the translator; gate_translator.c. */
int translator_environment(struct deciding *deciding,
			   int (*set)(struct deciding *deciding, const char *name, const char *value));

/* effects.c */
int effects_make(struct deciding *deciding);

/* proof.c: the loader's work, done on paper over the tree that the effects make. */
int proof_make(struct deciding *deciding);

#endif
