/*
 * hwloc_api.h - the functions of hwloc that topology.c calls, from the library loaded at run time.
 *
 * A launch whose ranks are not bound looks at no topology, and loading hwloc with what it needs
 * (libudev, libm) is half a millisecond in front of everything else.  libpmix brings it later anyway,
 * beside the mount of the image.
 */
#ifndef RUNTIME_HWLOC_API_H
#define RUNTIME_HWLOC_API_H

#include <hwloc.h>

#include "common/err.h"

/* Name for name; the types are those of the header. */
#define HWLOC_API(X)                                                                               \
	X(bitmap_alloc)                                                                            \
	X(bitmap_and)                                                                              \
	X(bitmap_dup)                                                                              \
	X(bitmap_first)                                                                            \
	X(bitmap_free)                                                                             \
	X(bitmap_isset)                                                                            \
	X(bitmap_iszero)                                                                           \
	X(get_cpubind)                                                                             \
	X(get_obj_by_depth)                                                                        \
	X(get_type_depth)                                                                          \
	X(topology_destroy)                                                                        \
	X(topology_get_allowed_cpuset)                                                             \
	X(topology_init)                                                                           \
	X(topology_load)                                                                           \
	X(topology_set_components)                                                                 \
	X(topology_set_icache_types_filter)                                                        \
	X(topology_set_io_types_filter)                                                            \
	X(topology_set_synthetic)

struct hwloc_api {
#define HWLOC_API_MEMBER(name) __typeof__(hwloc_##name) *name;
	HWLOC_API(HWLOC_API_MEMBER)
};

/* The library stays loaded.  -ENOENT when it is not there, or of another ABI. */
int hwloc_api_open(struct hwloc_api *api, struct err *err);

#endif
