/*
 * consumer.c - the index of an image (consumer.h).
 *
 * Flow: squash_walk() gives every file; four bytes tell an ELF file; of that the
 * dynamic section is read, which costs one or two blocks of the image; few files
 * are asked for more.
 *
 * Invariants: one broken ELF file is no reason to fail: it is as if it were not
 * there (the linker would refuse it as well).  A broken image is.
 *
 * Caveat: files whose names end as no program or library does are not opened;
 * this halves the time, and the linker is never told to load such a file.
 */
#include "mpi-abi/consumer.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"

enum { ELF_SMALLEST = 64 };

static const char *const never_elf[] = {
	".py", ".pyc", ".pyi", ".txt", ".h", ".hpp", ".c", ".cpp", ".f90", ".mod", ".a", ".la",
	".pc", ".gz", ".xz", ".bz2", ".zst", ".zip", ".html", ".htm", ".css", ".js", ".json", ".xml",
	".md", ".rst", ".mo", ".po", ".png", ".jpg", ".svg", ".pdf", ".conf", ".cmake", ".pl", ".pm",
	".list", ".md5sums", ".yml", ".yaml", ".csv", ".ttf", ".sh", ".ipynb", ".npy", ".h5",
};

/* Files that a host library must never load; their directory is noted. */
static const struct {
	const char *beginning, *end, *owner;
} module_names[] = {
	{"mca_", ".so", "libopen-pal.so"},   {"pmix_mca_", ".so", "libpmix.so"},
	{"libuct_", ".so", "libucs.so"},     {"libucm_", ".so", "libucs.so"},
	{"libucx_", ".so", "libucs.so"},     {"", "-fi.so", "libfabric.so"},
};

/* Bytes of a file of the image, one piece at a time. */
struct piece {
	struct squash *image;
	const struct squash_node *node;
	uint8_t *bytes;
	size_t size;
};

static const uint8_t *piece_at(void *context, uint64_t offset, size_t len)
{
	struct piece *piece = context;
	if (offset > piece->node->size || len > piece->node->size - offset)
		return NULL;
	if (len > piece->size) {
		uint8_t *more = realloc(piece->bytes, len);
		if (!more)
			return NULL;
		piece->bytes = more;
		piece->size = len;
	}
	struct err ignored;
	ssize_t got = squash_read(piece->image, piece->node, offset, piece->bytes, len, &ignored);
	return got == (ssize_t)len ? piece->bytes : NULL;
}

int image_elf_read(struct squash *image, const struct squash_node *node, unsigned parts,
		   struct elf *elf, struct err *err)
{
	struct piece piece = {.image = image, .node = node};
	struct elf_source source = {.at = piece_at, .context = &piece, .size = node->size};
	int rc = elf_read(&source, parts, elf, err);
	free(piece.bytes);
	return rc;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);
	return len >= tail && strcmp(text + len - tail, end) == 0;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* 1: an ELF file of some size. */
static int is_elf(struct squash *image, const char *path, const struct squash_node *node,
		  struct err *err)
{
	char magic[4];
	if (!S_ISREG(node->mode) || node->size < ELF_SMALLEST)
		return 0;
	for (size_t i = 0; i < sizeof never_elf / sizeof *never_elf; i++)
		if (ends_with(path, never_elf[i]))
			return 0;
	ssize_t got = squash_read(image, node, 0, magic, sizeof magic, err);
	if (got < 0)
		return (int)got;
	return got == sizeof magic && memcmp(magic, "\x7f" "ELF", 4) == 0;
}

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the index of the image");
}

/* Room for one more element; false without memory. */
static bool grow(void *array, size_t *size, size_t count, size_t element)
{
	if (count < *size)
		return true;
	size_t more = *size ? *size * 2 : 64;
	void *bytes = realloc(*(void **)array, more * element);
	if (!bytes)
		return false;
	*(void **)array = bytes;
	*size = more;
	return true;
}

static int note_library(struct image_index *index, const char *path, const char *soname,
			const struct squash_node *node, struct err *err)
{
	if (!grow(&index->libraries, &index->library_size, index->library_count,
		  sizeof *index->libraries))
		return no_memory(err);
	struct image_library library = {.path = strdup(path), .soname = strdup(soname), .node = *node};
	index->libraries[index->library_count++] = library;
	return library.path && library.soname ? 0 : no_memory(err);
}

/* The beginning of the SONAME whose module this file is, or NULL. */
static const char *module_owner(const char *name)
{
	for (size_t i = 0; i < sizeof module_names / sizeof *module_names; i++)
		if (strncmp(name, module_names[i].beginning, strlen(module_names[i].beginning)) == 0 &&
		    ends_with(name, module_names[i].end))
			return module_names[i].owner;
	return NULL;
}

