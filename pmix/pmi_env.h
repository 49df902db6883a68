/*
 * pmi_env.h - the environment by which ranks find PMI-1, as "NAME=VALUE\0".
 */
#ifndef PMIX_PMI_ENV_H
#define PMIX_PMI_ENV_H

#include <stdbool.h>

#include "common/buf.h"
#include "pmix/pmi_job.h"

/* What the ranks of a node share; libpmix adds its own (pmix_host_env). */
void pmi_env_add_common(struct buf *env, const struct pmi_job *job, bool with_pmix);

/* What differs from rank to rank, PMIx's part included. */
void pmi_env_add_rank(struct buf *env, const struct pmi_job *job, uint32_t rank, bool with_pmix);

#endif
