/*
 * host.c - files and libraries of the host (host.h).
 *
 * Flow: a SONAME in, the real path of the file out, by the linker's search order
 * (ld.so(8)): LD_LIBRARY_PATH, RUNPATH, ld.so.cache, default directories.
 *
 * Invariants: with another root every path goes through openat2(RESOLVE_IN_ROOT),
 * so that its links cannot lead to this machine's files.  Nothing is executed or
 * loaded; files are mapped read-only and read by the bounded readers.
 *
 * Caveats: hwcaps sub-directories are not searched (the plain copy is taken, it has
 * the same ABI).  A file that is truncated while it is mapped kills us with SIGBUS,
 * as it would every program on the host that uses it.
 */
#include "mpi-abi/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "mpi-abi/host_private.h"
#include "mpi-abi/search_path.h"

const char *const host_library_dirs[] = {
#if defined(__x86_64__)
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
	"/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
#elif defined(__powerpc64__)
	"/lib/powerpc64le-linux-gnu", "/usr/lib/powerpc64le-linux-gnu",
#elif defined(__riscv)
	"/lib/riscv64-linux-gnu", "/usr/lib/riscv64-linux-gnu",
#endif
	"/lib64", "/usr/lib64", "/lib", "/usr/lib", NULL,
};

static bool is_here(const struct host *host)
{
	return host->root == NULL;
}

int host_open_file(const struct host *host, const char *path, int flags)
{
	if (is_here(host)) {
		int fd = open(path, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT};
	int fd = (int)syscall(SYS_openat2, host->root_fd, path, &how, sizeof how);
	return fd < 0 ? -errno : fd;
}

int host_realpath_new(const struct host *host, const char *path, char **real, struct err *err)
{
	char link[40], text[PATH_MAX];
	AUTO_FD int fd = host_open_file(host, path, O_PATH);
	if (fd < 0)
		return err_errno(err, -fd, "host file %s", path);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, text, sizeof text - 1);
	if (len < 0)
		return err_errno(err, errno, "host file %s", path);
	text[len] = '\0';
	size_t skip = 0;
	if (!is_here(host) && strncmp(text, host->root, strlen(host->root)) == 0)
		skip = strlen(host->root);
	*real = strdup(text + skip);
	return *real ? 0 : err_set(err, ENOMEM, "no memory for a path");
}

bool host_is_directory(const struct host *host, const char *path)
{
	AUTO_FD int fd = host_open_file(host, path, O_PATH | O_DIRECTORY);
	return fd >= 0;
}

