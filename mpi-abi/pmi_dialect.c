/*
 * pmi_dialect.c - the table of PMI dialects (pmi_dialect.h).
 *
 * Words are looked for as whole texts: "barrier_in" is also the beginning of "barrier_inter".  MPICH up to 4.1
 * holds the lines of PMI-1 as they are sent, "cmd=barrier_in\n", since 4.2 the words alone.
 */
#include "mpi-abi/pmi_dialect.h"

#define WHOLE(text) "\0" text "\0", sizeof text + 1
#define PART(text) text, sizeof text - 1

static const struct {
	enum pmi_dialect dialect;
	const char *bytes;
	size_t len;
} words[] = {
	{PMI_DIALECT_1, PART("cmd=barrier_in")},
	{PMI_DIALECT_1, WHOLE("barrier_in")},
	{PMI_DIALECT_2, PART("cmd=kvs-fence")},
	{PMI_DIALECT_2, WHOLE("kvs-fence")},
	{PMI_DIALECT_CRAY, WHOLE("PALS_RANKID")},
	{PMI_DIALECT_CRAY, WHOLE("ALPS_APP_PE")},
};

/* A library that names these hands the work to them. */
static const struct {
	enum pmi_dialect dialect;
	const char *needed;
} helpers[] = {
	{PMI_DIALECT_X, "libpmix.so."},
	{PMI_DIALECT_SLURM, "libslurm_pmi"},
};

static const char *const names[] = {"PMI-1", "PMI-2", "PMIx", "Cray's PMI", "Slurm's libpmi"};

static unsigned dialects_in(const uint8_t *bytes, size_t len)
{
	unsigned dialects = 0;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!(dialects & words[i].dialect) && memmem(bytes, len, words[i].bytes, words[i].len))
			dialects |= words[i].dialect;
	return dialects;
}

unsigned pmi_dialects_of(const char *name, const struct elf *elf, const struct elf_source *source)
{
	const char *slash = strrchr(name, '/');
	const char *file = slash ? slash + 1 : name;
	unsigned dialects = strncmp(file, "libpmix.so", 10) == 0 ? PMI_DIALECT_X : 0;
	for (size_t i = 0; i < elf->needed_count; i++)
		for (size_t k = 0; k < sizeof helpers / sizeof *helpers; k++)
			if (strncmp(elf->needed[i], helpers[k].needed, strlen(helpers[k].needed)) == 0)
				dialects |= helpers[k].dialect;
	if (dialects)
		return dialects;
	size_t len;
	const uint8_t *bytes;
	for (size_t i = 0; (bytes = elf_constants(source, i, &len)); i++)
		dialects |= dialects_in(bytes, len);
	return dialects;
}

void pmi_dialects_format(unsigned dialects, struct buf *out)
{
	const char *comma = "";
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!(dialects & 1u << i))
			continue;
		buf_printf(out, "%s%s", comma, names[i]);
		comma = ", ";
	}
}
