/*
 * cmpi_optimize.h - `cmpi image index`, `cmpi image optimize`.  Each takes its arguments, NULL-terminated, and
 * returns an exit code.
 */
#ifndef LAUNCHER_CMPI_OPTIMIZE_H
#define LAUNCHER_CMPI_OPTIMIZE_H

int cmpi_image_index(char **argv);
int cmpi_image_optimize(char **argv);

#endif
