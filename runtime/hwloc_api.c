/*
 * hwloc_api.c - dlopen of libhwloc (hwloc_api.h).
 *
 * By the name of its ABI, which the header that we were built with says (hwloc 2.x: 15).
 */
#include "runtime/hwloc_api.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#if HWLOC_API_VERSION < 0x00020000 || HWLOC_API_VERSION >= 0x00030000
#error "libhwloc.so.15 is that of hwloc 2"
#endif

static const struct {
	const char *name;
	size_t at;
} functions[] = {
#define HWLOC_API_ROW(name) {"hwloc_" #name, offsetof(struct hwloc_api, name)},
	HWLOC_API(HWLOC_API_ROW)
};

int hwloc_api_open(struct hwloc_api *api, struct err *err)
{
	void *library = dlopen("libhwloc.so.15", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return err_set(err, ENOENT, "hwloc is needed to bind ranks: %s; install it (libhwloc15), or "
			       "run with --bind-to none", dlerror());
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		void *address = dlsym(library, functions[i].name);
		if (address == NULL)
			return err_set(err, ENOENT, "hwloc lacks %s: it is of another version than 2",
				       functions[i].name);
		memcpy((char *)api + functions[i].at, &address, sizeof address);
	}
	return 0;
}
