/*
 * choice.c - the host's copy of a library, or the image's? (decide_private.h)
 *
 * A library that both have, and that is no part of the MPI or its fabric, is there
 * once in a process, so one copy serves both sides: the newer one.  What "newer"
 * means, in this order: it defines all versions of the other; it exports all
 * symbols of the other; its file name counts higher.  Of two equals the image's
 * stays, since nothing has to be done then.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mpi-abi/decide_private.h"

const char *const image_library_dirs[] = {
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu",
	"/usr/lib/aarch64-linux-gnu", "/lib/powerpc64le-linux-gnu", "/usr/lib/powerpc64le-linux-gnu",
	"/lib/riscv64-linux-gnu", "/usr/lib/riscv64-linux-gnu", "/lib64", "/usr/lib64", "/lib",
	"/usr/lib", "/usr/local/lib", NULL,
};

static void collect_versions(const struct elf *elf, struct names *versions)
{
	for (size_t i = 0; i < elf->definition_count; i++)
		names_add(versions, elf->definitions[i], 0);
}

static void collect_symbols(const struct elf *elf, struct names *symbols)
{
	for (size_t i = 0; i < elf->symbol_count; i++)
		if (elf->symbols[i].defined)
			names_add(symbols, elf->symbols[i].name, 0);
}

/* Two copies of one build have the same symbols in the same order. */
static bool same_symbols(const struct elf *a, const struct elf *b)
{
	size_t i = 0;
	if (a->symbol_count != b->symbol_count)
		return false;
	while (i < a->symbol_count && a->symbols[i].defined == b->symbols[i].defined &&
	       strcmp(a->symbols[i].name, b->symbols[i].name) == 0)
		i++;
	return i == a->symbol_count;
}

/* 1: `a` includes `b` and more; -1: the other way round; 0: equal; 2: neither. */
static int compare_sets(const struct names *a, const struct names *b)
{
	bool ab = names_include(a, b, NULL), ba = names_include(b, a, NULL);
	if (ab && ba)
		return 0;
	return ab ? 1 : ba ? -1 : 2;
}

static int compare_symbols(const struct elf *a, const struct elf *b)
{
	AUTO_NAMES struct names of_a = {.borrows = true}, of_b = {.borrows = true};
	if (same_symbols(a, b))
		return 0;
	collect_symbols(a, &of_a);
	collect_symbols(b, &of_b);
	return compare_sets(&of_a, &of_b);
}

int choice_image_is_newer(const struct elf *image, const char *image_path, const struct elf *host,
			  const char *host_path)
{
	AUTO_NAMES struct names image_versions = {.borrows = true}, host_versions = {.borrows = true};
	collect_versions(image, &image_versions);
	collect_versions(host, &host_versions);
	int order = compare_sets(&image_versions, &host_versions);
	if (order == 0)
		order = compare_symbols(image, host);
	if (order == 1 || order == -1)
		return order == 1;
	const char *image_name = strrchr(image_path, '/'), *host_name = strrchr(host_path, '/');
	if (!image_name || !host_name)
		return 1;
	return ldcache_compare(image_name, host_name) >= 0;
}

const struct image_binary *image_library_find(const struct deciding *deciding, const char *soname)
{
	char candidate[IMAGE_TREE_PATH_MAX];
	const struct image_binary *found = NULL;
	const struct ldcache_entry *entry =
		ldcache_find(&deciding->image_cache, soname, ldcache_flags(deciding->machine));
	if (entry && (found = image_index_lookup(deciding->index, entry->path)))
		return found;
	for (size_t i = 0; !found && image_library_dirs[i]; i++) {
		int len = snprintf(candidate, sizeof candidate, "%s/%s", image_library_dirs[i], soname);
		if (len > 0 && (size_t)len < sizeof candidate)
			found = image_index_lookup(deciding->index, candidate);
	}
	return found;
}

const struct choice *choice_of(const struct deciding *deciding, const char *soname)
{
	for (size_t i = 0; i < deciding->choice_count; i++)
		if (strcmp(deciding->choices[i].soname, soname) == 0)
			return &deciding->choices[i];
	return NULL;
}

static int choice_make(struct deciding *deciding, const struct closure_library *library,
		       struct choice *choice)
{
	const struct image_binary *image;
	*choice = (struct choice){.soname = library->soname};
	if (library->module || !(image = image_library_find(deciding, library->soname)))
		return 0;
	choice->image_path = image->path;
	if (library->family || library->core || library->libc || image->elf.kind != ELF_DYNAMIC ||
	    image->elf.machine != deciding->machine)
		return 0;
	struct elf host = library->elf;
	if (!image->has_symbols)  /* like with like */
		host.symbol_count = 0;
	choice->take_image = choice_image_is_newer(&image->elf, image->path, &host, library->path);
	return 0;
}

/* Those that are there already stay. */
int choices_make(struct deciding *deciding)
{
	const struct closure *closure = deciding->closure;
	struct choice *more =
		realloc(deciding->choices, (closure->library_count + 1) * sizeof *deciding->choices);
	if (!more)
		return deciding_no_memory(deciding);
	deciding->choices = more;
	for (size_t i = 0; i < deciding->choice_count; i++)
		more[i].soname = closure->libraries[i].soname;
	int rc = 0;
	for (size_t i = deciding->choice_count; rc == 0 && i < closure->library_count; i++) {
		rc = choice_make(deciding, &closure->libraries[i], &deciding->choices[i]);
		deciding->choice_count++;
	}
	return rc;
}
