/*
 * kvs.h - the key-value space of PMI-1: text to text, last put wins.
 *
 * Every node has a copy.  What was put here since the last export is the
 * node's contribution to a fence; the union that comes back is imported.
 * On the wire a space is a sequence of (blob key, blob value), common/buf.h,
 * so the union of several exports is their concatenation.
 */
#ifndef PMIX_KVS_H
#define PMIX_KVS_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum {
	KVS_KEY_MAX = 63,     /* bytes without the NUL: what Hydra allows, and ... */
	KVS_VALUE_MAX = 1023, /* ... MPICH cuts its values accordingly */
};

struct kvs;

/* `bytes_max` bounds keys and values in sum. NULL: no memory. */
struct kvs *kvs_new(size_t bytes_max);
void kvs_free(struct kvs **kvs);

/* -EINVAL: empty or too long; -ENOSPC: the space is full; -ENOMEM. */
int kvs_put(struct kvs *kvs, const char *key, const char *value, struct err *err);
/* NULL: no such key. Valid until the next put or import. */
const char *kvs_get(const struct kvs *kvs, const char *key);

/* Appends what was put since the last export. */
void kvs_export(struct kvs *kvs, struct buf *out);
/* Foreign bytes: -EPROTO when they make no sense. Imported keys are not exported again. */
int kvs_import(struct kvs *kvs, const void *bytes, size_t len, struct err *err);

#endif
