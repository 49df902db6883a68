/* A hostile ld.so.cache; what could be read is written and must read the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mpi-abi/ldcache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct ldcache cache, again;
	AUTO_BUF struct buf bytes = {0};
	if (ldcache_parse(data, size, &cache, &err) < 0)
		return 0;
	if (ldcache_set(&cache, "libmpi.so.12", "/.cmpirun/mpi/lib/libmpi.so.12", 0x303, &err) < 0 ||
	    ldcache_write(&cache, &bytes, &err) < 0 ||
	    ldcache_parse(bytes.data, bytes.len, &again, &err) < 0 || again.count != cache.count ||
	    again.hwcap_count != cache.hwcap_count || !ldcache_find(&again, "libmpi.so.12", 0x303))
		abort();
	for (size_t i = 1; i < again.count; i++)
		if (ldcache_compare(again.entries[i - 1].key, again.entries[i].key) < 0)
			abort();
	ldcache_free(&cache);
	ldcache_free(&again);
	return 0;
}
