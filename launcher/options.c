/*
 * options.c - cmpirun's options: the table, and what each one does (options.h).
 *
 * Names follow mpirun, srun and podman, in that order, where they agree; where
 * one word means different things to their users it is refused with a hint.
 */
#include "launcher/options.h"

#include <stdlib.h>
#include <string.h>

#include "bcast/bcast_msg.h"

enum { KEEP_DEFAULT_S = 3600 };

enum option_id {
	OPTION_NONE,
	OPTION_RANKS,
	OPTION_PER_NODE,
	OPTION_HOST,
	OPTION_HOST_FILE,
	OPTION_IMAGE,
	OPTION_PULL,
	OPTION_VOLUME,
	OPTION_ENV,
	OPTION_WORK_DIR,
	OPTION_LAUNCHER,
	OPTION_MPI,
	OPTION_MPI_PATH,
	OPTION_MOUNT,
	OPTION_EARLY_START,
	OPTION_READERS,
	OPTION_PROFILE_RECORD,
	OPTION_VERIFY,
	OPTION_KEEP_IMAGE,
	OPTION_BIND_TO,
	OPTION_NO_HOME,
	OPTION_NO_CWD,
	OPTION_NO_TMP,
	OPTION_OVERSUBSCRIBE,
	OPTION_DRY_RUN,
	OPTION_TIMING,
	OPTION_LABEL,
	OPTION_TIMEOUT,
	OPTION_QUIET,
	OPTION_VERBOSE,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_MAN,
};

