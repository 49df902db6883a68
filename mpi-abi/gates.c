/*
 * gates.c - the reasons why a swap would fail, found before it is tried
 * (decide_private.h).
 *
 * Each gate answers one question about image and host and refuses with the one
 * file, symbol or version that does not fit; what passes all of them will be found
 * complete by the dynamic linker.
 *
 * Caveats: a symbol counts as the MPI's when a library of the image's MPI exports
 * it; so a profiling library that defines MPI_Send itself is no obstacle.  Weak
 * references may stay unresolved.  Libraries that a program loads by RPATH from a
 * directory of its own are not compared with the host's needs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/decide_private.h"

#define RUN_CONTAINER_MPI "--mpi container runs the image's own MPI"

enum mpi_family deciding_family_of_needed(const struct deciding *deciding, const char *needed)
{
	bool known = false;
	for (size_t i = 0; i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (strcmp(binary->soname, needed) != 0)
			continue;
		if (binary->family != MPI_FAMILY_NONE)
			return binary->family;
		known = true;
	}
	for (size_t i = deciding->index->binary_count; !known && i < deciding->index->file_count; i++)
		known = strcmp(deciding->index->binaries[i].soname, needed) == 0;
	/* A library of the image that is no MPI, whatever its name; else what the name says. */
	return known ? MPI_FAMILY_NONE : mpi_family_of_name(needed);
}

const char *deciding_used(const struct deciding *deciding, const struct image_binary *binary)
{
	for (size_t i = 0; i < binary->elf.needed_count; i++) {
		const char *needed = binary->elf.needed[i];
		enum mpi_family family = deciding_family_of_needed(deciding, needed);
		enum mpi_role role = mpi_role_of_name(family, needed);
		if (family != MPI_FAMILY_NONE && role != MPI_ROLE_NONE && role != MPI_ROLE_INTERNAL)
			return needed;
	}
	return NULL;
}

static enum mpi_family family_used(const struct deciding *deciding,
				   const struct image_binary *binary)
{
	const char *used = deciding_used(deciding, binary);
	return used ? deciding_family_of_needed(deciding, used) : MPI_FAMILY_NONE;
}

bool deciding_is_module(const struct deciding *deciding, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	for (size_t i = 0; i < deciding->index->module_count; i++)
		if (strlen(deciding->index->modules[i].path) == len &&
		    strncmp(deciding->index->modules[i].path, path, len) == 0)
			return true;
	return false;
}

/* Uses an MPI, and is neither a part of one nor one of its own programs. */
static bool uses_mpi(const struct deciding *deciding, const struct image_binary *binary)
{
	return binary->family == MPI_FAMILY_NONE && !mpi_own_program(binary->path) &&
	       !deciding_is_module(deciding, binary->path) &&
	       family_used(deciding, binary) != MPI_FAMILY_NONE;
}

bool deciding_is_consumer(const struct deciding *deciding, const struct image_binary *binary)
{
	return binary->elf.kind == ELF_DYNAMIC && binary->elf.machine == deciding->machine &&
	       uses_mpi(deciding, binary) && family_used(deciding, binary) == deciding->family;
}

static bool is_musl(const struct elf *elf)
{
	if (elf->interpreter && strstr(elf->interpreter, "ld-musl"))
		return true;
	for (size_t i = 0; i < elf->needed_count; i++)
		if (strncmp(elf->needed[i], "libc.musl", 9) == 0 || strcmp(elf->needed[i], "libc.so") == 0)
			return true;
	return false;
}

/* The image says nothing of MPI: why? */
static int refuse_without_consumers(struct deciding *deciding, const struct image_binary *foreign)
{
	char machine[24];
	if (foreign)
		return deciding_refuse(deciding, ABI_REASON_MACHINE, "use an image built for this machine",
				       "%s in the image is %u-bit code for %s", foreign->path,
				       foreign->elf.bits, elf_machine_name(foreign->elf.machine, machine));
	const char *path = deciding->index->static_mpi;
	if (path)
		return deciding_refuse(deciding, ABI_REASON_STATIC,
				       RUN_CONTAINER_MPI ", or link it with the shared library",
				       "%s in the image has its MPI linked statically", path);
	return deciding_refuse(deciding, ABI_REASON_NO_MPI,
			       "--mpi container runs it without a swap",
			       "nothing in the image uses a shared MPI library");
}

