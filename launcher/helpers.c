/*
 * helpers.c - finds our own executables from /proc/self/exe (helpers.h).
 */
#include "launcher/helpers.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "version.h"

int helpers_find(char *dir, size_t size, struct err *err)
{
	static const char *const places[] = {"%s", "%s/../libexec/cmpirun", CMPIRUN_LIBEXECDIR};
	char self[PATH_MAX], file[PATH_MAX + 32];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
	if (len < 0)
		return err_errno(err, errno, "/proc/self/exe");
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		const char *slot = strstr(places[i], "%s");
		snprintf(dir, size, "%s%s", slot ? self : "", slot ? slot + 2 : places[i]);
		snprintf(file, sizeof file, "%s/cmpi-init", dir);
		if (access(file, X_OK) == 0)
			return 0;
	}
	return err_set(err, ENOENT,
		       "cmpi-init and its companions are neither in %s, nor in %s/../libexec/cmpirun, nor in "
		       "%s: is cmpirun installed completely?",
		       self, self, CMPIRUN_LIBEXECDIR);
}
