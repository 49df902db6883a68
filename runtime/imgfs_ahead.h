/*
 * imgfs_ahead.h - unpacks what a file's reader will ask for next, on a thread of its own.
 *
 * The kernel reads ahead by 128 KiB and waits for them before it asks for more; so with one reader
 * one thread works, and the others of the node may as well.
 */
#ifndef RUNTIME_IMGFS_AHEAD_H
#define RUNTIME_IMGFS_AHEAD_H

#include "runtime/imgfs.h"

struct imgfs_ahead;

int imgfs_ahead_new(struct imgfs *imgfs, struct imgfs_ahead **ahead, struct err *err);
void imgfs_ahead_free(struct imgfs_ahead **ahead);

/* [offset, offset + size) of `ino` is read.  If it goes on from where a read before ended, and help is
 * wanted, the blocks behind are unpacked into the image's cache.  Any thread; does not wait. */
void imgfs_ahead_note(struct imgfs_ahead *ahead, uint64_t ino, uint64_t offset, size_t size,
		      bool wanted);

#endif