struct census {
	const struct image_binary *user[MPI_FAMILY_COUNT];      /* the first of each */
	const struct image_binary *library[MPI_FAMILY_COUNT];   /* its C library */
	const struct image_binary *foreign, *musl;
	size_t users[MPI_FAMILY_COUNT];
};

static void take_census(struct deciding *deciding, struct census *census)
{
	for (size_t i = 0; i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (binary->elf.kind == ELF_FOREIGN || binary->elf.machine != deciding->machine) {
			census->foreign = binary;
			continue;
		}
		bool user = uses_mpi(deciding, binary);
		bool library = binary->family && binary->role == MPI_ROLE_C;
		enum mpi_family family = user ? family_used(deciding, binary) : binary->family;
		if (!user && !library)
			continue;
		if (is_musl(&binary->elf))
			census->musl = binary;
		if (library && !census->library[family])
			census->library[family] = binary;
		if (user && census->users[family]++ == 0)
			census->user[family] = binary;
	}
}

/* The family that programs use; without programs, that of the library. */
static int choose_family(struct deciding *deciding, const struct census *census)
{
	enum mpi_family used = MPI_FAMILY_NONE;
	for (int i = MPI_FAMILY_NONE + 1; i < MPI_FAMILY_COUNT; i++) {
		if (!census->user[i])
			continue;
		if (used != MPI_FAMILY_NONE)
			return deciding_refuse(deciding, ABI_REASON_TWO_FAMILIES, RUN_CONTAINER_MPI,
					       "the image uses two MPIs: %s is linked with %s, %s with %s",
					       census->user[used]->path, mpi_family_name(used),
					       census->user[i]->path,
					       mpi_family_name((enum mpi_family)i));
		used = (enum mpi_family)i;
	}
	for (int i = MPI_FAMILY_NONE + 1; used == MPI_FAMILY_NONE && i < MPI_FAMILY_COUNT; i++)
		if (census->library[i])
			used = (enum mpi_family)i;
	deciding->family = used;
	return used == MPI_FAMILY_NONE ? refuse_without_consumers(deciding, census->foreign) : 0;
}

/* The generation is that of the C library which the programs need. */
static void find_generation(struct deciding *deciding, const struct census *census)
{
	const struct image_binary *library = census->library[deciding->family];
	const struct image_binary *user = census->user[deciding->family];
	deciding->generation = library ? mpi_generation(library->soname) : -1;
	for (size_t i = 0; user && i < user->elf.needed_count; i++) {
		const char *needed = user->elf.needed[i];
		if (mpi_role_of_name(deciding->family, needed) == MPI_ROLE_C)
			deciding->generation = mpi_generation(needed);
	}
}

static bool list_consumers(struct deciding *deciding)
{
	struct abi_decision *decision = deciding->decision;
	decision->consumers = calloc(deciding->index->binary_count + 1, sizeof *decision->consumers);
	for (size_t i = 0; decision->consumers && i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (!deciding_is_consumer(deciding, binary))
			continue;
		struct abi_consumer *consumer = &decision->consumers[decision->consumer_count++];
		consumer->path = strdup(binary->path);
		consumer->needs = strdup(deciding_used(deciding, binary));
		if (!consumer->path || !consumer->needs)
			return false;
	}
	return decision->consumers != NULL;
}

int gate_image(struct deciding *deciding)
{
	struct census census = {0};
	struct abi_decision *decision = deciding->decision;
	deciding->machine = elf_machine_here();
	take_census(deciding, &census);
	int rc = choose_family(deciding, &census);
	if (rc != 0)
		return rc;
	decision->family = strdup(mpi_family_name(deciding->family));
	const struct image_binary *library = census.library[deciding->family];
	if (library) {
		const char *slash = strrchr(library->path, '/');
		decision->image_version = strdup(slash ? slash + 1 : library->path);
		decision->image_library = strdup(library->path);
	}
	if (!decision->family || (library && (!decision->image_version || !decision->image_library)) ||
	    !list_consumers(deciding))
		return deciding_no_memory(deciding);
	if (census.musl)
		return deciding_refuse(deciding, ABI_REASON_MUSL, RUN_CONTAINER_MPI,
				       "%s in the image is linked with musl, the host's MPI with glibc",
				       census.musl->path);
	find_generation(deciding, &census);
	return 0;
}

