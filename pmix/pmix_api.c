/*
 * pmix_api.c - dlopen of libpmix (pmix_api.h).
 *
 * The symbols stay local to libpmix (RTLD_LOCAL).  Its plug-ins bring their own
 * reference to it, so they find them.
 */
#include "pmix/pmix_api.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char soname[] = "libpmix.so.2";

/* Where the symbol's address goes: all members are function pointers of one size. */
static const struct symbol {
	const char *name;
	size_t offset;
	bool required;
} symbols[] = {
	{"PMIx_server_init", offsetof(struct pmix_api, server_init), true},
	{"PMIx_server_register_nspace", offsetof(struct pmix_api, server_register_nspace), true},
	{"PMIx_server_register_client", offsetof(struct pmix_api, server_register_client), true},
	{"PMIx_server_setup_fork", offsetof(struct pmix_api, server_setup_fork), true},
	{"PMIx_server_dmodex_request", offsetof(struct pmix_api, server_dmodex_request), true},
	{"PMIx_generate_regex", offsetof(struct pmix_api, generate_regex), true},
	{"PMIx_generate_ppn", offsetof(struct pmix_api, generate_ppn), true},
	{"PMIx_Value_load", offsetof(struct pmix_api, value_load), true},
	{"PMIx_Error_string", offsetof(struct pmix_api, error_string), true},
	{"PMIx_Parse_cpuset_string", offsetof(struct pmix_api, parse_cpuset_string), false},
	{"PMIx_server_generate_locality_string",
	 offsetof(struct pmix_api, generate_locality_string), false},
	{"PMIx_Cpuset_destruct", offsetof(struct pmix_api, cpuset_destruct), false},
};

int pmix_api_load(struct pmix_api *api, struct err *err)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return err_set(err, ENOSYS, "PMIx is not offered: %s", dlerror());
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		void *address = dlsym(library, symbols[i].name);
		if (address == NULL && symbols[i].required)
			return err_set(err, ENOSYS, "PMIx is not offered: %s has no %s", soname,
				       symbols[i].name);
		memcpy((char *)api + symbols[i].offset, &address, sizeof address);
	}
	return 0;
}

int pmix_api_err(const struct pmix_api *api, struct err *err, const char *call,
		 pmix_status_t status)
{
	return err_set(err, EIO, "%s: %s (%d)", call, api->error_string(status), status);
}
