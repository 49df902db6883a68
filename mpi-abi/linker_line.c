/*
 * linker_line.c - reads the linker's sentences, and looks their names up among what was bound (linker_line.h).
 *
 * All sentences have the form "PROGRAM: ... FILE: WHAT"; the sign in WHAT is searched for, and FILE is what stands
 * between it and the ": " before.  Names longer than LINKER_NAME_MAX are cut: they then match nothing.
 */
#include "mpi-abi/linker_line.h"

#include <stdio.h>
#include <string.h>

#include "mpi-abi/family.h"

enum { LINE_BYTES_MAX = 1024 };

/* -- reading ---------------------------------------------------------------- */

static void copy_name(char name[LINKER_NAME_MAX], const char *from, size_t len)
{
	snprintf(name, LINKER_NAME_MAX, "%.*s", (int)len, from);
}

/* The file that stands before the sign. */
static void copy_file(char name[LINKER_NAME_MAX], const char *line, const char *sign)
{
	const char *start = sign;
	while (start > line && !(start[0] == ' ' && start[-1] == ':'))
		start--;
	start += start[0] == ' ';
	copy_name(name, start, (size_t)(sign - start));
}

static bool read_version(const char *line, struct linker_line *out)
{
	static const char sign_text[] = ": version `", by_text[] = "(required by ";
	const char *sign = strstr(line, sign_text);
	const char *by = sign ? strstr(sign, by_text) : NULL;
	if (by == NULL || strstr(sign, "' not found") == NULL)
		return false;
	out->fault = LINKER_VERSION;
	copy_file(out->library, line, sign);
	const char *version = sign + sizeof sign_text - 1;
	copy_name(out->symbol, version, strcspn(version, "'"));
	by += sizeof by_text - 1;
	copy_name(out->requester, by, strcspn(by, ")"));
	return true;
}

static bool read_undefined(const char *line, struct linker_line *out)
{
	static const char sign_text[] = ": undefined symbol: ";
	const char *sign = strstr(line, sign_text);
	if (sign == NULL)
		return false;
	out->fault = LINKER_SYMBOL;
	copy_file(out->requester, line, sign);
	const char *symbol = sign + sizeof sign_text - 1;
	copy_name(out->symbol, symbol, strcspn(symbol, ", )"));
	return true;
}

static bool read_relocation(const char *line, struct linker_line *out)
{
	static const char sign_text[] = ": symbol ", file_text[] = " not defined in file ";
	const char *sign = strstr(line, sign_text);
	const char *file = sign ? strstr(sign, file_text) : NULL;
	if (file == NULL)
		return false;
	out->fault = LINKER_SYMBOL;
	copy_file(out->requester, line, sign);
	const char *symbol = sign + sizeof sign_text - 1;
	copy_name(out->symbol, symbol, strcspn(symbol, ", "));
	file += sizeof file_text - 1;
	copy_name(out->library, file, strcspn(file, " "));
	return true;
}

static bool read_missing(const char *line, struct linker_line *out)
{
	const char *sign = strstr(line, ": cannot open shared object file");
	if (sign == NULL)
		return false;
	out->fault = LINKER_MISSING;
	copy_file(out->library, line, sign);
	return true;
}

static bool read_unusable(const char *line, struct linker_line *out)
{
	static const char sign_text[] = ": error while loading shared libraries: ";
	const char *sign = strstr(line, sign_text);
	const char *file = sign ? sign + sizeof sign_text - 1 : NULL;
	const char *why = file ? strstr(file, ": ") : NULL;
	if (why == NULL)
		return false;
	out->fault = LINKER_UNUSABLE;
	copy_name(out->library, file, (size_t)(why - file));
	copy_name(out->symbol, why + 2, strlen(why + 2));
	return true;
}

