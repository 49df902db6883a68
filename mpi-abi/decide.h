/*
 * decide.h - whose MPI do the ranks load, and how is that brought about?
 *
 * The levels are tried from the best on; the first that passes its gates and the proof is taken:
 *
 *	ABI_LEVEL_MPI     the host's MPI of the same ABI (MPICH's, Open MPI's of one generation, or
 *	                  the standard ABI of MPI 5: libmpi_abi) in place of the image's
 *	ABI_LEVEL_FABRIC  the host's libfabric under the image's own MPI
 *	ABI_LEVEL_TRANSLATOR  the host's MPI of another ABI, behind a translator that a site has installed
 *	ABI_LEVEL_OWN     the image's own, as it is
 *
 * A decision is a value: plain strings, nothing open, no reference to the image or
 * the host any more.  Making it reads the index of the image and files of the host, and runs nothing.  Carrying it out is
 * the launcher's work, in this order, on every node:
 *
 *	1. hide     an empty directory over each path of hides[]
 *	2. binds    each bind's source (a host path) over its target, read-only
 *	3. files    each synthetic file, bound read-only over its target
 *	4. env      drops[] removed from what the image sets (never from what the user
 *	            set by -x), then sets[] put in
 *
 * All paths are absolute.  Targets are free of symbolic links inside the image.  A
 * target that `exists` is in the image; the others must be created: those below
 * ABI_DIR in a directory of the run's own, any other needs a writable layer.
 */
#ifndef MPI_ABI_DECIDE_H
#define MPI_ABI_DECIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "mpi-abi/fingerprint.h"

struct image_index;

#define ABI_DIR "/.cmpirun/mpi"  /* new names in the container; the libraries are in ABI_DIR "/lib" */

enum abi_verdict { ABI_SWAP, ABI_OWN, ABI_REFUSE };

enum abi_level { ABI_LEVEL_MPI, ABI_LEVEL_FABRIC, ABI_LEVEL_TRANSLATOR, ABI_LEVEL_OWN, ABI_LEVEL_COUNT };

/* What the user wants: the host's MPI (of the same ABI, else behind a translator) or its fabric, or a refusal;
 * or the best that goes. */
enum abi_wish { ABI_WISH_MPI, ABI_WISH_FABRIC, ABI_WISH_BEST };

/* Why it is refused; ABI_REASON_NONE for a swap. The text says it in full. */
enum abi_reason {
	ABI_REASON_NONE,
	ABI_REASON_NO_MPI,          /* nothing in the image uses a shared MPI library */
	ABI_REASON_STATIC,          /* the MPI is inside the programs */
	ABI_REASON_MUSL,
	ABI_REASON_MACHINE,         /* 32 bit, or another processor */
	ABI_REASON_TWO_FAMILIES,    /* the image has several, and the host can serve only one */
	ABI_REASON_NO_HOST_MPI,
	ABI_REASON_FAMILY,          /* the host's MPI is of another family */
	ABI_REASON_GENERATION,      /* same family, another ABI generation (SONAME) */
	ABI_REASON_SYMBOL,          /* a consumer needs a symbol that the host's library lacks */
	ABI_REASON_COPY_SIZE,       /* a program holds a copy of a variable of another size */
	ABI_REASON_VERSION,         /* a host library needs a newer library of the image */
	ABI_REASON_LOST,            /* the proof: a library would not be found any more */
	ABI_REASON_MIXED,           /* the proof: parts of the image's MPI would be loaded as well */
	ABI_REASON_NO_FABRIC,       /* no libfabric in the image, or none on the host */
	ABI_REASON_HOST_LIBRARY,    /* a library that the host's MPI needs is not on the host */
	ABI_REASON_NO_TRANSLATOR,   /* none from the image's MPI to one of the host's is installed */
	ABI_REASON_PMI,             /* the host's MPI speaks no PMI that our daemon serves */
};

