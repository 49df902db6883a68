/*
 * image_index.c - makes the index of an image (image_index.h).
 *
 * Flow: squash_walk() gives every file; four bytes tell an ELF file; of that the dynamic section
 * and the versions are read, which costs one or two blocks of the image.  Then the set of files that
 * matter grows from the names of MPI, PMI and fabric libraries: what needs one of it, again and
 * again, and what those need; of these the symbols are read, and of small libraries of the system that
 * have no versions.
 *
 * Invariants: one broken ELF file is no reason to fail: it is as if it were not there (the linker
 * would refuse it as well).  A broken image is.
 *
 * Caveat: files whose names end as no program or library does are not opened; this halves the time,
 * and the linker is never told to load such a file.
 */
#include "mpi-abi/image_index.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"

enum { ELF_SMALLEST = 64, CACHE_SIZE_MAX = 64 << 20, COMPARED_SIZE_MAX = 4 << 20 };

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

static int image_elf_read(struct squash *image, const struct squash_node *node, unsigned parts,
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
		(struct image_modules){.path = strndup(path, dir_len), .owner = strdup(owner)};
	const struct image_modules *added = &more[index->module_count++];
	return added->path && added->owner ? 0 : no_memory(err);
}

static void image_binary_free(struct image_binary *binary)
{
	free(binary->path);
	free(binary->soname);
	elf_free(&binary->elf);
}

