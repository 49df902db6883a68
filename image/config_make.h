/*
 * config_make.h - the OCI image config → the JSON that travels with a squashfs.
 *
 * Pure.  Kept are what a run or a person needs (architecture, variant, os, created, author, and of
 * "config" Env, Entrypoint, Cmd, WorkingDir, User, Labels, ExposedPorts, Volumes, StopSignal);
 * history and rootfs are not: they say how the layers were made, which are no more.
 */
#ifndef IMAGE_CONFIG_MAKE_H
#define IMAGE_CONFIG_MAKE_H

#include "common/buf.h"
#include "common/err.h"

/* `config` (JSON as it came; NULL: none), reference and manifest_digest (may be NULL).  The same in,
 * the same out.  -EBADMSG: not a config; -EFBIG: more than TAIL_JSON_MAX. */
int image_config_make(const char *config, size_t len, const char *reference,
		      const char *manifest_digest, struct buf *json, struct err *err);

#endif
