/*
 * cmpi_abi.h - `cmpi abi …`: decisions about the MPI, and the index of an image, without a run.
 *
 * Each takes the words behind the subcommand, NULL-terminated, prints, and returns an exit status.
 */
#ifndef LAUNCHER_CMPI_ABI_H
#define LAUNCHER_CMPI_ABI_H

/* EXITCODE_OK: what was asked for fits; EXITCODE_SETUP: it does not, and the reason is printed. */
int cmpi_abi_explain(char **argv);
int cmpi_abi_index(char **argv);

#endif
