/*
 * gate_translator.c - the host's MPI of another ABI, behind a translator (decide_private.h).
 *
 * A translator exports the image's ABI and calls the host's MPI.  It is a library that is loaded before all
 * others (preload), or in the place of the image's MPI (library-path), or both: Wi4MPI preloads its wrappers, and has
 * empty libraries under the names of the image's MPI.  Sites describe it in a file (recipes.h); it is there when
 * its prefix is.
 *
 * Flow: the first translator from the image's MPI whose prefix and whose MPI the host has → the closure of that
 * MPI, and of the translator's libraries.  Then all goes on as with an MPI of the same ABI: the translator's
 * files are the family's, so they are bound over the image's, and the proof counts what is preloaded.
 *
 * Caveat: LD_PRELOAD does not survive `env -i`, nor a set-user-ID program; a translator that is a library-path alone
 * does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/decide_private.h"
#include "mpi-abi/host_private.h"

#define WAYS_OUT "--mpi container runs the image's own MPI"

static const struct {
	const char *word;
	enum mpi_family family;
	const char *fortran[3];  /* SONAMEs of its Fortran interface */
} families[] = {
	{"mpich", MPI_FAMILY_MPICH, {"libmpichfort.so.12", "libmpifort.so.12"}},
	{"openmpi", MPI_FAMILY_OPEN_MPI, {"libmpi_mpifh.so.40", "libmpi_mpifh.so.20"}},
	{"standard", MPI_FAMILY_STANDARD, {"libmpifort_abi.so.1"}},
};
enum { FAMILIES = sizeof families / sizeof *families };

/* "openmpi.40": a place in the table and 40, or -1. */
static size_t parse_family(const char *text, int *generation)
{
	size_t len = strcspn(text, "."), i = 0;
	*generation = text[len] == '.' ? atoi(text + len + 1) : -1;
	while (i < FAMILIES - 1 &&
	       (strlen(families[i].word) != len || strncmp(families[i].word, text, len) != 0))
		i++;
	return i;
}

static bool is_from(const struct deciding *deciding, const struct recipe *translator)
{
	int generation;
	size_t from = parse_family(recipe_value(translator, RECIPE_FROM), &generation);
	return families[from].family == deciding->family &&
	       (generation < 0 || deciding->generation < 0 || generation == deciding->generation);
}

/* The user's variable, NULL when it is not set. */
static const char *variable(const struct deciding *deciding, const char *name)
{
	const char *const *entry = deciding->request->environment;
	size_t len = strlen(name);
	for (; entry && *entry; entry++)
		if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
			return *entry + len + 1;
	return NULL;
}

static const char *find_prefix(const struct deciding *deciding, const struct recipe *translator)
{
	for (size_t i = 0; i < translator->entry_count; i++) {
		const char *prefix = translator->entries[i].value;
		if (translator->entries[i].key != RECIPE_PREFIX)
			continue;
		if (prefix[0] == '$')
			prefix = variable(deciding, prefix + 1);
		if (prefix && prefix[0] == '/' && !strstr(prefix, "..") && host_is_directory(deciding->host, prefix))
			return prefix;
	}
	return NULL;
}

/* Does it translate what this library is an interface of? */
static bool translates(const struct recipe *translator, enum mpi_role role, const char *soname)
{
	const char *level = "c";
	if (role == MPI_ROLE_FORTRAN || strstr(soname, "mpifh") || strstr(soname, "usempi"))
		level = "fortran";
	else if (role == MPI_ROLE_CXX || strstr(soname, "cxx"))
		level = "cxx";
	return recipe_matches(translator, RECIPE_LEVEL, level) ||
	       (strcmp(level, "c") == 0 && !recipe_value(translator, RECIPE_LEVEL));
}

static int check_levels(struct deciding *deciding)
{
	for (size_t i = 0; i < deciding->index->binary_count; i++) {
		const struct image_binary *binary = &deciding->index->binaries[i];
		if (!deciding_is_consumer(deciding, binary))
			continue;
		for (size_t k = 0; k < binary->elf.needed_count; k++) {
			const char *needed = binary->elf.needed[k];
			enum mpi_role role = mpi_role_of_name(deciding->family, needed);
			if (deciding_family_of_needed(deciding, needed) == deciding->family &&
			    role != MPI_ROLE_NONE && role != MPI_ROLE_INTERNAL &&
			    !translates(deciding->translator, role, needed))
				return deciding_refuse(deciding, ABI_REASON_SYMBOL, WAYS_OUT,
						       "%s in the image needs %s, an interface that the translator "
						       "%s does not translate", binary->path, needed,
						       deciding->translator->name);
		}
	}
	return 0;
}

