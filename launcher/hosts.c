/*
 * hosts.c - nodes and slots from options, files and Slurm's environment (hosts.h).
 */
#include "launcher/hosts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "launcher/card.h"
#include "launcher/rank_env.h"

enum { SLOTS_MAX = 1 << 16, HOST_FILE_MAX = 64 << 20 };

void hosts_free(struct hosts *hosts)
{
	hostlist_free(&hosts->names);
	free(hosts->slots);
	*hosts = (struct hosts){0};
}

const char *hosts_source_name(enum hosts_source source)
{
	static const char *const names[] = {[HOSTS_LOCAL] = "this node", [HOSTS_OPTION] = "--host",
					    [HOSTS_FILE] = "--hostfile", [HOSTS_SLURM] = "Slurm"};
	return names[source];
}

static int parse_slots(const char *text, size_t len, uint32_t *slots, struct err *err)
{
	unsigned long value = 0;
	size_t i = 0;
	for (; i < len && i < 6 && text[i] >= '0' && text[i] <= '9'; i++)
		value = value * 10 + (unsigned long)(text[i] - '0');
	if (i == 0 || i != len || value < 1 || value > SLOTS_MAX)
		return err_set(err, EINVAL, "\"%.*s\" is not a number of slots (1 to %d)", (int)len, text,
			       SLOTS_MAX);
	*slots = (uint32_t)value;
	return 0;
}

/* Gives the names from `first` on `slots` each. */
static int set_slots(struct hosts *hosts, size_t first, uint32_t slots, struct err *err)
{
	uint32_t *bigger = realloc(hosts->slots, (hosts->names.count + 1) * sizeof *bigger);
	if (bigger == NULL)
		return err_errno(err, ENOMEM, "host list");
	hosts->slots = bigger;
	for (size_t i = first; i < hosts->names.count; i++)
		bigger[i] = slots;
	return 0;
}

/* One "name" or "name:slots"; a bracketed name gives several nodes. */
static int add_item(struct hosts *hosts, const char *text, size_t len, struct err *err)
{
	const char *colon = memchr(text, ':', len);
	size_t name_len = colon ? (size_t)(colon - text) : len, first = hosts->names.count;
	uint32_t slots = 1;
	int rc = 0;
	if (colon != NULL) {
		rc = parse_slots(colon + 1, len - name_len - 1, &slots, err);
		hosts->slots_are_known = true;
	}
	AUTO_FREE char *name = strndup(text, name_len);
	if (name == NULL)
		return err_errno(err, ENOMEM, "host list");
	if (rc == 0)
		rc = hostlist_add(&hosts->names, name, err);
	return rc < 0 ? rc : set_slots(hosts, first, slots, err);
}

/* A name that came before: its slots add up.  Looked for from the end, as files
 * with a line a slot repeat the name at once. */
static int merge_name(struct hosts *hosts, size_t first, struct err *err)
{
	if (hosts->names.count != first + 1)
		return 0;
	for (size_t i = first; i-- > 0;) {
		if (strcmp(hosts->names.names[i], hosts->names.names[first]) != 0)
			continue;
		hosts->slots[i] += hosts->slots[first];
		free(hosts->names.names[first]);
		hosts->names.count--;
		if (hosts->slots[i] > SLOTS_MAX)
			return err_set(err, EINVAL, "%s has more than %d slots by now",
				       hosts->names.names[i], SLOTS_MAX);
		return 0;
	}
	return 0;
}

int hosts_parse_list(const char *text, struct hosts *hosts, struct err *err)
{
	for (;;) {
		/* A comma inside of brackets is the name's. */
		size_t len = 0;
		for (bool inside = false; text[len] != '\0' && (inside || text[len] != ','); len++)
			inside = text[len] == '[' || (inside && text[len] != ']');
		size_t first = hosts->names.count;
		int rc = add_item(hosts, text, len, err);
		if (rc == 0)
			rc = merge_name(hosts, first, err);
		if (rc < 0 || text[len] == '\0')
			return rc;
		text += len + 1;
	}
}

static int parse_line(struct hosts *hosts, char *line, struct err *err)
{
	line[strcspn(line, "#\r")] = '\0';
	char *rest = line + strspn(line, " \t");
	size_t len = strcspn(rest, " \t"), first = hosts->names.count;
	if (len == 0)
		return 0;
	int rc = add_item(hosts, rest, len, err);
	char *save, *word = rc < 0 ? NULL : strtok_r(rest + len, " \t", &save);
	for (; rc == 0 && word != NULL; word = strtok_r(NULL, " \t", &save)) {
		uint32_t slots = 1;
		if (strncmp(word, "slots=", 6) != 0)
			continue;  /* max_slots=, user=, ifhn=... of others */
		rc = parse_slots(word + 6, strlen(word + 6), &slots, err);
		hosts->slots_are_known = true;
		for (size_t i = first; rc == 0 && i < hosts->names.count; i++)
			hosts->slots[i] = slots;
	}
	return rc < 0 ? rc : merge_name(hosts, first, err);
}

int hosts_parse_file(const char *text, size_t len, const char *name, struct hosts *hosts,
		     struct err *err)
{
	for (size_t number = 1; len > 0; number++) {
		const char *newline = memchr(text, '\n', len);
		size_t line_len = newline ? (size_t)(newline - text) : len;
		AUTO_FREE char *line = strndup(text, line_len);
		if (line == NULL)
			return err_errno(err, ENOMEM, "host file");
		int rc = parse_line(hosts, line, err);
		if (rc < 0)
			return err_prefix(err, "%s, line %zu", name, number);
		size_t used = line_len + (newline != NULL);
		text += used;
		len -= used;
	}
	if (hosts->names.count == 0)
		return err_set(err, EINVAL, "%s names no node", name);
	return 0;
}

