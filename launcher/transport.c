/*
 * transport.c - evidence to words (transport.h).  Pure.
 */
#include "launcher/transport.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi-abi/family.h"

enum { NAME_MAX_HERE = 64 };

/* -- evidence --------------------------------------------------------------- */

/* The name up to its first byte that is none; false: it has none, or is too long. */
static bool take_name(const char *from, size_t len, char name[NAME_MAX_HERE])
{
	size_t used = 0;
	while (used < len && used < NAME_MAX_HERE - 1 &&
	       (isalnum((unsigned char)from[used]) || from[used] == '_' || from[used] == '-'))
		used++;
	memcpy(name, from, used);
	name[used] = '\0';
	return used > 0 && used < NAME_MAX_HERE - 1;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
			return true;
	return false;
}

static void add_word(char *words, size_t size, const char *word)
{
	size_t len = strlen(words);
	if (!has_word(words, word) && len + strlen(word) + 2 <= size)
		snprintf(words + len, size - len, "%s%s", len ? " " : "", word);
}

static void add_file(struct transport_evidence *evidence, const char *name)
{
	struct {
		const char *prefix;
		char *words;
		size_t size;
	} kinds[] = {{"mca_pml_", evidence->pml, sizeof evidence->pml},
		     {"mca_mtl_", evidence->mtl, sizeof evidence->mtl},
		     {"mca_btl_", evidence->btl, sizeof evidence->btl}};
	char word[NAME_MAX_HERE];
	enum mpi_family family = mpi_family_of_name(name);
	if (mpi_role_of_name(family, name) == MPI_ROLE_C)
		evidence->mpi = mpi_family_name(family);
	evidence->has_ucx |= strncmp(name, "libucp.so", 9) == 0;
	evidence->has_libfabric |= strncmp(name, "libfabric.so", 12) == 0;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t len = strlen(kinds[i].prefix);
		if (strncmp(name, kinds[i].prefix, len) == 0 && take_name(name + len, strlen(name + len), word))
			add_word(kinds[i].words, kinds[i].size, word);
	}
	const char *end = strstr(name, "-fi.so");
	if (strncmp(name, "lib", 3) == 0 && end != NULL && take_name(name + 3, (size_t)(end - name - 3), word))
		add_word(evidence->provider, sizeof evidence->provider, word);
}

void transport_add_maps(struct transport_evidence *evidence, const char *maps, size_t len)
{
	for (const char *at = maps, *end = maps + len; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		const char *slash = memrchr(at, '/', (size_t)(stop - at));
		char name[128];
		size_t size = slash ? (size_t)(stop - slash) : 0;
		if (size > 1 && size < sizeof name) {
			memcpy(name, slash + 1, size - 1);
			name[size - 1] = '\0';
			add_file(evidence, name);
		}
		at = stop + 1;
	}
}

void transport_add_link(struct transport_evidence *evidence, const char *link)
{
	/* Slingshot; InfiniBand, RoCE, EFA; Omni-Path; Aries; BXI; Tofu. */
	static const char *const devices[] = {"/dev/cxi", "/dev/infiniband/uverbs", "/dev/hfi1_", "/dev/kgni",
					      "/dev/bxi", "/dev/tofu"};
	char name[NAME_MAX_HERE];
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		const char *last = strrchr(link, '/');
		if (strncmp(link, devices[i], strlen(devices[i])) == 0 && evidence->device[0] == '\0' &&
		    take_name(last + 1, strlen(last + 1), name) && strlen(name) < sizeof evidence->device)
			strcpy(evidence->device, name);
	}
}

static bool is_among(uint64_t inode, const uint64_t *inodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (inodes[i] == inode)
			return true;
	return false;
}

bool transport_listens(const char *table, size_t len, const uint64_t *inodes, size_t count)
{
	enum { TCP_LISTEN = 0x0a };
	for (const char *at = table, *end = table + len; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		char line[256];
		unsigned state;
		uint64_t inode;
		snprintf(line, sizeof line, "%.*s", (int)(stop - at), at);
		/* sl local remote st queues timer retransmits uid timeout inode (proc(5)) */
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %*s %*s %" SCNu64, &state, &inode) == 2 &&
		    state == TCP_LISTEN && is_among(inode, inodes, count))
			return true;
		at = stop + 1;
	}
	return false;
}

/* -- CMA -------------------------------------------------------------------- */

static bool list_has(const char *list, const char *const *words)
{
	for (const char *at = list; *at != '\0';) {
		size_t len = strcspn(at, ",");
		for (size_t i = 0; words[i] != NULL; i++)
			if (strlen(words[i]) == len && strncmp(at, words[i], len) == 0)
				return true;
		at += len + (at[len] == ',');
	}
	return false;
}

/* UCX_TLS, smsc: a list of what is taken, or with ^ of what is not. */
static bool list_lacks_cma(const char *value)
{
	static const char *const taken[] = {"all", "cma", "sm", "shm", "xpmem", "knem", NULL};
	static const char *const left[] = {"all", "cma", "sm", "shm", NULL};
	return value[0] == '^' ? list_has(value + 1, left) : !list_has(value, taken);
}

static bool is_none(const char *value)
{
	return strcmp(value, "none") == 0 || strcmp(value, "emulated") == 0;
}

