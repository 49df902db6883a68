/*
 * proof.c - the dynamic linker's work, done on paper (decide_private.h).
 *
 * Flow: for each consumer the tree of NEEDED is loaded twice: in the image as it is, and in the final tree,
 * which is the image under the decision's binds, hidden directories and linker's cache.  What was
 * found, of which version, and with which symbols before, must be so after:
 *
 *	each NEEDED is found                    else "lost"
 *	each version need is defined            else "version"
 *	each undefined symbol is defined        else "symbol"
 *	no part of the image's MPI is loaded    else "mixed"
 *
 * A host library is compared with the host: a symbol that all of the closure defines must be there.
 * What was broken before is nobody's business: a plug-in that finds its symbols in whoever loads
 * it has no part in a swap.
 *
 * The search is that of ld.so(8): a path; RPATH of the file and of those that brought it, unless it has a
 * RUNPATH; the ranks' LD_LIBRARY_PATH; RUNPATH; the cache; the default directories.
 *
 * Caveats: symbols are compared by name, their versions by the versions that a file needs as
 * a whole, as the linker does at startup.  A file's symbols are resolved in the first scope in which it is
 * loaded.  hwcaps directories are not looked into.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/proof_file.h"
#include "mpi-abi/search_path.h"

#define RUN_CONTAINER_MPI "--mpi container runs the image's own MPI"

enum { SCOPE_MAX = 1024 };

/* One loaded file: the name it was asked for by, where it was found, who asked first. */
struct loaded {
	struct proof_file *file;
	const char *name;
	char *path;
	size_t loader;
};

struct scope {
	struct proof *proof;
	bool final;       /* in the final tree, else in the image alone */
	struct loaded loaded[SCOPE_MAX];
	size_t count;
	const char *missing, *missing_for;  /* the first NEEDED that was not found */
};

static bool file_fits(const struct scope *scope, const struct proof_file *file)
{
	return file && file->elf->kind == ELF_DYNAMIC &&
	       file->elf->machine == scope->proof->deciding->machine;
}

static struct proof_file *at(struct scope *scope, const char *path, char **found)
{
	struct proof_file *file = proof_file_at(scope->proof, path, scope->final);
	if (!file_fits(scope, file))
		return NULL;
	*found = strdup(path);
	scope->proof->failed |= !*found;
	return *found ? file : NULL;
}

static struct proof_file *in_dir(struct scope *scope, const char *dir, const char *name, char **found)
{
	char path[IMAGE_TREE_PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
		return NULL;
	return at(scope, path, found);
}

static struct proof_file *on_path(struct scope *scope, const char *list, const char *from,
				  const char *name, char **found)
{
	char dir[IMAGE_TREE_PATH_MAX];
	while (search_path_next(&list, from, dir, sizeof dir)) {
		struct proof_file *file = in_dir(scope, dir, name, found);
		if (file)
			return file;
	}
	return NULL;
}

static struct proof_file *by_rpaths(struct scope *scope, size_t loader, const char *name, char **found)
{
	if (scope->loaded[loader].file->elf->runpath)
		return NULL;
	for (size_t i = loader;; i = scope->loaded[i].loader) {
		const struct loaded *who = &scope->loaded[i];
		struct proof_file *file = NULL;
		if (!who->file->elf->runpath)
			file = on_path(scope, who->file->elf->rpath, who->path, name, found);
		if (file || i == 0)
			return file;
	}
}

static struct proof_file *find(struct scope *scope, size_t loader, const char *name, char **found)
{
	const struct proof *proof = scope->proof;
	const struct loaded *who = &scope->loaded[loader];
	if (strchr(name, '/'))
		return at(scope, name, found);
	struct proof_file *file = by_rpaths(scope, loader, name, found);
	if (!file)
		file = on_path(scope, proof->deciding->request->rank_library_path, NULL, name, found);
	if (!file)
		file = on_path(scope, who->file->elf->runpath, who->path, name, found);
	if (!file) {
		const struct ldcache *cache = scope->final ? &proof->deciding->image_cache
							   : &proof->old_cache;
		const struct ldcache_entry *entry =
			ldcache_find(cache, name, ldcache_flags(proof->deciding->machine));
		file = entry ? at(scope, entry->path, found) : NULL;
	}
	for (size_t i = 0; !file && image_library_dirs[i]; i++)
		file = in_dir(scope, image_library_dirs[i], name, found);
	return file;
}

static bool is_loaded(const struct scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->count; i++) {
		const struct elf *elf = scope->loaded[i].file->elf;
		if (strcmp(scope->loaded[i].name, name) == 0 ||
		    (elf->soname && strcmp(elf->soname, name) == 0))
			return true;
	}
	return false;
}