static int refuse_no_host_mpi(struct deciding *deciding)
{
	const char *family = mpi_family_name(deciding->family);
	const char *where = deciding->request->mpi_path;
	if (deciding->mpi.path)
		return deciding_refuse(deciding, ABI_REASON_FAMILY,
				       RUN_CONTAINER_MPI "; or load a module of that family on the host",
				       "the image uses %s, the host has only %s (%s)", family,
				       mpi_family_name(deciding->mpi.family), deciding->mpi.path);
	if (where)
		return deciding_refuse(deciding, ABI_REASON_NO_HOST_MPI, "check --mpi-path",
				       "there is no MPI library in %s", where);
	return deciding_refuse(deciding, ABI_REASON_NO_HOST_MPI,
			       RUN_CONTAINER_MPI "; or load the host's module, or name it by --mpi-path",
			       "the host has no %s: none in PATH, the variables of modules, LD_LIBRARY_PATH, "
			       "ld.so.cache or the library directories", family);
}

/* The SONAMEs of the family that the image's programs may ask for, and their host names. */
static int closure_of_family(struct deciding *deciding)
{
	static const char *const mpich_names[] = {
		"libmpich.so.12", "libmpi.so.12", "libmpichfort.so.12", "libmpifort.so.12",
		"libmpichcxx.so.12", "libmpicxx.so.12",
	};
	enum { MPICH_NAMES = sizeof mpich_names / sizeof *mpich_names };
	const struct image_index *index = deciding->index;
	AUTO_FREE const char **names = calloc(index->binary_count + MPICH_NAMES, sizeof *names);
	if (!names)
		return deciding_no_memory(deciding);
	size_t count = 0;
	for (size_t i = 0; i < index->binary_count; i++)
		if (index->binaries[i].family == deciding->family)
			names[count++] = index->binaries[i].soname;
	for (size_t i = 0; deciding->family == MPI_FAMILY_MPICH && i < MPICH_NAMES; i++)
		names[count++] = mpich_names[i];
	return closure_new(deciding->host, &deciding->mpi, deciding->machine, &deciding->recipes,
			   names, count, &deciding->closure, deciding->err);
}

int gate_host(struct deciding *deciding)
{
	struct abi_decision *decision = deciding->decision;
	struct host_search search = {
		.family = deciding->family,
		.generation = deciding->generation,
		.machine = deciding->machine,
		.mpi_path = deciding->request->mpi_path,
		.search_path = deciding->request->search_path,
		.environment = deciding->request->environment,
	};
	int rc = host_mpi_find(deciding->host, &search, &deciding->mpi, deciding->err);
	if (rc == -ENOENT)
		return refuse_no_host_mpi(deciding);
	if (rc < 0)
		return rc;
	const char *slash = strrchr(deciding->mpi.path, '/');
	decision->host_path = strdup(deciding->mpi.path);
	decision->found_by = strdup(deciding->mpi.found_by);
	decision->host_version = strdup(slash ? slash + 1 : deciding->mpi.path);
	if (!decision->host_path || !decision->host_version || !decision->found_by)
		return deciding_no_memory(deciding);
	int found = mpi_generation(deciding->mpi.soname);
	if (deciding->generation >= 0 && found != deciding->generation)
		return deciding_refuse(deciding, ABI_REASON_GENERATION,
				       RUN_CONTAINER_MPI "; or name another one by --mpi-path",
				       "the image uses %s with the ABI .so.%d, the host's %s has .so.%d",
				       mpi_family_name(deciding->family), deciding->generation,
				       deciding->mpi.path, found);
	rc = closure_of_family(deciding);
	if (rc < 0)
		return rc;
	if (deciding->closure->missing)
		return deciding_refuse(deciding, ABI_REASON_HOST_LIBRARY,
				       "repair the host's MPI (ldd shows it), or set LD_LIBRARY_PATH",
				       "%s of the host needs %s, which is not on the host",
				       deciding->closure->missing_for, deciding->closure->missing);
	return 0;
}

