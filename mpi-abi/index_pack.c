/*
 * index_pack.c - the index of an image: looking things up, packing, parsing, freeing
 * (image_index.h).  Pure.
 *
 * The bytes may come from beside the image, so they are as foreign as it is: counts are bounded by
 * the bytes that are there, and paths must be absolute.
 */
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/image_index.h"

enum { BINARY_LIBRARY = 1, BINARY_SYMBOLS = 2, FILES_MAX = 20000000 };

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for the index of the image");
}

static int broken(struct err *err)
{
	return err_set(err, EPROTO, "the index of the image is broken");
}

int image_index_close(struct image_index *index, struct err *err)
{
	for (size_t i = 0; i < index->file_count; i++)
		if (!names_add(&index->by_path, index->binaries[i].path, i))
			return no_memory(err);
	return 0;
}

const struct image_binary *image_index_at(const struct image_index *index, const char *path)
{
	const struct name *name = names_find(&index->by_path, path);
	return name ? &index->binaries[name->value] : NULL;
}

const struct image_binary *image_index_lookup(const struct image_index *index, const char *path)
{
	enum image_tree_kind kind;
	AUTO_FREE char *real = NULL;
	if (image_tree_realpath_new(&index->tree, path, &real, &kind) < 0)
		return NULL;
	return image_index_at(index, real);
}

static void pack_binary(const struct image_binary *binary, struct buf *out)
{
	buf_add_str(out, binary->path);
	buf_add_str(out, binary->soname);
	buf_add_u8(out, (uint8_t)binary->family);
	buf_add_u8(out, (uint8_t)binary->role);
	buf_add_u8(out, (uint8_t)((binary->library ? BINARY_LIBRARY : 0) |
				  (binary->has_symbols ? BINARY_SYMBOLS : 0)));
	elf_pack(&binary->elf, out);
}

void image_index_pack(const struct image_index *index, struct buf *out)
{
	buf_add_u32(out, (uint32_t)index->file_count);
	buf_add_u32(out, (uint32_t)index->binary_count);
	for (size_t i = 0; i < index->file_count; i++)
		pack_binary(&index->binaries[i], out);
	buf_add_u32(out, (uint32_t)index->module_count);
	for (size_t i = 0; i < index->module_count; i++) {
		buf_add_str(out, index->modules[i].path);
		buf_add_str(out, index->modules[i].owner);
	}
	image_tree_pack(&index->tree, out);
	buf_add_u8(out, index->cache != NULL);
	buf_add_blob(out, index->cache, index->cache_len);
	buf_add_str(out, index->static_mpi);
	buf_add_u64(out, index->files);
	buf_add_u64(out, index->elf_files);
}

static int parse_binary(struct cursor *in, struct image_binary *binary, struct err *err)
{
	binary->path = cursor_str_new(in);
	binary->soname = cursor_str_new(in);
	unsigned family = cursor_u8(in), role = cursor_u8(in), flags = cursor_u8(in);
	if (in->bad || binary->path[0] != '/' || family >= MPI_FAMILY_COUNT || role > MPI_ROLE_INTERNAL)
		return broken(err);
	binary->family = (enum mpi_family)family;
	binary->role = (enum mpi_role)role;
	binary->library = flags & BINARY_LIBRARY;
	binary->has_symbols = flags & BINARY_SYMBOLS;
	return elf_parse(in, &binary->elf, err);
}

/* Room is made as entries come, so a count alone costs nothing. */
static int parse_binaries(struct cursor *in, struct image_index *index, struct err *err)
{
	uint32_t files = cursor_u32(in);
	index->binary_count = cursor_u32(in);
	if (in->bad || files > FILES_MAX || index->binary_count > files)
		return broken(err);
	for (uint32_t i = 0; i < files; i++) {
		if (index->file_count == index->file_size) {
			size_t size = index->file_size ? index->file_size * 2 : 64;
			void *more = realloc(index->binaries, size * sizeof *index->binaries);
			if (!more)
				return no_memory(err);
			index->binaries = more;
			index->file_size = size;
		}
		struct image_binary *binary = &index->binaries[index->file_count++];
		*binary = (struct image_binary){0};
		int rc = parse_binary(in, binary, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int parse_modules(struct cursor *in, struct image_index *index, struct err *err)
{
	uint32_t count = cursor_u32(in);
	for (uint32_t i = 0; !in->bad && i < count; i++) {
		struct image_modules *more = realloc(index->modules, (i + 1) * sizeof *more);
		if (!more)
			return no_memory(err);
		index->modules = more;
		more[i] = (struct image_modules){0};
		index->module_count++;
		more[i].path = cursor_str_new(in);
		more[i].owner = cursor_str_new(in);
		if (!in->bad && (more[i].path[0] != '/' || more[i].owner[0] == '\0'))
			return broken(err);
	}
	return in->bad ? broken(err) : 0;
}

static int parse_rest(struct cursor *in, struct image_index *index, struct err *err)
{
	size_t len;
	bool has_cache = cursor_u8(in) != 0;
	const char *cache = cursor_blob(in, &len);
	index->static_mpi = cursor_str_new(in);
	index->files = cursor_u64(in);
	index->elf_files = cursor_u64(in);
	if (in->bad || cursor_left(in) != 0)
		return broken(err);
	if (index->static_mpi[0] == '\0')
		free(take_ptr(&index->static_mpi));
	if (!has_cache)
		return 0;
	if (!(index->cache = malloc(len + 1)))
		return no_memory(err);
	if (len > 0)
		memcpy(index->cache, cache, len);
	index->cache[len] = '\0';
	index->cache_len = len;
	return 0;
}

int image_index_parse(struct cursor *in, struct image_index **out, struct err *err)
{
	struct image_index *index = calloc(1, sizeof *index);
	if (!index)
		return no_memory(err);
	int rc = parse_binaries(in, index, err);
	if (rc == 0)
		rc = parse_modules(in, index, err);
	if (rc == 0)
		rc = image_tree_parse(in, &index->tree, err);
	if (rc == 0)
		rc = parse_rest(in, index, err);
	if (rc == 0)
		rc = image_index_close(index, err);
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
	for (size_t i = 0; i < index->file_count; i++) {
		free(index->binaries[i].path);
		free(index->binaries[i].soname);
		elf_free(&index->binaries[i].elf);
	}
	for (size_t i = 0; i < index->module_count; i++) {
		free(index->modules[i].path);
		free(index->modules[i].owner);
	}
	free(index->binaries);
	free(index->modules);
	free(index->cache);
	free(index->static_mpi);
	image_tree_free(&index->tree);
	names_free(&index->by_path);
	free(index);
}
