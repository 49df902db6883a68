/*
 * family.h - whose MPI is this library, and which part of it?
 *
 * Pure.  Evidence in this order: symbols, then NEEDED, then the SONAME, which says
 * least (libmpi.so.12 and .40 are two families, libmpir and libmpiseq are none).
 */
#ifndef MPI_ABI_FAMILY_H
#define MPI_ABI_FAMILY_H

#include <stdbool.h>

#include "mpi-abi/elf.h"

enum mpi_family {
	MPI_FAMILY_NONE,
	MPI_FAMILY_MPICH,     /* MPICH, Intel, Cray, MVAPICH2, ParaStation: one ABI since 2014 */
	MPI_FAMILY_OPEN_MPI,
	MPI_FAMILY_STANDARD,  /* libmpi_abi of MPI 5.0 */
	MPI_FAMILY_COUNT,
};

enum mpi_role {
	MPI_ROLE_NONE,
	MPI_ROLE_C,
	MPI_ROLE_FORTRAN,
	MPI_ROLE_CXX,
	MPI_ROLE_OTHER,    /* public, known by its SONAME alone (Fortran modules, Java) */
	MPI_ROLE_INTERNAL, /* used by the family itself; what programs need of it is not an ABI */
};

const char *mpi_family_name(enum mpi_family family);

/* Can a library of this file name or SONAME be part of an MPI?  Cheap and generous. */
bool mpi_name_suspect(const char *name);

/* By name alone: what a program that NEEDs it expects.  NONE for libmpir and the like. */
enum mpi_family mpi_family_of_name(const char *soname);
enum mpi_role mpi_role_of_name(enum mpi_family family, const char *soname);

/* By its symbols (elf read with ELF_WITH_SYMBOLS), NEEDED, and name. */
enum mpi_family mpi_family_of(const struct elf *elf, const char *soname);

/* The number behind ".so." in a SONAME: 12, 40; -1 when there is none. */
int mpi_generation(const char *soname);

/* Programs of an MPI itself, which come with it and go with it: ompi_info, orted. */
bool mpi_own_program(const char *path);

#endif
