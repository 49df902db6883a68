/*
 * effects.c - what is to be done for a swap that passed all gates
 * (decide_private.h, decide.h).
 *
 * Flow: closure and choices in, binds, files, hidden directories and variables out.
 *
 *	every host library     -> ABI_DIR/lib/SONAME, and the linker's cache says so
 *	the MPI and its fabric -> also over each file of the image with that SONAME, so that
 *	                          an RPATH, an absolute NEEDED or dlopen(3) finds it too
 *	the host's glibc       -> all of it or nothing, the linker over each program's interpreter
 *	the trees              -> at the host's path, and beside the library where it looks
 *
 * Invariants: no two binds have one target; nothing is bound below a directory that is
 * bound (its content is the host's already, and read-only); targets hold no links of
 * the image.
 *
 * Why one file at two places does no harm: the linker knows a library again by its
 * device and inode, so it is loaded once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/decide_private.h"

#define LIB_DIR ABI_DIR "/lib"
#define CACHE_PATH "/etc/ld.so.cache"

/* Appends a copy of an element to one of the decision's arrays; false without memory. */
static bool append(void *array, size_t *count, const void *element, size_t size)
{
	char *more = realloc(*(void **)array, (*count + 1) * size);
	if (!more)
		return false;
	*(void **)array = more;
	memcpy(more + (*count)++ * size, element, size);
	return true;
}

static bool below(const char *path, const char *directory)
{
	size_t len = strlen(directory);
	return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The target without links: the part that exists is resolved in the image. */
static int target_new(struct deciding *deciding, const char *path, char **target, bool *exists)
{
	char head[IMAGE_TREE_PATH_MAX];
	enum image_tree_kind kind;
	if (strlen(path) >= sizeof head)
		return err_set(deciding->err, ENAMETOOLONG, "a path of the host is too long: %s", path);
	memcpy(head, path, strlen(path) + 1);
	size_t cut = strlen(head);
	for (;;) {
		AUTO_FREE char *real = NULL;
		if (image_tree_realpath_new(&deciding->index->tree, head, &real, &kind) == 0) {
			AUTO_BUF struct buf text = {0};
			*exists = path[cut] == '\0';
			buf_printf(&text, "%s%s", strcmp(real, "/") == 0 ? "" : real, path + cut);
			buf_add_u8(&text, 0);
			if (text.failed)
				return deciding_no_memory(deciding);
			*target = take_ptr(&text.data);
			return 0;
		}
		char *slash = strrchr(head, '/');
		if (!slash)
			return err_set(deciding->err, EIO, "the image has no root directory");
		*slash = '\0';
		cut = (size_t)(slash - head);
	}
}

static bool target_covered(const struct abi_decision *decision, const char *target)
{
	for (size_t i = 0; i < decision->bind_count; i++)
		if (strcmp(decision->binds[i].target, target) == 0 ||
		    (decision->binds[i].directory && below(target, decision->binds[i].target)))
			return true;
	return false;
}

static int bind_add(struct deciding *deciding, const char *source, const char *path, bool directory)
{
	struct abi_decision *decision = deciding->decision;
	struct abi_bind bind = {.directory = directory};
	int rc = target_new(deciding, path, &bind.target, &bind.exists);
	if (rc < 0)
		return rc;
	if (target_covered(decision, bind.target)) {
		free(bind.target);
		return 0;
	}
	bind.source = strdup(source);
	if (!bind.source || !append(&decision->binds, &decision->bind_count, &bind, sizeof bind)) {
		free(bind.source);
		free(bind.target);
		return deciding_no_memory(deciding);
	}
	return 0;
}

static bool host_copy_used(const struct deciding *deciding, const char *soname)
{
	const struct choice *choice = choice_of(deciding, soname);
	return choice && !choice->take_image;
}

/* Trees first: a file below one of them needs no bind of its own. */
static int bind_trees(struct deciding *deciding)
{
	char path[IMAGE_TREE_PATH_MAX];
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->closure->tree_count; i++) {
		const struct closure_tree *tree = &deciding->closure->trees[i];
		if (!host_copy_used(deciding, tree->owner))
			continue;
		rc = bind_add(deciding, tree->path, tree->path, tree->directory);
		if (rc == 0 && tree->beside &&
		    (size_t)snprintf(path, sizeof path, "%s/%s", LIB_DIR, tree->beside) < sizeof path)
			rc = bind_add(deciding, tree->path, path, tree->directory);
	}
	return rc;
}

