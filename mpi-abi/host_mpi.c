/*
 * host_mpi.c - where is the host's MPI? (host.h)
 *
 * Flow: places in the order of the user's will: --mpi-path; the MPI whose mpicc or
 * mpiexec comes first in PATH; what modules set (a table of variables, PKG_CONFIG_PATH);
 * LD_LIBRARY_PATH; the linker's cache; default directories and those of distributions.  In each, files named like an MPI's C
 * library are read; their symbols say the family.
 *
 * Invariant: the first library of the wanted family and generation wins; without
 * one, the first of the family; without that, an other family's is reported.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/host_private.h"
#include "mpi-abi/search_path.h"

/* Below the prefix of an installation. */
static const char *const prefix_dirs[] = {
	"", "/lib", "/lib64", "/lib/release",
#if defined(__x86_64__)
	"/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
	"/lib/aarch64-linux-gnu",
#endif
};

static const char *const distribution_dirs[] = {
	"/usr/lib64/mpich/lib", "/usr/lib64/openmpi/lib", "/usr/local/lib", "/usr/local/lib64",
};

/* Programs whose place tells the prefix; family NONE: of any. */
static const struct {
	enum mpi_family family;
	const char *name;
} programs[] = {
	{MPI_FAMILY_NONE, "mpicc"},
	{MPI_FAMILY_NONE, "mpiexec"},
	{MPI_FAMILY_MPICH, "mpicc.mpich"},
	{MPI_FAMILY_MPICH, "mpiexec.mpich"},
	{MPI_FAMILY_MPICH, "mpichversion"},
	{MPI_FAMILY_OPEN_MPI, "mpicc.openmpi"},
	{MPI_FAMILY_OPEN_MPI, "ompi_info"},
};

/* The prefix of an installation, as environment modules and vendors' scripts set it. */
static const char *const prefix_variables[] = {
	"CRAY_MPICH_DIR", "MPICH_DIR", "I_MPI_ROOT", "MPI_HOME", "MPI_ROOT", "OPAL_PREFIX", "MPIDIR",
	"EBROOTOPENMPI", "EBROOTMPICH", "EBROOTIMPI", "OPENMPI_DIR", "MVAPICH2_DIR",
};

struct finder {
	const struct host *host;
	const struct host_search *search;
	const char *found_by;
	struct host_mpi best, other;
	bool exact;
};

/* Looks at one file. */
static int consider(struct finder *finder, const char *path, struct err *err)
{
	struct err ignored;
	AUTO_ELF struct elf elf = {0};
	AUTO_FREE char *real = NULL;
	if (host_realpath_new(finder->host, path, &real, &ignored) < 0 ||
	    host_elf_read(finder->host, real, ELF_WITH_SYMBOLS, &elf, &ignored) < 0 ||
	    elf.kind != ELF_DYNAMIC || elf.machine != finder->search->machine || !elf.soname)
		return 0;
	enum mpi_family family = mpi_family_of(&elf, elf.soname);
	if (family == MPI_FAMILY_NONE || mpi_role_of_name(family, elf.soname) != MPI_ROLE_C)
		return 0;
	bool wanted = family == finder->search->family;
	bool exact = wanted && mpi_generation(elf.soname) == finder->search->generation;
	struct host_mpi *slot = wanted ? &finder->best : &finder->other;
	if (slot->path && !(exact && !finder->exact))
		return 0;
	host_mpi_free(slot);
	*slot = (struct host_mpi){
		.family = family,
		.path = take_ptr(&real),
		.soname = strdup(elf.soname),
		.found_by = strdup(finder->found_by),
	};
	finder->exact |= exact;
	return slot->soname && slot->found_by ? 0 : err_set(err, ENOMEM, "no memory for the host's MPI");
}

static bool is_c_library_name(const char *name)
{
	return strstr(name, ".so") && (mpi_role_of_name(MPI_FAMILY_MPICH, name) == MPI_ROLE_C ||
				       mpi_role_of_name(MPI_FAMILY_OPEN_MPI, name) == MPI_ROLE_C ||
				       mpi_role_of_name(MPI_FAMILY_STANDARD, name) == MPI_ROLE_C);
}

static int look_in_dir(struct finder *finder, const char *path, struct err *err)
{
	char file[PATH_MAX];
	struct dirent *entry;
	int rc = 0;
	DIR *dir = finder->exact ? NULL : host_opendir(finder->host, path);
	if (!dir)
		return 0;
	while (rc == 0 && !finder->exact && (entry = readdir(dir)))
		if (is_c_library_name(entry->d_name) &&
		    (size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < sizeof file)
			rc = consider(finder, file, err);
	closedir(dir);
	return rc;
}

static int look_in_prefix(struct finder *finder, const char *prefix, struct err *err)
{
	char path[PATH_MAX];
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof prefix_dirs / sizeof *prefix_dirs; i++)
		if ((size_t)snprintf(path, sizeof path, "%s%s", prefix, prefix_dirs[i]) < sizeof path)
			rc = look_in_dir(finder, path, err);
	return rc;
}

/* The program `name`, looked for in PATH; its real path with two names cut off. */
static char *program_prefix(struct finder *finder, const char *name)
{
	const char *list = finder->search->search_path ? finder->search->search_path : "/usr/bin:/bin";
	char path[PATH_MAX];
	char *real = NULL;
	struct err ignored;
	for (; *list; list += strcspn(list, ":"), list += *list == ':') {
		size_t len = strcspn(list, ":");
		if (list[0] != '/' ||
		    (size_t)snprintf(path, sizeof path, "%.*s/%s", (int)len, list, name) >= sizeof path)
			continue;
		if (host_realpath_new(finder->host, path, &real, &ignored) == 0)
			break;
	}
	for (int i = 0; real && i < 2; i++) {
		char *slash = strrchr(real, '/');
		if (slash)
			*slash = '\0';
	}
	return real;
}

