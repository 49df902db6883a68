/*
 * cmpi_node.h - `cmpi node ls` and `cmpi node rm`: the images that this node keeps for later runs.  Each takes its
 * arguments, NULL-terminated, and returns an exit code.
 */
#ifndef LAUNCHER_CMPI_NODE_H
#define LAUNCHER_CMPI_NODE_H

int cmpi_node_ls(char **argv);
/* "--all", or digests, as ls prints them (their first 6 digits and more do). */
int cmpi_node_rm(char **argv);

#endif