const struct opt options_table[] = {
	{0, OPT_HEADING, NULL, NULL, "How many, and where"},
	{OPTION_RANKS, OPT_VALUE, "-n -np --np --ntasks", "N",
	 "Start N ranks. Default: --ppn on every node, else every slot of the allocation or host "
	 "file, else 1."},
	{OPTION_PER_NODE, OPT_VALUE, "--ppn -ppn --ntasks-per-node", "N",
	 "Start at most N ranks on a node. Default: fill each node's slots in turn."},
	{OPTION_HOST, OPT_VALUE, "--host -host --hosts -H", "A[:SLOTS],B",
	 "Run on these nodes; Slurm's brackets (n[01-16]) are understood. Slots: 1 each where not "
	 "given, or --ppn."},
	{OPTION_HOST_FILE, OPT_VALUE, "--hostfile -hostfile --machinefile -machinefile -f", "FILE",
	 "Run on the nodes in FILE: a name a line, with \"slots=N\" or \":N\" behind it."},
	{OPTION_OVERSUBSCRIBE, OPT_FLAG, "--oversubscribe --overcommit -O", NULL,
	 "Allow more ranks than slots."},
	{OPTION_LAUNCHER, OPT_VALUE, "--launcher", "NAME|TEMPLATE",
	 "How the node daemons are started: local, srun, hydra, openmpi, or a command line in which "
	 "{nodes}, {hosts}, {hostfile} and {daemon} are filled in, and which starts one {daemon} a "
	 "node with an MPI's wire-up. Default: what fits the place."},

	{0, OPT_HEADING, NULL, NULL, "The container"},
	{OPTION_IMAGE, OPT_VALUE, "--image", "IMAGE",
	 "The image: a squashfs file, or a SIF file, whose squashfs is read in place; or docker://NAME[:TAG], "
	 "oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, aci:FILE, a tar, a directory with a slash behind, of which a squashfs "
	 "file is made on first use, on this machine (cmpi-image(1)). It is read once, on one node."},
	{OPTION_PULL, OPT_VALUE, "--pull", "missing|always|never",
	 "When a registry is asked for the image: if it is not in the image store (default), each time, or not at all."},
	{OPTION_VOLUME, OPT_VALUE, "-v --volume --bind-mount", "SRC:DST[:ro]",
	 "Bind the host's SRC to DST in the container. May be given several times."},
	{OPTION_ENV, OPT_VALUE, "-x --env", "NAME[=VALUE]",
	 "Set NAME for the ranks, or pass the caller's NAME on even where it would be left out "
	 "(PATH, LD_LIBRARY_PATH, TMPDIR...). May be given several times."},
	{OPTION_WORK_DIR, OPT_VALUE, "--workdir --wdir -wdir --chdir", "DIR",
	 "Start in DIR of the container. Default: the caller's directory if it is there, else /."},
	{OPTION_NO_HOME, OPT_FLAG, "--no-home", NULL, "Leave the caller's home directory out."},
	{OPTION_NO_CWD, OPT_FLAG, "--no-cwd", NULL, "Leave the caller's working directory out."},
	{OPTION_NO_TMP, OPT_FLAG, "--no-tmp", NULL,
	 "Give the container a /tmp of its own, in memory, instead of the host's."},
	{OPTION_MOUNT, OPT_VALUE, "--mount", "auto|fuse|kernel",
	 "Who serves the image on each node: cmpi-imgfs, without privilege, or the kernel's "
	 "squashfs, which needs root. Default: auto, the kernel's when it may."},
	{OPTION_EARLY_START, OPT_VALUE, "--early-start", "auto|off",
	 "Start the program as soon as what it needs of the image is there (auto, the default; the rest is "
	 "waited for if it comes within half a second), or only when all of it is. What is read and not there yet is waited "
	 "for, and sent first. Needs "
	 "cmpi-imgfs: the kernel's squashfs always has the whole image."},
	{OPTION_READERS, OPT_VALUE, "--readers", "auto|K",
	 "How many nodes read the image file, a part of it each, and send it on. auto (the default): several "
	 "where the file lies on several servers of a parallel file system, else one."},
	{OPTION_KEEP_IMAGE, OPT_OPTIONAL, "--keep-image", "SECONDS",
	 "Keep the image in every node's memory for the next run, until nobody has used it for so long "
	 "(3600 s), or the workload manager ends what the job has left: srun with cgroups ends it with each "
	 "step. A run whose nodes all keep the image moves nothing. See cmpi node ls, cmpi node rm."},
	{OPTION_PROFILE_RECORD, OPT_VALUE, "--profile-record", "FILE",
	 "Write to FILE what the first node reads of the image, in order, for cmpi image index --profile."},
	{OPTION_VERIFY, OPT_FLAG, "--verify", NULL,
	 "Check each block of the image when it is read, against the hash tree that the image carries. "
	 "Needs cmpi-imgfs, and starts the program only when all of the image is there."},
	{OPTION_MPI, OPT_VALUE, "--mpi", "auto|host|fabric|container|PATH",
	 "Whose MPI library the ranks load. container: the image's own (default). host: the host's of "
	 "the same ABI in its place, else one of another ABI behind a translator. fabric: the image's own over the host's libfabric. Both are refused "
	 "with the reason if that does not fit. auto: the first of host, fabric and container that fits. "
	 "PATH (with a slash): host, and that one, as with --mpi-path."},
	{OPTION_MPI_PATH, OPT_VALUE, "--mpi-path", "DIR",
	 "Look for the host's MPI there first: its prefix, directory or library."},

	{0, OPT_HEADING, NULL, NULL, "Ranks"},
	{OPTION_BIND_TO, OPT_VALUE, "--bind-to --cpu-bind", "core|numa|none",
	 "Bind each rank to a core or a NUMA node. Default: core when every rank of the node can "
	 "have its own, none when not, and none for a single rank on a node."},
	{OPTION_LABEL, OPT_FLAG, "--label --tag-output -l", NULL,
	 "Put the rank's number in front of every line of output."},
	{OPTION_TIMEOUT, OPT_VALUE, "--timeout", "SECONDS", "End the job after that time."},

	{0, OPT_HEADING, NULL, NULL, "Words"},
	{OPTION_DRY_RUN, OPT_FLAG, "--dry-run", NULL, "Print the plan, change nothing."},
	{OPTION_TIMING, OPT_OPTIONAL, "--timing", "json",
	 "Print how long each phase of the launch took, and over what the ranks talk, on stderr."},
	{OPTION_QUIET, OPT_FLAG, "-q --quiet", NULL, "Errors only."},
	{OPTION_VERBOSE, OPT_FLAG, "--verbose", NULL, "Say what is being done; twice: how."},
	{OPTION_HELP, OPT_FLAG, "-h --help", NULL, "Print this and end."},
	{OPTION_VERSION, OPT_FLAG, "-V --version", NULL, "Print the version and end."},
	{OPTION_MAN, OPT_FLAG, "--man-options", NULL, NULL},

	{0, OPT_REFUSED, "-N", NULL,
	 "means ranks per node to mpirun and nodes to srun; use --ppn, or --host / --hostfile"},
	{0, OPT_REFUSED, "--mem -p --partition --account -t --time", NULL,
	 "is for the workload manager: give it to salloc, sbatch or qsub, and call cmpirun inside"},
	{0, OPT_REFUSED, "--rm -it -ti -i", NULL,
	 "is not needed: a run leaves nothing behind, and the terminal is the program's"},
	{0, OPT_FLAG, NULL, NULL, NULL},
};

