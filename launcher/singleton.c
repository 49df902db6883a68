/*
 * singleton.c - evidence of an MPI_Init in what a process has mapped (singleton.h).
 *
 * Caveat: an MPI whose transports are linked into its library shows nothing; then nothing is said.
 */
#include "launcher/singleton.h"

#include <string.h>

#include "launcher/process.h"
#include "mpi-abi/family.h"

/* What is mapped no sooner than in MPI_Init. */
static const char *const loaded_by_init[] = {
	"mca_pml_", "mca_btl_", "mca_mtl_",  /* Open MPI's components; PMIx's own are loaded shortly before */
	"pmix_mca_", "sm_segment.", "vader_segment.",
	"libuct_", "libmlx5-", "-fi.so",     /* UCX and libfabric */
};

static bool name_is_c_library(const char *name)
{
	return mpi_role_of_name(mpi_family_of_name(name), name) == MPI_ROLE_C;
}

static bool name_is_loaded_by_init(const char *name)
{
	for (size_t i = 0; i < sizeof loaded_by_init / sizeof *loaded_by_init; i++)
		if (strstr(name, loaded_by_init[i]) != NULL)
			return true;
	return false;
}

bool singleton_shows(const char *maps, size_t len, char library[SINGLETON_NAME_MAX])
{
	bool has_library = false, has_started = false;
	for (const char *at = maps, *end = maps + len; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		const char *slash = memrchr(at, '/', (size_t)(stop - at));
		char name[SINGLETON_NAME_MAX];
		if (slash != NULL && (size_t)(stop - slash) < sizeof name) {
			memcpy(name, slash + 1, (size_t)(stop - slash - 1));
			name[stop - slash - 1] = '\0';
			if (!has_library && name_is_c_library(name)) {
				has_library = true;
				memcpy(library, name, sizeof name);
			}
			has_started |= name_is_loaded_by_init(name);
		}
		at = stop + 1;
	}
	return has_library && has_started;
}

static bool is_singleton(void *context, pid_t pid, const struct buf *maps)
{
	(void)pid;
	return singleton_shows(maps->data, maps->len, context);
}

bool singleton_is(pid_t pid, char library[SINGLETON_NAME_MAX])
{
	return process_search(pid, is_singleton, library);
}
