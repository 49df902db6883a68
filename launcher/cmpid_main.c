/*
 * cmpid_main.c - the node daemon's executable: one a node, started by srun, mpiexec, ...
 *
 * Takes the plan out of the environment if it came that far (on node 0 it must; the
 * others get it by MPI), and runs the daemon.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bcast/keep_holder.h"
#include "common/exitcode.h"
#include "common/log.h"
#include "image/image_file.h"
#include "launcher/daemon.h"
#include "launcher/fabric_probe.h"
#include "launcher/helpers.h"
#include "launcher/shield.h"
#include "version.h"

static int fail(const struct err *err)
{
	log_error("cmpid: %s", err->text);
	return EXITCODE_INTERNAL;
}

int main(int argc, char **argv)
{
	AUTO_PLAN struct plan plan = {0};
	char helpers[4096];
	struct err err;
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return puts("cmpid " CMPIRUN_VERSION) < 0;
	/* Not for people: a daemon starts it (bcast/keep_holder.h). */
	if (argc > 1 && strcmp(argv[1], "--keep-holder") == 0)
		return keep_holder_run(KEEP_HOLDER_FD);
	/* Nor this one (launcher/daemon_fabric.c). */
	if (argc > 1 && strcmp(argv[1], "--probe-fabric") == 0)
		return fabric_probe_print();
	int rc = helpers_find(helpers, sizeof helpers, &err);
	if (rc < 0)
		return fail(&err);
	rc = plan_import(&plan, &err);
	if (rc < 0 && rc != -ENOENT)
		return fail(&err);
	if (plan.supervisor.port != 0 && shield_raise(&err) < 0)
		return fail(&err);
	AUTO_IMAGE_FILE struct image_file image = {.fd = -1};
	bool is_one_node = rc == 0 && plan.nodes.count == 1;
	if (is_one_node && image_file_open(plan.image, &image, &err) < 0) {
		log_error("%s", err.text);
		return EXITCODE_IMAGE;
	}
	struct daemon_options options = {
		.plan = rc == 0 ? &plan : NULL, .helpers = helpers, .image_fd = image.fd};
	return daemon_run(&options);
}