int host_file_map(const struct host *host, const char *path, struct elf_bytes *bytes, struct err *err)
{
	struct stat st;
	AUTO_FD int fd = host_open_file(host, path, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, -fd, "host file %s", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "host file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "host file %s is not a regular file", path);
	*bytes = (struct elf_bytes){0};
	if (st.st_size == 0)
		return 0;
	void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_errno(err, errno, "map the host file %s", path);
	*bytes = (struct elf_bytes){.bytes = map, .len = (size_t)st.st_size};
	return 0;
}

void host_file_unmap(struct elf_bytes *bytes)
{
	if (bytes->bytes)
		munmap((void *)bytes->bytes, bytes->len);
	*bytes = (struct elf_bytes){0};
}

int host_elf_read(const struct host *host, const char *path, unsigned parts, struct elf *elf,
		  struct err *err)
{
	struct elf_bytes bytes;
	int rc = host_file_map(host, path, &bytes, err);
	if (rc < 0)
		return rc;
	struct elf_source source = elf_source_bytes(&bytes);
	rc = elf_read(&source, parts, elf, err);
	host_file_unmap(&bytes);
	if (rc == -ENOEXEC)
		return err_set(err, ENOEXEC, "host file %s is not an ELF file", path);
	return rc < 0 ? err_prefix(err, "host file %s", path) : 0;
}

/* A host without a cache (or with one we cannot read) still has its directories. */
static void read_cache(struct host *host)
{
	struct elf_bytes bytes;
	struct err ignored;
	if (host_file_map(host, "/etc/ld.so.cache", &bytes, &ignored) < 0)
		return;
	if (ldcache_parse(bytes.bytes, bytes.len, &host->cache, &ignored) < 0)
		host->cache = (struct ldcache){0};
	host_file_unmap(&bytes);
}

int host_open(const char *root, const char *library_path, struct host **out, struct err *err)
{
	struct host *host = calloc(1, sizeof *host);
	if (!host)
		return err_set(err, ENOMEM, "no memory to look at the host");
	host->root_fd = -1;
	int rc = 0;
	if (root && strcmp(root, "/") != 0) {
		host->root = realpath(root, NULL);
		if (!host->root) {
			rc = err_errno(err, errno, "host root %s", root);
		} else {
			host->root_fd = open(host->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (host->root_fd < 0)
				rc = err_errno(err, errno, "host root %s", root);
		}
	}
	if (rc == 0 && library_path && !(host->library_path = strdup(library_path)))
		rc = err_set(err, ENOMEM, "no memory to look at the host");
	if (rc < 0) {
		host_free(&host);
		return rc;
	}
	read_cache(host);
	*out = host;
	return 0;
}

void host_free(struct host **where)
{
	struct host *host = *where;
	*where = NULL;
	if (!host)
		return;
	close_fd(&host->root_fd);
	free(host->root);
	free(host->library_path);
	ldcache_free(&host->cache);
	free(host);
}

/* `dir`/`soname`, if it is a library of that machine: its real path. */
static char *library_in(const struct host *host, const char *dir, size_t dir_len,
			const char *soname, unsigned machine)
{
	char path[PATH_MAX];
	char *real = NULL;
	struct err ignored;
	AUTO_ELF struct elf elf = {0};
	if (dir_len == 0 || dir[0] != '/' ||
	    (size_t)snprintf(path, sizeof path, "%.*s/%s", (int)dir_len, dir, soname) >= sizeof path)
		return NULL;
	if (host_elf_read(host, path, 0, &elf, &ignored) < 0 || elf.kind != ELF_DYNAMIC ||
	    elf.machine != machine || host_realpath_new(host, path, &real, &ignored) < 0)
		return NULL;
	return real;
}

static char *library_on_path(const struct host *host, const char *list, const char *from,
			     const char *soname, unsigned machine)
{
	char dir[PATH_MAX];
	while (search_path_next(&list, from, dir, sizeof dir)) {
		char *real = library_in(host, dir, strlen(dir), soname, machine);
		if (real)
			return real;
	}
	return NULL;
}

static char *library_in_cache(const struct host *host, const char *soname, unsigned machine)
{
	const struct ldcache_entry *entry =
		ldcache_find(&host->cache, soname, ldcache_flags(machine));
	char *real = NULL;
	struct err ignored;
	if (!entry || host_realpath_new(host, entry->path, &real, &ignored) < 0)
		return NULL;
	return real;
}

int host_library_new(const struct host *host, const char *soname, unsigned machine,
		     const char *from, const char *search, char **real, struct err *err)
{
	if (strchr(soname, '/'))
		return host_realpath_new(host, soname, real, err);
	*real = library_on_path(host, host->library_path, NULL, soname, machine);
	if (!*real)
		*real = library_on_path(host, search, from, soname, machine);
	if (!*real)
		*real = library_in_cache(host, soname, machine);
	for (size_t i = 0; !*real && host_library_dirs[i]; i++)
		*real = library_in(host, host_library_dirs[i], strlen(host_library_dirs[i]), soname,
				   machine);
	return *real ? 0 : -ENOENT;
}

DIR *host_opendir(const struct host *host, const char *path)
{
	int fd = host_open_file(host, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return NULL;
	DIR *dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

static int modules_below(const struct host *host, const char *directory, int levels,
			 host_visit_fn *visit, void *context, struct err *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = 0;
	DIR *dir = host_opendir(host, directory);
	if (!dir)
		return 0;
	while (rc == 0 && (entry = readdir(dir))) {
		struct stat st;
		if (entry->d_name[0] == '.' ||
		    (size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= sizeof path ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && levels > 1)
			rc = modules_below(host, path, levels - 1, visit, context, err);
		else if (S_ISREG(st.st_mode) && strstr(entry->d_name, ".so"))
			rc = visit(context, path, err);
	}
	closedir(dir);
	return rc;
}

int host_modules(const struct host *host, const char *directory, host_visit_fn *visit,
		 void *context, struct err *err)
{
	return modules_below(host, directory, 4, visit, context, err);
}
