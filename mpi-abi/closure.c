/*
 * closure.c - the closure of the host's MPI (closure.h).
 *
 * Flow: a list of libraries that grows while it is worked through: each one's NEEDED
 * are found by the host's rules and appended; a recipe that fits adds trees, and the
 * modules in them are appended too.
 *
 * Invariants: a SONAME is there once.  A module whose libraries are missing on the host
 * is left out with them: its owner skips it at run time as well.
 */
#include "mpi-abi/closure.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/host_private.h"

enum { LIBRARIES_MAX = 4096 };

static const char *const libc_parts[] = {
	"ld-linux*", "ld64.so*", "ld-lsb*", "libc.so.6", "libm.so.6", "libmvec.so.1",
	"libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2",
	"libanl.so.1", "libnsl.so.1", "libnss_*", "libthread_db.so.1", "libBrokenLocale.so.1",
	"libc_malloc_debug.so.0", "libcrypt.so.1", "linux-vdso.so.1",
};

/* What comes along of a glibc; libcrypt is another project's by now, and its file is the image's. */
static const char *const libc_set[] = {
	"libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1",
	"libutil.so.1", "libresolv.so.2", "libanl.so.1", "libnsl.so.1", "libnss_compat.so.2",
	"libnss_dns.so.2", "libnss_files.so.2", "libnss_hesiod.so.2", "libnss_db.so.2",
	"libthread_db.so.1", "libBrokenLocale.so.1", "libc_malloc_debug.so.0",
};
/* The dynamic linker, by machine; the interpreter's name is part of the machine's ABI. */
static const char *const linkers[] = {
	"ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "ld64.so.2", "ld-linux-riscv64-lp64d.so.1",
};
static const char *const libc_trees[] = {"gconv", "/usr/lib/locale"};

static bool matches_any(const char *const *patterns, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (recipe_pattern_matches(patterns[i], text))
			return true;
	return false;
}

bool closure_is_libc(const char *soname)
{
	return matches_any(libc_parts, sizeof libc_parts / sizeof *libc_parts, soname);
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the host's libraries");
}

const struct closure_library *closure_find(const struct closure *closure, const char *soname)
{
	for (size_t i = 0; i < closure->library_count; i++)
		if (strcmp(closure->libraries[i].soname, soname) == 0)
			return &closure->libraries[i];
	return NULL;
}

static bool is_core(const struct recipes *recipes, const char *soname)
{
	for (size_t i = 0; i < recipes->count; i++)
		if (recipe_matches(&recipes->items[i], RECIPE_CORE, soname))
			return true;
	return false;
}

/* All that anybody will ask of the file, in one look. */
static int read_file(const struct host *host, const char *path, bool module, struct elf *elf,
		     struct fingerprint *print)
{
	struct err ignored;
	struct elf_bytes bytes;
	int rc = host_file_map(host, path, &bytes, &ignored);
	if (rc < 0)
		return rc;
	struct elf_source source = elf_source_bytes(&bytes);
	rc = elf_read(&source, module ? ELF_WITH_VERSIONS : ELF_WITH_VERSIONS | ELF_WITH_SYMBOLS, elf, &ignored);
	if (rc == 0)
		fingerprint_make(&bytes, print);
	host_file_unmap(&bytes);
	return rc;
}

/* Appends the file `path`.  A file that cannot be read is left out: 0, and not there. */
static int library_add(struct closure *closure, const struct host *host, const char *soname,
		       const char *path, bool module, struct err *err)
{
	struct elf elf;
	struct fingerprint print;
	if (closure->library_count == LIBRARIES_MAX)
		return err_set(err, E2BIG, "the host's MPI needs more than %d libraries", LIBRARIES_MAX);
	if (closure->library_count == closure->library_size) {
		size_t size = closure->library_size ? closure->library_size * 2 : 64;
		void *more = realloc(closure->libraries, size * sizeof *closure->libraries);
		if (!more)
			return no_memory(err);
		closure->libraries = more;
		closure->library_size = size;
	}
	if (read_file(host, path, module, &elf, &print) < 0)
		return 0;
	struct closure_library *library = &closure->libraries[closure->library_count++];
	*library = (struct closure_library){
		.soname = strdup(soname ? soname : elf.soname ? elf.soname : path),
		.path = strdup(path),
		.elf = elf,
		.print = print,
		.module = module,
	};
	if (!library->soname || !library->path)
		return no_memory(err);
	library->family = mpi_family_of_name(library->soname) != MPI_FAMILY_NONE;
	library->core = is_core(closure->recipes, library->soname);
	return 0;
}

