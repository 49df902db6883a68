/*
 * cmpi_image.c - `cmpi image`: options, and the commands that bring images in and out.
 *
 * A main's code: it prints.  The work is done in image/.
 */
#include "launcher/cmpi_image.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/registry_files.h"

enum option_id {
	OPTION_STORE = 1, OPTION_SHARED, OPTION_JSON, OPTION_QUIET, OPTION_PATH, OPTION_WHEN, OPTION_PLATFORM,
	OPTION_COMP, OPTION_LEVEL, OPTION_BLOCK, OPTION_PARALLEL, OPTION_INSECURE, OPTION_AGE, OPTION_BLOB_AGE,
	OPTION_MOST, OPTION_DRY_RUN, OPTION_FORCE, OPTION_USER, OPTION_STDIN, OPTION_KEY, OPTION_FD, OPTION_HELP, OPTION_MAN,
};

static const struct opt table[] = {
	{0, OPT_HEADING, NULL, NULL, "All commands"},
	{OPTION_STORE, OPT_VALUE, "--store", "DIR",
	 "Where images are kept. Default: $CMPIRUN_STORE, else cmpirun/images in $XDG_CACHE_HOME or ~/.cache."},
	{OPTION_SHARED, OPT_VALUE, "--shared-store", "DIR",
	 "A store of the site, looked into first and never written. Ready images in it are used if they belong "
	 "to root or to the caller, and layers in it are hashed again. Default: $CMPIRUN_SHARED_STORE."},
	{OPTION_JSON, OPT_FLAG, "--json", NULL, "Print JSON, progress too."},
	{OPTION_QUIET, OPT_FLAG, "-q --quiet", NULL, "Say nothing but errors."},
	{OPTION_INSECURE, OPT_VALUE, "--insecure", "HOST[:PORT]",
	 "Talk to this registry over plain http, too, and accept any certificate of it."},
	{OPTION_HELP, OPT_FLAG, "-h --help", NULL, "Print this help."},
	{0, OPT_HEADING, NULL, NULL, "pull, import"},
	{OPTION_PATH, OPT_FLAG, "--print-path", NULL, "Print the path of the squashfs file, and nothing else."},
	{OPTION_WHEN, OPT_VALUE, "--pull", "always|missing|never",
	 "always: ask the registry whether the tag means another image now (the default). missing: use what is in "
	 "the store without asking. never: do not use the network."},
	{OPTION_PLATFORM, OPT_VALUE, "--platform", "OS/ARCH[/VARIANT]",
	 "Which image of an index is taken. Default: this machine's."},
	{OPTION_COMP, OPT_VALUE, "--comp", "zstd|gzip|lz4|xz", "How the squashfs is compressed. Default: zstd."},
	{OPTION_LEVEL, OPT_VALUE, "--level", "N", "The compressor's level. Default: 3 of zstd."},
	{OPTION_BLOCK, OPT_VALUE, "--block-size", "KIB",
	 "Block size in KiB, a power of two from 4 to 1024. Default: 128; 1024 makes small random reads 5 times "
	 "slower."},
	{OPTION_PARALLEL, OPT_VALUE, "--parallel", "N", "Fetch N layers at once. Default: 4."},
	{0, OPT_HEADING, NULL, NULL, "gc"},
	{OPTION_AGE, OPT_VALUE, "--older-than", "DAYS",
	 "Remove images that were not used for so long. Default: 90."},
	{OPTION_BLOB_AGE, OPT_VALUE, "--layers-older-than", "DAYS",
	 "Remove fetched layers that were not used for so long. Default: 14."},
	{OPTION_MOST, OPT_VALUE, "--max-size", "MIB",
	 "Then remove what was not used for longest until the store is not larger."},
	{OPTION_DRY_RUN, OPT_FLAG, "--dry-run", NULL, "Only say what would be removed."},
	{0, OPT_HEADING, NULL, NULL, "login, export"},
	{OPTION_USER, OPT_VALUE, "-u --username", "NAME", "The user; asked for when it is not given."},
	{OPTION_STDIN, OPT_FLAG, "--password-stdin", NULL, "Read the password from stdin instead of the terminal."},
	{OPTION_FORCE, OPT_FLAG, "-f --force", NULL, "Overwrite the file."},
	{0, OPT_HEADING, NULL, NULL, "sign, check"},
	{OPTION_KEY, OPT_VALUE, "--key", "FILE",
	 "A key in PEM, without password: the private one to sign, the public one to check."},
	{OPTION_FD, OPT_VALUE, "--fd", "N", NULL},
	{OPTION_MAN, OPT_FLAG, "--man-options", NULL, NULL},
	{0, OPT_FLAG, NULL, NULL, NULL},
};