const struct closure_library *deciding_counterpart(const struct deciding *deciding,
						   const char *soname)
{
	const struct closure_library *library = closure_find(deciding->closure, soname);
	if (library || deciding->family != MPI_FAMILY_MPICH)
		return library;
	/* MPICH and its descendants name the same three libraries in many ways. */
	enum mpi_role role = mpi_role_of_name(deciding->family, soname);
	for (size_t i = 0; role != MPI_ROLE_NONE && i < deciding->closure->library_count; i++) {
		library = &deciding->closure->libraries[i];
		if (!library->module && mpi_role_of_name(deciding->family, library->soname) == role &&
		    mpi_generation(library->soname) == mpi_generation(soname))
			return library;
	}
	return NULL;
}

/* What takes the place of the image's MPI, for messages. */
static const char *offer_name(const struct deciding *deciding)
{
	return deciding->translator ? deciding->translator->name : deciding->mpi.path;
}

/* Exports of the image's MPI, and those of the host's with their sizes. */
static int collect_exports(struct deciding *deciding, struct names *image, struct names *host)
{
	for (size_t i = 0; i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (binary->family != deciding->family)
			continue;
		for (size_t k = 0; k < binary->elf.symbol_count; k++)
			if (binary->elf.symbols[k].defined)
				names_add(image, binary->elf.symbols[k].name, 0);
	}
	for (size_t i = 0; i < deciding->closure->library_count; i++) {
		const struct closure_library *library = &deciding->closure->libraries[i];
		bool offers = deciding->translator ? library->translator : library->family;
		if (!offers || library->module)
			continue;
		for (size_t k = 0; k < library->elf.symbol_count; k++)
			if (library->elf.symbols[k].defined)
				names_add(host, library->elf.symbols[k].name, library->elf.symbols[k].size);
	}
	return image->failed || host->failed ? deciding_no_memory(deciding) : 0;
}