static bool tree_known(const struct closure *closure, const char *path)
{
	for (size_t i = 0; i < closure->tree_count; i++)
		if (strcmp(closure->trees[i].path, path) == 0)
			return true;
	return false;
}

struct module_context {
	struct closure *closure;
	const struct host *host;
};

static int visit_module(void *context, const char *path, struct err *err)
{
	struct module_context *modules = context;
	return library_add(modules->closure, modules->host, path, path, true, err);
}

static int tree_add(struct closure *closure, const struct host *host, const char *beside,
		    const char *soname, const char *path, struct err *err)
{
	struct err ignored;
	AUTO_FREE char *real = NULL;
	if (host_realpath_new(host, path, &real, &ignored) < 0 || tree_known(closure, real))
		return 0;
	struct closure_tree *more =
		realloc(closure->trees, (closure->tree_count + 1) * sizeof *closure->trees);
	if (!more)
		return no_memory(err);
	closure->trees = more;
	struct closure_tree *tree = &more[closure->tree_count++];
	*tree = (struct closure_tree){
		.path = take_ptr(&real),
		.owner = strdup(soname),
		.beside = beside ? strdup(beside) : NULL,
	};
	if (!tree->owner || (beside && !tree->beside))
		return no_memory(err);
	tree->directory = host_is_directory(host, tree->path);
	struct module_context modules = {.closure = closure, .host = host};
	AUTO_FREE char *directory = strdup(tree->path);
	if (!directory)
		return no_memory(err);
	return host_modules(host, directory, visit_module, &modules, err);
}

/* `name`: absolute, or relative to the directory of the library's real file; the host need not have it. */
static int add_named_tree(struct closure *closure, const struct host *host, size_t index,
			  const char *name, const char *beside, struct err *err)
{
	char path[PATH_MAX];
	const struct closure_library *library = &closure->libraries[index];
	const char *slash = strrchr(library->path, '/');
	int dir_len = slash && name[0] != '/' ? (int)(slash - library->path) : 0;
	if ((size_t)snprintf(path, sizeof path, "%.*s%s%s", dir_len, library->path, dir_len ? "/" : "",
			     name) >= sizeof path)
		return 0;
	/* The array of libraries may move. */
	AUTO_FREE char *soname = strdup(library->soname);
	return soname ? tree_add(closure, host, beside, soname, path, err) : no_memory(err);
}

/* What the library opens by name: found as if it were NEEDED, but it may be missing. */
static int add_loaded(struct closure *closure, const struct host *host, size_t index,
		      const char *soname, unsigned machine, struct err *err)
{
	const struct closure_library *library = &closure->libraries[index];
	const char *search = library->elf.runpath ? library->elf.runpath : library->elf.rpath;
	AUTO_FREE char *path = NULL;
	if (closure_find(closure, soname))
		return 0;
	int rc = host_library_new(host, soname, machine, library->path, search, &path, err);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	size_t count = closure->library_count;
	rc = library_add(closure, host, soname, path, false, err);
	if (rc == 0 && closure->library_count > count)
		closure->libraries[count].optional = true;
	return rc;
}

static int apply_recipe(struct closure *closure, const struct host *host,
			const struct recipe *recipe, size_t index, unsigned machine, struct err *err)
{
	const char *beside = recipe_value(recipe, RECIPE_BESIDE);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < recipe->entry_count; i++) {
		const struct recipe_entry *entry = &recipe->entries[i];
		if (entry->key == RECIPE_TREE)
			rc = add_named_tree(closure, host, index, entry->value, beside, err);
		else if (entry->key == RECIPE_LOAD)
			rc = add_loaded(closure, host, index, entry->value, machine, err);
	}
	return rc;
}

static int note_missing(struct closure *closure, const char *soname, const char *who,
			struct err *err)
{
	if (closure->missing)
		return 0;
	closure->missing = strdup(soname);
	closure->missing_for = strdup(who);
	return closure->missing && closure->missing_for ? 0 : no_memory(err);
}

