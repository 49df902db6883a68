/*
 * pmi_env.c - names and values for the ranks (pmi_env.h).  Pure.
 *
 * PMI_FD, PMI_RANK, PMI_SIZE, PMI_SPAWNED: MPICH's simple PMI client.
 * MPI_LOCALRANKID, MPI_LOCALNRANKS: what Hydra gives beside, read by MPICH's
 *	device code and by tools.
 * MPIR_CVAR_PMI_VERSION: MPICH 5 refuses PMI_SIZE beside PMIX_NAMESPACE without.
 * JSM_JSRUN_PORT: Open MPI 4.1 uses a foreign PMIx server only if one of its
 *	"schizo" components knows the launcher; else each rank becomes a
 *	singleton, silently.  The one of jsm looks for this name alone, and
 *	leaves binding to the launcher (orte/mca/schizo/jsm).  Open MPI 5 and
 *	others do not look at it.
 */
#include "pmix/pmi_env.h"

static void add_number(struct buf *env, const char *name, long long number)
{
	buf_printf(env, "%s=%lld", name, number);
	buf_add_u8(env, 0);
}

void pmi_env_add_common(struct buf *env, const struct pmi_job *job, bool with_pmix)
{
	add_number(env, "PMI_FD", job->rank_fd);
	add_number(env, "PMI_SIZE", job->rank_count);
	add_number(env, "PMI_SPAWNED", 0);
	add_number(env, "MPI_LOCALNRANKS", pmi_job_local_count(job));
	add_number(env, "MPIR_CVAR_PMI_VERSION", 1);
	if (with_pmix)
		add_number(env, "JSM_JSRUN_PORT", 1);
}

void pmi_env_add_rank(struct buf *env, const struct pmi_job *job, uint32_t rank, bool with_pmix)
{
	add_number(env, "PMI_RANK", rank);
	add_number(env, "MPI_LOCALRANKID", rank - pmi_job_local_first(job));
	if (with_pmix)
		add_number(env, "PMIX_RANK", rank);
}
