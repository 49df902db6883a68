/*
 * imgfs_main.c - cmpi-imgfs [UID GID]: the image server (imgfs_start.h).
 *
 * Ends when the mount does, or with cmpi-init, which asked the kernel to kill it then.  It says
 * nothing: cmpi-init tells people what its exit status means.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "common/log.h"
#include "runtime/imgfs.h"
#include "runtime/imgfs_serve.h"
#include "runtime/imgfs_start.h"

int main(int argc, char **argv)
{
	struct err err = ERR_NONE;
	struct imgfs *imgfs = NULL;
	struct imgfs_options options = {0};
	log_open("cmpi-imgfs", NULL, LOG_LEVEL_NORMAL);
	if (argc != 1 && argc != 3) {
		log_error("usage: cmpi-imgfs [UID GID]; it is started by cmpi-init, not by hand");
		return IMGFS_EXIT_USAGE;
	}
	if (argc == 3) {
		options = (struct imgfs_options){true, (uid_t)strtoul(argv[1], NULL, 10),
						 (gid_t)strtoul(argv[2], NULL, 10)};
	}
	/* Blocks come and go by 128 KiB: keep their memory instead of asking the kernel each time. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	int rc = imgfs_open(IMGFS_IMAGE_FD, &options, &imgfs, &err);
	if (rc < 0)
		return rc == -ENOMEM ? IMGFS_EXIT_MEMORY : IMGFS_EXIT_IMAGE;
	rc = imgfs_serve(imgfs, IMGFS_FUSE_FD, &err);
	imgfs_free(&imgfs);
	if (rc == 0)
		return IMGFS_EXIT_UNMOUNTED;
	return rc == -ENOMEM ? IMGFS_EXIT_MEMORY : IMGFS_EXIT_SESSION;
}