/* -- exit codes --------------------------------------------------------------------- */

/* Documented in cmpi-image(1). */
static const struct {
	int number, exit_code;
} exit_codes[] = {
	{EINVAL, EXITCODE_USAGE},
	{ENOENT, EXITCODE_IMAGE}, {EBADMSG, EXITCODE_IMAGE}, {ENOTSUP, EXITCODE_IMAGE},
	{EMEDIUMTYPE, EXITCODE_IMAGE}, {ENODATA, EXITCODE_IMAGE}, {EFBIG, EXITCODE_IMAGE},
	{E2BIG, EXITCODE_IMAGE}, {ELOOP, EXITCODE_IMAGE}, {ESTALE, EXITCODE_IMAGE}, {EISDIR, EXITCODE_IMAGE},
	{EHOSTDOWN, EXITCODE_NODE}, {EPROTO, EXITCODE_NODE}, {EBUSY, EXITCODE_NODE},
	{EKEYREJECTED, EXITCODE_NOEXEC},
	{ENOSPC, EXITCODE_SETUP}, {EDQUOT, EXITCODE_SETUP}, {EROFS, EXITCODE_SETUP}, {EACCES, EXITCODE_SETUP},
	{EPERM, EXITCODE_SETUP}, {EIO, EXITCODE_SETUP}, {EMFILE, EXITCODE_SETUP},
};

int cmpi_image_fail(int rc, const struct err *err)
{
	log_error("%s", err->text);
	for (size_t i = 0; i < sizeof exit_codes / sizeof exit_codes[0]; i++)
		if (exit_codes[i].number == -rc)
			return exit_codes[i].exit_code;
	return EXITCODE_INTERNAL;
}

/* -- options ------------------------------------------------------------------------- */

static int take_compressor(const char *value, enum squash_compressor *compressor, struct err *err)
{
	static const enum squash_compressor known[] = {SQUASH_ZSTD, SQUASH_GZIP, SQUASH_LZ4, SQUASH_XZ};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strcmp(value, squash_compressor_name(known[i])) == 0) {
			*compressor = known[i];
			return 0;
		}
	return err_set(err, EINVAL, "--comp %s: zstd, gzip, lz4 or xz", value);
}

static int take_option(const struct opt *option, const char *value, struct cmpi_image_options *options,
		       struct err *err)
{
	long number = 0;
	int rc = 0;
	switch (option->id) {
	case OPTION_STORE: options->store = value; break;
	case OPTION_SHARED: options->shared_store = value; break;
	case OPTION_JSON: options->json = true; break;
	case OPTION_QUIET: options->quiet = true; break;
	case OPTION_PATH: options->print_path = true; break;
	case OPTION_WHEN: options->when = value; break;
	case OPTION_PLATFORM: options->platform = value; break;
	case OPTION_USER: options->user = value; break;
	case OPTION_KEY: options->key = value; break;
	case OPTION_FD: return opt_number(option, value, 3, 1000, &options->fd, err);
	case OPTION_STDIN: options->password_stdin = true; break;
	case OPTION_DRY_RUN: options->dry_run = true; break;
	case OPTION_FORCE: options->force = true; break;
	case OPTION_INSECURE: return registry_conf_add_insecure(&options->conf, value, err);
	case OPTION_COMP: return take_compressor(value, &options->compressor, err);
	case OPTION_LEVEL: return opt_number(option, value, 1, 22, &options->level, err);
	case OPTION_PARALLEL: return opt_number(option, value, 1, 64, &options->parallel, err);
	case OPTION_BLOCK:
		rc = opt_number(option, value, 4, 1024, &number, err);
		if (rc == 0 && (number & (number - 1)) != 0)
			rc = err_set(err, EINVAL, "--block-size %s: a power of two is wanted", value);
		options->block_size = number << 10;
		return rc;
	case OPTION_AGE:
	case OPTION_BLOB_AGE:
		rc = opt_number(option, value, 0, 100000, &number, err);
		*(option->id == OPTION_AGE ? &options->image_age_s : &options->blob_age_s) = number * 86400;
		return rc;
	case OPTION_MOST:
		rc = opt_number(option, value, 1, 1L << 40, &number, err);
		options->most_bytes = (uint64_t)number << 20;
		return rc;
	default: break;
	}
	return 0;
}