/* The directory of an image library that gets bound over: what it looks for beside itself. */
static int bind_beside(struct deciding *deciding, const char *soname, const char *image_path)
{
	char path[IMAGE_TREE_PATH_MAX];
	const char *slash = strrchr(image_path, '/');
	int rc = 0;
	for (size_t i = 0; rc == 0 && slash && i < deciding->closure->tree_count; i++) {
		const struct closure_tree *tree = &deciding->closure->trees[i];
		if (!tree->beside || strcmp(tree->owner, soname) != 0 ||
		    (size_t)snprintf(path, sizeof path, "%.*s/%s", (int)(slash - image_path), image_path,
				     tree->beside) >= sizeof path)
			continue;
		rc = bind_add(deciding, tree->path, path, tree->directory);
	}
	return rc;
}

static int bind_new_name(struct deciding *deciding, struct ldcache *cache, const char *soname,
			 const char *source)
{
	char path[IMAGE_TREE_PATH_MAX];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", LIB_DIR, soname) >= sizeof path)
		return err_set(deciding->err, ENAMETOOLONG, "a SONAME is too long: %s", soname);
	int rc = bind_add(deciding, source, path, false);
	if (rc == 0)
		rc = ldcache_set(cache, soname, path, ldcache_flags(deciding->machine), deciding->err);
	return rc;
}

/* Every host library under its SONAME, and over the image's copies where it must win. */
static int bind_libraries(struct deciding *deciding, struct ldcache *cache)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->closure->library_count; i++) {
		const struct closure_library *library = &deciding->closure->libraries[i];
		const struct choice *choice = &deciding->choices[i];
		if (library->module || choice->take_image)
			continue;
		rc = bind_new_name(deciding, cache, library->soname, library->path);
		if (rc == 0 && choice->image_path)
			rc = bind_beside(deciding, library->soname, choice->image_path);
		if (rc == 0 && choice->image_path)
			rc = bind_add(deciding, library->path, choice->image_path, false);
	}
	return rc;
}

/* Copies of the MPI and fabric libraries anywhere in the image. */
static int bind_over_copies(struct deciding *deciding)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->index->file_count; i++) {
		const struct image_binary *copy = &deciding->index->binaries[i];
		const struct closure_library *library = closure_find(deciding->closure, copy->soname);
		if (!library || !copy->library || library->module || !(library->family || library->core || library->libc))
			continue;
		rc = bind_beside(deciding, library->soname, copy->path);
		if (rc == 0)
			rc = bind_add(deciding, library->path, copy->path, false);
	}
	return rc;
}

/* The dynamic linker is named by each program itself, by a path. */
static int bind_interpreters(struct deciding *deciding)
{
	int rc = 0;
	if (!deciding->decision->libc_for)
		return 0;
	for (size_t i = 0; rc == 0 && i < deciding->index->file_count; i++) {
		const struct elf *elf = &deciding->index->binaries[i].elf;
		const char *slash = elf->interpreter ? strrchr(elf->interpreter, '/') : NULL;
		const struct closure_library *linker =
			slash && elf->machine == deciding->machine ? closure_find(deciding->closure, slash + 1)
								   : NULL;
		if (linker && linker->libc)
			rc = bind_add(deciding, linker->path, elf->interpreter, false);
	}
	return rc;
}

