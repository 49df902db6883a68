/*
 * gate_pmi.c - will the host's MPI and our daemon understand each other? (decide_private.h)
 *
 * A library that speaks no PMI of ours starts n worlds of one rank, or fails in MPI_Init.  Looked at are the
 * MPI itself and the libraries and components of the closure that are for PMI by their names; Open
 * MPI's are components, Cray's libpmi is opened by name.
 *
 * One that shows no dialect at all is taken when the user wants it (the guard watches it then,
 * launcher/singleton.h), and not when the choice was left to us.
 */
#include <stdlib.h>

#include "common/cleanup.h"

#include "mpi-abi/decide_private.h"
#include "mpi-abi/host_private.h"
#include "mpi-abi/pmi_dialect.h"

#define WAYS_OUT "--mpi container runs the image's own MPI; or use an MPI on the host that was built with PMI-1 or PMIx"

static unsigned dialects_served(const struct deciding *deciding)
{
	unsigned served = PMI_DIALECT_1;
#ifdef CMPIRUN_HAVE_PMIX
	AUTO_FREE char *path = NULL;
	struct err ignored;
	if (host_library_new(deciding->host, "libpmix.so.2", elf_machine_here(), NULL, NULL, &path, &ignored) == 0)
		served |= PMI_DIALECT_X;
#else
	(void)deciding;
#endif
	return served;
}

static bool is_of_interest(const struct closure_library *library)
{
	const char *slash = strrchr(library->path, '/');
	if (library->translator)
		return false;
	return (library->family && !library->module) || strstr(slash ? slash + 1 : library->path, "pmi") ||
	       strncmp(library->soname, "libpmi", 6) == 0;
}

/* All that are spoken, up to the first that is served; *path is the file that showed it. */
static int find_dialects(struct deciding *deciding, unsigned served, unsigned *dialects, const char **path)
{
	*dialects = 0;
	for (size_t i = 0; i < deciding->closure->library_count && !(*dialects & served); i++) {
		const struct closure_library *library = &deciding->closure->libraries[i];
		struct elf_bytes bytes;
		if (!is_of_interest(library))
			continue;
		int rc = host_file_map(deciding->host, library->path, &bytes, deciding->err);
		if (rc < 0)
			return rc;
		struct elf_source source = elf_source_bytes(&bytes);
		unsigned more = pmi_dialects_of(library->path, &library->elf, &source);
		host_file_unmap(&bytes);
		if (more && (!*dialects || more & served))
			*path = library->path;
		*dialects |= more;
	}
	return 0;
}

static int refuse_dialects(struct deciding *deciding, unsigned served, unsigned dialects, const char *path)
{
	AUTO_BUF struct buf theirs = {0}, ours = {0};
	pmi_dialects_format(dialects, &theirs);
	pmi_dialects_format(served, &ours);
	if (theirs.failed || ours.failed)
		return deciding_no_memory(deciding);
	return deciding_refuse(deciding, ABI_REASON_PMI, WAYS_OUT,
			       "the host's %s speaks %.*s (%s), and cmpirun here serves %.*s alone",
			       deciding->mpi.path, (int)theirs.len, theirs.data, path, (int)ours.len, ours.data);
}

int gate_pmi(struct deciding *deciding)
{
	unsigned dialects, served = dialects_served(deciding);
	const char *path = NULL;
	AUTO_BUF struct buf text = {0};
	int rc = find_dialects(deciding, served, &dialects, &path);
	if (rc < 0)
		return rc;
	if (dialects == 0 && deciding->request->wish == ABI_WISH_BEST)
		return deciding_refuse(deciding, ABI_REASON_PMI, "--mpi host takes it all the same",
				       "nothing shows which PMI the host's %s speaks", deciding->mpi.path);
	if (dialects && !(dialects & served))
		return refuse_dialects(deciding, served, dialects, path);
	if (dialects) {
		pmi_dialects_format(dialects, &text);
		buf_printf(&text, " (%s)", path);
	} else {
		buf_printf(&text, "not known");
	}
	buf_add_u8(&text, 0);
	deciding->decision->pmi = text.failed ? NULL : take_ptr(&text.data);
	return deciding->decision->pmi ? 0 : deciding_no_memory(deciding);
}