/* An image without an MPI of its own still has programs that call one. */
static bool looks_like_mpi(const char *symbol)
{
	static const char *const beginnings[] = {"MPI_", "PMPI_", "MPIX_", "mpi_", "pmpi_", "ompi_",
						 "opal_", "MPII_", "MPIR_"};
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (strncmp(symbol, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static int check_symbol(struct deciding *deciding, const struct image_binary *binary,
			const struct elf_symbol *symbol, const struct names *image,
			const struct names *host)
{
	bool mpi = image->count ? names_find(image, symbol->name) != NULL : looks_like_mpi(symbol->name);
	if (!mpi || (symbol->defined && !symbol->copied))
		return 0;
	const struct name *found = names_find(host, symbol->name);
	if (!found && symbol->weak && !symbol->copied)
		return 0;
	if (!found)
		return deciding_refuse(deciding, ABI_REASON_SYMBOL,
				       RUN_CONTAINER_MPI "; or use a newer MPI on the host, or build the "
				       "image with an older one",
				       "%s in the image needs %s, which the host's %s does not have",
				       binary->path, symbol->name, offer_name(deciding));
	/* A translator's objects are addresses that it looks up (Wi4MPI's are larger than the real ones). */
	if (symbol->copied && !deciding->translator && found->value != symbol->size)
		return deciding_refuse(deciding, ABI_REASON_COPY_SIZE,
				       RUN_CONTAINER_MPI "; or build the image with -fPIE",
				       "%s in the image holds a copy of %s of %llu bytes, in the host's %s "
				       "it has %llu", binary->path, symbol->name,
				       (unsigned long long)symbol->size, offer_name(deciding),
				       (unsigned long long)found->value);
	return 0;
}

static int check_needed(struct deciding *deciding, const struct image_binary *binary)
{
	for (size_t i = 0; i < binary->elf.needed_count; i++) {
		const char *needed = binary->elf.needed[i];
		if (deciding_family_of_needed(deciding, needed) == deciding->family &&
		    mpi_role_of_name(deciding->family, needed) != MPI_ROLE_NONE &&
		    !deciding_counterpart(deciding, needed))
			return deciding_refuse(deciding, ABI_REASON_GENERATION,
					       RUN_CONTAINER_MPI "; or install that library on the host",
					       "%s in the image needs %s, which the host's %s (%s) does not "
					       "have", binary->path, needed,
					       mpi_family_name(deciding->family), offer_name(deciding));
	}
	return 0;
}

int gate_symbols(struct deciding *deciding)
{
	AUTO_NAMES struct names image = {.borrows = true}, host = {.borrows = true};
	int rc = collect_exports(deciding, &image, &host);
	for (size_t i = 0; rc == 0 && i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (!deciding_is_consumer(deciding, binary))
			continue;
		rc = check_needed(deciding, binary);
		for (size_t k = 0; rc == 0 && k < binary->elf.symbol_count; k++)
			rc = check_symbol(deciding, binary, &binary->elf.symbols[k], &image, &host);
	}
	return rc;
}

/* Adds "FILE VERSION" for every version that the image's copy of `file` defines. */
static int load_image_versions(struct deciding *deciding, const char *file, struct names *versions)
{
	char text[512];
	const struct image_binary *copy = image_library_find(deciding, file);
	names_add(versions, file, 0);
	for (size_t i = 0; copy && i < copy->elf.definition_count; i++)
		if ((size_t)snprintf(text, sizeof text, "%s %s", file, copy->elf.definitions[i]) < sizeof text)
			names_add(versions, text, 0);
	return versions->failed ? deciding_no_memory(deciding) : 0;
}

static int refuse_version(struct deciding *deciding, const struct closure_library *library,
			  const struct elf_need *need)
{
	return deciding_refuse(deciding, ABI_REASON_VERSION,
			       RUN_CONTAINER_MPI "; or build the image on a newer distribution",
			       "the host's %s needs version %s of %s, and the image's copy is older",
			       library->path, need->version, need->file);
}

/* Would the host's glibc take nothing away from the image? */
static bool host_libc_includes_images(const struct deciding *deciding)
{
	const struct image_binary *image = image_library_find(deciding, "libc.so.6");
	const struct closure_library *host = closure_find(deciding->closure, "libc.so.6");
	return image && host && host->libc &&
	       choice_image_is_newer(&image->elf, "/", &host->elf, "/") == 0;
}

/* The host's glibc in place of the image's: all of it. */
static int take_libc(struct deciding *deciding, const struct closure_library *library,
		     const struct elf_need *need)
{
	AUTO_FREE char *path = strdup(library->path);
	if (!path || asprintf(&deciding->decision->libc_for, "the host's %s needs %s, which the image's %s does "
			      "not have", path, need->version, need->file) < 0) {
		deciding->decision->libc_for = NULL;
		return deciding_no_memory(deciding);
	}
	/* Both may move when the closure grows. */
	const size_t at = (size_t)(library - deciding->closure->libraries);
	const struct elf_need wanted = *need;
	int rc = closure_add_libc(deciding->closure, deciding->host, deciding->machine, deciding->err);
	if (rc == -ENOENT || (rc == 0 && !host_libc_includes_images(deciding)))
		return refuse_version(deciding, &deciding->closure->libraries[at], &wanted);
	return rc < 0 ? rc : choices_make(deciding);
}

static int check_need(struct deciding *deciding, const struct closure_library *library,
		      const struct elf_need *need, struct names *versions)
{
	char text[512];
	const struct choice *choice = choice_of(deciding, need->file);
	if (need->weak || (choice && !choice->take_image))
		return 0;  /* the host's own copy comes along */
	if (!names_find(versions, need->file)) {
		int rc = load_image_versions(deciding, need->file, versions);
		if (rc < 0)
			return rc;
	}
	if ((size_t)snprintf(text, sizeof text, "%s %s", need->file, need->version) < sizeof text &&
	    names_find(versions, text))
		return 0;
	if (closure_is_libc(need->file) && !deciding->decision->libc_for)
		return take_libc(deciding, library, need);
	return refuse_version(deciding, library, need);
}

int gate_versions(struct deciding *deciding)
{
	AUTO_NAMES struct names versions = {0};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->closure->library_count; i++) {
		if (deciding->choices[i].take_image)
			continue;
		for (size_t k = 0; rc == 0 && k < deciding->closure->libraries[i].elf.need_count; k++)
			rc = check_need(deciding, &deciding->closure->libraries[i],
					&deciding->closure->libraries[i].elf.needs[k], &versions);
	}
	return rc;
}
