/*
 * proof_file.c - files of the final tree (proof_file.h).
 *
 * A path of the container leads, in this order, to: the host file that is bound over what the path
 * resolves to; a file of the host below a directory that is bound; nothing, below a hidden one; the
 * image's file.  Each file is read once; what it defines becomes a set when it is first asked for.
 */
#include "mpi-abi/proof_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"

uint32_t proof_hash(const char *symbol)
{
	uint32_t hash = 5381;  /* as DT_GNU_HASH */
	for (; *symbol; symbol++)
		hash = hash * 33 + (unsigned char)*symbol;
	return hash;
}

static void set_make(struct proof *proof, struct proof_file *file)
{
	struct symbol_set *set = &file->set;
	size_t size = 16;
	while (size < 2 * file->elf->symbol_count)
		size *= 2;
	set->names = calloc(size, sizeof *set->names);
	set->hashes = calloc(size, sizeof *set->hashes);
	set->size = size;
	if (!set->names || !set->hashes) {
		proof->failed = true;
		set->size = 0;
		return;
	}
	for (size_t i = 0; i < file->elf->symbol_count; i++) {
		const struct elf_symbol *symbol = &file->elf->symbols[i];
		uint32_t hash = proof_hash(symbol->name);
		size_t slot = hash & (size - 1);
		if (!symbol->defined)
			continue;
		while (set->names[slot])
			slot = (slot + 1) & (size - 1);
		set->names[slot] = symbol->name;
		set->hashes[slot] = hash;
	}
}

bool proof_file_defines(struct proof *proof, struct proof_file *file, const char *symbol,
			uint32_t hash)
{
	struct symbol_set *set = &file->set;
	if (set->size == 0)
		set_make(proof, file);
	if (set->size == 0)
		return false;
	for (size_t slot = hash & (set->size - 1); set->names[slot]; slot = (slot + 1) & (set->size - 1))
		if (set->hashes[slot] == hash && strcmp(set->names[slot], symbol) == 0)
			return true;
	return false;
}

/* Notes a file under its key; takes nothing when memory ran out. */
static struct proof_file *note(struct proof *proof, const char *key, struct proof_file file)
{
	if (proof->count == proof->size) {
		size_t size = proof->size ? proof->size * 2 : 256;
		void *more = realloc(proof->files, size * sizeof(struct proof_file *));
		if (!more)
			goto failed;
		proof->files = more;
		proof->size = size;
	}
	struct proof_file *copy = malloc(sizeof *copy);
	if (!copy || !names_add(&proof->by_path, key, proof->count)) {
		free(copy);
		goto failed;
	}
	*copy = file;
	if (!copy->elf)
		copy->elf = copy->host ? &copy->host_elf : &copy->binary->elf;
	copy->path = copy->host ? copy->host_path : copy->binary->path;
	proof->files[proof->count++] = copy;
	return copy;
failed:
	proof->failed = true;
	elf_free(&file.host_elf);
	free(file.host_path);
	return NULL;
}

static struct proof_file *known(const struct proof *proof, const char *key)
{
	const struct name *name = names_find(&proof->by_path, key);
	return name ? proof->files[name->value] : NULL;
}

/* What the closure knows of that file. */
static const struct elf *closure_elf(const struct closure *closure, const char *path)
{
	for (size_t i = 0; i < closure->library_count; i++)
		if (!closure->libraries[i].module && strcmp(closure->libraries[i].path, path) == 0)
			return &closure->libraries[i].elf;
	return NULL;
}

static struct proof_file *host_file(struct proof *proof, const char *path)
{
	char key[IMAGE_TREE_PATH_MAX + 2];
	struct err ignored;
	struct proof_file file = {.host = true, .symbols_known = true};
	if ((size_t)snprintf(key, sizeof key, "h%s", path) >= sizeof key)
		return NULL;
	struct proof_file *old = known(proof, key);
	if (old)
		return old;
	file.elf = closure_elf(proof->deciding->closure, path);
	if (!file.elf && host_elf_read(proof->deciding->host, path, ELF_WITH_VERSIONS | ELF_WITH_SYMBOLS,
				       &file.host_elf, &ignored) < 0)
		return NULL;
	file.host_path = strdup(path);
	if (!file.host_path) {
		elf_free(&file.host_elf);
		proof->failed = true;
		return NULL;
	}
	return note(proof, key, file);
}

static struct proof_file *image_file(struct proof *proof, const char *real)
{
	char key[IMAGE_TREE_PATH_MAX + 2];
	const struct image_binary *binary = image_index_at(proof->deciding->index, real);
	if (!binary || (size_t)snprintf(key, sizeof key, "i%s", real) >= sizeof key)
		return NULL;
	struct proof_file *old = known(proof, key);
	return old ? old
		   : note(proof, key, (struct proof_file){.binary = binary,
							  .symbols_known = binary->has_symbols});
}

