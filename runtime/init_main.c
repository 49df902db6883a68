/*
 * init_main.c - cmpi-init SOCKET IMGFS
 *
 * Started by cmpid only (init_client.c): SOCKET is the number of an inherited descriptor, IMGFS the
 * path of the image server.
 */
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/exitcode.h"
#include "common/log.h"
#include "runtime/init.h"

static int prepare(struct err *err)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "give up new privileges");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_errno(err, errno, "become the reaper");
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = ERR_NONE;
	log_open("cmpi-init", NULL, LOG_LEVEL_NORMAL);
	int fd = argc == 3 ? atoi(argv[1]) : -1;
	/* Also what a careless parent left open: nothing of the host's is to reach a rank. */
	if (fd < 3 || close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0) {
		log_error("usage: cmpi-init SOCKET IMGFS; it is started by cmpid, not by hand");
		return EXITCODE_USAGE;
	}
	int rc = prepare(&err);
	if (rc == 0)
		rc = init_run(fd, argv[2], &err);
	if (rc == 0)
		return EXITCODE_OK;
	log_error("%s", err.text);
	return EXITCODE_INTERNAL;
}