struct choice {
	const char *word;
	int value;
};

static const struct choice mpi_choices[] = {
	{"auto", MPI_AUTO}, {"host", MPI_HOST}, {"fabric", MPI_FABRIC}, {"container", MPI_CONTAINER},
	{NULL, 0}};
static const struct choice mount_choices[] = {{"auto", MOUNT_CHOICE_AUTO},
					      {"fuse", MOUNT_CHOICE_FUSE},
					      {"kernel", MOUNT_CHOICE_KERNEL},
					      {NULL, 0}};
static const struct choice early_choices[] = {
	{"auto", EARLY_AUTO}, {"off", EARLY_OFF}, {NULL, 0}};
static const struct choice bind_choices[] = {{"core", BIND_CHOICE_CORE},
					     {"numa", BIND_CHOICE_NUMA},
					     {"none", BIND_CHOICE_NONE},
					     {NULL, 0}};
static const struct choice timing_choices[] = {
	{"text", TIMING_TEXT}, {"json", TIMING_JSON}, {NULL, 0}};

static int choose(const char *option, const struct choice *choices, const char *word, int *value,
		  struct err *err)
{
	char list[120] = "";
	for (const struct choice *choice = choices; choice->word != NULL; choice++) {
		if (strcmp(choice->word, word) == 0) {
			*value = choice->value;
			return 0;
		}
		strncat(list, list[0] ? ", " : "", sizeof list - strlen(list) - 1);
		strncat(list, choice->word, sizeof list - strlen(list) - 1);
	}
	return err_set(err, EINVAL, "%s: \"%s\" is none of %s", option, word, list);
}

#define CHOOSE(option, choices, word, place, err)                                                  \
	__extension__({                                                                            \
		int value_ = 0, rc_ = choose(option, choices, word, &value_, err);                 \
		if (rc_ == 0)                                                                      \
			*(place) = value_;                                                         \
		rc_;                                                                               \
	})

