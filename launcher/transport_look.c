/*
 * transport_look.c - /proc/PID of a rank (transport.h).
 *
 * The rank is in a user namespace below ours and belongs to our user: its maps, descriptors and environment may be
 * read.  What may not is left out, and so is what is gone.
 */
#include "launcher/transport.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "launcher/process.h"

struct mpi_process {
	pid_t pid;
	struct transport_evidence evidence;  /* of its maps, as yet */
};

static bool has_mpi(void *context, pid_t pid, const struct buf *maps)
{
	struct mpi_process *found = context;
	*found = (struct mpi_process){.pid = pid};
	transport_add_maps(&found->evidence, maps->data, maps->len);
	return found->evidence.mpi != NULL;
}

/* Devices and, into inodes, sockets; how many. */
static size_t look_at_descriptors(pid_t pid, struct transport_evidence *evidence, uint64_t *inodes)
{
	char path[64], link[256];
	size_t count = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
		if (len <= 0)
			continue;
		link[len] = '\0';
		transport_add_link(evidence, link);
		if (count < TRANSPORT_SOCKETS_MAX && strncmp(link, "socket:[", 8) == 0)
			inodes[count++] = strtoull(link + 8, NULL, 10);
	}
	if (dir != NULL)
		closedir(dir);
	return count;
}

static bool listens(pid_t pid, const uint64_t *inodes, size_t count)
{
	static const char *const tables[] = {"tcp", "tcp6"};
	char path[64];
	bool does = false;
	for (size_t i = 0; i < 2 && !does; i++) {
		AUTO_BUF struct buf table = {0};
		snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, tables[i]);
		process_read(path, &table);
		does = table.len > 0 && transport_listens(table.data, table.len, inodes, count);
	}
	return does;
}

/* The kernel can copy between processes at all. */
static bool node_has_cma(void)
{
	char from = 1, to = 0;
	struct iovec local = {&to, 1}, remote = {&from, 1};
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

void transport_look(pid_t pid, uint32_t nodes, uint32_t local_ranks, struct transport *transport)
{
	struct mpi_process found;
	uint64_t inodes[TRANSPORT_SOCKETS_MAX];
	AUTO_BUF struct buf environment = {0};
	char path[64];
	if (!process_search(pid, has_mpi, &found))
		return;
	size_t count = look_at_descriptors(found.pid, &found.evidence, inodes);
	found.evidence.listens_on_tcp = listens(found.pid, inodes, count);
	transport_judge(&found.evidence, nodes, transport);
	if (local_ranks < 2 || !node_has_cma())
		return;
	snprintf(path, sizeof path, "/proc/%d/environ", (int)found.pid);
	process_read(path, &environment);
	const char *variable = transport_no_cma(&found.evidence, environment.data ? environment.data : "", environment.len);
	snprintf(transport->no_cma, sizeof transport->no_cma, "%s", variable ? variable : "");
}