static int read_host_file(const char *path, struct hosts *hosts, struct err *err)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return err_errno(err, errno, "--hostfile %s", path);
	if (!S_ISREG(status.st_mode) || status.st_size > HOST_FILE_MAX)
		return err_set(err, EINVAL, "--hostfile %s: not a file of at most 64 MiB", path);
	AUTO_FREE char *text = malloc((size_t)status.st_size + 1);
	ssize_t len = text ? read(fd, text, (size_t)status.st_size) : -1;
	if (len < 0)
		return err_set(err, EIO, "--hostfile %s: cannot be read", path);
	return hosts_parse_file(text, (size_t)len, path, hosts, err);
}

/* "4(x2)": a count, and for how many nodes. */
static int parse_count_item(const char *text, size_t len, uint32_t *value, uint32_t *times,
			    struct err *err)
{
	const char *open = memchr(text, '(', len);
	size_t digits = open ? (size_t)(open - text) : len;
	*times = 1;
	int rc = parse_slots(text, digits, value, err);
	if (rc < 0 || open == NULL)
		return rc;
	size_t rest = len - digits;
	if (rest < 4 || open[1] != 'x' || open[rest - 1] != ')')
		return err_set(err, EINVAL, "\"%.*s\" is not a count of Slurm's", (int)len, text);
	return parse_slots(open + 2, rest - 3, times, err);
}

int hosts_parse_slurm_counts(const char *text, uint32_t *counts, size_t count, struct err *err)
{
	size_t filled = 0;
	for (;;) {
		size_t len = strcspn(text, ",");
		uint32_t value = 0, times = 0;
		int rc = parse_count_item(text, len, &value, &times, err);
		if (rc < 0)
			return rc;
		for (size_t i = filled; i < filled + times && i < count; i++)
			counts[i] = value;
		filled += times;
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	if (filled != count)
		return err_set(err, EINVAL, "Slurm counts %zu nodes where its list has %zu", filled, count);
	return 0;
}

static void take_slurm_tasks(const char *tasks, struct hosts *hosts)
{
	uint32_t *counts = calloc(hosts->names.count + 1, sizeof *counts);
	if (counts != NULL && hosts_parse_slurm_counts(tasks, counts, hosts->names.count, NULL) == 0)
		memcpy(hosts->slots, counts, hosts->names.count * sizeof *counts);
	free(counts);
}

/* Tasks per node if Slurm was asked for tasks, else the CPUs of each node. */
static int from_slurm(char *const *environment, const char *nodes, struct hosts *hosts,
		      struct err *err)
{
	int rc = hostlist_add(&hosts->names, nodes, err);
	if (rc == 0)
		rc = set_slots(hosts, 0, 1, err);
	const char *cpus = rank_env_get(environment, "SLURM_JOB_CPUS_PER_NODE");
	const char *tasks = rank_env_get(environment, "SLURM_TASKS_PER_NODE");
	if (rc == 0 && cpus != NULL) {
		rc = hosts_parse_slurm_counts(cpus, hosts->slots, hosts->names.count, err);
		for (size_t i = 0; rc == 0 && i < hosts->names.count; i++)
			if (hosts->cpus == 0 || hosts->slots[i] < hosts->cpus)
				hosts->cpus = hosts->slots[i];
	}
	/* Inside a step that is smaller than the job this one describes the step: then CPUs count. */
	if (rc == 0 && tasks != NULL && (cpus == NULL || rank_env_get(environment, "SLURM_NTASKS") != NULL))
		take_slurm_tasks(tasks, hosts);
	hosts->slots_are_known = true;
	return rc < 0 ? err_prefix(err, "Slurm's environment") : 0;
}

static int from_this_node(struct hosts *hosts, struct err *err)
{
	char name[HOSTLIST_NAME_MAX] = "";
	if (gethostname(name, sizeof name - 1) < 0)
		return err_errno(err, errno, "gethostname");
	int rc = hostlist_add_name(&hosts->names, name, strlen(name), err);
	return rc < 0 ? rc : set_slots(hosts, 0, card_usable_cores(), err);
}

int hosts_find(const struct options *options, char *const *environment, struct hosts *hosts,
	       struct err *err)
{
	const char *slurm_nodes = rank_env_get(environment, "SLURM_JOB_NODELIST");
	*hosts = (struct hosts){0};
	if (options->hosts != NULL) {
		hosts->source = HOSTS_OPTION;
		int rc = hosts_parse_list(options->hosts, hosts, err);
		return rc < 0 ? err_prefix(err, "--host %s", options->hosts) : 0;
	}
	if (options->host_file != NULL) {
		hosts->source = HOSTS_FILE;
		return read_host_file(options->host_file, hosts, err);
	}
	bool local = options->launcher != NULL && strcmp(options->launcher, "local") == 0;
	if (slurm_nodes != NULL && rank_env_get(environment, "SLURM_JOB_ID") != NULL && !local) {
		hosts->source = HOSTS_SLURM;
		return from_slurm(environment, slurm_nodes, hosts, err);
	}
	hosts->source = HOSTS_LOCAL;
	return from_this_node(hosts, err);
}
