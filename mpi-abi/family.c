/*
 * family.c - the tables of MPI families (family.h).
 *
 * A stem is a SONAME before ".so"; one that ends with '*' is a beginning.  The first
 * match of a family counts.
 */
#include "mpi-abi/family.h"

#include <stdlib.h>

static const char *const family_names[MPI_FAMILY_COUNT] = {
	[MPI_FAMILY_NONE] = "no MPI",
	[MPI_FAMILY_MPICH] = "MPICH",
	[MPI_FAMILY_OPEN_MPI] = "Open MPI",
	[MPI_FAMILY_STANDARD] = "MPI standard ABI",
};

static const struct {
	enum mpi_family family;
	const char *stem;
	enum mpi_role role;
} stems[] = {
	{MPI_FAMILY_STANDARD, "libmpi_abi", MPI_ROLE_C},
	{MPI_FAMILY_STANDARD, "libmpifort_abi", MPI_ROLE_FORTRAN},

	{MPI_FAMILY_MPICH, "libmpich", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpi", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpi_gnu*", MPI_ROLE_C},      /* Cray MPICH, by compiler */
	{MPI_FAMILY_MPICH, "libmpi_cray*", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpi_intel*", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpi_nvidia*", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpi_amd*", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpi_aocc*", MPI_ROLE_C},
	{MPI_FAMILY_MPICH, "libmpifort", MPI_ROLE_FORTRAN},
	{MPI_FAMILY_MPICH, "libmpifort_*", MPI_ROLE_FORTRAN},
	{MPI_FAMILY_MPICH, "libmpichfort", MPI_ROLE_FORTRAN},
	{MPI_FAMILY_MPICH, "libmpichf90", MPI_ROLE_FORTRAN},
	{MPI_FAMILY_MPICH, "libfmpich", MPI_ROLE_FORTRAN},
	{MPI_FAMILY_MPICH, "libmpicxx", MPI_ROLE_CXX},
	{MPI_FAMILY_MPICH, "libmpichcxx", MPI_ROLE_CXX},
	{MPI_FAMILY_MPICH, "libmpl", MPI_ROLE_INTERNAL},
	{MPI_FAMILY_MPICH, "libopa", MPI_ROLE_INTERNAL},

	{MPI_FAMILY_OPEN_MPI, "libmpi", MPI_ROLE_C},
	{MPI_FAMILY_OPEN_MPI, "libmpi_ibm", MPI_ROLE_C},    /* Spectrum MPI */
	{MPI_FAMILY_OPEN_MPI, "libmpi_mpifh*", MPI_ROLE_OTHER},
	{MPI_FAMILY_OPEN_MPI, "libmpi_usempi*", MPI_ROLE_OTHER},
	{MPI_FAMILY_OPEN_MPI, "libmpi_cxx", MPI_ROLE_OTHER},
	{MPI_FAMILY_OPEN_MPI, "libmpi_java", MPI_ROLE_OTHER},
	{MPI_FAMILY_OPEN_MPI, "libopen_mpi", MPI_ROLE_OTHER},  /* of 6: what libmpi.so.40 stands on */
	{MPI_FAMILY_OPEN_MPI, "liboshmem", MPI_ROLE_OTHER},
	{MPI_FAMILY_OPEN_MPI, "libompitrace", MPI_ROLE_INTERNAL},
	{MPI_FAMILY_OPEN_MPI, "libopen-pal", MPI_ROLE_INTERNAL},
	{MPI_FAMILY_OPEN_MPI, "libopen-rte", MPI_ROLE_INTERNAL},
	{MPI_FAMILY_OPEN_MPI, "libmca_common_*", MPI_ROLE_INTERNAL},
	{MPI_FAMILY_OPEN_MPI, "libprrte", MPI_ROLE_INTERNAL},
};

/* What only one family exports.  A trailing '*' is a beginning. */
static const struct {
	enum mpi_family family;
	const char *symbol;
} marks[] = {
	{MPI_FAMILY_OPEN_MPI, "ompi_mpi_comm_world"},
	{MPI_FAMILY_OPEN_MPI, "ompi_mpi_init"},
	{MPI_FAMILY_OPEN_MPI, "opal_init"},
	{MPI_FAMILY_OPEN_MPI, "orte_init"},
	{MPI_FAMILY_MPICH, "MPIR_Dup_fn"},
	{MPI_FAMILY_MPICH, "MPIR_Err_create_code"},
	{MPI_FAMILY_MPICH, "MPII_*"},
};

static const char *const own_programs[] = {
	"ompi_info", "oshmem_info", "orted", "orterun", "mpirun", "mpiexec", "orte-*", "ompi-*",
	"prte*", "mpivars", "mpichversion", "opal_wrapper", "mpiexec.openmpi", "mpirun.openmpi",
	"mpivars.mpich", "mpichversion.mpich", "ompi_monitoring_prof.so",
};