static bool read_line(const char *text, size_t len, struct linker_line *out)
{
	static bool (*const readers[])(const char *line, struct linker_line *out) = {
		read_version, read_undefined, read_relocation, read_missing, read_unusable};
	char line[LINE_BYTES_MAX];
	snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1), text);
	*out = (struct linker_line){.fault = LINKER_MISSING};
	for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
		if (readers[i](line, out))
			return out->library[0] != '\0' || out->requester[0] != '\0';
	return false;
}

bool linker_line_find(const char *text, size_t len, struct linker_line *line)
{
	while (len > 0) {
		const char *newline = memrchr(text, '\n', len);
		const char *start = newline ? newline + 1 : text;
		if (read_line(start, (size_t)(text + len - start), line))
			return true;
		len = newline ? (size_t)(newline - text) : 0;
	}
	return false;
}

/* -- explaining ------------------------------------------------------------- */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* libx.so.1 is bound as what it is a link to, libx.so.1.2.3: the same name, or its beginning up to a dot. */
static bool is_name_of(const char *name, const char *file)
{
	size_t len = strlen(name);
	return len > 0 && strncmp(name, file, len) == 0 && (file[len] == '\0' || file[len] == '.');
}

static const struct abi_bind *swap_of(const struct linker_scene *scene, const char *name)
{
	const struct abi_bind *found = NULL;
	const char *file = last_part(name);
	for (size_t i = 0; i < scene->swap_count && found == NULL; i++)
		if (!scene->swaps[i].directory && is_name_of(file, last_part(scene->swaps[i].target)))
			found = &scene->swaps[i];
	return found;
}

/* Of the mounts that hold the path the innermost. */
static const struct abi_bind *mount_of(const struct linker_scene *scene, const char *path)
{
	char full[2 * LINKER_NAME_MAX];
	const struct abi_bind *found = NULL;
	size_t longest = 0;
	if (path[0] == '\0' || (path[0] != '/' && (scene->work_dir == NULL || strchr(path, '/') == NULL)))
		return NULL;
	bool is_dotted = strncmp(path, "./", 2) == 0;
	snprintf(full, sizeof full, "%s%s%s", path[0] == '/' ? "" : scene->work_dir, path[0] == '/' ? "" : "/",
		 path + (is_dotted ? 2 : 0));
	for (size_t i = 0; i < scene->mount_count; i++) {
		const char *target = scene->mounts[i].target;
		size_t len = strlen(target);
		/* The linker may say /lib where the image's real directory is /usr/lib. */
		const char *seen = strncmp(target, "/usr/", 5) == 0 && strncmp(full, "/usr/", 5) != 0 ? target + 4
												  : target;
		size_t seen_len = strlen(seen);
		if (len < longest || strncmp(full, seen, seen_len) != 0 ||
		    (full[seen_len] != '/' && full[seen_len] != '\0'))
			continue;
		found = &scene->mounts[i];
		longest = len;
	}
	return found;
}