static bool is_file_loaded(const struct scope *scope, const struct proof_file *file)
{
	for (size_t i = 0; i < scope->count; i++)
		if (scope->loaded[i].file == file)
			return true;
	return false;
}

static void load_needed(struct scope *scope, size_t loader)
{
	const struct elf *elf = scope->loaded[loader].file->elf;
	for (size_t i = 0; i < elf->needed_count; i++) {
		char *path = NULL;
		if (is_loaded(scope, elf->needed[i]))
			continue;
		struct proof_file *file = find(scope, loader, elf->needed[i], &path);
		if (!file) {
			if (!scope->missing) {
				scope->missing = elf->needed[i];
				scope->missing_for = scope->loaded[loader].file->path;
			}
		} else if (is_file_loaded(scope, file) || scope->count == SCOPE_MAX) {
			free(path);
		} else {
			scope->loaded[scope->count++] = (struct loaded){
				.file = file, .name = elf->needed[i], .path = path, .loader = loader};
		}
	}
}

/* What LD_PRELOAD puts before all other libraries. */
static void load_preloads(struct scope *scope, const char *list)
{
	char dir[IMAGE_TREE_PATH_MAX];
	while (search_path_next(&list, NULL, dir, sizeof dir) && scope->count < SCOPE_MAX) {
		char *path = NULL;
		struct proof_file *file = at(scope, dir, &path);
		if (file)
			scope->loaded[scope->count++] =
				(struct loaded){.file = file, .name = file->path, .path = path};
	}
}

static void scope_load(struct scope *scope, struct proof *proof, struct proof_file *root, bool final)
{
	scope->proof = proof;
	scope->final = final;
	scope->missing = scope->missing_for = NULL;
	scope->count = 1;
	scope->loaded[0] = (struct loaded){.file = root, .name = root->path, .path = strdup(root->path)};
	proof->failed |= !scope->loaded[0].path;
	if (final)
		load_preloads(scope, proof->deciding->preload);
	for (size_t i = 0; i < scope->count; i++)
		load_needed(scope, i);
}

static void scope_clear(struct scope *scope)
{
	for (size_t i = 0; i < scope->count; i++)
		free(scope->loaded[i].path);
	scope->count = 0;
}

static bool scope_defines(const struct scope *scope, const char *symbol, uint32_t hash)
{
	for (size_t i = 0; i < scope->count; i++)
		if (proof_file_defines(scope->proof, scope->loaded[i].file, symbol, hash))
			return true;
	return false;
}

/* The file that was loaded for this name; NULL: none. */
static const struct proof_file *scope_named(const struct scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->count; i++) {
		const struct elf *elf = scope->loaded[i].file->elf;
		if ((elf->soname && strcmp(elf->soname, name) == 0) ||
		    strcmp(scope->loaded[i].name, name) == 0)
			return scope->loaded[i].file;
	}
	return NULL;
}

static bool version_holds(const struct scope *scope, const struct elf_need *need)
{
	const struct proof_file *file = scope_named(scope, need->file);
	if (!file || file->elf->definition_count == 0)  /* the linker only warns of the second */
		return file != NULL;
	for (size_t i = 0; i < file->elf->definition_count; i++)
		if (strcmp(file->elf->definitions[i], need->version) == 0)
			return true;
	return false;
}

static int check_versions(const struct scope *before, const struct scope *after)
{
	struct deciding *deciding = after->proof->deciding;
	for (size_t i = 0; i < after->count; i++) {
		const struct proof_file *file = after->loaded[i].file;
		for (size_t k = 0; k < file->elf->need_count; k++) {
			const struct elf_need *need = &file->elf->needs[k];
			if (need->weak || version_holds(after, need) ||
			    (!file->host && !version_holds(before, need)))
				continue;
			const struct proof_file *found = scope_named(after, need->file);
			return deciding_refuse(deciding, ABI_REASON_VERSION,
					       RUN_CONTAINER_MPI "; or build the image on a newer distribution",
					       "%s would load %s, which needs version %s of %s, and %s does not "
					       "have it", after->loaded[0].file->path, file->path, need->version,
					       need->file, found ? found->path : "nothing");
		}
	}
	return 0;
}