/* -- libraries ------------------------------------------------------------ */

static int add_file(struct deciding *deciding, const char *soname, const char *path)
{
	AUTO_FREE char *real = NULL;
	int rc = host_realpath_new(deciding->host, path, &real, deciding->err);
	return rc < 0 ? rc : closure_add_translator(deciding->closure, deciding->host, deciding->machine, soname,
						    real, deciding->err);
}

/* Every library of the directory under the name of its file: that is what programs ask for. */
static int add_directory(struct deciding *deciding, const char *path)
{
	char file[IMAGE_TREE_PATH_MAX];
	struct dirent *entry;
	int rc = 0;
	DIR *dir = host_opendir(deciding->host, path);
	if (!dir)
		return err_set(deciding->err, ENOENT, "there is no directory %s", path);
	while (rc == 0 && (entry = readdir(dir)))
		if (strstr(entry->d_name, ".so.") &&
		    (size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < sizeof file)
			rc = add_file(deciding, entry->d_name, file);
	closedir(dir);
	return rc;
}

static int add_libraries(struct deciding *deciding)
{
	char path[IMAGE_TREE_PATH_MAX];
	const struct recipe *translator = deciding->translator;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < translator->entry_count; i++) {
		const struct recipe_entry *entry = &translator->entries[i];
		const char *slash = strrchr(entry->value, '/');
		if (entry->value[0] == '{' ||
		    (size_t)snprintf(path, sizeof path, "%s/%s", deciding->translator_prefix, entry->value) >= sizeof path)
			continue;
		if (entry->key == RECIPE_PRELOAD)
			rc = add_file(deciding, slash ? slash + 1 : entry->value, path);
		else if (entry->key == RECIPE_LIBRARY_PATH)
			rc = add_directory(deciding, path);
	}
	if (rc < 0 && rc != -ENOMEM)
		return deciding_refuse(deciding, ABI_REASON_NO_TRANSLATOR, WAYS_OUT, "translator %s: %s",
				       translator->name, deciding->err->text);
	return rc;
}

/* -- environment ---------------------------------------------------------- */

/* The container's path of the host's MPI or its Fortran interface; NULL: the host has none. */
static const char *library_of(const struct deciding *deciding, const char *what)
{
	int generation;
	size_t to = parse_family(recipe_value(deciding->translator, RECIPE_TO), &generation);
	if (strcmp(what, "mpi") == 0)
		return deciding->mpi.soname;
	for (size_t i = 0; families[to].fortran[i]; i++)
		if (closure_find(deciding->closure, families[to].fortran[i]))
			return families[to].fortran[i];
	return NULL;
}

/* Appends the text with {prefix}, {mpi} and {fortran} put in; false when the host lacks such a library. */
static bool expand(const struct deciding *deciding, const char *text, struct buf *out)
{
	static const char *const names[] = {"prefix", "mpi", "fortran"};
	while (*text) {
		size_t i = 0, len = strcspn(text, "{");
		buf_add(out, text, len);
		text += len;
		if (!*text)
			break;
		for (len = 0; i < sizeof names / sizeof *names; i++) {
			len = strlen(names[i]);
			if (strncmp(text + 1, names[i], len) == 0 && text[1 + len] == '}')
				break;
		}
		if (i == sizeof names / sizeof *names) {
			buf_add_u8(out, (uint8_t)*text++);
			continue;
		}
		const char *library = i ? library_of(deciding, names[i]) : NULL;
		if (i && !library)
			return false;
		buf_printf(out, i ? ABI_DIR "/lib/%s" : "%s", i ? library : deciding->translator_prefix);
		text += 2 + len;
	}
	return true;
}

static int make_preload(struct deciding *deciding)
{
	AUTO_BUF struct buf list = {0};
	for (size_t i = 0; i < deciding->translator->entry_count; i++) {
		const struct recipe_entry *entry = &deciding->translator->entries[i];
		AUTO_BUF struct buf one = {0};
		if (entry->key != RECIPE_PRELOAD)
			continue;
		if (entry->value[0] != '{')
			buf_printf(&one, "%s/", deciding->translator_prefix);
		if (!expand(deciding, entry->value, &one))
			continue;
		buf_printf(&list, "%s%.*s", list.len ? ":" : "", (int)one.len, one.data);
		list.failed |= one.failed;
	}
	if (list.len == 0 && !list.failed)
		return 0;
	buf_add_u8(&list, 0);
	deciding->preload = list.failed ? NULL : take_ptr(&list.data);
	return deciding->preload ? 0 : deciding_no_memory(deciding);
}

