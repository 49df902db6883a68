/*
 * imgfs_private.h - what imgfs.c and imgfs_list.c share; for nobody else.
 */
#ifndef RUNTIME_IMGFS_PRIVATE_H
#define RUNTIME_IMGFS_PRIVATE_H

#include <pthread.h>

#include "runtime/imgfs.h"
#include "runtime/imgfs_made.h"
#include "squash/squash_disk.h"

#define MADE_OFFSET (1ull << 62)  /* directory offsets from here on are made nodes */
enum { DOT_OFFSETS = 2 };

/* What one call works with; taken from imgfs->idle for its time. */
struct imgfs_reader {
	struct disk_reader disk;
	struct imgfs *imgfs;
	struct imgfs_reader *next;
	uint64_t recorded;           /* the inode that is read, IMGFS_NOT_RECORDED, or 0: none */
	struct imgfs_range *missing; /* NULL: wait for what is not here; else put it there */
};
#define IMGFS_NOT_RECORDED UINT64_MAX

struct imgfs {
	struct disk disk;
	struct imgfs_options options;
	pthread_mutex_t lock;        /* of what follows */
	struct imgfs_reader *idle;   /* the one used last first: its blocks are warm */
	struct imgfs_made made;
};

/* NULL: no memory. */
struct imgfs_reader *imgfs_reader_take(struct imgfs *imgfs);
void imgfs_reader_give(struct imgfs_reader **reader);
#define AUTO_READER AUTO_CALL(imgfs_reader_give) struct imgfs_reader

bool imgfs_is_made(uint64_t ino);
/* A copy; its strings live as long as the imgfs. false: there is none. */
bool imgfs_made_node_get(struct imgfs *imgfs, uint64_t ino, struct imgfs_made_node *node);
uint64_t imgfs_made_number(const struct imgfs *imgfs, uint64_t ino);
void imgfs_made_attr(const struct imgfs *imgfs, uint64_t ino, const struct imgfs_made_node *node,
		     struct stat *attr);

uint64_t imgfs_ino_of(const struct imgfs *imgfs, uint64_t inode);
int imgfs_inode_get(struct imgfs_reader *reader, uint64_t ino, struct disk_inode *inode);
int imgfs_directory_get(struct imgfs_reader *reader, uint64_t ino, struct disk_inode *inode);
int imgfs_attr_fill(const struct imgfs *imgfs, const struct disk_inode *inode, struct stat *attr);

#endif