/* Names of the family that the host spells differently (libmpi.so.12, libmpich.so.12). */
static int bind_aliases(struct deciding *deciding, struct ldcache *cache)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (binary->family == deciding->family && !closure_find(deciding->closure, binary->soname)) {
			const struct closure_library *library =
				deciding_counterpart(deciding, binary->soname);
			if (library)
				rc = bind_new_name(deciding, cache, binary->soname, library->path);
			if (rc == 0 && library)
				rc = bind_add(deciding, library->path, binary->path, false);
		}
		if (!deciding_is_consumer(deciding, binary))
			continue;
		for (size_t k = 0; rc == 0 && k < binary->elf.needed_count; k++) {
			const char *needed = binary->elf.needed[k];
			if (deciding_family_of_needed(deciding, needed) != deciding->family ||
			    closure_find(deciding->closure, needed))
				continue;
			const struct closure_library *library = deciding_counterpart(deciding, needed);
			if (library)
				rc = bind_new_name(deciding, cache, needed, library->path);
		}
	}
	return rc;
}

/* Directories of the image with modules of libraries that are the host's now. */
static int hide_modules(struct deciding *deciding)
{
	struct abi_decision *decision = deciding->decision;
	for (size_t i = 0; i < deciding->index->module_count; i++) {
		const struct image_modules *modules = &deciding->index->modules[i];
		bool owned = false;
		for (size_t k = 0; k < deciding->closure->library_count; k++) {
			const struct closure_library *library = &deciding->closure->libraries[k];
			owned |= !library->module &&
				 strncmp(library->soname, modules->owner, strlen(modules->owner)) == 0;
		}
		if (!owned || target_covered(decision, modules->path))
			continue;
		char *path = strdup(modules->path);
		if (!path || !append(&decision->hides, &decision->hide_count, &path, sizeof path)) {
			free(path);
			return deciding_no_memory(deciding);
		}
	}
	return 0;
}

static int env_add(struct deciding *deciding, const char *name, const char *value, size_t value_len)
{
	struct abi_decision *decision = deciding->decision;
	struct abi_env env = {.name = strdup(name), .value = value ? strndup(value, value_len) : NULL};
	bool ok = env.name && (!value || env.value);
	if (ok && value)
		ok = append(&decision->sets, &decision->set_count, &env, sizeof env);
	else if (ok)
		ok = append(&decision->drops, &decision->drop_count, &env, sizeof env);
	if (ok)
		return 0;
	free(env.name);
	free(env.value);
	return deciding_no_memory(deciding);
}

/* What the image set for its own MPI and fabric means nothing to the host's. */
static int drop_variable(struct deciding *deciding, const char *name)
{
	for (size_t i = 0; i < deciding->decision->drop_count; i++)
		if (strcmp(deciding->decision->drops[i].name, name) == 0)
			return 0;
	return env_add(deciding, name, NULL, 0);
}

/* Where components are looked for, in case the library was told otherwise: "PREFIX VARIABLE". */
static int set_component_path(struct deciding *deciding, const char *value)
{
	size_t prefix_len = strcspn(value, " \t");
	const char *variable = value + prefix_len + strspn(value + prefix_len, " \t");
	for (size_t i = 0; i < deciding->closure->library_count; i++) {
		const struct closure_library *library = &deciding->closure->libraries[i];
		const char *slash = library->module ? strrchr(library->path, '/') : NULL;
		if (slash && strncmp(slash + 1, value, prefix_len) == 0)
			return env_add(deciding, variable, library->path, (size_t)(slash - library->path));
	}
	return 0;
}

static bool recipe_used(const struct deciding *deciding, const struct recipe *recipe)
{
	for (size_t i = 0; i < deciding->closure->library_count; i++) {
		const struct closure_library *library = &deciding->closure->libraries[i];
		if (!library->module && !deciding->choices[i].take_image &&
		    recipe_matches(recipe, RECIPE_LIBRARY, library->soname))
			return true;
	}
	return false;
}