static bool is_mpi_symbol(const char *symbol)
{
	static const char *const beginnings[] = {"MPI_", "PMPI_", "MPIX_", "PMPIX_", "mpi_", "pmpi_", "ompi_"};
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (strncmp(symbol, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* The host's C library of the MPI, in the place of the image's (and not under a new name beside it, if that goes). */
static const struct abi_bind *swap_of_mpi(const struct linker_scene *scene)
{
	const struct abi_bind *found = NULL;
	for (size_t i = 0; scene->level == ABI_LEVEL_MPI && i < scene->swap_count; i++) {
		const char *target = scene->swaps[i].target, *name = last_part(target);
		if (mpi_role_of_name(mpi_family_of_name(name), name) == MPI_ROLE_C &&
		    (found == NULL || strncmp(target, ABI_DIR "/", sizeof ABI_DIR) != 0))
			found = &scene->swaps[i];
	}
	return found;
}

static const char *option_of(const struct linker_scene *scene)
{
	return scene->level == ABI_LEVEL_FABRIC ? "--mpi fabric" : scene->level == ABI_LEVEL_MPI ? "--mpi host" : "--mpi container";
}

#define WAY_OUT "cmpi abi explain shows why, --mpi container leaves the image's own"

static bool explain_missing(const struct linker_line *line, const struct linker_scene *scene, struct buf *out)
{
	const struct abi_bind *swap = swap_of(scene, line->library);
	if (swap != NULL)
		buf_printf(out, "%s is the host's %s at %s (%s), and the linker does not look there: by RPATH, or "
			   "LD_LIBRARY_PATH?", line->library, swap->source, swap->target, option_of(scene));
	else if (scene->level != ABI_LEVEL_OWN)
		buf_printf(out, "the image has no %s where the linker looks, and it is nothing that the host's MPI needs, so "
			   "%s did not bring it along; cmpi abi explain shows what was", line->library, option_of(scene));
	else if (mpi_family_of_name(last_part(line->library)) != MPI_FAMILY_NONE)
		buf_printf(out, "the ranks have the image's own MPI (--mpi container), and there is no %s in it; cmpi abi "
			   "explain tells what --mpi host can put there", line->library);
	else
		buf_printf(out, "the image has no %s where the linker looks, and --mpi container brings nothing of the host "
			   "along", line->library);
	return true;
}

static bool explain_symbol(const struct linker_line *line, const struct linker_scene *scene, struct buf *out)
{
	const struct abi_bind *mpi = swap_of_mpi(scene);
	if (!is_mpi_symbol(line->symbol))
		return false;
	if (mpi != NULL)
		buf_printf(out, "the host's %s, in the place of the image's %s (--mpi host), does not define %s, which %s "
			   "needs; " WAY_OUT, mpi->source, mpi->target, line->symbol, line->requester);
	else
		buf_printf(out, "the image's own MPI, which the ranks have (%s), does not define %s, which %s needs; "
			   "cmpi abi explain tells what --mpi host can put there", option_of(scene), line->symbol,
			   line->requester);
	return true;
}

/* Two files that do not fit to each other: whose are they? */
static bool explain_misfit(const struct linker_line *line, const struct linker_scene *scene, struct buf *out)
{
	const struct abi_bind *library = swap_of(scene, line->library), *requester = swap_of(scene, line->requester);
	const char *needs = line->fault == LINKER_VERSION ? " as a version of " : line->library[0] ? " of " : "";
	if (requester != NULL && library == NULL)
		buf_printf(out, "%s is the host's %s (%s), and needs %s%s%s, of which the container has another "
			   "version; " WAY_OUT, requester->target, requester->source, option_of(scene), line->symbol, needs,
			   line->library);
	else if (library != NULL)
		buf_printf(out, "%s is the host's %s (%s), and lacks %s, which %s needs; " WAY_OUT, library->target,
			   library->source, option_of(scene), line->symbol, line->requester);
	const struct abi_bind *mount = requester || library ? NULL : mount_of(scene, line->requester);
	if (mount != NULL)
		buf_printf(out, "%s is the host's (%s is mounted), %s is the image's and older than what that was built "
			   "with; build it in the image", line->requester, mount->source,
			   line->library[0] ? line->library : "a library");
	return requester != NULL || library != NULL || mount != NULL;
}

static bool explain_unusable(const struct linker_line *line, const struct linker_scene *scene, struct buf *out)
{
	const struct abi_bind *mount = mount_of(scene, line->library), *swap = swap_of(scene, line->library);
	if (mount == NULL && swap == NULL)
		return false;
	buf_printf(out, "%s in the container is the host's %s, by %s", line->library, mount ? mount->source : swap->source,
		   mount ? "a mount (-v, or a default)" : option_of(scene));
	return true;
}

bool linker_line_explain(const struct linker_line *line, const struct linker_scene *scene, struct buf *out)
{
	switch (line->fault) {
	case LINKER_MISSING: return explain_missing(line, scene, out);
	case LINKER_UNUSABLE: return explain_unusable(line, scene, out);
	case LINKER_SYMBOL: return explain_symbol(line, scene, out) || explain_misfit(line, scene, out);
	case LINKER_VERSION: break;
	}
	return explain_misfit(line, scene, out);
}
