/*
 * pmix_api.h - libpmix, loaded when it is needed.
 *
 * Loading costs 0.7 ms and some 15 libraries; a daemon that links it would pay
 * before its first line.  The ABI of libpmix.so.2 is kept by PMIx 3 to 6: functions are only
 * added, and so are members at the end of its server module.
 */
#ifndef PMIX_PMIX_API_H
#define PMIX_PMIX_API_H

#include <pmix.h>
#include <pmix_server.h>

#include "common/err.h"

struct pmix_api {
	__typeof__(&PMIx_server_init) server_init;
	__typeof__(&PMIx_server_register_nspace) server_register_nspace;
	__typeof__(&PMIx_server_register_client) server_register_client;
	__typeof__(&PMIx_server_setup_fork) server_setup_fork;
	__typeof__(&PMIx_server_dmodex_request) server_dmodex_request;
	__typeof__(&PMIx_generate_regex) generate_regex;
	__typeof__(&PMIx_generate_ppn) generate_ppn;
	__typeof__(&PMIx_Value_load) value_load;
	__typeof__(&PMIx_Error_string) error_string;
	/* NULL in libraries that lack them: */
	__typeof__(&PMIx_Parse_cpuset_string) parse_cpuset_string;
	__typeof__(&PMIx_server_generate_locality_string) generate_locality_string;
	__typeof__(&PMIx_Cpuset_destruct) cpuset_destruct;
};

/* Loads the library for the life of the process. -ENOSYS: it is not here or too old. */
int pmix_api_load(struct pmix_api *api, struct err *err);

/* "call: PMIx's words", with a fitting errno value. */
int pmix_api_err(const struct pmix_api *api, struct err *err, const char *call,
		 pmix_status_t status);

#endif
