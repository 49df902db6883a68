/*
 * hosts.h - which nodes are mine, and how many slots has each?
 *
 * Pure parsers of what users and workload managers say; hosts_find() puts the
 * sources in order: --host, --hostfile, the workload manager, this node.
 */
#ifndef LAUNCHER_HOSTS_H
#define LAUNCHER_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/hostlist.h"
#include "launcher/options.h"

enum hosts_source { HOSTS_LOCAL, HOSTS_OPTION, HOSTS_FILE, HOSTS_SLURM };

struct hosts {
	enum hosts_source source;
	struct hostlist names;
	uint32_t *slots;       /* names.count of them */
	uint32_t cpus;         /* the fewest CPUs that a node of the allocation gives us; 0: unknown */
	bool slots_are_known;  /* false: a default was taken; then they are no limit */
};

/* "a:2,b[1-3]:4,c" */
int hosts_parse_list(const char *text, struct hosts *hosts, struct err *err);
/* Host file: "name", "name:N", "name slots=N ..." a line; # begins a comment; a
 * name that comes twice adds up (mpirun).  `name` is for messages. */
int hosts_parse_file(const char *text, size_t len, const char *name, struct hosts *hosts,
		     struct err *err);
/* Slurm's "4(x2),3": one number a node. */
int hosts_parse_slurm_counts(const char *text, uint32_t *counts, size_t count, struct err *err);

/* `environment` as environ(7). */
int hosts_find(const struct options *options, char *const *environment, struct hosts *hosts,
	       struct err *err);
void hosts_free(struct hosts *hosts);
#define AUTO_HOSTS __attribute__((cleanup(hosts_free)))

const char *hosts_source_name(enum hosts_source source);

#endif