struct abi_bind {
	char *source, *target;
	bool directory, exists;
};

struct abi_file {
	char *target;
	bool exists;
	char *bytes;
	size_t len;
};

struct abi_env {
	char *name;   /* in drops[]: a trailing '*' means every name with this beginning */
	char *value;  /* NULL in drops[] */
};

/* A level that was tried before, and why it was not taken. */
struct abi_attempt {
	enum abi_level level;
	enum abi_reason reason;
	char *why, *ways_out, *host_path;
};

struct abi_consumer {
	char *path, *needs;   /* the library of the MPI that it needs: "libmpi.so.40" */
};

struct abi_decision {
	enum abi_verdict verdict;
	enum abi_level level;
	enum abi_reason reason;
	char *why;            /* one clause; NULL for a swap */
	char *ways_out;       /* what the user may do; NULL for a swap */
	char *family;         /* "MPICH", "Open MPI"; NULL when not known */
	char *image_version;  /* "libmpich.so.12.2.2"; NULL when none */
	char *image_library;  /* its path; NULL when none */
	char *host_version, *host_path, *found_by;  /* NULL when none */
	char *translator;     /* its name; NULL: none */
	char *pmi;            /* "PMI-1 (FILE)": what the host's MPI speaks; NULL when not looked at */
	char *libc_for;       /* "LIBRARY needs VERSION": why the host's glibc comes along; NULL: it does not */
	struct abi_consumer *consumers;  /* ELF files of the image that link the MPI */
	size_t consumer_count;
	struct abi_attempt attempts[ABI_LEVEL_COUNT];  /* without ABI_WISH_FABRIC */
	size_t attempt_count;
	size_t proven;        /* programs and libraries whose loading was tried on paper */
	struct abi_bind *binds;
	size_t bind_count;
	struct abi_file *files;
	size_t file_count;
	struct fingerprints files_used;  /* of the host, of which every node must have the same */
	char **hides;
	size_t hide_count;
	char **devices;       /* of the host's fabric, and there: the container has the host's /dev */
	size_t device_count;
	struct abi_env *drops, *sets;
	size_t drop_count, set_count;
};

struct abi_request {
	enum abi_wish wish;
	const struct image_index *index; /* of the image */
	const char *mpi_path;            /* --mpi-path: a prefix, a directory or a library; NULL: search */
	const char *search_path;         /* the user's PATH; NULL: the usual directories */
	const char *const *environment;  /* all of the user's, for what modules set; NULL: none */
	const char *library_path;        /* the user's LD_LIBRARY_PATH; NULL: none */
	const char *rank_library_path;   /* LD_LIBRARY_PATH that the ranks will have; NULL: none */
	const char *host_root;           /* a directory that stands in for the host; NULL: "/" */
	const char *const *image_env;    /* NAME=VALUE…, NULL-terminated, of the image's config; or NULL */
};

/* 0 with a decision, which may be a refusal; -errno when none could be made (the image
 * is broken, no memory).  The caller frees it. */
int abi_decide(const struct abi_request *request, struct abi_decision **decision, struct err *err);
void abi_decision_free(struct abi_decision **decision);

/* One line for --dry-run: "MPICH 12.2.2 → host's 12.2.2 at /usr/lib/…, 14 binds", or
 * "refused: WHY; WAYS OUT".  With `every` then a line for each level that was tried, consumer and effect. */
void abi_decision_print(const struct abi_decision *decision, bool every, struct buf *out);
/* All of it as one JSON object. */
void abi_decision_print_json(const struct abi_decision *decision, struct buf *out);

/* What ld.so said in the lines of a failed program, mapped back: what was decided about the library that it
 * names (linker_line.h); false when it said nothing or the decision has no part in it. */
bool abi_decision_explain_line(const struct abi_decision *decision, const char *text, struct buf *out);

const char *abi_reason_name(enum abi_reason reason);
const char *abi_level_name(enum abi_level level);

#endif
