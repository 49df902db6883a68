/*
 * transport.h - over what do the ranks really talk?
 *
 * Evidence, not belief: what one rank of each node has mapped and opened when its MPI has just been initialised.
 *
 *	mapped      the MPI's library; Open MPI's components that were not closed again (pml, mtl, btl); UCX, libfabric
 *	devices     an open /dev/cxi0, /dev/infiniband/uverbs0 ...: it talks over that fabric
 *	sockets     without one, of a job on several nodes, a TCP socket that listens: peers connect there
 *
 * Caveats: a process that has a device open and still takes TCP for some peers counts as one with a fabric; components
 * that are linked into the library (Open MPI 5's default) have no names here.
 *
 * Pure, but for transport_look().  Texts are made of known words and of names with letters, digits, "_.-" only.
 */
#ifndef LAUNCHER_TRANSPORT_H
#define LAUNCHER_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/hostlist.h"

/* The one that deserves attention last: of several nodes it stays. */
enum transport_grade { TRANSPORT_UNKNOWN, TRANSPORT_LOCAL, TRANSPORT_FABRIC, TRANSPORT_TCP, TRANSPORT_GRADES };

enum { TRANSPORT_TEXT_MAX = 160, TRANSPORT_SOCKETS_MAX = 1024 };

struct transport {
	enum transport_grade grade;
	char words[TRANSPORT_TEXT_MAX];   /* "MPICH: UCX over TCP"; "": nothing is known */
	char better[TRANSPORT_TEXT_MAX];  /* what the host has instead of TCP: "cxi (cxi0)"; "": nothing */
	char no_cma[TRANSPORT_TEXT_MAX];  /* the variable that switches CMA off, though the node has it; "": none */
	char node[HOSTLIST_NAME_MAX];
};

struct transport_evidence {
	const char *mpi;                  /* "MPICH", ...; NULL: no MPI is mapped */
	char pml[32], mtl[32], btl[96];   /* names, with a space between */
	bool has_ucx, has_libfabric;
	char provider[64];                /* of libfabric, where it is a file of its own */
	char device[32];                  /* "cxi0"; "": none is open */
	bool listens_on_tcp;
};

/* Lines of /proc/PID/maps. */
void transport_add_maps(struct transport_evidence *evidence, const char *maps, size_t len);
/* What a descriptor of the process is a link to. */
void transport_add_link(struct transport_evidence *evidence, const char *link);
/* Does one of these sockets listen, by this /proc/PID/net/tcp? */
bool transport_listens(const char *table, size_t len, const uint64_t *inodes, size_t count);
/* The variable by which this environment (NAME=VALUE\0...) switches CMA off for that MPI; NULL: none. */
const char *transport_no_cma(const struct transport_evidence *evidence, const char *environment, size_t len);
void transport_judge(const struct transport_evidence *evidence, uint32_t nodes, struct transport *transport);

/* Of those of several nodes the one that deserves attention. */
void transport_merge(struct transport *transport, const struct transport *other);
void transport_pack(const struct transport *transport, struct buf *out);
void transport_parse(struct cursor *in, struct transport *transport);  /* sets in->bad */
/* ", \"transport\":{...}" for --timing=json, or nothing. */
void transport_print_json(const struct transport *transport, struct buf *out);

/* The rank, or the descendant of it that has an MPI mapped; words stay "" when there is none or it may not be looked
 * at.  `local_ranks`: CMA matters between ranks of a node only. */
void transport_look(pid_t pid, uint32_t nodes, uint32_t local_ranks, struct transport *transport);

#endif
