/*
 * make_plan.c - gathers what a job is (make_plan.h).
 *
 * In the order in which a user can err: the image, the nodes, the environment, the
 * mounts, the MPI.  Of the image only the superblock is read, unless the host's
 * MPI is to take its place.
 */
#include "launcher/make_plan.h"

#include <grp.h>
#include <pwd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "image/image_ref.h"
#include "squash/squash.h"
#include "launcher/pull_program.h"
#include "launcher/policy_program.h"
#include "launcher/rank_env.h"
#include "mpi-abi/index_cache.h"

static int no_memory(struct err *err)
{
	return err_errno(err, ENOMEM, "plan");
}

/* -- image -------------------------------------------------------------- */

/* Anything but a squashfs file becomes one in the image store, in a program of its own. */
static int pull_reference(const struct options *options, struct image_ref *ref, struct err *err)
{
	char *path = NULL;
	int rc = pull_program_run(options->image, options->pull, options->level == LOG_LEVEL_QUIET, &path, err);
	if (rc < 0)
		return rc;
	free(ref->location);
	ref->location = path;
	return 0;
}

static int find_image(struct making *making, struct plan *plan, struct err *err)
{
	struct image_ref ref = {0};
	int rc = image_ref_parse(making->options->image, &ref, err);
	if (rc == 0 && image_ref_needs_pull(&ref))
		rc = pull_reference(making->options, &ref, err);
	if (rc == 0)
		rc = image_file_open(ref.location, &making->image, err);
	if (rc == 0) {
		plan->image = realpath(ref.location, NULL);
		if (plan->image == NULL)
			rc = err_errno(err, errno, "image %s", ref.location);
	}
	/* What was pulled was held against the policies under its name in the registry. */
	if (rc == 0 && !image_ref_needs_pull(&ref))
		rc = policy_program_run(plan->image, making->image.fd, &making->must_verify, err);
	image_ref_free(&ref);
	plan->image_size = making->image.size;
	plan->image_mtime_ns = making->image.mtime_ns;
	return rc;
}

/* The root of the image's hash tree, for --verify. */
static int take_root_hash(const struct making *making, struct plan *plan, struct err *err)
{
	const struct config_tail *tail = &making->config.tail;
	char hex[2 * TAIL_HASH_SIZE + 1] = "";
	bool verify = making->options->verify || making->must_verify;
	if (verify && (making->config.json == NULL || tail->hash_at == 0))
		return err_set(err, ENOTSUP, "--verify: the image %s has no hash tree; cmpi image makes images "
			       "with one", plan->image);
	if (verify)
		sodium_bin2hex(hex, sizeof hex, tail->root_hash, sizeof tail->root_hash);
	plan->root_hash = strdup(hex);
	return plan->root_hash == NULL ? no_memory(err) : 0;
}

/* What the image says about itself, if it does: one read of 4 KiB, or none. */
static int read_config(struct making *making, struct plan *plan, struct err *err)
{
	struct utsname host;
	int rc = image_config_read(&making->image, &making->config, err);
	if (rc == -ENOENT)
		return take_root_hash(making, plan, err);
	if (rc == 0 && uname(&host) == 0)
		rc = image_config_check_machine(&making->config, host.machine, err);
	return rc < 0 ? err_prefix(err, "image %s", plan->image) : take_root_hash(making, plan, err);
}

/* -- identity ----------------------------------------------------------- */

static int name_job(struct plan *plan, struct err *err)
{
	/* Unique, and not to be guessed: libpmix's server believes a local connection that names it. */
	uint8_t random[16];
	char hex[2 * sizeof random + 1];
	randombytes_buf(random, sizeof random);
	sodium_bin2hex(hex, sizeof hex, random, sizeof random);
	if (asprintf(&plan->job, "cmpirun.%s", hex) < 0) {
		plan->job = NULL;
		return no_memory(err);
	}
	return 0;
}

static char **copy_strings(char *const *strings)
{
	size_t count = 0;
	while (strings[count] != NULL)
		count++;
	char **copy = calloc(count + 1, sizeof *copy);
	for (size_t i = 0; copy != NULL && i < count; i++)
		if ((copy[i] = strdup(strings[i])) == NULL)
			return copy;  /* ends there: the caller compares */
	return copy;
}

/* The user's program, else what the image's config names: Entrypoint and Cmd. */
static int take_command(const struct making *making, struct plan *plan, struct err *err)
{
	const struct image_config *config = &making->config;
	size_t count = config->json != NULL ? image_config_command(config, NULL, 0) : 0;
	AUTO_FREE char **words = calloc(count + 1, sizeof *words);
	if (words == NULL)
		return no_memory(err);
	if (making->options->argv[0] == NULL && count == 0)
		return err_set(err, EINVAL, "no program: cmpirun [options] --image FILE PROGRAM [ARGS]; the "
			       "image names none of its own");
	if (count > 0)
		image_config_command(config, words, count);
	plan->argv = copy_strings(making->options->argv[0] != NULL ? making->options->argv : words);
	return plan->argv == NULL || plan->argv[0] == NULL ? no_memory(err) : 0;
}