/* What is behind `directory` in `path`, from the slash on; NULL: it is not below. */
static const char *below(const char *path, const char *directory)
{
	size_t len = strlen(directory);
	return strncmp(path, directory, len) == 0 && path[len] == '/' ? path + len : NULL;
}

static struct proof_file *final_file(struct proof *proof, const char *real)
{
	char path[IMAGE_TREE_PATH_MAX];
	const struct abi_decision *decision = proof->deciding->decision;
	const struct name *bind = names_find(&proof->targets, real);
	if (bind)
		return host_file(proof, decision->binds[bind->value].source);
	for (size_t i = 0; i < decision->bind_count; i++) {
		const char *rest = decision->binds[i].directory ? below(real, decision->binds[i].target) : NULL;
		if (rest)
			return (size_t)snprintf(path, sizeof path, "%s%s", decision->binds[i].source, rest) <
					       sizeof path
				       ? host_file(proof, path)
				       : NULL;
	}
	for (size_t i = 0; i < decision->hide_count; i++)
		if (below(real, decision->hides[i]))
			return NULL;
	return image_file(proof, real);
}

/* A new name of the decision's (below ABI_DIR, or a directory that the image lacks) has no links on
 * its way and is looked for as it is. */
struct proof_file *proof_file_at(struct proof *proof, const char *path, bool final)
{
	enum image_tree_kind kind;
	AUTO_FREE char *real = NULL;
	int rc = image_tree_realpath_new(&proof->deciding->index->tree, path, &real, &kind);
	if (rc < 0 && !final)
		return NULL;
	return final ? final_file(proof, rc < 0 ? path : real) : image_file(proof, real);
}

bool proof_host_defines(struct proof *proof, const char *symbol, uint32_t hash)
{
	const struct closure *closure = proof->deciding->closure;
	for (size_t i = 0; i < closure->library_count; i++) {
		if (closure->libraries[i].module)
			continue;
		struct proof_file *file = host_file(proof, closure->libraries[i].path);
		if (file && proof_file_defines(proof, file, symbol, hash))
			return true;
	}
	return false;
}

bool proof_uses_family(const struct proof *proof, const struct image_binary *binary)
{
	for (size_t i = 0; i < binary->elf.needed_count; i++)
		if (names_find(&proof->users, binary->elf.needed[i]))
			return true;
	return false;
}

static void collect_users(struct proof *proof)
{
	const struct image_index *index = proof->deciding->index;
	if (proof->deciding->level == ABI_LEVEL_FABRIC)
		names_add(&proof->users, proof->deciding->mpi.soname, 0);
	for (size_t i = 0; proof->deciding->level != ABI_LEVEL_FABRIC && i < index->binary_count; i++) {
		if (index->binaries[i].family == proof->deciding->family)
			names_add(&proof->users, index->binaries[i].soname, 0);
		for (size_t k = 0; k < index->binaries[i].elf.needed_count; k++)
			if (deciding_family_of_needed(proof->deciding, index->binaries[i].elf.needed[k]) ==
			    proof->deciding->family)
				names_add(&proof->users, index->binaries[i].elf.needed[k], 0);
	}
	for (bool more = true; more;) {
		size_t before = proof->users.count;
		for (size_t i = 0; i < index->file_count; i++)
			if (index->binaries[i].library && proof_uses_family(proof, &index->binaries[i]))
				names_add(&proof->users, index->binaries[i].soname, 0);
		more = proof->users.count > before;
	}
	proof->failed |= proof->users.failed;
}

int proof_open(struct proof *proof)
{
	const struct deciding *deciding = proof->deciding;
	const struct abi_decision *decision = deciding->decision;
	struct err ignored;
	if (deciding->index->cache && ldcache_parse(deciding->index->cache, deciding->index->cache_len,
						    &proof->old_cache, &ignored) < 0)
		proof->old_cache = (struct ldcache){0};
	for (size_t i = 0; i < decision->bind_count; i++)
		if (!decision->binds[i].directory)
			names_add(&proof->targets, decision->binds[i].target, i);
	collect_users(proof);
	if (proof->targets.failed || proof->failed)
		return deciding_no_memory(proof->deciding);
	return 0;
}

void proof_close(struct proof *proof)
{
	for (size_t i = 0; i < proof->count; i++) {
		free(proof->files[i]->set.names);
		free(proof->files[i]->set.hashes);
		free(proof->files[i]->host_path);
		elf_free(&proof->files[i]->host_elf);
		free(proof->files[i]);
	}
	free(proof->files);
	ldcache_free(&proof->old_cache);
	names_free(&proof->by_path);
	names_free(&proof->targets);
	names_free(&proof->users);
}
