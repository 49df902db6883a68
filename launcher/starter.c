/*
 * starter.c - the table of start commands, and filling them in (starter.h).
 *
 * Nothing of the starters is re-implemented: their stdin, stdout, stderr and
 * signals are the user's.  Daemons are started unbound and with all CPUs of the
 * allocation (Open MPI's mpirun binds its children by default; a Slurm step of
 * one task a node gets one CPU where cgroups constrain cores); they bind the
 * ranks themselves.
 */
#include "launcher/starter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define SRUN_WORDS                                                                                 \
	"--nodes={nodes} --nodelist={hostlist} --ntasks={nodes} --ntasks-per-node=1 "                 \
	"--distribution=block --cpus-per-task={cpus} --overlap --cpu-bind=none --mem-bind=none "   \
	"--kill-on-bad-exit=1 --wait=0 --input=0 --export=ALL --quiet "

const struct starter starters[] = {
	{"local", NULL, {NULL}, "", false},
	{"srun", "mpich", {"srun"}, SRUN_WORDS "--mpi=pmi2 {daemon}", false},
	{"srun-pmix", "openmpi", {"srun"}, SRUN_WORDS "--mpi=pmix {daemon}", false},
	{"hydra", "mpich", {"mpiexec.hydra", "mpiexec.mpich"},
	 "-f {hostfile} -ppn 1 -n {nodes} -bind-to none {daemon}", true},
	{"openmpi", "openmpi", {"mpiexec.openmpi", "orterun", "prterun"},
	 "{root} --hostfile {hostfile} -n {nodes} --map-by node --bind-to none -q {export} {daemon}",
	 true},
	{NULL, NULL, {NULL}, NULL, false},
};

/* -- choosing ----------------------------------------------------------- */

bool starter_is_this_node(const char *name)
{
	char own[HOSTLIST_NAME_MAX] = "";
	if (strcmp(name, "localhost") == 0)
		return true;
	if (gethostname(own, sizeof own - 1) < 0)
		return false;
	size_t len = strcspn(own, ".");
	return len > 0 && strcspn(name, ".") == len && memcmp(own, name, len) == 0;
}

static bool is_executable(const char *dir, size_t dir_len, const char *name, char *file, size_t size)
{
	struct stat status;
	int len = snprintf(file, size, "%.*s/%s", (int)dir_len, dir, name);
	return len > 0 && (size_t)len < size && access(file, X_OK) == 0 &&
	       stat(file, &status) == 0 && S_ISREG(status.st_mode);
}

/* The first command of the starter in PATH; "" when there is none. */
static void find_command(const struct starter *starter, const char *path, char *file, size_t size)
{
	for (size_t i = 0; i < 4 && starter->commands[i] != NULL; i++) {
		for (const char *dir = path; *dir != '\0';) {
			size_t len = strcspn(dir, ":");
			if (len > 0 && is_executable(dir, len, starter->commands[i], file, size))
				return;
			dir += len + (dir[len] == ':');
		}
	}
	file[0] = '\0';
}

static bool has_bcast(const struct starter *starter, const char *helpers)
{
	char name[32], file[4096];
	snprintf(name, sizeof name, "cmpi-bcast.%s", starter->bcast);
	return is_executable(helpers, strlen(helpers), name, file, sizeof file);
}

/* Can it be used here? An empty `file` or false tells why not. */
static bool is_usable(const struct starter *starter, const char *helpers, const char *path,
		      char *file, size_t size)
{
	find_command(starter, path, file, size);
	return file[0] != '\0' && has_bcast(starter, helpers);
}

static int unusable(const struct starter *starter, const char *helpers, const char *file,
		    struct err *err)
{
	if (file[0] == '\0')
		return err_set(err, ENOENT, "--launcher %s: %s is not in PATH", starter->name,
			       starter->commands[0]);
	return err_set(err, ENOENT,
		       "--launcher %s: it needs %s/cmpi-bcast.%s, which was not built (was that MPI "
		       "missing?)",
		       starter->name, helpers, starter->bcast);
}

static bool names_starter(const struct starter *starter, const char *name)
{
	return strcmp(starter->name, name) == 0 ||
	       (strcmp(name, "srun") == 0 && strncmp(starter->name, "srun", 4) == 0);
}

/* A starter by name, or any that fits the place. */
static int choose_from_table(const char *name, bool slurm, const char *helpers, const char *path,
			     const struct starter **found, char *file, size_t size, struct err *err)
{
	const struct starter *first = NULL;
	for (const struct starter *starter = starters + 1; starter->name != NULL; starter++) {
		bool is_srun = strncmp(starter->name, "srun", 4) == 0;
		if (name != NULL ? !names_starter(starter, name) : is_srun != slurm)
			continue;
		*found = starter;
		if (is_usable(starter, helpers, path, file, size))
			return 0;
		first = first ? first : starter;
	}
	if (first == NULL)
		return err_set(err, EINVAL, "--launcher %s: neither a known name (local, srun, hydra, "
					    "openmpi) nor a command line with {daemon}",
			       name);
	find_command(first, path, file, size);
	return unusable(first, helpers, file, err);
}