static int take_program(const struct making *making, struct plan *plan, struct err *err)
{
	const struct options *options = making->options;
	const char *second = making->config.json != NULL ? making->config.work_dir : "";
	int rc = take_command(making, plan, err);
	if (rc < 0)
		return rc;
	plan->work_dir_else = strdup(second);
	if (plan->work_dir_else == NULL)
		return no_memory(err);
	plan->work_dir_required = options->work_dir != NULL;
	plan->work_dir = options->work_dir ? strdup(options->work_dir) : getcwd(NULL, 0);
	if (plan->work_dir == NULL && !plan->work_dir_required)
		plan->work_dir = strdup("/");  /* a directory that was removed */
	if (plan->work_dir == NULL)
		return no_memory(err);
	if (plan->work_dir[0] != '/')
		return err_set(err, EINVAL, "--workdir %s: an absolute path of the container is wanted",
			       plan->work_dir);
	return 0;
}

/* The daemon of the first node writes it; its working directory is not ours. */
static int take_profile(const struct options *options, struct plan *plan, struct err *err)
{
	AUTO_FREE char *cwd = NULL;
	if (options->profile == NULL)
		return 0;
	if (options->profile[0] != '/' && (cwd = getcwd(NULL, 0)) == NULL)
		return err_errno(err, errno, "--profile-record %s", options->profile);
	if (asprintf(&plan->profile, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", options->profile) >= 0)
		return 0;
	plan->profile = NULL;
	return no_memory(err);
}

/* -- mounts ------------------------------------------------------------- */

static int add_volumes(const struct options *options, struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < options->volume_count; i++) {
		/* podman takes a relative source as a volume's name; here it can only be a path. */
		const char *text = options->volumes[i];
		AUTO_FREE char *absolute = NULL, *cwd = text[0] == '/' ? NULL : getcwd(NULL, 0);
		if (text[0] != '/' && (cwd == NULL || asprintf(&absolute, "%s/%s", cwd, text) < 0))
			return no_memory(err);
		int rc = mount_plan_add_volume(&plan->mounts, absolute ? absolute : text, err);
		if (rc < 0)
			return err_prefix(err, "-v %s", text);
	}
	return 0;
}

static int add_mounts(const struct making *making, struct plan *plan, struct err *err)
{
	const struct options *options = making->options;
	const struct passwd *user = getpwuid(getuid());
	const struct group *group = getgrgid(getgid());
	const char *home = rank_env_get(making->environment, "HOME");
	AUTO_FREE char *cwd = getcwd(NULL, 0);
	struct mount_defaults defaults = {
		.home = home != NULL && home[0] == '/' ? home : user ? user->pw_dir : NULL,
		.cwd = cwd,
		.no_home = options->no_home,
		.no_cwd = options->no_cwd,
		.no_tmp = options->no_tmp,
		.user = {.uid = getuid(),
			 .gid = getgid(),
			 .name = user ? user->pw_name : "user",
			 .group = group ? group->gr_name : "group",
			 .home = home ? home : "/",
			 .shell = "/bin/sh"},
	};
	int rc = mount_plan_add_defaults(&plan->mounts, &defaults, err);
	if (rc == 0 && options->no_tmp)
		rc = mount_plan_add_tmpfs(&plan->mounts, "/tmp", 0, 01777, err);
	/* MPI libraries leave files there when they are killed; these go with the mount. */
	if (rc == 0)
		rc = mount_plan_add_tmpfs(&plan->mounts, "/dev/shm", 0, 01777, err);
	return rc < 0 ? rc : add_volumes(options, plan, err);
}

/* -- the host's MPI ----------------------------------------------------- */

static bool is_exported(const struct options *options, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < options->export_count; i++)
		if (strncmp(options->exports[i], name, len) == 0 &&
		    (options->exports[i][len] == '=' || options->exports[i][len] == '\0'))
			return true;
	return false;
}

/* What is to be loaded before all other libraries is a list, in which ours come first. */
static int prepend_preload(struct plan *plan, const char *value, struct err *err)
{
	static const char name[] = "LD_PRELOAD=";
	for (char **entry = plan->environment; *entry != NULL; entry++) {
		char *joined;
		if (strncmp(*entry, name, sizeof name - 1) != 0 || (*entry)[sizeof name - 1] == '\0')
			continue;
		if (asprintf(&joined, "%s%s:%s", name, value, *entry + sizeof name - 1) < 0)
			return no_memory(err);
		free(*entry);
		*entry = joined;
		return 1;
	}
	return 0;
}