static int take_when(const char *text, enum pull_when *when, struct err *err)
{
	static const char *const words[] = {[PULL_ALWAYS] = "always", [PULL_MISSING] = "missing",
					    [PULL_NEVER] = "never"};
	for (size_t i = 0; text != NULL && i < 3; i++)
		if (strcmp(text, words[i]) == 0) {
			*when = (enum pull_when)i;
			return 0;
		}
	return text ? err_set(err, EINVAL, "--pull %s: always, missing or never", text) : 0;
}

int cmpi_image_prepare(const struct cmpi_image_options *options, struct pull_options *pull,
		       struct err *err)
{
	struct utsname machine;
	const char *shared = options->shared_store ? options->shared_store : getenv("CMPIRUN_SHARED_STORE");
	*pull = (struct pull_options){.conf = &options->conf, .compressor = options->compressor,
				      .level = (int)options->level, .block_size = (uint32_t)options->block_size,
				      .parallel = (unsigned)options->parallel};
	int rc = take_when(options->when, &pull->when, err);
	if (rc == 0 && options->platform != NULL)
		rc = manifest_platform_parse(options->platform, &pull->platform, err);
	else if (rc == 0 && uname(&machine) == 0)
		manifest_platform_of_machine(machine.machine, &pull->platform);
	pull->platform_is_given = options->platform != NULL;
	if (rc == 0)
		rc = store_open(options->store, &pull->store, err);
	if (rc == 0 && shared != NULL && *shared != '\0')
		rc = store_open_shared(shared, &pull->shared, err);
	if (rc < 0)
		store_free(&pull->store);
	return rc;
}

/* -- pull and import ------------------------------------------------------------------ */

static void print_result(const struct cmpi_image_options *options, const struct pull_result *result,
			 uint64_t took_ns)
{
	const struct store_image *image = &result->image;
	if (options->print_path) {
		printf("%s\n", result->path);
		return;
	}
	if (options->json) {
		json_t *line = json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:f}", "event", "done", "path", result->path,
					 "digest", image->digest, "manifest", image->manifest, "size",
					 (json_int_t)image->size, "files", (json_int_t)image->files, "was_there",
					 (int)result->was_there, "seconds", (double)took_ns / 1e9);
		json_dumpf(line, stdout, JSON_COMPACT);
		json_decref(line);
		printf("\n");
		return;
	}
	if (!options->quiet)
		printf("%s: %s%.1f MiB, %llu files, %.1f s\n%s\n", image->reference,
		       result->was_there ? "already here: " : "", (double)image->size / (1 << 20),
		       (unsigned long long)image->files, (double)took_ns / 1e9, result->path);
}

static int pull_one(const struct cmpi_image_options *options, const struct pull_options *pull_options,
		    const char *reference, struct pull_result *result, struct err *err)
{
	struct cmpi_image_progress progress;
	struct pull_options pull = *pull_options;
	cmpi_image_progress_init(&progress, options->json, options->quiet);
	pull.status = cmpi_image_progress_status;
	pull.note = cmpi_image_progress_note;
	pull.context = &progress;
	uint64_t start = clock_now_ns();
	int rc = pull_image(&pull, reference, result, err);
	cmpi_image_progress_end(&progress);
	if (rc == 0)
		print_result(options, result, clock_now_ns() - start);
	return rc;
}

