/*
 * A hostile image: opened, walked, its links read, its files read in odd pieces,
 * some paths looked up.  A memory file, since the reader takes a descriptor.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "squash/squash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct visiting {
	struct squash *squash;
	unsigned left;
};

static int visit(void *context, const char *path, const struct squash_node *node, struct err *err)
{
	static char bytes[100000];
	struct visiting *visiting = context;
	char *text = NULL;
	struct squash_node again;
	if (visiting->left-- == 0)
		return SQUASH_VISIT_STOP;
	if (S_ISREG(node->mode)) {
		squash_read(visiting->squash, node, 0, bytes, sizeof bytes, err);
		squash_read(visiting->squash, node, node->size / 2, bytes, 77, err);
	}
	if (S_ISLNK(node->mode) && squash_readlink_new(visiting->squash, node, &text, err) == 0)
		free(text);
	squash_lookup(visiting->squash, path, true, &again, err);
	return SQUASH_VISIT_ON;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_NONE;
	struct squash *squash = NULL;
	struct squash_node node;
	char *real = NULL;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (squash_open(fd, &squash, &err) == 0) {
		struct visiting visiting = {.squash = squash, .left = 200};
		squash_walk(squash, "/", visit, &visiting, &err);
		visiting.left = 50;
		squash_list(squash, "/etc", visit, &visiting, &err);
		squash_lookup(squash, "/a/../b/./c", true, &node, &err);
		if (squash_realpath_new(squash, "loop/x", &real, &node, &err) == 0)
			free(real);
		squash_free(&squash);
	}
	close(fd);
	return 0;
}