static int append(const char ***list, size_t *count, const char *word, struct err *err)
{
	const char **bigger = realloc(*list, (*count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return err_errno(err, ENOMEM, "options");
	*list = bigger;
	bigger[(*count)++] = word;
	return 0;
}

static void be_more_verbose(struct options *options)
{
	options->level = options->level < LOG_LEVEL_VERBOSE ? LOG_LEVEL_VERBOSE : LOG_LEVEL_DEBUG;
}

static int apply_mpi(struct options *o, const char *value, struct err *err)
{
	if (strchr(value, '/') == NULL)
		return CHOOSE("--mpi", mpi_choices, value, &o->mpi, err);
	o->mpi = MPI_HOST;
	o->mpi_path = value;
	return 0;
}

static int check_pull(const char *value, struct err *err)
{
	if (strcmp(value, "always") == 0 || strcmp(value, "missing") == 0 || strcmp(value, "never") == 0)
		return 0;
	return err_set(err, EINVAL, "--pull: \"%s\" is none of missing, always, never", value);
}

/* Options that are about how many, where and what; the others are in apply(). */
static int apply_value(struct options *o, const struct opt *option, const char *value,
		       struct err *err)
{
	switch ((enum option_id)option->id) {
	case OPTION_RANKS: return opt_number(option, value, 1, 1 << 24, &o->ranks, err);
	case OPTION_PER_NODE: return opt_number(option, value, 1, 1 << 16, &o->per_node, err);
	case OPTION_TIMEOUT: return opt_number(option, value, 1, 1 << 30, &o->timeout_s, err);
	case OPTION_KEEP_IMAGE:
		o->keep_s = KEEP_DEFAULT_S;
		return value ? opt_number(option, value, 1, 1 << 30, &o->keep_s, err) : 0;
	case OPTION_HOST: o->hosts = value; return 0;
	case OPTION_HOST_FILE: o->host_file = value; return 0;
	case OPTION_IMAGE: o->image = value; return 0;
	case OPTION_PULL: o->pull = value; return check_pull(value, err);
	case OPTION_LAUNCHER: o->launcher = value; return 0;
	case OPTION_WORK_DIR: o->work_dir = value; return 0;
	case OPTION_MPI_PATH: o->mpi_path = value; return 0;
	case OPTION_VOLUME: return append(&o->volumes, &o->volume_count, value, err);
	case OPTION_ENV: return append(&o->exports, &o->export_count, value, err);
	case OPTION_MPI: return apply_mpi(o, value, err);
	case OPTION_MOUNT: return CHOOSE("--mount", mount_choices, value, &o->mount, err);
	case OPTION_EARLY_START:
		return CHOOSE("--early-start", early_choices, value, &o->early, err);
	case OPTION_READERS:
		if (strcmp(value, "auto") != 0)
			return opt_number(option, value, 1, BCAST_READERS_MAX, &o->readers, err);
		o->readers = 0;
		return 0;
	case OPTION_PROFILE_RECORD: o->profile = value; return 0;
	case OPTION_BIND_TO: return CHOOSE("--bind-to", bind_choices, value, &o->bind, err);
	case OPTION_TIMING:
		return CHOOSE("--timing", timing_choices, value ? value : "text", &o->timing, err);
	default: return err_set(err, EINVAL, "option %d has no meaning", option->id);
	}
}

static int apply(struct options *o, const struct opt *option, const char *value, struct err *err)
{
	switch ((enum option_id)option->id) {
	case OPTION_OVERSUBSCRIBE: o->oversubscribe = true; return 0;
	case OPTION_NO_HOME: o->no_home = true; return 0;
	case OPTION_NO_CWD: o->no_cwd = true; return 0;
	case OPTION_NO_TMP: o->no_tmp = true; return 0;
	case OPTION_LABEL: o->label = true; return 0;
	case OPTION_DRY_RUN: o->dry_run = true; return 0;
	case OPTION_VERIFY: o->verify = true; return 0;
	case OPTION_QUIET: o->level = LOG_LEVEL_QUIET; return 0;
	case OPTION_VERBOSE: be_more_verbose(o); return 0;
	case OPTION_HELP: o->action = ACTION_HELP; return 0;
	case OPTION_VERSION: o->action = ACTION_VERSION; return 0;
	case OPTION_MAN: o->action = ACTION_MAN_OPTIONS; return 0;
	default: return apply_value(o, option, value, err);
	}
}

/* What no single option can see. */
static int check(const struct options *options, struct err *err)
{
	if (options->action != ACTION_RUN)
		return 0;
	if (options->image == NULL)
		return err_set(err, EINVAL, "--image is missing: which image shall the ranks run in?");
	if (options->profile != NULL && options->mount == MOUNT_CHOICE_KERNEL)
		return err_set(err, EINVAL, "--profile-record and --mount kernel: only cmpi-imgfs can "
			       "record what is read; use --mount fuse");
	if (options->verify && options->mount == MOUNT_CHOICE_KERNEL)
		return err_set(err, EINVAL, "--verify and --mount kernel: only cmpi-imgfs checks what is "
			       "read; use --mount fuse");
	if (options->hosts != NULL && options->host_file != NULL)
		return err_set(err, EINVAL, "--host and --hostfile: give one of them");
	return 0;
}

int options_parse(char **argv, struct options *options, struct err *err)
{
	struct opt_parser parser = {.table = options_table, .argv = argv, .index = 1};
	const struct opt *option;
	const char *value;
	int rc;
	*options = (struct options){.level = LOG_LEVEL_NORMAL};
	while ((rc = opt_next(&parser, &option, &value, err)) > 0)
		if ((rc = apply(options, option, value, err)) < 0)
			break;
	options->argv = argv + parser.index;
	if (rc == 0)
		rc = check(options, err);
	if (rc < 0)
		options_free(options);
	return rc;
}

void options_free(struct options *options)
{
	free(options->volumes);
	free(options->exports);
	options->volumes = options->exports = NULL;
	options->volume_count = options->export_count = 0;
}