/* The decision's variables, after the caller's and before what -x says. */
static int add_swap_environment(const struct making *making, struct plan *plan, struct err *err)
{
	const struct abi_decision *decision = making->decision;
	size_t count = 0;
	while (plan->environment[count] != NULL)
		count++;
	char **bigger = realloc(plan->environment, (count + decision->set_count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return no_memory(err);
	plan->environment = bigger;
	for (size_t i = 0; i < decision->set_count; i++) {
		const struct abi_env *set = &decision->sets[i];
		int rc = strcmp(set->name, "LD_PRELOAD") == 0 ? prepend_preload(plan, set->value, err) : 0;
		if (rc < 0)
			return rc;
		if (rc > 0 || is_exported(making->options, set->name))
			continue;
		if (asprintf(&bigger[count], "%s=%s", set->name, set->value) < 0)
			return no_memory(err);
		bigger[++count] = NULL;
	}
	return 0;
}

static int add_swap_mounts(const struct abi_decision *decision, struct plan *plan, struct err *err)
{
	struct mount_plan *mounts = &plan->mounts;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < decision->hide_count; i++)
		rc = mount_plan_add_tmpfs(mounts, decision->hides[i], 4096, 0755, err);
	for (size_t i = 0; rc == 0 && i < decision->bind_count; i++)
		rc = mount_plan_add_bind(mounts, decision->binds[i].source, decision->binds[i].target,
					 MOUNT_READ_ONLY, err);
	for (size_t i = 0; rc == 0 && i < decision->file_count; i++)
		rc = mount_plan_add_file(mounts, decision->files[i].target, decision->files[i].bytes,
					 decision->files[i].len, 0644, err);
	return rc;
}

static int swap_mpi(struct making *making, struct plan *plan, struct err *err)
{
	static const struct {
		enum abi_wish wish;
		const char *option;
	} wishes[] = {
		[MPI_HOST] = {ABI_WISH_MPI, "--mpi host"},
		[MPI_FABRIC] = {ABI_WISH_FABRIC, "--mpi fabric"},
		[MPI_AUTO] = {ABI_WISH_BEST, "--mpi auto"},
	};
	enum mpi_choice choice = making->options->mpi;
	plan->mpi_level = ABI_LEVEL_OWN;
	if (choice == MPI_CONTAINER)
		return 0;
	struct image_index *index = NULL;
	enum index_origin origin;
	AUTO_FREE char *cache_dir = index_cache_dir_new(rank_env_get(making->environment, "XDG_CACHE_HOME"),
							rank_env_get(making->environment, "HOME"));
	int rc = index_cache_get(&making->image, plan->image, cache_dir, &index, &origin, err);
	if (rc < 0)
		return rc;
	struct abi_request request = {
		.wish = wishes[choice].wish,
		.index = index,
		.mpi_path = making->options->mpi_path,
		.search_path = rank_env_get(making->environment, "PATH"),
		.environment = (const char *const *)making->environment,
		.library_path = rank_env_get(making->environment, "LD_LIBRARY_PATH"),
		.rank_library_path = rank_env_get(plan->environment, "LD_LIBRARY_PATH"),
	};
	rc = abi_decide(&request, &making->decision, err);
	image_index_free(&index);
	if (rc < 0)
		return err_prefix(err, "%s", wishes[choice].option);
	if (making->decision->verdict == ABI_REFUSE)
		return err_set(err, ENOTSUP, "%s: %s; %s", wishes[choice].option,
			       making->decision->why, making->decision->ways_out);
	if (making->decision->verdict == ABI_OWN)
		return 0;
	plan->host_files = making->decision->files_used;
	making->decision->files_used = (struct fingerprints){0};
	plan->mpi_level = making->decision->level;
	rc = add_swap_environment(making, plan, err);
	return rc < 0 ? rc : add_swap_mounts(making->decision, plan, err);
}

/* -- all ---------------------------------------------------------------- */

static int find_nodes(struct making *making, struct plan *plan, struct err *err)
{
	int rc = hosts_find(making->options, making->environment, &making->hosts, err);
	return rc < 0 ? rc
		      : plan_place_ranks(plan, making->options, &making->hosts,
					 &making->oversubscribed, err);
}

static int find_environment(struct making *making, struct plan *plan, struct err *err)
{
	const struct rank_env_parts parts = {
		.caller = making->environment,
		.image = making->config.env,
		.exports = making->options->exports,
		.export_count = making->options->export_count,
	};
	return rank_env_new(&parts, &plan->environment, err);
}

static int take_choices(struct making *making, struct plan *plan, struct err *err)
{
	const struct options *options = making->options;
	plan->mount = options->mount;
	/* The hash tree stands at the end of the image. */
	plan->early = options->verify || making->must_verify ? EARLY_OFF : options->early;
	plan->readers = (uint32_t)options->readers;
	plan->bind = options->bind;
	plan->timing = options->timing;
	plan->level = options->level;
	plan->label = options->label;
	plan->timeout_s = (uint32_t)options->timeout_s;
	plan->keep_s = (uint32_t)options->keep_s;
	plan->started_ns = making->started_ns;
	plan->interactive = plan->ranks == 1 && plan->nodes.count == 1 && isatty(STDIN_FILENO);
	int rc = name_job(plan, err);
	if (rc == 0)
		rc = take_profile(options, plan, err);
	return rc < 0 ? rc : take_program(making, plan, err);
}

static int add_mounts_step(struct making *making, struct plan *plan, struct err *err)
{
	return add_mounts(making, plan, err);
}

int make_plan(struct making *making, struct plan *plan, struct err *err)
{
	static const struct {
		int (*make)(struct making *making, struct plan *plan, struct err *err);
		int exit_code;
	} parts[] = {
		{find_image, EXITCODE_IMAGE},       {read_config, EXITCODE_IMAGE},
		{find_nodes, EXITCODE_USAGE},       {find_environment, EXITCODE_USAGE},
		{take_choices, EXITCODE_USAGE},     {add_mounts_step, EXITCODE_USAGE},
		{swap_mpi, EXITCODE_SETUP},
	};
	making->image.fd = -1;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		int rc = parts[i].make(making, plan, err);
		if (rc < 0) {
			making->exit_code = parts[i].exit_code;
			return rc;
		}
	}
	mount_plan_sort(&plan->mounts);
	return 0;
}