static bool is_zero(const char *value)
{
	return strcmp(value, "0") == 0 || strcmp(value, "no") == 0;
}

static bool is_one(const char *value)
{
	return strcmp(value, "1") == 0 || strcmp(value, "yes") == 0;
}

const char *transport_no_cma(const struct transport_evidence *evidence, const char *environment, size_t len)
{
	bool is_open_mpi = evidence->pml[0] != '\0' || (evidence->mpi && strcmp(evidence->mpi, "Open MPI") == 0);
	bool by_ucx = is_open_mpi ? has_word(evidence->pml, "ucx") : evidence->has_ucx;
	bool by_btl = is_open_mpi && (evidence->pml[0] == '\0' || has_word(evidence->pml, "ob1"));
	const struct {
		const char *name;
		bool (*is_off)(const char *value);
		bool counts;
	} switches[] = {
		{"OMPI_MCA_btl_vader_single_copy_mechanism", is_none, by_btl},
		{"OMPI_MCA_smsc", list_lacks_cma, by_btl},
		{"UCX_TLS", list_lacks_cma, by_ucx},
		{"MPIR_CVAR_CH4_CMA_ENABLE", is_zero, !is_open_mpi},
		{"FI_SHM_DISABLE_CMA", is_one, evidence->has_libfabric && !by_ucx && !by_btl},
	};
	for (size_t at = 0; at < len;) {
		size_t size = strnlen(environment + at, len - at);
		const char *text = environment + at;
		for (size_t i = 0; size < len - at && i < sizeof switches / sizeof *switches; i++) {
			size_t name_len = strlen(switches[i].name);
			if (switches[i].counts && strncmp(text, switches[i].name, name_len) == 0 &&
			    text[name_len] == '=' && switches[i].is_off(text + name_len + 1))
				return switches[i].name;
		}
		at += size + 1;
	}
	return NULL;
}

/* -- verdict ---------------------------------------------------------------- */

void transport_judge(const struct transport_evidence *evidence, uint32_t nodes, struct transport *transport)
{
	const char *way = " over what is not known", *over = "";
	char stack[TRANSPORT_TEXT_MAX - 64];
	if (evidence->mpi == NULL)
		return;
	if (evidence->device[0] != '\0') {
		transport->grade = TRANSPORT_FABRIC;
		over = " over ";
		way = evidence->device;
	} else if (nodes > 1 && evidence->listens_on_tcp) {
		transport->grade = TRANSPORT_TCP;
		way = " over TCP";
	} else if (nodes == 1) {
		transport->grade = TRANSPORT_LOCAL;
		way = " within one node";
	}
	/* Other pmls have btls loaded too, for what is not point to point. */
	bool by_btl = has_word(evidence->pml, "ob1") && evidence->btl[0] != '\0';
	if (evidence->pml[0] != '\0')
		snprintf(stack, sizeof stack, "pml %.20s%s%.20s%s%.40s", evidence->pml, evidence->mtl[0] ? ", mtl " : "",
			 evidence->mtl, by_btl ? ", btl " : "", by_btl ? evidence->btl : "");
	else
		snprintf(stack, sizeof stack, "%s%s%.40s", evidence->has_ucx ? "UCX" : evidence->has_libfabric ? "libfabric" : "its own transport",
			 evidence->provider[0] ? " " : "", evidence->provider);
	snprintf(transport->words, sizeof transport->words, "%.20s: %s%s%s", evidence->mpi, stack, over, way);
}

static int alarm_of(const struct transport *transport)
{
	return (int)transport->grade + (transport->better[0] ? 8 : 0) + (transport->no_cma[0] ? 4 : 0);
}

void transport_merge(struct transport *transport, const struct transport *other)
{
	if (alarm_of(other) > alarm_of(transport))
		*transport = *other;
}

void transport_pack(const struct transport *transport, struct buf *out)
{
	buf_add_u32(out, (uint32_t)transport->grade);
	buf_add_str(out, transport->words);
	buf_add_str(out, transport->better);
	buf_add_str(out, transport->no_cma);
	buf_add_str(out, transport->node);
}

void transport_parse(struct cursor *in, struct transport *transport)
{
	uint32_t grade = cursor_u32(in);
	in->bad = in->bad || grade >= TRANSPORT_GRADES;
	transport->grade = in->bad ? TRANSPORT_UNKNOWN : (enum transport_grade)grade;
	cursor_str(in, transport->words, sizeof transport->words);
	cursor_str(in, transport->better, sizeof transport->better);
	cursor_str(in, transport->no_cma, sizeof transport->no_cma);
	cursor_str(in, transport->node, sizeof transport->node);
}

void transport_print_json(const struct transport *transport, struct buf *out)
{
	static const char *const names[TRANSPORT_GRADES] = {"unknown", "local", "fabric", "tcp"};
	if (transport->words[0] != '\0')
		buf_printf(out, ",\"transport\":{\"ranks\":\"%s\",\"kind\":\"%s\",\"host_has\":\"%s\",\"cma_off_by\":\"%s\","
			   "\"node\":\"%s\"}", transport->words, names[transport->grade], transport->better,
			   transport->no_cma, transport->node);
}
