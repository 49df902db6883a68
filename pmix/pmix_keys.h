/*
 * pmix_keys.h - what PMIx is told: about its own server and about the job.
 *
 * A `struct pmix_keys` is an array of pmix_info_t that owns its values.
 * libpmix's own macros are not used: from version 5 on they call functions of
 * the library, which is loaded at run time.
 */
#ifndef PMIX_PMIX_KEYS_H
#define PMIX_PMIX_KEYS_H

#include <stdbool.h>

#include "pmix/pmi_job.h"
#include "pmix/pmix_api.h"

struct pmix_keys {
	pmix_info_t *infos;
	size_t count, size;
	bool failed;  /* memory ran out; everything after it did nothing */
};

void pmix_keys_free(struct pmix_keys *keys);
#define AUTO_PMIX_KEYS __attribute__((cleanup(pmix_keys_free)))

/* For PMIx_server_init. `topology`: a pmix_topology_t that outlives the array, or NULL. */
void pmix_keys_add_server(struct pmix_keys *keys, const struct pmi_job *job, const char *tmpdir,
			  pmix_topology_t *topology);

/* For PMIx_server_register_nspace. */
int pmix_keys_add_job(struct pmix_keys *keys, const struct pmi_job *job,
		      const struct pmix_api *api, struct err *err);

#endif
