/*
 * explain.c - a decision in words, as JSON, and looked up again when something failed (decide.h).
 * Pure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi-abi/linker_line.h"

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
	[ABI_REASON_NO_FABRIC] = "no-fabric",
	[ABI_REASON_HOST_LIBRARY] = "host-library",
	[ABI_REASON_NO_TRANSLATOR] = "no-translator",
	[ABI_REASON_PMI] = "pmi",
};

static const char *const level_names[] = {
	[ABI_LEVEL_MPI] = "host's MPI",
	[ABI_LEVEL_FABRIC] = "host's fabric",
	[ABI_LEVEL_TRANSLATOR] = "translator",
	[ABI_LEVEL_OWN] = "image's own",
};

static const char *const verdict_names[] = {
	[ABI_SWAP] = "swap", [ABI_OWN] = "own", [ABI_REFUSE] = "refuse"};

const char *abi_reason_name(enum abi_reason reason)
{
	size_t index = (size_t)reason;
	return index < sizeof reason_names / sizeof *reason_names ? reason_names[index] : "?";
}

const char *abi_level_name(enum abi_level level)
{
	size_t index = (size_t)level;
	return index < sizeof level_names / sizeof *level_names ? level_names[index] : "?";
}

/* -- text ----------------------------------------------------------------- */

static void print_effects(const struct abi_decision *decision, struct buf *out)
{
	if (decision->pmi)
		buf_printf(out, "pmi %s\n", decision->pmi);
	if (decision->files_used.count) {
		buf_printf(out, "host files ");
		fingerprints_format(&decision->files_used, out);
		buf_printf(out, "\n");
	}
	for (size_t i = 0; i < decision->consumer_count; i++)
		buf_printf(out, "consumer %s (%s)\n", decision->consumers[i].path,
			   decision->consumers[i].needs);
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
	for (size_t i = 0; i < decision->device_count; i++)
		buf_printf(out, "device %s\n", decision->devices[i]);
	for (size_t i = 0; i < decision->drop_count; i++)
		buf_printf(out, "drop %s\n", decision->drops[i].name);
	for (size_t i = 0; i < decision->set_count; i++)
		buf_printf(out, "set %s=%s\n", decision->sets[i].name, decision->sets[i].value);
}

static void print_swap(const struct abi_decision *decision, struct buf *out)
{
	bool fabric = decision->level == ABI_LEVEL_FABRIC;
	buf_printf(out, "%s %s%s → the host's %s%s%s (%zu program%s and librar%s, %zu binds, %zu proven)\n",
		   decision->family, decision->image_version ? decision->image_version : "(none)",
		   fabric ? ", its libfabric" : "", decision->host_path, decision->translator ? " by translator " : "",
		   decision->translator ? decision->translator : "", decision->consumer_count,
		   decision->consumer_count == 1 ? "" : "s", decision->consumer_count == 1 ? "y" : "ies",
		   decision->bind_count, decision->proven);
}

void abi_decision_print(const struct abi_decision *decision, bool every, struct buf *out)
{
	switch (decision->verdict) {
	case ABI_REFUSE:
		buf_printf(out, "refused (%s): %s; %s\n", abi_reason_name(decision->reason), decision->why,
			   decision->ways_out);
		break;
	case ABI_OWN:
		buf_printf(out, "the image's own%s%s%s%s\n", decision->family ? ": " : "",
			   decision->family ? decision->family : "", decision->image_version ? " " : "",
			   decision->image_version ? decision->image_version : "");
		break;
	case ABI_SWAP:
		print_swap(decision, out);
		break;
	}
	const char *indent = every ? "" : "          ";
	for (size_t i = 0; i < decision->attempt_count; i++)
		buf_printf(out, "%snot the %s (%s): %s\n", indent, abi_level_name(decision->attempts[i].level),
			   abi_reason_name(decision->attempts[i].reason), decision->attempts[i].why);
	if (decision->libc_for && decision->verdict == ABI_SWAP)
		buf_printf(out, "%sthe host's glibc comes along: %s\n", indent, decision->libc_for);
	if (every)
		print_effects(decision, out);
}

/* -- JSON ----------------------------------------------------------------- */

static void json_text(struct buf *out, const char *text)
{
	if (!text) {
		buf_printf(out, "null");
		return;
	}
	buf_add_u8(out, '"');
	for (; *text; text++) {
		unsigned char byte = (unsigned char)*text;
		if (byte == '"' || byte == '\\')
			buf_printf(out, "\\%c", byte);
		else if (byte < 0x20)
			buf_printf(out, "\\u%04x", byte);
		else
			buf_add_u8(out, byte);
	}
	buf_add_u8(out, '"');
}

static void json_member(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\": ", name);
	json_text(out, text);
}

static void json_bool(struct buf *out, const char *name, bool value)
{
	buf_printf(out, "\"%s\": %s", name, value ? "true" : "false");
}