void making_free(struct making *making)
{
	image_file_close(&making->image);
	image_config_free(&making->config);
	hosts_free(&making->hosts);
	abi_decision_free(&making->decision);
}

void make_plan_print(const struct making *making, const struct plan *plan, const char *starter,
		     char *const *argv, struct buf *out)
{
	AUTO_BUF struct buf names = {0};
	hostlist_format(&plan->nodes, &names);
	buf_printf(out, "image     %s, %.1f MiB, %s, blocks of %u KiB\n", plan->image,
		   (double)plan->image_size / (1 << 20),
		   squash_compressor_name(making->image.super.compressor),
		   making->image.super.block_size / 1024);
	if (making->config.json != NULL)
		buf_printf(out, "from      %s%s%s\n", making->config.reference,
			   making->config.manifest_digest[0] ? ", " : "", making->config.manifest_digest);
	buf_printf(out, "nodes     %zu from %s: %.*s\n", plan->nodes.count,
		   hosts_source_name(making->hosts.source), (int)names.len, names.data ? names.data : "");
	buf_printf(out, "ranks     %u:", plan->ranks);
	for (size_t i = 0, run; i < plan->nodes.count; i += run) {
		for (run = 1; i + run < plan->nodes.count &&
			      plan->node_ranks[i + run] == plan->node_ranks[i]; run++)
			;
		buf_printf(out, "%s %u on %s%zu node%s", i ? "," : "", plan->node_ranks[i],
			   run > 1 ? "each of " : "", run, run > 1 ? "s" : "");
	}
	buf_printf(out, "%s\nstart     %s:", making->oversubscribed ? " (more than slots)" : "", starter);
	if (argv == NULL)
		buf_printf(out, " no launcher, cmpirun is the daemon");
	for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
		buf_printf(out, " %s", argv[i]);
	buf_printf(out, "\nprogram  ");
	for (size_t i = 0; plan->argv[i] != NULL; i++)
		buf_printf(out, " %s", plan->argv[i]);
	buf_printf(out, "\nworkdir   %s%s%s\n", plan->work_dir,
		   plan->work_dir_required ? "" : " if the container has it, else ",
		   plan->work_dir_required ? "" : plan->work_dir_else[0] ? plan->work_dir_else : "/");
	buf_printf(out, "mpi       ");
	if (making->decision != NULL)
		abi_decision_print(making->decision, making->options->level >= LOG_LEVEL_VERBOSE, out);
	else
		buf_printf(out, "the image's own");
	buf_printf(out, "\nmounts    the image at /, read-only, %s\n",
		   plan->mount == MOUNT_CHOICE_KERNEL ? "by the kernel"
		   : plan->mount == MOUNT_CHOICE_FUSE ? "by cmpi-imgfs"
						      : "by the kernel if it may, else by cmpi-imgfs");
	for (size_t i = 0; i < plan->mounts.count; i++) {
		buf_printf(out, "          ");
		mount_op_format(&plan->mounts.ops[i], out);
		buf_printf(out, "\n");
	}
}
