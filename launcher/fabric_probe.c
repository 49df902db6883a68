/*
 * fabric_probe.c - dlopen(3) of the host's libfabric (fabric_probe.h).
 *
 * Of its structs only the first members are declared here, which its ABI has kept since 1.0 (fi_getinfo(3), fi_domain(3),
 * fi_fabric(3)): members are added at the end.
 */
#include "launcher/fabric_probe.h"

#include <ctype.h>
#include <dlfcn.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/exitcode.h"

struct probe_domain_attr {
	void *domain;
	char *name;
};

struct probe_fabric_attr {
	void *fabric;
	char *name, *provider;
};

struct probe_info {
	struct probe_info *next;
	uint64_t caps, mode;
	uint32_t address_format;
	size_t source_len, destination_len;
	void *source, *destination, *handle, *send, *receive, *endpoint;
	struct probe_domain_attr *domain;
	struct probe_fabric_attr *fabric;
};

typedef int get_info_function(uint32_t version, const char *node, const char *service, uint64_t flags,
			      const struct probe_info *hints, struct probe_info **info);

bool fabric_is_fast(const char *provider)
{
	/* "verbs;ofi_rxm" is one layered over another.  psm3 runs over sockets too, and says no word of it. */
	static const char *const fast[] = {"cxi", "verbs", "psm", "psm2", "opx", "efa", "gni", "bgq", "usnic", "ucx", "mlx"};
	size_t len = strcspn(provider, ";");
	for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
		if (strlen(fast[i]) == len && strncmp(provider, fast[i], len) == 0)
			return true;
	return false;
}

/* Names of a foreign library: what would break a line or a text becomes "_". */
static void add_name(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++)
		buf_add_u8(out, (uint8_t)(isalnum((unsigned char)*name) || strchr("_.-;:", *name) ? *name : '_'));
}

static void add_line(struct buf *out, const char *provider, const char *domain)
{
	AUTO_BUF struct buf line = {0};
	buf_printf(&line, "%s", fabric_is_fast(provider) ? "*" : "");
	add_name(&line, provider);
	buf_add_u8(&line, ' ');
	add_name(&line, domain);
	buf_add_u8(&line, '\n');
	if (!line.failed && (out->len == 0 || memmem(out->data, out->len, line.data, line.len) == NULL))
		buf_add(out, line.data, line.len);
}

static void ask_libfabric(struct buf *out)
{
	enum { VERSION_1_5 = 1 << 16 | 5 };
	void *library = dlopen("libfabric.so.1", RTLD_NOW | RTLD_LOCAL);
	get_info_function *get_info = NULL;
	struct probe_info *info = NULL;
	if (library != NULL)
		*(void **)&get_info = dlsym(library, "fi_getinfo");
	if (get_info == NULL || get_info(VERSION_1_5, NULL, NULL, 0, NULL, &info) != 0)
		return;
	/* Nothing is given back: the process ends. */
	for (const struct probe_info *at = info; at != NULL; at = at->next)
		if (at->fabric != NULL && at->fabric->provider != NULL)
			add_line(out, at->fabric->provider,
				 at->domain != NULL && at->domain->name != NULL ? at->domain->name : "-");
}

static void add_device(struct buf *out, const char *provider, char *path, int part)
{
	char state[32] = "ACTIVE";
	FILE *file = part > 0 ? fopen(path, "re") : NULL;
	if (file != NULL && fgets(state, sizeof state, file) == NULL)
		state[0] = '\0';
	if (file != NULL)
		fclose(file);
	for (; part > 0; part--)
		*strrchr(path, '/') = '\0';
	if (strstr(state, "ACTIVE") != NULL)
		add_line(out, provider, strrchr(path, '/') + 1);
}

/* A port of InfiniBand or RoCE that is up, and Slingshot's devices. */
static void look_for_devices(struct buf *out)
{
	static const struct {
		const char *pattern, *provider;
		int part;  /* of the path, from its end, that names the device */
	} kinds[] = {{"/sys/class/infiniband/*/ports/*/state", "verbs", 3}, {"/dev/cxi[0-9]*", "cxi", 0}};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		glob_t found = {0};
		if (glob(kinds[i].pattern, 0, NULL, &found) == 0)
			for (size_t k = 0; k < found.gl_pathc; k++)
				add_device(out, kinds[i].provider, found.gl_pathv[k], kinds[i].part);
		globfree(&found);
	}
}

void fabric_probe(struct buf *out)
{
	ask_libfabric(out);
	look_for_devices(out);
}

int fabric_probe_print(void)
{
	AUTO_BUF struct buf lines = {0};
	fabric_probe(&lines);
	printf("%.*s", (int)lines.len, lines.data ? lines.data : "");
	return fflush(stdout) == 0 ? EXITCODE_OK : EXITCODE_INTERNAL;
}

bool fabric_best(const char *lines, size_t len, char *text, size_t size)
{
	for (const char *at = lines, *end = lines + len; at < end;) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *space = newline ? memchr(at, ' ', (size_t)(newline - at)) : NULL;
		if (newline == NULL)
			return false;
		if (*at == '*' && space != NULL) {
			snprintf(text, size, "%.*s (%.*s)", (int)(space - at - 1), at + 1, (int)(newline - space - 1),
				 space + 1);
			return true;
		}
		at = newline + 1;
	}
	return false;
}
