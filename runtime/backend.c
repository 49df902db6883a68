/*
 * backend.c - which back end (backend.h).
 *
 * The kernel's squashfs reads faster, but only root outside of a user namespace may mount it. Where
 * it cannot (no loop device, no squashfs module, a compressor that this kernel lacks), "auto" goes
 * on with FUSE, and an explicit wish gets the reason.
 */
#include "runtime/backend.h"

#include "common/cleanup.h"

static const struct {
	enum init_backend backend;
	bool needs_privilege;
	int (*attach)(const struct backend_input *input, struct backend_root *root, struct err *err);
} backends[] = {
	{INIT_BACKEND_KERNEL, true, backend_kernel_attach},
	{INIT_BACKEND_FUSE, false, backend_fuse_attach},
};

/* What only a server of our own can do: wait for what is not here yet, keep a record, check. */
static bool needs_fuse(const struct backend_input *input)
{
	return input->arrival_fd >= 0 || input->profile_fd >= 0 || input->root_hash != NULL;
}

static void root_close(struct backend_root *root)
{
	close_fd(&root->root_fd);
	close_fd(&root->image_fd);
}

int backend_attach(enum init_backend wanted, const struct backend_input *input,
		   struct backend_root *root, enum init_backend *used, struct err *err)
{
	*root = (struct backend_root){.root_fd = -1, .image_fd = -1};
	int rc = -ENODEV;
	for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
		bool automatic = wanted == INIT_BACKEND_AUTO;
		if (!automatic && backends[i].backend != wanted)
			continue;
		if (backends[i].backend != INIT_BACKEND_FUSE && needs_fuse(input)) {
			rc = err_set(err, EINVAL, "the kernel's squashfs cannot wait for an image that still "
				     "arrives, nor record a profile, nor check its hash tree; use --mount fuse");
			continue;
		}
		if (backends[i].needs_privilege && !input->privileged) {
			rc = -EPERM;
			if (!automatic)
				err_set(err, EPERM, "mount the image by the kernel: that needs root; use "
					"--mount fuse or auto");
			continue;
		}
		rc = backends[i].attach(input, root, err);
		if (rc == 0) {
			*used = backends[i].backend;
			return 0;
		}
		root_close(root);
	}
	return rc;
}