int starter_choose(const struct options *options, const struct hosts *hosts,
		   const struct plan *plan, const char *helpers, const char *path,
		   const struct starter **starter, char **command, struct err *err)
{
	static const struct starter own = {.name = "template", .supervised = true};
	const char *name = options->launcher;
	char file[4096] = "";
	*command = NULL;
	if (name != NULL && (strchr(name, ' ') != NULL || strchr(name, '{') != NULL)) {
		*starter = &own;
		return 0;
	}
	bool here = plan->nodes.count == 1 && starter_is_this_node(plan->nodes.names[0]);
	if (name != NULL && strcmp(name, "local") == 0 && !here)
		return err_set(err, EINVAL, "--launcher local: the job has other nodes than this one");
	if (name == NULL ? here : strcmp(name, "local") == 0) {
		*starter = &starters[0];
		return 0;
	}
	int rc = choose_from_table(name, hosts->source == HOSTS_SLURM, helpers, path, starter, file,
				   sizeof file, err);
	if (rc < 0)
		return rc;
	*command = strdup(file);
	return *command != NULL ? 0 : err_errno(err, ENOMEM, "launcher");
}

/* -- filling in --------------------------------------------------------- */

struct words {
	char **argv;
	size_t count;
	bool failed, have_daemon;
};

static void add_word(struct words *words, const char *text, size_t len)
{
	char **argv = realloc(words->argv, (words->count + 2) * sizeof *argv);
	char *word = strndup(text, len);
	if (argv != NULL)
		words->argv = argv;
	if (argv == NULL || word == NULL) {
		free(word);
		words->failed = true;
		return;
	}
	argv[words->count++] = word;
	argv[words->count] = NULL;
}

void starter_argv_free(char **argv)
{
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
}

static void add_exports(struct words *words, char *const *environment)
{
	for (; *environment != NULL; environment++) {
		if (strncmp(*environment, "CMPIRUN_PLAN", 12) != 0)
			continue;
		add_word(words, "-x", 2);
		add_word(words, *environment, strcspn(*environment, "="));
	}
}

/* Fills one {name} in; returns false when the whole word is to be left out. */
static bool fill_in(const char *name, size_t len, const struct starter_values *values,
		    struct buf *word, bool *known)
{
	*known = true;
	if (len == 5 && memcmp(name, "nodes", 5) == 0) {
		buf_printf(word, "%zu", values->nodes->count);
	} else if (len == 5 && memcmp(name, "hosts", 5) == 0) {
		for (size_t i = 0; i < values->nodes->count; i++)
			buf_printf(word, "%s%s", i ? "," : "", values->nodes->names[i]);
	} else if (len == 8 && memcmp(name, "hostlist", 8) == 0) {
		hostlist_format(values->nodes, word);
	} else if (len == 8 && memcmp(name, "hostfile", 8) == 0) {
		buf_printf(word, "%s", values->hostfile);
	} else if (len == 6 && memcmp(name, "daemon", 6) == 0) {
		buf_printf(word, "%s", values->daemon);
	} else if (len == 4 && memcmp(name, "cpus", 4) == 0) {
		buf_printf(word, "%u", values->cpus);
		return values->cpus > 0;
	} else if (len == 4 && memcmp(name, "root", 4) == 0) {
		buf_printf(word, "--allow-run-as-root");
		return values->is_root;
	} else {
		*known = false;
	}
	return true;
}

static int expand_word(const char *text, size_t len, const struct starter_values *values,
		       struct words *words, struct err *err)
{
	AUTO_BUF struct buf word = {0};
	bool wanted = len > 0, known;
	if (len == 0)
		add_word(words, "", 0);  /* '' */
	if (len == 8 && memcmp(text, "{export}", 8) == 0) {
		add_exports(words, values->environment);
		return 0;
	}
	for (size_t i = 0; i < len; i++) {
		const char *close = text[i] == '{' ? memchr(text + i, '}', len - i) : NULL;
		if (close == NULL) {
			buf_add(&word, text + i, 1);
			continue;
		}
		size_t name_len = (size_t)(close - text) - i - 1;
		wanted = fill_in(text + i + 1, name_len, values, &word, &known) && wanted;
		if (!known)
			return err_set(err, EINVAL, "launcher template: nothing is known as {%.*s}",
				       (int)name_len, text + i + 1);
		i += name_len + 1;
	}
	words->failed = words->failed || word.failed;
	if (!wanted || word.failed || word.len == 0)
		return 0;
	add_word(words, word.data, word.len);
	words->have_daemon = words->have_daemon || memmem(text, len, "{daemon}", 8) != NULL;
	return 0;
}

/* Takes one word, without its quotes, into `word`; returns 1, or 0 at the end. */
static int next_word(const char **text, struct buf *word, struct err *err)
{
	const char *at = *text + strspn(*text, " \t\n");
	bool found = *at != '\0';
	word->len = 0;
	while (*at != '\0' && strchr(" \t\n", *at) == NULL) {
		if (*at != '\'' && *at != '"') {
			buf_add(word, at++, 1);
			continue;
		}
		const char *close = strchr(at + 1, *at);
		if (close == NULL)
			return err_set(err, EINVAL, "launcher template: a quote is not closed");
		buf_add(word, at + 1, (size_t)(close - at - 1));
		at = close + 1;
	}
	*text = at;
	return found;
}

int starter_expand(const char *command, const char *template, const struct starter_values *values,
		   char ***argv, struct err *err)
{
	struct words words = {0};
	AUTO_BUF struct buf word = {0};
	const char *rest = template;
	int rc = 0;
	if (command != NULL)
		add_word(&words, command, strlen(command));
	while (rc == 0 && (rc = next_word(&rest, &word, err)) > 0)
		rc = expand_word(word.data, word.len, values, &words, err);
	if (rc == 0 && !words.have_daemon)
		add_word(&words, values->daemon, strlen(values->daemon));
	if (rc == 0 && (words.failed || word.failed))
		rc = err_errno(err, ENOMEM, "launcher");
	if (rc < 0) {
		starter_argv_free(words.argv);
		return rc;
	}
	*argv = words.argv;
	return 0;
}
