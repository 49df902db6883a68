/*
 * judge.h - one decision over fake.h's image and host.
 */
#ifndef TESTS_UNIT_MPI_ABI_JUDGE_H
#define TESTS_UNIT_MPI_ABI_JUDGE_H

#include "mpi-abi/decide.h"
#include "mpi-abi/image_index.h"
#include "tests/unit/mpi-abi/fake.h"

static struct abi_decision *judge_wish(enum abi_wish wish, const char *mpi_path)
{
	struct err err = ERR_NONE;
	struct abi_decision *decision = NULL;
	int fd;
	fake_run("mkdir -p host/usr/lib64");
	struct squash *image = fake_image(&fd);
	struct image_index *index = NULL;
	if (image_index_new(image, &index, &err) < 0)
		fail_msg("%s", err.text);
	struct abi_request request = {.wish = wish, .index = index, .host_root = "host", .mpi_path = mpi_path,
				      .search_path = "/usr/bin"};
	if (abi_decide(&request, &decision, &err) < 0)
		fail_msg("%s", err.text);
	image_index_free(&index);
	squash_free(&image);
	close(fd);
	return decision;
}

static __attribute__((unused)) struct abi_decision *judge(const char *mpi_path)
{
	return judge_wish(ABI_WISH_MPI, mpi_path);
}

/* Expects a refusal whose text holds `text`. */
static void __attribute__((unused)) refused(enum abi_reason reason, const char *text)
{
	struct abi_decision *decision = judge(NULL);
	if (decision->verdict != ABI_REFUSE)
		fail_msg("not refused, expected %s", abi_reason_name(reason));
	if (decision->reason != reason || !strstr(decision->why, text))
		fail_msg("%s: '%s' is not %s with '%s'", abi_reason_name(decision->reason), decision->why,
			 abi_reason_name(reason), text);
	assert_true(strlen(decision->ways_out) > 0);
	abi_decision_free(&decision);
}

static __attribute__((unused)) const struct abi_bind *
bind_to(const struct abi_decision *decision, const char *target)
{
	for (size_t i = 0; i < decision->bind_count; i++)
		if (strcmp(decision->binds[i].target, target) == 0)
			return &decision->binds[i];
	return NULL;
}

#endif
