/*
 * exitcode.c - the words for the exit statuses (exitcode.h).
 */
#include "common/exitcode.h"

#include <stddef.h>

const struct exitcode_text exitcode_texts[] = {
	{EXITCODE_OK, "all ranks ended with 0"},
	{EXITCODE_USAGE, "an option, an argument or a file given by the user is wrong"},
	{EXITCODE_IMAGE, "the image is missing, truncated, or not an image"},
	{EXITCODE_NODE, "a node was lost, or could not be started"},
	{EXITCODE_SETUP, "a node cannot be made ready (user namespaces, FUSE, memory, an MPI that does not fit)"},
	{EXITCODE_TIMEOUT, "--timeout passed"},
	{EXITCODE_INTERNAL, "cmpirun itself failed"},
	{EXITCODE_NOEXEC, "the program is in the image but cannot be executed"},
	{EXITCODE_NOPROGRAM, "the program is not in the image"},
	{EXITCODE_SIGNAL, "plus N: the first failing rank was ended by signal N"},
	{0, NULL},
};