static int look_by_programs(struct finder *finder, struct err *err)
{
	char found_by[64];
	int rc = 0;
	for (size_t i = 0; rc == 0 && !finder->exact && i < sizeof programs / sizeof *programs; i++) {
		if (programs[i].family && programs[i].family != finder->search->family)
			continue;
		AUTO_FREE char *prefix = program_prefix(finder, programs[i].name);
		if (!prefix)
			continue;
		snprintf(found_by, sizeof found_by, "%s in PATH", programs[i].name);
		finder->found_by = found_by;
		rc = look_in_prefix(finder, prefix, err);
	}
	return rc;
}

/* The value of the variable in an entry NAME=VALUE, if it is that one. */
static const char *value_of(const char *entry, const char *name)
{
	size_t len = strlen(name);
	return strncmp(entry, name, len) == 0 && entry[len] == '=' ? entry + len + 1 : NULL;
}

static int look_by_variables(struct finder *finder, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof prefix_variables / sizeof *prefix_variables; i++) {
		const char *const *entry = finder->search->environment;
		for (; rc == 0 && entry && *entry; entry++) {
			const char *prefix = value_of(*entry, prefix_variables[i]);
			if (!prefix || prefix[0] != '/')
				continue;
			finder->found_by = prefix_variables[i];
			rc = look_in_prefix(finder, prefix, err);
		}
	}
	return rc;
}

/* A description in LIB/pkgconfig says that there is a library in LIB. */
static int look_by_pkg_config(struct finder *finder, struct err *err)
{
	static const char end[] = "/pkgconfig";
	const char *const *entry = finder->search->environment;
	char dir[PATH_MAX];
	int rc = 0;
	for (; rc == 0 && entry && *entry; entry++) {
		const char *list = value_of(*entry, "PKG_CONFIG_PATH");
		finder->found_by = "PKG_CONFIG_PATH";
		while (rc == 0 && search_path_next(&list, NULL, dir, sizeof dir)) {
			size_t len = strlen(dir);
			if (len < sizeof end || strcmp(dir + len - (sizeof end - 1), end) != 0)
				continue;
			dir[len - (sizeof end - 1)] = '\0';
			rc = look_in_dir(finder, dir, err);
		}
	}
	return rc;
}

static int look_by_library_path(struct finder *finder, struct err *err)
{
	char dir[PATH_MAX];
	int rc = 0;
	finder->found_by = "LD_LIBRARY_PATH";
	for (const char *at = finder->host->library_path; rc == 0 && at && *at;) {
		size_t len = strcspn(at, ":");
		if (at[0] == '/' && (size_t)snprintf(dir, sizeof dir, "%.*s", (int)len, at) < sizeof dir)
			rc = look_in_dir(finder, dir, err);
		at += len + (at[len] == ':');
	}
	return rc;
}

static int look_by_cache(struct finder *finder, struct err *err)
{
	int rc = 0;
	finder->found_by = "ld.so.cache";
	for (size_t i = 0; rc == 0 && !finder->exact && i < finder->host->cache.count; i++)
		if (is_c_library_name(finder->host->cache.entries[i].key))
			rc = consider(finder, finder->host->cache.entries[i].path, err);
	return rc;
}

static int look_by_directories(struct finder *finder, struct err *err)
{
	int rc = 0;
	finder->found_by = "the default library directories";
	for (size_t i = 0; rc == 0 && host_library_dirs[i]; i++)
		rc = look_in_dir(finder, host_library_dirs[i], err);
	for (size_t i = 0; rc == 0 && i < sizeof distribution_dirs / sizeof *distribution_dirs; i++)
		rc = look_in_dir(finder, distribution_dirs[i], err);
	return rc;
}

static int look_everywhere(struct finder *finder, struct err *err)
{
	const char *path = finder->search->mpi_path;
	if (path) {  /* then nowhere else: the user has said which */
		finder->found_by = "--mpi-path";
		int rc = consider(finder, path, err);
		return rc < 0 ? rc : look_in_prefix(finder, path, err);
	}
	int rc = look_by_programs(finder, err);
	if (rc == 0)
		rc = look_by_variables(finder, err);
	if (rc == 0)
		rc = look_by_pkg_config(finder, err);
	if (rc == 0)
		rc = look_by_library_path(finder, err);
	if (rc == 0)
		rc = look_by_cache(finder, err);
	if (rc == 0)
		rc = look_by_directories(finder, err);
	return rc;
}

int host_mpi_find(const struct host *host, const struct host_search *search, struct host_mpi *mpi,
		  struct err *err)
{
	struct finder finder = {.host = host, .search = search};
	int rc = look_everywhere(&finder, err);
	*mpi = finder.best.path ? finder.best : finder.other;
	if (finder.best.path)
		host_mpi_free(&finder.other);
	if (rc < 0) {
		host_mpi_free(mpi);
		return rc;
	}
	return finder.best.path ? 0 : -ENOENT;
}

void host_mpi_free(struct host_mpi *mpi)
{
	free(mpi->path);
	free(mpi->soname);
	free(mpi->found_by);
	*mpi = (struct host_mpi){0};
}
