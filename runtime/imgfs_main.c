/*
 * imgfs_main.c - cmpi-imgfs [UID GID] [ROOT-HASH]: the image server (imgfs_start.h).
 *
 * Ends when the mount does, or with cmpi-init, which asked the kernel to kill it then.  It says
 * nothing: cmpi-init tells people what its exit status means.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/arrival.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "runtime/imgfs.h"
#include "runtime/imgfs_record.h"
#include "runtime/imgfs_serve.h"
#include "runtime/imgfs_start.h"
#include "squash/squash_verity.h"

static bool hash_parse(const char *text, uint8_t hash[VERITY_HASH])
{
	if (strlen(text) != 2 * VERITY_HASH)
		return false;
	for (size_t i = 0; i < VERITY_HASH; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], '\0'}, *end;
		hash[i] = (uint8_t)strtoul(digits, &end, 16);
		if (*end != '\0')
			return false;
	}
	return true;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* What came as a descriptor becomes part of the options. */
static int take_descriptors(struct imgfs_options *options, struct err *err)
{
	options->source.owner_fd = is_open(IMGFS_OWNER_FD) ? IMGFS_OWNER_FD : -1;
	if (is_open(IMGFS_ARRIVAL_FD) &&
	    arrival_open(IMGFS_ARRIVAL_FD, &options->source.arrival, err) < 0)
		return IMGFS_EXIT_ARRIVAL;
	if (is_open(IMGFS_PROFILE_FD) &&
	    imgfs_record_new(IMGFS_PROFILE_FD, IMGFS_ROOT, &options->record, err) < 0)
		return IMGFS_EXIT_PROFILE;
	return 0;
}

static int serve(struct imgfs_options *options)
{
	struct err err = ERR_NONE;
	AUTO_CALL(imgfs_free) struct imgfs *imgfs = NULL;
	int code = take_descriptors(options, &err);
	if (code != 0)
		return code;
	int rc = imgfs_open(IMGFS_IMAGE_FD, options, &imgfs, &err);
	if (rc < 0 && rc != -ENOMEM)
		return rc == -EIO ? IMGFS_EXIT_ARRIVAL : IMGFS_EXIT_IMAGE;
	if (rc == 0)
		rc = imgfs_serve(imgfs, IMGFS_FUSE_FD, options->record != NULL, &err);
	if (rc == 0)
		return IMGFS_EXIT_UNMOUNTED;
	return rc == -ENOMEM ? IMGFS_EXIT_MEMORY : IMGFS_EXIT_SESSION;
}

int main(int argc, char **argv)
{
	struct imgfs_options options = {0};
	uint8_t hash[VERITY_HASH];
	log_open("cmpi-imgfs", NULL, LOG_LEVEL_NORMAL);
	if (argc > 4 || (argc % 2 == 0 && !hash_parse(argv[argc - 1], hash))) {
		log_error("usage: cmpi-imgfs [UID GID] [ROOT-HASH]; it is started by cmpi-init, not by hand");
		return IMGFS_EXIT_USAGE;
	}
	if (argc % 2 == 0)
		options.root_hash = hash;
	if (argc >= 3) {
		options.own_ids = true;
		options.uid = (uid_t)strtoul(argv[1], NULL, 10);
		options.gid = (gid_t)strtoul(argv[2], NULL, 10);
	}
	/* Blocks come and go by 128 KiB: keep their memory instead of asking the kernel each time, and
	 * ask for much at once.  One arena: threads share few and large blocks, and each further arena
	 * costs page faults. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TOP_PAD, 8 << 20);
	int code = serve(&options);
	imgfs_record_free(&options.record);
	arrival_free(&options.source.arrival);
	return code;
}
