/*
 * remove_tree.h - rm -r, by descriptor.
 *
 * Follows no symbolic link, and works from a process whose root has changed
 * since `dir_fd` was opened.
 */
#ifndef COMMON_REMOVE_TREE_H
#define COMMON_REMOVE_TREE_H

/* Removes the directory `name` of dir_fd with all that is in it.  What cannot be
 * removed stays; 0, or the -errno of the removal of `name` itself. */
int remove_tree(int dir_fd, const char *name);

#endif
