/*
 * manifest_aci.h - the manifest of an App Container Image (rkt): a tar with `manifest` and `rootfs/`.
 *
 * Pure; foreign bytes.  The format is the ImageManifest of appc's specification 0.8.
 */
#ifndef IMAGE_MANIFEST_ACI_H
#define IMAGE_MANIFEST_ACI_H

#include <stddef.h>

#include "common/err.h"

/* The text of an OCI config that says the same, newly allocated: program, environment, directory,
 * user, platform, annotations.  -EBADMSG: no ImageManifest; -ENOTSUP: an image that is not whole in
 * itself (it depends on others, or takes only a part of what it holds). */
int manifest_aci_config_new(const void *bytes, size_t len, char **config, struct err *err);

#endif
