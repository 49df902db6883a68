/*
 * fake.h - fake libraries and programs, and an image of them, for the tests of mpi-abi.
 *
 * Everything is compiled with -nostdlib, below "image/" and "host/" of a temporary
 * directory; "host/" stands in for the host's root.  Also a fake C library,
 * so that its versions can be chosen.
 */
#ifndef TESTS_UNIT_MPI_ABI_FAKE_H
#define TESTS_UNIT_MPI_ABI_FAKE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "squash/squash.h"

static char fake_dir[] = "/tmp/mpi_abi_test.XXXXXX";

static void __attribute__((format(printf, 1, 2))) fake_run(const char *format, ...)
{
	char command[8192];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("this failed: %s", command);
}

static int __attribute__((unused)) fake_setup(void **state)
{
	(void)state;
	return mkdtemp(fake_dir) && chdir(fake_dir) == 0 ? 0 : -1;
}

static int __attribute__((unused)) fake_teardown(void **state)
{
	(void)state;
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", fake_dir);
	return chdir("/") == 0 ? system(command) : -1;
}

/* Empties both sides; each gets a C library with GLIBC_2.2.5, and GLIBC_2.99 if `newer`. */
static void __attribute__((unused)) fake_libc(const char *side, int newer)
{
	fake_run("rm -rf %s; mkdir -p %s/usr/lib64 %s/usr/bin %s/etc; ln -s usr/lib64 %s/lib64;"
		 "printf 'GLIBC_2.2.5 { global: old_call; local: *; };%s' >map;"
		 "echo 'int old_call(void){return 0;} int new_call(void){return 0;}' >s.c;"
		 "cc -shared -fPIC -nostdlib -w s.c -Wl,--version-script=map,-soname,libc.so.6"
		 " -o %s/usr/lib64/libc.so.6", side, side, side, side, side,
		 newer ? " GLIBC_2.99 { global: new_call; } GLIBC_2.2.5;" : "", side);
}

/* A library SIDE/usr/lib64/SONAME of this C source; `flags` for the linker. */
static void __attribute__((unused)) fake_library(const char *side, const char *soname,
						 const char *source, const char *flags)
{
	fake_run("echo '%s' >s.c; cc -shared -fPIC -nostdlib -w s.c -Wl,--no-as-needed,-soname,%s %s"
		 " -o %s/usr/lib64/%s", source, soname, flags, side, soname);
}

/* A program SIDE/usr/bin/NAME. */
static void __attribute__((unused)) fake_program(const char *side, const char *name,
						 const char *source, const char *flags)
{
	fake_run("echo '%s' >s.c; cc -nostdlib -nostartfiles -w s.c -Wl,--no-as-needed,-e,main %s"
		 " -o %s/usr/bin/%s", source, flags, side, name);
}

/* MPICH as far as a test can tell: `more` is C code, e.g. another function. */
#define FAKE_PMI "const char pmi[]=\"cmd=barrier_in\";"
#define FAKE_MPICH FAKE_PMI "int MPI_Init(void){return old_call();} int MPIR_Dup_fn(void){return 1;} int MPI_Send(void){return 0;}"
#define FAKE_OPEN_MPI FAKE_PMI "int MPI_Init(void){return old_call();} int ompi_mpi_comm_world[64]={1};"
#define FAKE_LIBC " image/usr/lib64/libc.so.6"
#define FAKE_HOST_LIBC " host/usr/lib64/libc.so.6"
#define FAKE_MAIN "int main(void){return MPI_Init();}"

static __attribute__((unused)) struct squash *fake_image(int *fd)
{
	struct err err = ERR_NONE;
	struct squash *squash = NULL;
	fake_run("mksquashfs image image.sqsh -comp gzip -noappend -no-progress -quiet -no-xattrs >/dev/null");
	*fd = open("image.sqsh", O_RDONLY | O_CLOEXEC);
	if (*fd < 0 || squash_open(*fd, &squash, &err) < 0)
		fail_msg("image.sqsh: %s", err.text);
	return squash;
}

#endif
