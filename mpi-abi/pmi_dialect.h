/*
 * pmi_dialect.h - in which words does a library ask the launcher for its world?
 *
 * Pure.  Evidence: NEEDED, then texts among the constants, each a word of one protocol or a variable of one
 * launcher.  A library may speak several dialects, or leave it to another (Open MPI's components, Cray's
 * libpmi), and shows none then.
 */
#ifndef MPI_ABI_PMI_DIALECT_H
#define MPI_ABI_PMI_DIALECT_H

#include "common/buf.h"
#include "mpi-abi/elf.h"

enum pmi_dialect {
	PMI_DIALECT_1 = 1 << 0,     /* PMI-1 over PMI_FD: MPICH, Intel, MVAPICH2 */
	PMI_DIALECT_2 = 1 << 1,     /* PMI-2 over PMI_FD */
	PMI_DIALECT_X = 1 << 2,     /* PMIx */
	PMI_DIALECT_CRAY = 1 << 3,  /* Cray's: PALS or ALPS */
	PMI_DIALECT_SLURM = 1 << 4, /* Slurm's libpmi: its own messages to srun */
};

/* Bits of enum pmi_dialect; `name`: the library's SONAME or path. */
unsigned pmi_dialects_of(const char *name, const struct elf *elf, const struct elf_source *source);

/* "PMI-1, PMIx" */
void pmi_dialects_format(unsigned dialects, struct buf *out);

#endif
