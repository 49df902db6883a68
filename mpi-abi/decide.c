/*
 * decide.c - the decision of the MPI swap, from request to value (decide.h).
 *
 * Flow, for the host's MPI: index of the image → gate of the image → the host's MPI and its closure →
 * gate of symbols → choices → gate of versions → effects → proof.  The first that
 * refuses ends it; a refusal has no effects.
 *
 * The fabric has a gate of its own and the same end; of several levels the first that is not
 * refused is taken, and the others are noted with their reasons.
 *
 * Invariant: nothing is run, mounted or changed here; the decision holds copies.
 */
#include "mpi-abi/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "mpi-abi/decide_private.h"

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
	for (size_t i = 0; i < decision->device_count; i++)
		free(decision->devices[i]);
	free(take_ptr(&decision->devices));
	decision->device_count = 0;
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

static bool is_bound(const struct abi_decision *decision, const char *path)
{
	for (size_t i = 0; i < decision->bind_count; i++) {
		const struct abi_bind *bind = &decision->binds[i];
		size_t len = strlen(bind->source);
		if (strncmp(path, bind->source, len) == 0 &&
		    (path[len] == '\0' || (bind->directory && path[len] == '/')))
			return true;
	}
	return false;
}

static int note_files(struct deciding *deciding)
{
	struct abi_decision *decision = deciding->decision;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < deciding->closure->library_count; i++) {
		const struct closure_library *library = &deciding->closure->libraries[i];
		if (is_bound(decision, library->path))
			rc = fingerprints_append(&decision->files_used, library->path, &library->print,
						 deciding->err);
	}
	return rc;
}

/* What each level goes through; NULL ends it. */
static int (*const steps[ABI_LEVEL_COUNT][10])(struct deciding *deciding) = {
	[ABI_LEVEL_MPI] = {gate_image, gate_host, gate_pmi, gate_symbols, choices_make, gate_versions, effects_make,
			   proof_make, note_files},
	[ABI_LEVEL_FABRIC] = {gate_image, gate_fabric, choices_make, gate_versions, effects_make,
			      proof_make, note_files},
	[ABI_LEVEL_TRANSLATOR] = {gate_image, gate_translator, gate_pmi, gate_symbols, choices_make,
				  gate_versions, effects_make, proof_make, note_files},
	[ABI_LEVEL_OWN] = {gate_image},
};

static int decide_level(const struct abi_request *request, enum abi_level level,
			struct abi_decision **out, struct err *err)
{
	struct deciding deciding = {.request = request, .index = request->index, .level = level, .err = err};
	struct abi_decision *decision = calloc(1, sizeof *decision);
	if (!decision)
		return err_set(err, ENOMEM, "no memory to decide about the MPI");
	deciding.decision = decision;
	decision->level = level;
	int rc = host_open(request->host_root, request->library_path, &deciding.host, err);
	if (rc == 0)
		rc = recipes_load(deciding.host, &deciding.recipes, err);
	if (rc == 0)
		read_image_cache(&deciding);
	for (size_t i = 0; rc == 0 && steps[level][i]; i++)
		rc = steps[level][i](&deciding);
	free(deciding.translator_prefix);
	free(deciding.preload);
	free(deciding.choices);
	ldcache_free(&deciding.image_cache);
	closure_free(&deciding.closure);
	recipes_free(&deciding.recipes);
	host_mpi_free(&deciding.mpi);
	host_free(&deciding.host);
	if (rc < 0) {
		abi_decision_free(&decision);
		return rc;
	}
	*out = decision;
	return 0;
}

/* The image's own, with what was learned of it; that the image has no MPI is no refusal. */
static void become_own(struct abi_decision *decision)
{
	decision->verdict = ABI_OWN;
	decision->level = ABI_LEVEL_OWN;
	decision->reason = ABI_REASON_NONE;
	free(take_ptr(&decision->why));
	free(take_ptr(&decision->ways_out));
}

/* Notes in `better` why `worse` was not taken; frees `worse` and what it had noted itself. */
static void take_attempts(struct abi_decision *better, struct abi_decision *take_worse)
{
	for (size_t i = 0; i < take_worse->attempt_count; i++)
		better->attempts[better->attempt_count++] = take_worse->attempts[i];
	take_worse->attempt_count = 0;
	better->attempts[better->attempt_count++] = (struct abi_attempt){
		.level = take_worse->level,
		.reason = take_worse->reason,
		.why = take_ptr(&take_worse->why),
		.ways_out = take_ptr(&take_worse->ways_out),
		.host_path = take_ptr(&take_worse->host_path),
	};
	abi_decision_free(&take_worse);
}

static int decide_best(const struct abi_request *request, struct abi_decision **out, struct err *err)
{
	struct abi_decision *best = NULL;
	for (int level = ABI_LEVEL_MPI; level < ABI_LEVEL_COUNT; level++) {
		struct abi_decision *decision = NULL;
		int rc = decide_level(request, (enum abi_level)level, &decision, err);
		if (rc < 0) {
			abi_decision_free(&best);
			return rc;
		}
		if (level == ABI_LEVEL_OWN)
			become_own(decision);
		if (best)
			take_attempts(decision, best);
		best = decision;
		if (best->verdict != ABI_REFUSE)
			break;
	}
	*out = best;
	return 0;
}

/* The host's MPI: of the same ABI, else behind a translator.  When neither goes, the first has the word. */
static int decide_host(const struct abi_request *request, struct abi_decision **out, struct err *err)
{
	struct abi_decision *direct = NULL, *translated = NULL;
	int rc = decide_level(request, ABI_LEVEL_MPI, &direct, err);
	if (rc == 0 && direct->verdict == ABI_REFUSE)
		rc = decide_level(request, ABI_LEVEL_TRANSLATOR, &translated, err);
	if (rc < 0) {
		abi_decision_free(&direct);
		return rc;
	}
	*out = direct;
	if (translated && translated->verdict == ABI_SWAP) {
		take_attempts(translated, direct);
		*out = translated;
	} else if (translated && translated->reason != direct->reason &&
		   translated->reason != ABI_REASON_NO_TRANSLATOR) {
		take_attempts(direct, translated);
	} else {
		abi_decision_free(&translated);
	}
	return 0;
}

int abi_decide(const struct abi_request *request, struct abi_decision **out, struct err *err)
{
	switch (request->wish) {
	case ABI_WISH_MPI: return decide_host(request, out, err);
	case ABI_WISH_FABRIC: return decide_level(request, ABI_LEVEL_FABRIC, out, err);
	case ABI_WISH_BEST: break;
	}
	return decide_best(request, out, err);
}

void abi_decision_free(struct abi_decision **where)
{
	struct abi_decision *decision = *where;
	*where = NULL;
	if (!decision)
		return;
	effects_free(decision);
	for (size_t i = 0; i < decision->consumer_count; i++) {
		free(decision->consumers[i].path);
		free(decision->consumers[i].needs);
	}
	for (size_t i = 0; i < decision->attempt_count; i++) {
		free(decision->attempts[i].why);
		free(decision->attempts[i].ways_out);
		free(decision->attempts[i].host_path);
	}
	free(decision->consumers);
	free(decision->why);
	free(decision->ways_out);
	free(decision->family);
	free(decision->image_version);
	free(decision->host_version);
	free(decision->host_path);
	free(decision->found_by);
	free(decision->image_library);
	fingerprints_free(&decision->files_used);
	free(decision->libc_for);
	free(decision->pmi);
	free(decision->translator);
	free(decision);
}