/* "debian:12" for the command line is docker://debian:12, unless it is a file. */
static char *reference_new(const char *text)
{
	char *whole = NULL;
	struct image_ref ref = {0};
	struct err err;
	bool is_plain = image_ref_parse(text, &ref, &err) == 0 && ref.kind == IMAGE_KIND_SQUASH &&
			strcmp(ref.location, text) == 0;
	image_ref_free(&ref);
	if (!is_plain || access(text, F_OK) == 0 || text[0] == '/' || text[0] == '.')
		return strdup(text);
	return asprintf(&whole, "docker://%s", text) < 0 ? NULL : whole;
}

static int pull_command(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct err err;
	int rc = cmpi_image_prepare(options, &pull, &err);
	for (; rc == 0 && *argv != NULL; argv++) {
		struct pull_result result = {0};
		AUTO_FREE char *reference = reference_new(*argv);
		rc = reference ? pull_one(options, &pull, reference, &result, &err)
			       : err_errno(&err, ENOMEM, "pull");
		pull_result_free(&result);
	}
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

/* The second argument becomes a name for what the first one brought. */
static int add_name(const struct pull_options *pull, const char *name, const struct store_image *image,
		    struct err *err)
{
	AUTO_FREE struct store_tag *tag = calloc(1, sizeof *tag);
	AUTO_BUF struct buf reference = {0};
	AUTO_FREE char *whole = strstr(name, "://") ? strdup(name) : NULL;
	if (tag == NULL || (whole == NULL && asprintf(&whole, "docker://%s", name) < 0))
		return err_errno(err, ENOMEM, "import");
	int rc = pull_reference(pull, whole, &reference, err);
	if (rc < 0)
		return rc;
	snprintf(tag->reference, sizeof tag->reference, "%s", reference.data);
	snprintf(tag->key, sizeof tag->key, "%s", image->key);
	memcpy(tag->remote, image->manifest, sizeof tag->remote);
	tag->checked = image->used;
	return store_tag_put(pull->store, tag, err);
}

static int import_command(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct pull_result result = {0};
	struct err err;
	int rc = cmpi_image_prepare(options, &pull, &err);
	if (rc == 0)
		rc = pull_one(options, &pull, argv[0], &result, &err);
	if (rc == 0 && argv[1] != NULL)
		rc = add_name(&pull, argv[1], &result.image, &err);
	pull_result_free(&result);
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

/* -- export ---------------------------------------------------------------------------- */

static int copy_file(const char *from, const char *to, bool force, struct err *err)
{
	struct stat st;
	AUTO_FREE char *next = NULL;
	AUTO_FD int in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		return err_errno(err, errno, "%s", from);
	if (!force && access(to, F_OK) == 0)
		return err_set(err, EINVAL, "%s is there already; --force overwrites it", to);
	if (asprintf(&next, "%s.XXXXXX", to) < 0) {
		next = NULL;
		return err_errno(err, ENOMEM, "export");
	}
	AUTO_FD int out = mkostemp(next, O_CLOEXEC);
	if (out < 0)
		return err_errno(err, errno, "%s", next);
	int rc = 0;
	for (uint64_t left = (uint64_t)st.st_size; rc == 0 && left > 0;) {
		char piece[65536];
		ssize_t put = copy_file_range(in, NULL, out, NULL, left, 0);
		if (put < 0 && (put = read(in, piece, sizeof piece)) > 0)
			put = write(out, piece, (size_t)put);
		if (put <= 0)
			rc = err_errno(err, put < 0 ? errno : EIO, "%s", next);
		else
			left -= (uint64_t)put;
	}
	mode_t mask = umask(0);
	umask(mask);
	if (rc == 0 && (fchmod(out, 0666 & ~mask) < 0 || fsync(out) < 0 || rename(next, to) < 0))
		rc = err_errno(err, errno, "%s", to);
	if (rc < 0)
		unlink(next);
	return rc;
}

static int export_command(const struct cmpi_image_options *options, char **argv)
{
	struct pull_options pull;
	struct store_image image;
	struct err err;
	int rc = cmpi_image_prepare(options, &pull, &err);
	if (rc == 0)
		rc = cmpi_image_find(&pull, argv[0], &image, NULL, &err);
	AUTO_FREE char *from = rc == 0 ? store_image_path_new(pull.store, image.key, ".sqsh") : NULL;
	if (rc == 0 && from == NULL)
		rc = err_errno(&err, ENOMEM, "export");
	if (rc == 0)
		rc = copy_file(from, argv[1], options->force, &err);
	store_free(&pull.store);
	store_free(&pull.shared);
	return rc < 0 ? cmpi_image_fail(rc, &err) : EXITCODE_OK;
}

/* -- the commands ------------------------------------------------------------------------ */

static const struct command {
	const char *name, *arguments, *help;
	int least, most;
	cmpi_image_command *run;
} commands[] = {
	{"pull", "REFERENCE...", "fetch images and make squashfs files of them", 1, 1000, pull_command},
	{"ls", "", "the images in the store", 0, 0, cmpi_image_ls},
	{"inspect", "REFERENCE", "all that is known of an image, as JSON", 1, 1, cmpi_image_inspect},
	{"verify", "[REFERENCE...]", "hash images again and compare", 0, 1000, cmpi_image_verify},
	{"sign", "FILE", "sign a squashfs file: FILE.sig", 1, 1, cmpi_image_sign},
	{"check", "FILE", "hold a squashfs file against the policy, or a key, and hash it", 1, 1, cmpi_image_check},
	{"rm", "REFERENCE...", "remove images", 1, 1000, cmpi_image_rm},
	{"gc", "", "remove what was not used for long", 0, 0, cmpi_image_gc},
	{"login", "HOST[:PORT]", "keep user and password for a registry", 1, 1, cmpi_image_login},
	{"logout", "HOST[:PORT]", "forget them", 1, 1, cmpi_image_logout},
	{"import", "SOURCE [NAME]", "bring a local image into the store, under a name", 1, 2, import_command},
	{"export", "REFERENCE FILE", "copy an image out of the store", 2, 2, export_command},
};

void cmpi_image_usage(struct buf *out)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		buf_printf(out, "  cmpi image %-8s %-15s %s\n", commands[i].name, commands[i].arguments,
			   commands[i].help);
}

static int print_help(bool man)
{
	AUTO_BUF struct buf out = {0};
	if (!man) {
		buf_printf(&out, "Usage: cmpi image COMMAND [options] ...\n\n");
		cmpi_image_usage(&out);
		opt_help(table, &out);
	} else {
		opt_man(table, &out);
	}
	return !out.failed && fwrite(out.data, 1, out.len, stdout) == out.len ? EXITCODE_OK : EXITCODE_INTERNAL;
}

static int run_command(const struct command *command, char **argv)
{
	struct cmpi_image_options options = {.image_age_s = -1, .blob_age_s = -1, .fd = -1};
	struct opt_parser parser = {.table = table, .argv = argv, .index = 1};
	const struct opt *option;
	const char *value;
	struct err err;
	int rc, count = 0, status;
	while ((rc = opt_next(&parser, &option, &value, &err)) > 0) {
		if (option->id == OPTION_HELP)
			return print_help(false);
		rc = take_option(option, value, &options, &err);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = registry_conf_load(&options.conf, &err);
	while (argv[parser.index + count] != NULL)
		count++;
	if (rc == 0 && (count < command->least || count > command->most))
		rc = err_set(&err, EINVAL, "cmpi image %s %s: %d arguments were given; options stand before them; see "
			     "cmpi image --help", command->name, command->arguments, count);
	status = rc < 0 ? cmpi_image_fail(rc, &err) : command->run(&options, argv + parser.index);
	registry_conf_free(&options.conf);
	return status;
}

int cmpi_image(char **argv)
{
	struct rlimit files;
	if (argv[0] == NULL || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return print_help(false);
	if (strcmp(argv[0], "--man-options") == 0)
		return print_help(true);
	/* A descriptor a layer, and one a member of an archive. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return run_command(&commands[i], argv);
	return -1;
}