static bool was_resolved(const struct scope *before, const struct proof_file *file, const char *symbol,
			 uint32_t hash)
{
	return file->host ? proof_host_defines(before->proof, symbol, hash)
			  : scope_defines(before, symbol, hash);
}

static int check_file_symbols(const struct scope *before, const struct scope *after,
			      struct proof_file *file)
{
	for (size_t i = 0; i < file->elf->symbol_count; i++) {
		const struct elf_symbol *symbol = &file->elf->symbols[i];
		if (symbol->defined || symbol->weak)
			continue;
		uint32_t hash = proof_hash(symbol->name);
		if (scope_defines(after, symbol->name, hash) ||
		    !was_resolved(before, file, symbol->name, hash))
			continue;
		return deciding_refuse(after->proof->deciding, ABI_REASON_SYMBOL,
				       RUN_CONTAINER_MPI "; or bring image and host closer in age",
				       "%s would load %s, whose symbol %s nothing defines any more",
				       after->loaded[0].file->path, file->path, symbol->name);
	}
	return 0;
}

/* Only where the symbols of all files are known. */
static int check_symbols(const struct scope *before, const struct scope *after)
{
	int rc = 0;
	for (size_t i = 0; i < after->count; i++)
		if (!after->loaded[i].file->symbols_known)
			return 0;
	for (size_t i = 0; rc == 0 && i < after->count; i++) {
		struct proof_file *file = after->loaded[i].file;
		if (file->is_checked)
			continue;
		file->is_checked = true;
		rc = check_file_symbols(before, after, file);
	}
	return rc;
}

static int check_family(const struct scope *after)
{
	struct deciding *deciding = after->proof->deciding;
	if (deciding->level == ABI_LEVEL_FABRIC)
		return 0;
	for (size_t i = 1; i < after->count; i++) {
		const struct proof_file *file = after->loaded[i].file;
		if (!file->host && file->binary->family == deciding->family)
			return deciding_refuse(deciding, ABI_REASON_MIXED, RUN_CONTAINER_MPI,
					       "%s would load %s of the image's MPI beside the host's",
					       after->loaded[0].file->path, file->path);
	}
	return 0;
}

static bool is_touched(const struct scope *after)
{
	for (size_t i = 0; i < after->count; i++)
		if (after->loaded[i].file->host)
			return true;
	return false;
}

static int check_consumer(struct proof *proof, struct proof_file *root, struct scope *before,
			  struct scope *after)
{
	int rc = 0;
	scope_load(after, proof, root, true);
	if (is_touched(after)) {
		scope_load(before, proof, root, false);
		if (after->missing && !before->missing)
			rc = deciding_refuse(proof->deciding, ABI_REASON_LOST, RUN_CONTAINER_MPI,
					     "%s would load %s, which needs %s, and nothing of that name is "
					     "found any more", root->path, after->missing_for, after->missing);
		if (rc == 0)
			rc = check_family(after);
		if (rc == 0)
			rc = check_versions(before, after);
		if (rc == 0)
			rc = check_symbols(before, after);
		scope_clear(before);
	}
	scope_clear(after);
	return proof->failed ? deciding_no_memory(proof->deciding) : rc;
}

/* Everything that could have to do with the swap; the scope shows whether it has. */
static bool is_root(const struct proof *proof, const struct image_binary *binary)
{
	/* Nobody loads the components of an MPI that a translator stands in for. */
	if (proof->deciding->translator && deciding_is_module(proof->deciding, binary->path))
		return false;
	return binary->has_symbols && binary->elf.kind == ELF_DYNAMIC &&
	       binary->elf.machine == proof->deciding->machine &&
	       (binary->family == MPI_FAMILY_NONE || proof->deciding->level == ABI_LEVEL_FABRIC) &&
	       !mpi_own_program(binary->path) && proof_uses_family(proof, binary);
}

int proof_make(struct deciding *deciding)
{
	struct proof proof = {.deciding = deciding};
	AUTO_FREE struct scope *before = calloc(1, sizeof *before), *after = calloc(1, sizeof *after);
	int rc = before && after ? proof_open(&proof) : deciding_no_memory(deciding);
	for (size_t i = 0; rc == 0 && i < deciding->index->file_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		struct proof_file *root =
			is_root(&proof, binary) ? proof_file_at(&proof, binary->path, true) : NULL;
		if (!root || root->host)
			continue;
		rc = check_consumer(&proof, root, before, after);
		deciding->decision->proven += rc == 0;
	}
	proof_close(&proof);
	return rc;
}
