/*
 * fabric_probe.h - what fabric does this host have?
 *
 * libfabric is asked (fi_getinfo(3)), whose constructors and providers run then, so in a process of its own: cmpid
 * --probe-fabric, or cmpi fabric ls.  And devices are looked for, of hosts that have UCX and no libfabric.
 */
#ifndef LAUNCHER_FABRIC_PROBE_H
#define LAUNCHER_FABRIC_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* Lines "PROVIDER DOMAIN", "*" before those of a fabric, each once.  Loads libfabric.so.1 as the dynamic linker finds it. */
void fabric_probe(struct buf *out);
/* Prints them; an exit code. */
int fabric_probe_print(void);

/* Is that provider one of a fabric, and not one that runs over anything?  Pure, as the next. */
bool fabric_is_fast(const char *provider);
/* The first marked line as "PROVIDER (DOMAIN)"; false: there is none. */
bool fabric_best(const char *lines, size_t len, char *text, size_t size);

#endif