static void json_lists(const struct abi_decision *decision, struct buf *out)
{
	buf_printf(out, ",\n  \"consumers\": [");
	for (size_t i = 0; i < decision->consumer_count; i++) {
		buf_printf(out, "%s\n    {", i ? "," : "");
		json_member(out, "path", decision->consumers[i].path);
		buf_printf(out, ", ");
		json_member(out, "needs", decision->consumers[i].needs);
		buf_printf(out, "}");
	}
	buf_printf(out, "],\n  \"tried\": [");
	for (size_t i = 0; i < decision->attempt_count; i++) {
		const struct abi_attempt *attempt = &decision->attempts[i];
		buf_printf(out, "%s\n    {", i ? "," : "");
		json_member(out, "level", abi_level_name(attempt->level));
		buf_printf(out, ", ");
		json_member(out, "reason", abi_reason_name(attempt->reason));
		buf_printf(out, ", ");
		json_member(out, "why", attempt->why);
		buf_printf(out, ", ");
		json_member(out, "host_library", attempt->host_path);
		buf_printf(out, "}");
	}
	buf_printf(out, "],\n  \"binds\": [");
	for (size_t i = 0; i < decision->bind_count; i++) {
		buf_printf(out, "%s\n    {", i ? "," : "");
		json_member(out, "source", decision->binds[i].source);
		buf_printf(out, ", ");
		json_member(out, "target", decision->binds[i].target);
		buf_printf(out, ", ");
		json_bool(out, "directory", decision->binds[i].directory);
		buf_printf(out, ", ");
		json_bool(out, "new", !decision->binds[i].exists);
		buf_printf(out, "}");
	}
	buf_printf(out, "]");
}

static void json_effects(const struct abi_decision *decision, struct buf *out)
{
	buf_printf(out, ",\n  \"hidden\": [");
	for (size_t i = 0; i < decision->hide_count; i++) {
		buf_printf(out, "%s", i ? ", " : "");
		json_text(out, decision->hides[i]);
	}
	buf_printf(out, "],\n  \"files\": [");
	for (size_t i = 0; i < decision->file_count; i++) {
		buf_printf(out, "%s{", i ? ", " : "");
		json_member(out, "target", decision->files[i].target);
		buf_printf(out, ", \"bytes\": %zu}", decision->files[i].len);
	}
	buf_printf(out, "],\n  \"devices\": [");
	for (size_t i = 0; i < decision->device_count; i++) {
		buf_printf(out, "%s", i ? ", " : "");
		json_text(out, decision->devices[i]);
	}
	buf_printf(out, "],\n  \"dropped\": [");
	for (size_t i = 0; i < decision->drop_count; i++) {
		buf_printf(out, "%s", i ? ", " : "");
		json_text(out, decision->drops[i].name);
	}
	buf_printf(out, "],\n  \"set\": {");
	for (size_t i = 0; i < decision->set_count; i++) {
		buf_printf(out, "%s", i ? ", " : "");
		json_text(out, decision->sets[i].name);
		buf_printf(out, ": ");
		json_text(out, decision->sets[i].value);
	}
	buf_printf(out, "}");
}

void abi_decision_print_json(const struct abi_decision *decision, struct buf *out)
{
	const struct {
		const char *name, *value;
	} texts[] = {
		{"level", abi_level_name(decision->level)}, {"reason", abi_reason_name(decision->reason)},
		{"why", decision->why},                     {"ways_out", decision->ways_out},
		{"family", decision->family},               {"image_library", decision->image_library},
		{"host_library", decision->host_path},      {"found_by", decision->found_by},
		{"translator", decision->translator},
		{"pmi", decision->pmi},                     {"glibc", decision->libc_for},
	};
	buf_printf(out, "{\n  ");
	json_member(out, "verdict", verdict_names[decision->verdict]);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		buf_printf(out, ",\n  ");
		json_member(out, texts[i].name, texts[i].value);
	}
	buf_printf(out, ",\n  \"proven\": %zu,\n  \"host_files\": \"", decision->proven);
	fingerprints_format(&decision->files_used, out);
	buf_printf(out, "\"");
	json_lists(decision, out);
	json_effects(decision, out);
	buf_printf(out, "\n}\n");
}

/* -- what the linker says at failure -------------------------------------- */

bool abi_decision_explain_line(const struct abi_decision *decision, const char *text, struct buf *out)
{
	bool is_swap = decision->verdict == ABI_SWAP;
	const struct linker_scene scene = {.level = is_swap ? decision->level : ABI_LEVEL_OWN,
					   .swaps = decision->binds,
					   .swap_count = is_swap ? decision->bind_count : 0};
	struct linker_line line;
	return linker_line_find(text, strlen(text), &line) && linker_line_explain(&line, &scene, out);
}
