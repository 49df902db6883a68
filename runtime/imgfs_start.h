/*
 * imgfs_start.h - what cmpi-init and cmpi-imgfs agree on.
 *
 *	cmpi-imgfs [UID GID] [ROOT-HASH]
 *
 * with the FUSE device (opened, the mount made) and the image as descriptors.  With UID and GID all
 * files are shown as theirs: inside a user namespace of one user the image's own ids have no
 * meaning, and a file of "nobody" is refused by ssh(1), git(1) and others.  With ROOT-HASH (64
 * hexadecimal digits) all that is read of the image is checked against its hash tree.
 */
#ifndef RUNTIME_IMGFS_START_H
#define RUNTIME_IMGFS_START_H

enum {
	IMGFS_FUSE_FD = 3,
	IMGFS_IMAGE_FD = 4,
	IMGFS_ARRIVAL_FD = 5,  /* open: the map of what is here of the image (common/arrival.h) */
	IMGFS_PROFILE_FD = 6,  /* open: write there what is read (imgfs_profile.h) */
	IMGFS_OWNER_FD = 7,    /* with an arrival: a pidfd of who will end it */
};

/* Its exit statuses, whose texts backend_fuse.c has. */
enum imgfs_exit {
	IMGFS_EXIT_UNMOUNTED = 0,
	IMGFS_EXIT_USAGE = 2,
	IMGFS_EXIT_IMAGE = 3,     /* the tables of the image are damaged */
	IMGFS_EXIT_SESSION = 4,   /* the FUSE session could not be set up, or failed */
	IMGFS_EXIT_MEMORY = 5,
	IMGFS_EXIT_ARRIVAL = 6,   /* the image does not arrive */
	IMGFS_EXIT_PROFILE = 7,   /* the profile cannot be written */
};

#endif