static int note_device(struct deciding *deciding, const char *path)
{
	struct abi_decision *decision = deciding->decision;
	for (size_t i = 0; i < decision->device_count; i++)
		if (strcmp(decision->devices[i], path) == 0)
			return 0;
	char *copy = strdup(path);
	if (copy && append(&decision->devices, &decision->device_count, &copy, sizeof copy))
		return 0;
	free(copy);
	return deciding_no_memory(deciding);
}

/* Devices come with the host's /dev and are only shown; sockets lie where no container has them. */
static int add_device_or_socket(struct deciding *deciding, const struct recipe *recipe,
				const struct recipe_entry *entry)
{
	AUTO_FREE char *real = NULL;
	struct err ignored;
	if (!recipe_used(deciding, recipe) ||
	    host_realpath_new(deciding->host, entry->value, &real, &ignored) < 0)
		return 0;
	if (entry->key == RECIPE_DEVICE)
		return note_device(deciding, entry->value);
	return bind_add(deciding, real, entry->value, host_is_directory(deciding->host, real));
}

static int apply_entry(struct deciding *deciding, const struct recipe *recipe,
		       const struct recipe_entry *entry)
{
	switch (entry->key) {
	case RECIPE_DROP:
		return deciding->level != ABI_LEVEL_FABRIC ? drop_variable(deciding, entry->value) : 0;
	case RECIPE_DROP_FABRIC: return drop_variable(deciding, entry->value);
	case RECIPE_COMPONENT_PATH: return set_component_path(deciding, entry->value);
	case RECIPE_DEVICE:
	case RECIPE_SOCKET: return add_device_or_socket(deciding, recipe, entry);
	default: return 0;  /* the closure's */
	}
}

static int apply_recipes(struct deciding *deciding)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->recipes.count; i++) {
		const struct recipe *recipe = &deciding->recipes.items[i];
		for (size_t k = 0; rc == 0 && k < recipe->entry_count; k++)
			rc = apply_entry(deciding, recipe, &recipe->entries[k]);
	}
	return rc;
}

static int set_variable(struct deciding *deciding, const char *name, const char *value)
{
	return env_add(deciding, name, value, strlen(value));
}

static int write_cache(struct deciding *deciding, const struct ldcache *cache)
{
	struct abi_decision *decision = deciding->decision;
	struct abi_file file = {0};
	struct buf bytes = {0};
	int rc = ldcache_write(cache, &bytes, deciding->err);
	if (rc == 0)
		rc = target_new(deciding, CACHE_PATH, &file.target, &file.exists);
	file.bytes = bytes.data;
	file.len = bytes.len;
	if (rc == 0 && !append(&decision->files, &decision->file_count, &file, sizeof file))
		rc = deciding_no_memory(deciding);
	if (rc < 0) {
		free(file.target);
		buf_free(&bytes);
	}
	return rc;
}

int effects_make(struct deciding *deciding)
{
	struct ldcache *cache = &deciding->image_cache;
	int rc = 0;
	if (deciding->translator)
		rc = bind_add(deciding, deciding->translator_prefix, deciding->translator_prefix, true);
	if (rc == 0)
		rc = bind_trees(deciding);
	if (rc == 0)
		rc = bind_libraries(deciding, cache);
	if (rc == 0)
		rc = bind_over_copies(deciding);
	if (rc == 0)
		rc = bind_interpreters(deciding);
	if (rc == 0)
		rc = bind_aliases(deciding, cache);
	if (rc == 0)
		rc = hide_modules(deciding);
	if (rc == 0)
		rc = apply_recipes(deciding);
	if (rc == 0 && deciding->translator)
		rc = translator_environment(deciding, set_variable);
	if (rc == 0)
		rc = write_cache(deciding, cache);
	return rc;
}
