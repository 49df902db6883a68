/*
 * cmpi_abi.c - the tools of the MPI swap (cmpi_abi.h).
 */
#include "launcher/cmpi_abi.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "common/opt.h"
#include "image/image_file.h"
#include "mpi-abi/decide.h"
#include "mpi-abi/index_cache.h"

enum { OPTION_JSON = 1, OPTION_LINE, OPTION_MPI, OPTION_MPI_PATH, OPTION_HOST_ROOT };

static const struct opt options[] = {
	{OPTION_JSON, OPT_FLAG, "--json", NULL, "As JSON."},
	{OPTION_LINE, OPT_VALUE, "--line", "TEXT", "What the dynamic linker said: which bind is it about?"},
	{OPTION_MPI, OPT_VALUE, "--mpi", "auto|host|fabric", "What is asked for. Default: host."},
	{OPTION_MPI_PATH, OPT_VALUE, "--mpi-path", "DIR", "Look for the host's MPI there."},
	{OPTION_HOST_ROOT, OPT_VALUE, "--host-root", "DIR", "This tree stands in for the host."},
	{0, OPT_FLAG, NULL, NULL, NULL},
};

static const struct {
	const char *word;
	enum abi_wish wish;
} wishes[] = {{"host", ABI_WISH_MPI}, {"fabric", ABI_WISH_FABRIC}, {"auto", ABI_WISH_BEST}};

static int fail(int exit_code, const struct err *err)
{
	log_error("%s", err->text);
	return exit_code;
}

/* What `abi explain` was asked. */
struct question {
	struct abi_request request;
	bool json;
	const char *file, *line;
};

static int apply(const struct opt *option, const char *value, struct question *question,
		 struct err *err)
{
	switch (option->id) {
	case OPTION_JSON: question->json = true; return 0;
	case OPTION_LINE: question->line = value; return 0;
	case OPTION_MPI_PATH: question->request.mpi_path = value; return 0;
	case OPTION_HOST_ROOT: question->request.host_root = value; return 0;
	default: break;
	}
	for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
		if (strcmp(wishes[i].word, value) != 0)
			continue;
		question->request.wish = wishes[i].wish;
		return 0;
	}
	return err_set(err, EINVAL, "--mpi: \"%s\" is none of host, fabric, auto", value);
}

static int parse(char **argv, struct question *question, struct err *err)
{
	struct opt_parser parser = {.table = options, .argv = argv};
	const struct opt *option;
	const char *value;
	int rc;
	while ((rc = opt_next(&parser, &option, &value, err)) > 0)
		if ((rc = apply(option, value, question, err)) < 0)
			return rc;
	if (rc < 0)
		return rc;
	question->file = argv[parser.index];
	if (question->file == NULL || argv[parser.index + 1] != NULL)
		return err_set(err, EINVAL, "abi explain: one image is wanted behind the options");
	return 0;
}

static int get_index(const char *file, struct image_index **index, struct err *err)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	AUTO_FREE char *cache_dir = index_cache_dir_new(getenv("XDG_CACHE_HOME"), getenv("HOME"));
	enum index_origin origin;
	int rc = image_file_open(file, &image, err);
	return rc < 0 ? rc : index_cache_get(&image, file, cache_dir, index, &origin, err);
}

static void answer(const struct question *question, const struct abi_decision *decision)
{
	AUTO_BUF struct buf text = {0};
	if (question->line != NULL && !abi_decision_explain_line(decision, question->line, &text))
		buf_printf(&text, "nothing that was decided has a part in that");
	if (question->line != NULL)
		buf_add_u8(&text, '\n');
	else if (question->json)
		abi_decision_print_json(decision, &text);
	else
		abi_decision_print(decision, true, &text);
	printf("%.*s", (int)text.len, text.data ? text.data : "");
}

int cmpi_abi_explain(char **argv)
{
	struct question question = {.request = {.search_path = getenv("PATH"),
						.library_path = getenv("LD_LIBRARY_PATH"),
						.environment = (const char *const *)environ}};
	struct image_index *index = NULL;
	struct abi_decision *decision = NULL;
	struct err err;
	if (parse(argv, &question, &err) < 0)
		return fail(EXITCODE_USAGE, &err);
	int rc = get_index(question.file, &index, &err);
	question.request.index = index;
	if (rc == 0)
		rc = abi_decide(&question.request, &decision, &err);
	image_index_free(&index);
	if (rc < 0)
		return fail(EXITCODE_IMAGE, &err);
	answer(&question, decision);
	int status = decision->verdict == ABI_REFUSE ? EXITCODE_SETUP : EXITCODE_OK;
	abi_decision_free(&decision);
	return status;
}

int cmpi_abi_index(char **argv)
{
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	AUTO_FREE char *beside = NULL;
	struct image_index *index = NULL;
	enum index_origin origin;
	struct err err;
	if (image_file_open(argv[0], &image, &err) < 0)
		return fail(EXITCODE_IMAGE, &err);
	if (asprintf(&beside, "%s.abi", argv[0]) < 0)
		return EXITCODE_INTERNAL;
	int rc = index_cache_get(&image, argv[0], NULL, &index, &origin, &err);
	if (rc < 0)
		return fail(EXITCODE_IMAGE, &err);
	if (origin == INDEX_MADE)
		rc = index_cache_write(&image, index, beside, &err);
	printf("%zu files, %zu of them ELF, %zu of or with an MPI\n", index->files, index->elf_files,
	       index->binary_count);
	image_index_free(&index);
	return rc < 0 ? fail(EXITCODE_USAGE, &err) : EXITCODE_OK;
}
