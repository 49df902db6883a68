/*
 * decide.c - the decision of the MPI swap, from request to value (decide.h).
 *
 * Flow: index of the image → gate of the image → the host's MPI and its closure →
 * gate of symbols → choices → gate of versions → effects → proof.  The first that
 * refuses ends it; a refusal has no effects.
 *
 * Invariant: nothing is run, mounted or changed here; the decision holds copies.
 */
#include "mpi-abi/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/decide_private.h"

static const char *const reason_names[] = {
	[ABI_REASON_NONE] = "none",
	[ABI_REASON_NO_MPI] = "no-mpi",
	[ABI_REASON_STATIC] = "static",
	[ABI_REASON_MUSL] = "musl",
	[ABI_REASON_MACHINE] = "machine",
	[ABI_REASON_TWO_FAMILIES] = "two-families",
	[ABI_REASON_NO_HOST_MPI] = "no-host-mpi",
	[ABI_REASON_FAMILY] = "family",
	[ABI_REASON_GENERATION] = "generation",
	[ABI_REASON_SYMBOL] = "symbol",
	[ABI_REASON_COPY_SIZE] = "copy-size",
	[ABI_REASON_VERSION] = "version",
	[ABI_REASON_LOST] = "lost",
	[ABI_REASON_MIXED] = "mixed",
	[ABI_REASON_HOST_LIBRARY] = "host-library",
};

const char *abi_reason_name(enum abi_reason reason)
{
	size_t index = (size_t)reason;
	return index < sizeof reason_names / sizeof *reason_names ? reason_names[index] : "?";
}

int deciding_no_memory(struct deciding *deciding)
{
	return err_set(deciding->err, ENOMEM, "no memory to decide about the MPI");
}

static void env_free(struct abi_env *env, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(env[i].name);
		free(env[i].value);
	}
	free(env);
}

static void effects_free(struct abi_decision *decision)
{
	for (size_t i = 0; i < decision->bind_count; i++) {
		free(decision->binds[i].source);
		free(decision->binds[i].target);
	}
	for (size_t i = 0; i < decision->file_count; i++) {
		free(decision->files[i].target);
		free(decision->files[i].bytes);
	}
	for (size_t i = 0; i < decision->hide_count; i++)
		free(decision->hides[i]);
	env_free(decision->drops, decision->drop_count);
	env_free(decision->sets, decision->set_count);
	free(take_ptr(&decision->binds));
	free(take_ptr(&decision->files));
	free(take_ptr(&decision->hides));
	decision->drops = decision->sets = NULL;
	decision->bind_count = decision->file_count = decision->hide_count = 0;
	decision->drop_count = decision->set_count = 0;
}

int deciding_refuse(struct deciding *deciding, enum abi_reason reason, const char *ways_out,
		    const char *format, ...)
{
	struct abi_decision *decision = deciding->decision;
	va_list args;
	va_start(args, format);
	int len = vasprintf(&decision->why, format, args);
	va_end(args);
	if (len < 0)
		decision->why = NULL;
	effects_free(decision);
	decision->verdict = ABI_REFUSE;
	decision->reason = reason;
	decision->ways_out = strdup(ways_out);
	if (!decision->why || !decision->ways_out)
		return deciding_no_memory(deciding);
	return DECIDED;
}

/* An image without a cache, or with one that its linker would not read either, has none. */
static void read_image_cache(struct deciding *deciding)
{
	const struct image_index *index = deciding->index;
	struct err ignored;
	if (!index->cache ||
	    ldcache_parse(index->cache, index->cache_len, &deciding->image_cache, &ignored) < 0)
		deciding->image_cache = (struct ldcache){0};
}

static int run_steps(struct deciding *deciding)
{
	static int (*const steps[])(struct deciding *) = {
		gate_image, gate_host, gate_symbols, choices_make, gate_versions, effects_make,
		proof_make,
	};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++)
		rc = steps[i](deciding);
	return rc < 0 ? rc : 0;
}

int abi_decide(const struct abi_request *request, struct abi_decision **out, struct err *err)
{
	struct deciding deciding = {.request = request, .index = request->index, .err = err};
	struct abi_decision *decision = calloc(1, sizeof *decision);
	if (!decision)
		return err_set(err, ENOMEM, "no memory to decide about the MPI");
	deciding.decision = decision;
	int rc = host_open(request->host_root, request->library_path, &deciding.host, err);
	if (rc == 0) {
		read_image_cache(&deciding);
		rc = run_steps(&deciding);
	}
	free(deciding.choices);
	ldcache_free(&deciding.image_cache);
	closure_free(&deciding.closure);
	host_mpi_free(&deciding.mpi);
	host_free(&deciding.host);
	if (rc < 0) {
		abi_decision_free(&decision);
		return rc;
	}
	*out = decision;
	return 0;
}

void abi_decision_free(struct abi_decision **where)
{
	struct abi_decision *decision = *where;
	*where = NULL;
	if (!decision)
		return;
	effects_free(decision);
	free(decision->why);
	free(decision->ways_out);
	free(decision->family);
	free(decision->image_version);
	free(decision->host_version);
	free(decision->host_path);
	free(decision->libc_for);
	free(decision);
}

static void print_effects(const struct abi_decision *decision, struct buf *out)
{
	for (size_t i = 0; i < decision->hide_count; i++)
		buf_printf(out, "hide %s\n", decision->hides[i]);
	for (size_t i = 0; i < decision->bind_count; i++) {
		const struct abi_bind *bind = &decision->binds[i];
		buf_printf(out, "bind %s %s %s%s\n", bind->directory ? "dir" : "file", bind->source,
			   bind->target, bind->exists ? "" : " new");
	}
	for (size_t i = 0; i < decision->file_count; i++)
		buf_printf(out, "file %s %zu bytes%s\n", decision->files[i].target,
			   decision->files[i].len, decision->files[i].exists ? "" : " new");
	for (size_t i = 0; i < decision->drop_count; i++)
		buf_printf(out, "drop %s\n", decision->drops[i].name);
	for (size_t i = 0; i < decision->set_count; i++)
		buf_printf(out, "set %s=%s\n", decision->sets[i].name, decision->sets[i].value);
}

void abi_decision_print(const struct abi_decision *decision, bool every, struct buf *out)
{
	if (decision->verdict == ABI_REFUSE) {
		buf_printf(out, "refused (%s): %s; %s\n", abi_reason_name(decision->reason),
			   decision->why, decision->ways_out);
		return;
	}
	buf_printf(out, "%s %s → the host's %s (%zu program%s and librar%s, %zu binds, %zu proven)\n",
		   decision->family, decision->image_version ? decision->image_version : "(none)",
		   decision->host_path, decision->consumers, decision->consumers == 1 ? "" : "s",
		   decision->consumers == 1 ? "y" : "ies", decision->bind_count, decision->proven);
	if (decision->libc_for)
		buf_printf(out, "%sthe host's glibc comes along: %s\n", every ? "" : "          ",
			   decision->libc_for);
	if (every)
		print_effects(decision, out);
}