/* Named like a part of a fabric or process management: part of a swap as well. */
static bool fabric_name(const char *name)
{
	static const char *const beginnings[] = {"libfabric.so", "libuc", "libpmi", "libpmix", "libibverbs.so",
						 "librdmacm.so", "libpsm", "libcxi", "libxpmem", "libprrte"};
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static bool links_mpi(const struct elf *elf)
{
	for (size_t i = 0; i < elf->needed_count; i++)
		if (mpi_name_suspect(elf->needed[i]))
			return true;
	return false;
}

/* One file of the index while it is made: where the image has it, and whether it matters. */
struct candidate {
	struct squash_node node;
	bool matters, dropped;
};

struct indexing {
	struct squash *image;
	struct image_index *index;
	struct candidate *candidates;   /* one for each binary */
	size_t candidate_size;
};

/* Makes an elf small: as it is read from a packed index. */
static int elf_shrink(struct elf *elf, struct err *err)
{
	AUTO_BUF struct buf bytes = {0};
	elf_pack(elf, &bytes);
	elf_free(elf);
	if (bytes.failed)
		return no_memory(err);
	struct cursor in = cursor_of(bytes.data, bytes.len);
	return elf_parse(&in, elf, err);
}

/* Takes the elf. */
static int note_binary(struct indexing *indexing, const char *path, const struct squash_node *node,
		       struct elf *take_elf, struct err *err)
{
	struct image_index *index = indexing->index;
	const char *soname = take_elf->soname ? take_elf->soname : name_of(path);
	if (!grow(&index->binaries, &index->file_size, index->file_count, sizeof *index->binaries) ||
	    !grow(&indexing->candidates, &indexing->candidate_size, index->file_count,
		  sizeof *indexing->candidates)) {
		elf_free(take_elf);
		return no_memory(err);
	}
	indexing->candidates[index->file_count] = (struct candidate){.node = *node};
	struct image_binary *binary = &index->binaries[index->file_count++];
	*binary = (struct image_binary){.path = strdup(path), .soname = strdup(soname), .elf = *take_elf,
					.library = take_elf->soname || strstr(soname, ".so")};
	if (!binary->path || !binary->soname)
		return no_memory(err);
	return elf_shrink(&binary->elf, err);
}

static int note_place(struct indexing *indexing, const char *path, const struct squash_node *node,
		      struct err *err)
{
	struct image_tree *tree = &indexing->index->tree;
	AUTO_FREE char *link = NULL;
	if (S_ISDIR(node->mode))
		return image_tree_add(tree, IMAGE_TREE_DIRECTORY, path, NULL, err);
	if (S_ISREG(node->mode) && strncmp(path, "/etc/", 5) == 0)
		return image_tree_add(tree, IMAGE_TREE_FILE, path, NULL, err);
	if (!S_ISLNK(node->mode))
		return 0;
	int rc = squash_readlink_new(indexing->image, node, &link, err);
	return rc < 0 ? rc : image_tree_add(tree, IMAGE_TREE_LINK, path, link, err);
}

static int visit(void *context, const char *path, const struct squash_node *node, struct err *err)
{
	struct indexing *indexing = context;
	struct image_index *index = indexing->index;
	struct err ignored;
	struct elf elf = {0};
	int rc = note_place(indexing, path, node, err);
	if (rc < 0 || S_ISDIR(node->mode))
		return rc < 0 ? rc : SQUASH_VISIT_ON;
	index->files++;
	rc = is_elf(indexing->image, path, node, err);
	if (rc <= 0)
		return rc;
	index->elf_files++;
	if (image_elf_read(indexing->image, node, ELF_WITH_VERSIONS, &elf, &ignored) < 0)
		return SQUASH_VISIT_ON;
	if (elf.kind == ELF_STATIC) {
		elf_free(&elf);
		return SQUASH_VISIT_ON;
	}
	rc = note_binary(indexing, path, node, &elf, err);
	if (rc == 0)
		rc = note_modules(index, path, err);
	return rc < 0 ? rc : image_tree_add(&index->tree, IMAGE_TREE_FILE, path, NULL, err);
}

/* Adds the names under which a file may be needed; true when one was new. */
static bool want_names(struct names *wanted, const struct image_binary *binary)
{
	size_t before = wanted->count;
	names_add(wanted, binary->soname, 0);
	names_add(wanted, name_of(binary->path), 0);
	return wanted->count > before;
}

static bool needs_one_of(const struct elf *elf, const struct names *names)
{
	for (size_t i = 0; i < elf->needed_count; i++)
		if (names_find(names, elf->needed[i]))
			return true;
	return false;
}

/* What uses the libraries of `seeds`, directly or through others: their names are added, too. */
static void mark_users(struct indexing *indexing, struct names *seeds)
{
	struct image_index *index = indexing->index;
	for (bool more = true; more && !seeds->failed;) {
		more = false;
		for (size_t i = 0; i < index->file_count; i++) {
			struct image_binary *binary = &index->binaries[i];
			if (indexing->candidates[i].matters || !needs_one_of(&binary->elf, seeds))
				continue;
			indexing->candidates[i].matters = true;
			more |= binary->library && want_names(seeds, binary);
		}
	}
}

/* What those need, wherever it lies. */
static void mark_needed(struct indexing *indexing, struct names *needed)
{
	struct image_index *index = indexing->index;
	for (bool more = true; more && !needed->failed;) {
		more = false;
		for (size_t i = 0; i < index->file_count; i++) {
			struct image_binary *binary = &index->binaries[i];
			bool *matters = &indexing->candidates[i].matters;
			if (!*matters && binary->library)
				*matters = names_find(needed, binary->soname) ||
					   names_find(needed, name_of(binary->path));
			size_t before = needed->count;
			for (size_t k = 0; *matters && k < binary->elf.needed_count; k++)
				names_add(needed, binary->elf.needed[k], 0);
			more |= needed->count > before;
		}
	}
}

static int mark(struct indexing *indexing, struct err *err)
{
	AUTO_NAMES struct names seeds = {0}, needed = {0};
	struct image_index *index = indexing->index;
	for (size_t i = 0; i < index->file_count; i++) {
		struct image_binary *binary = &index->binaries[i];
		if ((binary->library && (mpi_name_suspect(binary->soname) || fabric_name(binary->soname))) ||
		    module_owner(name_of(binary->path)))
			indexing->candidates[i].matters = want_names(&seeds, binary) || true;
		for (size_t k = 0; k < binary->elf.needed_count; k++)
			if (mpi_name_suspect(binary->elf.needed[k]))
				names_add(&seeds, binary->elf.needed[k], 0);
	}
	mark_users(indexing, &seeds);
	mark_needed(indexing, &needed);
	return seeds.failed || needed.failed ? no_memory(err) : 0;
}

/* The host's MPI may bring a newer copy of any library of the system; of those without versions
 * the symbols say which is newer. */
static bool could_be_compared(const struct image_binary *binary, const struct candidate *candidate)
{
	return binary->elf.soname && binary->elf.definition_count == 0 &&
	       candidate->node.size <= COMPARED_SIZE_MAX &&
	       (strncmp(binary->path, "/usr/lib", 8) == 0 || strncmp(binary->path, "/lib", 4) == 0);
}

/* The second reading of those that matter, with symbols; a file that fails now keeps what it has. */
static int read_symbols(struct indexing *indexing, struct err *err)
{
	struct image_index *index = indexing->index;
	struct err ignored;
	for (size_t i = 0; i < index->file_count; i++) {
		struct image_binary *binary = &index->binaries[i];
		struct elf elf;
		if (binary->elf.kind != ELF_DYNAMIC || (!indexing->candidates[i].matters &&
							!could_be_compared(binary, &indexing->candidates[i])))
			continue;
		if (image_elf_read(indexing->image, &indexing->candidates[i].node,
				   ELF_WITH_VERSIONS | ELF_WITH_SYMBOLS, &elf, &ignored) < 0) {
			indexing->candidates[i].dropped = true;
			continue;
		}
		elf_free(&binary->elf);
		binary->elf = elf;
		binary->has_symbols = true;
		if (mpi_name_suspect(binary->soname)) {
			binary->family = mpi_family_of(&elf, binary->soname);
			binary->role = binary->family ? mpi_role_of_name(binary->family, binary->soname)
						      : MPI_ROLE_NONE;
		}
		int rc = elf_shrink(&binary->elf, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void swap_binaries(struct image_index *index, size_t a, size_t b)
{
	struct image_binary saved = index->binaries[a];
	index->binaries[a] = index->binaries[b];
	index->binaries[b] = saved;
}

/* Broken ones leave; those of an MPI, and those that link one, come first. */
static void order_binaries(struct indexing *indexing)
{
	struct image_index *index = indexing->index;
	size_t kept = 0;
	for (size_t i = 0; i < index->file_count; i++) {
		if (indexing->candidates[i].dropped) {
			image_binary_free(&index->binaries[i]);
			continue;
		}
		if (kept != i)
			index->binaries[kept] = index->binaries[i];
		kept++;
	}
	index->file_count = kept;
	for (size_t i = 0; i < index->file_count; i++) {
		const struct image_binary *binary = &index->binaries[i];
		bool suspect = binary->library && binary->elf.kind == ELF_FOREIGN &&
			       mpi_name_suspect(binary->soname);
		if (binary->family != MPI_FAMILY_NONE || links_mpi(&binary->elf) || suspect)
			swap_binaries(index, i, index->binary_count++);
	}
}

static int read_cache(struct indexing *indexing, struct err *err)
{
	struct squash_node node;
	int rc = squash_lookup(indexing->image, "/etc/ld.so.cache", true, &node, err);
	if (rc < 0 || !S_ISREG(node.mode) || node.size > CACHE_SIZE_MAX)
		return rc == -EIO ? rc : 0;
	return squash_slurp_new(indexing->image, &node, CACHE_SIZE_MAX, &indexing->index->cache,
				&indexing->index->cache_len, err);
}

static int index_make(struct indexing *indexing, struct err *err)
{
	struct image_index *index = indexing->index;
	int rc = squash_walk(indexing->image, "/", visit, indexing, err);
	if (rc == 0)
		rc = mark(indexing, err);
	if (rc == 0)
		rc = read_symbols(indexing, err);
	if (rc == 0)
		rc = read_cache(indexing, err);
	if (rc < 0)
		return rc;
	order_binaries(indexing);
	rc = image_index_close(index, err);
	if (rc == 0 && index->binary_count == 0)
		rc = image_static_mpi(indexing->image, &index->static_mpi, err);
	return rc;
}

int image_index_new(struct squash *image, struct image_index **out, struct err *err)
{
	struct image_index *index = calloc(1, sizeof *index);
	if (!index)
		return no_memory(err);
	struct indexing indexing = {.image = image, .index = index};
	int rc = index_make(&indexing, err);
	free(indexing.candidates);
	if (rc < 0) {
		image_index_free(&index);
		return rc;
	}
	*out = index;
	return 0;
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