/* Appends what library `index` needs. */
static int follow_needed(struct closure *closure, const struct host *host, size_t index,
			 unsigned machine, struct err *err)
{
	for (size_t i = 0; i < closure->libraries[index].elf.needed_count; i++) {
		const struct closure_library *library = &closure->libraries[index];
		const char *needed = library->elf.needed[i];
		const char *search = library->elf.runpath ? library->elf.runpath : library->elf.rpath;
		AUTO_FREE char *path = NULL;
		if (closure_is_libc(needed) || closure_find(closure, needed))
			continue;
		int rc = host_library_new(host, needed, machine, library->path, search, &path, err);
		if (rc == -ENOENT && !library->module && !library->optional)
			rc = note_missing(closure, needed, library->path, err);
		else if (rc == 0)
			rc = library_add(closure, host, needed, path, false, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	return 0;
}

static int grow_until_done(struct closure *closure, const struct host *host, size_t at, unsigned machine,
			   struct err *err)
{
	int rc = 0;
	for (; rc == 0 && at < closure->library_count; at++) {
		rc = follow_needed(closure, host, at, machine, err);
		for (size_t i = 0; rc == 0 && i < closure->recipes->count; i++)
			if (!closure->libraries[at].module &&
			    recipe_matches(&closure->recipes->items[i], RECIPE_LIBRARY,
					   closure->libraries[at].soname))
				rc = apply_recipe(closure, host, &closure->recipes->items[i], at, machine,
						  err);
	}
	return rc;
}

/* Is one's directory the other's, or above it?  Vendors put the C library into lib/release. */
static bool is_beside(const char *path, const char *mpi_path)
{
	size_t a = (size_t)(strrchr(path, '/') - path), b = (size_t)(strrchr(mpi_path, '/') - mpi_path);
	size_t len = a < b ? a : b;
	return strncmp(path, mpi_path, len) == 0 && path[len] == '/' && mpi_path[len] == '/';
}

/* The public libraries of the family, as the host's rules find them; one of another MPI of the host is none. */
static int add_companions(struct closure *closure, const struct host *host,
			  const struct host_mpi *mpi, unsigned machine, const char *const *sonames,
			  size_t count, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		AUTO_FREE char *path = NULL;
		if (closure_find(closure, sonames[i]))
			continue;
		rc = host_library_new(host, sonames[i], machine, mpi->path, "$ORIGIN", &path, err);
		if (rc == 0 && is_beside(path, mpi->path))
			rc = library_add(closure, host, sonames[i], path, false, err);
		else if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

int closure_new(const struct host *host, const struct host_mpi *mpi, unsigned machine,
		const struct recipes *recipes, const char *const *sonames, size_t soname_count,
		struct closure **out, struct err *err)
{
	struct closure *closure = calloc(1, sizeof *closure);
	if (!closure)
		return no_memory(err);
	closure->recipes = recipes;
	int rc = library_add(closure, host, mpi->soname, mpi->path, false, err);
	if (rc == 0)
		rc = add_companions(closure, host, mpi, machine, sonames, soname_count, err);
	if (rc == 0)
		rc = grow_until_done(closure, host, 0, machine, err);
	if (rc < 0) {
		closure_free(&closure);
		return rc;
	}
	*out = closure;
	return 0;
}

int closure_add_libc(struct closure *closure, const struct host *host, unsigned machine,
		     struct err *err)
{
	enum { SET = sizeof libc_set / sizeof *libc_set, LINKERS = sizeof linkers / sizeof *linkers };
	size_t first = closure->library_count;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < SET + LINKERS; i++) {
		const char *soname = i < SET ? libc_set[i] : linkers[i - SET];
		AUTO_FREE char *path = NULL;
		rc = host_library_new(host, soname, machine, NULL, NULL, &path, err);
		if (rc == 0)
			rc = library_add(closure, host, soname, path, false, err);
		else if (rc == -ENOENT)
			rc = i == 0 ? rc : 0;
	}
	if (rc < 0)
		return rc;
	for (size_t i = first; i < closure->library_count; i++)
		closure->libraries[i].libc = true;
	for (size_t i = 0; rc == 0 && i < sizeof libc_trees / sizeof *libc_trees; i++)
		rc = add_named_tree(closure, host, first, libc_trees[i], NULL, err);
	return rc;
}

int closure_add_translator(struct closure *closure, const struct host *host, unsigned machine,
			   const char *soname, const char *path, struct err *err)
{
	size_t at = closure->library_count;
	int rc = closure_find(closure, soname) ? 0 : library_add(closure, host, soname, path, false, err);
	if (rc == 0 && closure->library_count > at)
		closure->libraries[at].translator = true;
	return rc < 0 ? rc : grow_until_done(closure, host, at, machine, err);
}

void closure_free(struct closure **where)
{
	struct closure *closure = *where;
	*where = NULL;
	if (!closure)
		return;
	for (size_t i = 0; i < closure->library_count; i++) {
		free(closure->libraries[i].soname);
		free(closure->libraries[i].path);
		elf_free(&closure->libraries[i].elf);
	}
	for (size_t i = 0; i < closure->tree_count; i++) {
		free(closure->trees[i].path);
		free(closure->trees[i].owner);
		free(closure->trees[i].beside);
	}
	free(closure->libraries);
	free(closure->trees);
	free(closure->missing);
	free(closure->missing_for);
	free(closure);
}
