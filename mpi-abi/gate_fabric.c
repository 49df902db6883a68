/*
 * gate_fabric.c - the host's libfabric under the image's own MPI (decide_private.h).
 *
 * libfabric keeps its ABI by symbol versions (FABRIC_1.0, 1.1, …): a newer library serves every program
 * that was linked with an older one.  So the host's may take the image's place if it defines what the
 * image's copy defines, or at least all that anything in the image needs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/decide_private.h"

#define FABRIC "libfabric.so.1"
#define WAYS_OUT "--mpi container runs it as it is"

static const struct image_binary *image_fabric(const struct deciding *deciding)
{
	for (size_t i = 0; i < deciding->index->file_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (binary->library && binary->elf.kind == ELF_DYNAMIC &&
		    binary->elf.machine == deciding->machine && strcmp(binary->soname, FABRIC) == 0)
			return binary;
	}
	return NULL;
}

static bool defines(const struct elf *elf, const char *version)
{
	for (size_t i = 0; i < elf->definition_count; i++)
		if (strcmp(elf->definitions[i], version) == 0)
			return true;
	return false;
}

static int check_needs(struct deciding *deciding, const struct elf *host)
{
	for (size_t i = 0; i < deciding->index->file_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		for (size_t k = 0; k < binary->elf.need_count; k++) {
			const struct elf_need *need = &binary->elf.needs[k];
			if (strcmp(need->file, FABRIC) == 0 && !need->weak && !defines(host, need->version))
				return deciding_refuse(deciding, ABI_REASON_VERSION, WAYS_OUT,
						       "%s in the image needs version %s of " FABRIC
						       ", and the host's %s is older", binary->path,
						       need->version, deciding->mpi.path);
		}
	}
	return 0;
}

/* Nobody asked for it: then it must take nothing away. */
static int check_newer(struct deciding *deciding, const struct elf *image, const struct elf *host)
{
	for (size_t i = 0; deciding->request->wish == ABI_WISH_BEST && i < image->definition_count; i++)
		if (!defines(host, image->definitions[i]))
			return deciding_refuse(deciding, ABI_REASON_VERSION, "--mpi fabric takes it all the same",
					       "the image's " FABRIC " defines %s, and the host's %s is older",
					       image->definitions[i], deciding->mpi.path);
	return 0;
}

static int find_host_fabric(struct deciding *deciding)
{
	struct abi_decision *decision = deciding->decision;
	struct host_mpi *fabric = &deciding->mpi;
	int rc = host_library_new(deciding->host, FABRIC, deciding->machine, NULL, NULL, &fabric->path,
				  deciding->err);
	if (rc == -ENOENT)
		return deciding_refuse(deciding, ABI_REASON_NO_FABRIC, WAYS_OUT,
				       "the host has no " FABRIC);
	if (rc < 0)
		return rc;
	const char *slash = strrchr(fabric->path, '/');
	fabric->soname = strdup(FABRIC);
	decision->host_path = strdup(fabric->path);
	decision->host_version = strdup(slash ? slash + 1 : fabric->path);
	decision->found_by = strdup("the linker's search");
	if (!fabric->soname || !decision->host_path || !decision->host_version || !decision->found_by)
		return deciding_no_memory(deciding);
	return 0;
}

int gate_fabric(struct deciding *deciding)
{
	AUTO_ELF struct elf host = {0};
	const struct image_binary *image = image_fabric(deciding);
	if (!image)
		return deciding_refuse(deciding, ABI_REASON_NO_FABRIC, WAYS_OUT,
				       "nothing in the image uses libfabric");
	int rc = find_host_fabric(deciding);
	if (rc == 0)
		rc = host_elf_read(deciding->host, deciding->mpi.path, ELF_WITH_VERSIONS, &host, deciding->err);
	if (rc == 0)
		rc = check_needs(deciding, &host);
	if (rc == 0)
		rc = check_newer(deciding, &image->elf, &host);
	if (rc == 0)
		rc = closure_new(deciding->host, &deciding->mpi, deciding->machine,
				 &deciding->recipes, NULL, 0, &deciding->closure, deciding->err);
	if (rc == 0 && deciding->closure->missing)
		return deciding_refuse(deciding, ABI_REASON_HOST_LIBRARY,
				       "repair the host's libfabric (ldd shows it), or set LD_LIBRARY_PATH",
				       "%s of the host needs %s, which is not on the host",
				       deciding->closure->missing_for, deciding->closure->missing);
	return rc;
}