int translator_environment(struct deciding *deciding,
			   int (*set)(struct deciding *deciding, const char *name, const char *value))
{
	int rc = deciding->preload ? set(deciding, "LD_PRELOAD", deciding->preload) : 0;
	for (size_t i = 0; rc == 0 && i < deciding->translator->entry_count; i++) {
		const struct recipe_entry *entry = &deciding->translator->entries[i];
		AUTO_BUF struct buf text = {0};
		if (entry->key != RECIPE_ENVIRONMENT || !expand(deciding, entry->value, &text))
			continue;
		buf_add_u8(&text, 0);
		if (text.failed)
			return deciding_no_memory(deciding);
		char *equals = strchr(text.data, '=');
		*equals = '\0';
		rc = set(deciding, text.data, equals + 1);
	}
	return rc;
}

/* -- the gate ------------------------------------------------------------- */

/* Its MPI on the host; -ENOENT without err. */
static int find_mpi(struct deciding *deciding, const struct recipe *translator)
{
	int generation;
	size_t to = parse_family(recipe_value(translator, RECIPE_TO), &generation);
	const struct host_search search = {
		.family = families[to].family,
		.generation = generation,
		.machine = deciding->machine,
		.mpi_path = deciding->request->mpi_path,
		.search_path = deciding->request->search_path,
		.environment = deciding->request->environment,
	};
	host_mpi_free(&deciding->mpi);
	int rc = host_mpi_find(deciding->host, &search, &deciding->mpi, deciding->err);
	if (rc == 0 && generation >= 0 && mpi_generation(deciding->mpi.soname) != generation)
		return -ENOENT;
	return rc;
}

static int choose(struct deciding *deciding)
{
	const char *lacking = NULL;
	for (size_t i = 0; i < deciding->recipes.count; i++) {
		const struct recipe *translator = &deciding->recipes.items[i];
		const char *prefix = NULL;
		if (translator->is_translator && is_from(deciding, translator))
			prefix = find_prefix(deciding, translator);
		if (!prefix)
			continue;
		int rc = find_mpi(deciding, translator);
		lacking = translator->name;
		if (rc == -ENOENT)
			continue;
		deciding->translator = translator;
		deciding->translator_prefix = strdup(prefix);
		return rc < 0 ? rc : deciding->translator_prefix ? 0 : deciding_no_memory(deciding);
	}
	return deciding_refuse(deciding, ABI_REASON_NO_TRANSLATOR, WAYS_OUT,
			       lacking ? "the host has not the MPI to which the translator %s%s translates"
				       : "no translator from %s%s is installed on the host",
			       lacking ? lacking : mpi_family_name(deciding->family), "");
}

static int note_choice(struct deciding *deciding)
{
	struct abi_decision *decision = deciding->decision;
	const char *slash = strrchr(deciding->mpi.path, '/');
	decision->translator = strdup(deciding->translator->name);
	decision->host_path = strdup(deciding->mpi.path);
	decision->found_by = strdup(deciding->mpi.found_by);
	decision->host_version = strdup(slash ? slash + 1 : deciding->mpi.path);
	if (!decision->translator || !decision->host_path || !decision->host_version || !decision->found_by)
		return deciding_no_memory(deciding);
	return 0;
}

int gate_translator(struct deciding *deciding)
{
	int generation;
	int rc = choose(deciding);
	if (rc != 0 || (rc = note_choice(deciding)) != 0 || (rc = check_levels(deciding)) != 0)
		return rc;
	size_t to = parse_family(recipe_value(deciding->translator, RECIPE_TO), &generation), names = 0;
	while (families[to].fortran[names])
		names++;
	rc = closure_new(deciding->host, &deciding->mpi, deciding->machine, &deciding->recipes,
			 families[to].fortran, names, &deciding->closure, deciding->err);
	if (rc == 0)
		rc = add_libraries(deciding);
	if (rc == 0 && deciding->closure->missing)
		return deciding_refuse(deciding, ABI_REASON_HOST_LIBRARY,
				       "repair the host's MPI and the translator (ldd shows it)",
				       "%s of the host needs %s, which is not on the host",
				       deciding->closure->missing_for, deciding->closure->missing);
	return rc == 0 ? make_preload(deciding) : rc;
}