static bool matches(const char *pattern, const char *text, size_t len)
{
	size_t beginning = strlen(pattern);
	if (beginning > 0 && pattern[beginning - 1] == '*')
		return len >= beginning - 1 && strncmp(pattern, text, beginning - 1) == 0;
	return len == beginning && strncmp(pattern, text, len) == 0;
}

static size_t stem_len(const char *soname)
{
	const char *end = strstr(soname, ".so");
	return end ? (size_t)(end - soname) : strlen(soname);
}

const char *mpi_family_name(enum mpi_family family)
{
	size_t index = (size_t)family;
	return index < MPI_FAMILY_COUNT ? family_names[index] : "?";
}

bool mpi_name_suspect(const char *name)
{
	for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
		if (matches(stems[i].stem, name, stem_len(name)))
			return true;
	return strncmp(name, "libmpi", 6) == 0 && strstr(name, ".so");
}

int mpi_generation(const char *soname)
{
	const char *number = strstr(soname, ".so.");
	if (!number || number[4] < '0' || number[4] > '9')
		return -1;
	long value = strtol(number + 4, NULL, 10);
	return value > 1000000 ? -1 : (int)value;
}

enum mpi_role mpi_role_of_name(enum mpi_family family, const char *soname)
{
	for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
		if (stems[i].family == family && matches(stems[i].stem, soname, stem_len(soname)))
			return stems[i].role;
	return MPI_ROLE_NONE;
}

/* libmpi.so.N: MPICH froze 12 in 2014; Open MPI counts 0, 1, 12 (1.8!), 20, 40, 80.  12 is
 * read as MPICH's, since Open MPI 1.8 is long gone. */
enum mpi_family mpi_family_of_name(const char *soname)
{
	size_t len = stem_len(soname);
	if (matches("libmpi", soname, len))
		return mpi_generation(soname) == 12 ? MPI_FAMILY_MPICH : MPI_FAMILY_OPEN_MPI;
	for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
		if (matches(stems[i].stem, soname, len))
			return stems[i].family;
	return MPI_FAMILY_NONE;
}

static enum mpi_family family_by_symbols(const struct elf *elf, bool *is_mpi)
{
	enum mpi_family family = MPI_FAMILY_NONE;
	*is_mpi = false;
	for (size_t i = 0; i < elf->symbol_count; i++) {
		const char *name = elf->symbols[i].name;
		if (!elf->symbols[i].defined || elf->symbols[i].copied)
			continue;
		if (strcmp(name, "MPI_Init") == 0 || strcmp(name, "PMPI_Init") == 0)
			*is_mpi = true;
		for (size_t k = 0; family == MPI_FAMILY_NONE && k < sizeof marks / sizeof *marks; k++)
			if (matches(marks[k].symbol, name, strlen(name)))
				family = marks[k].family;
	}
	return family;
}

enum mpi_family mpi_family_of(const struct elf *elf, const char *soname)
{
	bool is_mpi;
	enum mpi_family named = mpi_family_of_name(soname);
	if (named == MPI_FAMILY_STANDARD)
		return named;
	enum mpi_family family = family_by_symbols(elf, &is_mpi);
	if (family != MPI_FAMILY_NONE && mpi_role_of_name(family, soname) != MPI_ROLE_NONE)
		return family;
	/* Open MPI 6 keeps its entrails in a library of their own. */
	for (size_t i = 0; is_mpi && i < elf->needed_count; i++) {
		family = mpi_family_of_name(elf->needed[i]);
		enum mpi_role role = mpi_role_of_name(family, elf->needed[i]);
		if ((role == MPI_ROLE_INTERNAL || strncmp(elf->needed[i], "libopen_mpi.so", 14) == 0) &&
		    mpi_role_of_name(family, soname) != MPI_ROLE_NONE)
			return family;
	}
	if (is_mpi)  /* it is an MPI, of a kind nobody here knows */
		return MPI_FAMILY_NONE;
	for (size_t i = 0; i < elf->needed_count; i++) {
		family = mpi_family_of_name(elf->needed[i]);
		if (family != MPI_FAMILY_NONE && mpi_role_of_name(family, soname) != MPI_ROLE_NONE)
			return family;
	}
	return mpi_role_of_name(named, soname) == MPI_ROLE_C ? MPI_FAMILY_NONE : named;
}

bool mpi_own_program(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	for (size_t i = 0; i < sizeof own_programs / sizeof *own_programs; i++)
		if (matches(own_programs[i], name, strlen(name)))
			return true;
	return false;
}