static int note_modules(struct image_index *index, const char *path, struct err *err)
{
	const char *name = name_of(path), *owner = module_owner(name);
	size_t dir_len = name > path + 1 ? (size_t)(name - path) - 1 : 0;
	if (!owner || dir_len == 0)
		return 0;
	for (size_t i = 0; i < index->module_count; i++)
		if (strlen(index->modules[i].path) == dir_len &&
		    strncmp(index->modules[i].path, path, dir_len) == 0)
			return 0;
	struct image_modules *more =
		realloc(index->modules, (index->module_count + 1) * sizeof *more);
	if (!more)
		return no_memory(err);
	index->modules = more;
	more[index->module_count] =
		(struct image_modules){.path = strndup(path, dir_len), .owner = owner};
	return more[index->module_count++].path ? 0 : no_memory(err);
}

static bool links_mpi(const struct elf *elf)
{
	for (size_t i = 0; i < elf->needed_count; i++)
		if (mpi_name_suspect(elf->needed[i]))
			return true;
	return false;
}

/* Reads it again, in full, and keeps it if it is an MPI library or links one. */
static int note_binary(struct squash *image, struct image_index *index, const char *path,
		       const char *soname, const struct squash_node *node, struct err *err)
{
	struct err ignored;
	struct elf elf;
	if (image_elf_read(image, node, ELF_WITH_VERSIONS | ELF_WITH_SYMBOLS, &elf, &ignored) < 0)
		return 0;
	enum mpi_family family = mpi_name_suspect(soname) ? mpi_family_of(&elf, soname)
							  : MPI_FAMILY_NONE;
	if (family == MPI_FAMILY_NONE && !links_mpi(&elf)) {
		elf_free(&elf);
		return 0;
	}
	if (!grow(&index->binaries, &index->binary_size, index->binary_count,
		  sizeof *index->binaries)) {
		elf_free(&elf);
		return no_memory(err);
	}
	struct image_binary *binary = &index->binaries[index->binary_count++];
	*binary = (struct image_binary){
		.path = strdup(path), .soname = strdup(soname), .node = *node, .elf = elf,
		.family = family,
		.role = family ? mpi_role_of_name(family, soname) : MPI_ROLE_NONE,
	};
	return binary->path && binary->soname ? 0 : no_memory(err);
}

struct indexing {
	struct squash *image;
	struct image_index *index;
};

static int visit(void *context, const char *path, const struct squash_node *node, struct err *err)
{
	struct indexing *indexing = context;
	struct image_index *index = indexing->index;
	struct err ignored;
	AUTO_ELF struct elf elf = {0};
	if (S_ISDIR(node->mode))
		return SQUASH_VISIT_ON;
	index->files++;
	int rc = is_elf(indexing->image, path, node, err);
	if (rc <= 0)
		return rc;
	index->elf_files++;
	if (image_elf_read(indexing->image, node, 0, &elf, &ignored) < 0)
		return SQUASH_VISIT_ON;

	const char *soname = elf.soname ? elf.soname : name_of(path);
	bool library = elf.soname || strstr(soname, ".so");
	rc = note_modules(index, path, err);
	if (rc == 0 && library)
		rc = note_library(index, path, soname, node, err);
	if (rc == 0 && ((library && mpi_name_suspect(soname)) || links_mpi(&elf)))
		rc = note_binary(indexing->image, index, path, soname, node, err);
	return rc;
}

int image_index_new(struct squash *image, struct image_index **out, struct err *err)
{
	struct image_index *index = calloc(1, sizeof *index);
	if (!index)
		return no_memory(err);
	struct indexing indexing = {.image = image, .index = index};
	int rc = squash_walk(image, "/", visit, &indexing, err);
	if (rc < 0) {
		image_index_free(&index);
		return rc;
	}
	*out = index;
	return 0;
}

void image_index_free(struct image_index **where)
{
	struct image_index *index = *where;
	*where = NULL;
	if (!index)
		return;
	for (size_t i = 0; i < index->library_count; i++) {
		free(index->libraries[i].path);
		free(index->libraries[i].soname);
	}
	for (size_t i = 0; i < index->binary_count; i++) {
		free(index->binaries[i].path);
		free(index->binaries[i].soname);
		elf_free(&index->binaries[i].elf);
	}
	for (size_t i = 0; i < index->module_count; i++)
		free(index->modules[i].path);
	free(index->libraries);
	free(index->binaries);
	free(index->modules);
	free(index);
}

struct static_search {
	struct squash *image;
	char *path;
};

static int visit_static(void *context, const char *path, const struct squash_node *node,
			struct err *err)
{
	struct static_search *search = context;
	if (!(node->mode & 0111) || strstr(path, ".so"))
		return SQUASH_VISIT_ON;
	int rc = is_elf(search->image, path, node, err);
	if (rc <= 0)
		return rc;
	struct piece piece = {.image = search->image, .node = node};
	struct elf_source source = {.at = piece_at, .context = &piece, .size = node->size};
	bool found = elf_has_full_symbol(&source, "MPI_Init") ||
		     elf_has_full_symbol(&source, "PMPI_Init");
	free(piece.bytes);
	if (!found)
		return SQUASH_VISIT_ON;
	search->path = strdup(path);
	return search->path ? SQUASH_VISIT_STOP : no_memory(err);
}

int image_static_mpi(struct squash *image, char **path, struct err *err)
{
	struct static_search search = {.image = image};
	int rc = squash_walk(image, "/", visit_static, &search, err);
	*path = search.path;
	return rc;
}
