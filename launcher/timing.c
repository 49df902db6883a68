/*
 * timing.c - merges and prints phases (timing.h).
 */
#include "launcher/timing.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *key;
} phases[TIMING_PHASES] = {
	[TIMING_START] = {"start", "start"},
	[TIMING_EXCHANGE] = {"exchange", "exchange"},
	[TIMING_READ] = {"read", "read"},
	[TIMING_MOUNTABLE] = {"mountable", "mountable"},
	[TIMING_BROADCAST] = {"broadcast", "broadcast"},
	[TIMING_TREE] = {"tree", "tree"},
	[TIMING_MOUNT] = {"mount", "mount"},
	[TIMING_PMI] = {"pmi", "pmi"},
	[TIMING_READY] = {"ready", "ready"},
	[TIMING_EXEC] = {"exec", "exec"},
	[TIMING_WIRE_UP] = {"wire-up", "wire_up"},
};

void timing_init(struct timing *timing, const char *node)
{
	for (size_t i = 0; i < TIMING_PHASES; i++)
		timing->ns[i] = UINT64_MAX;
	timing->slowest_ns = 0;
	timing->transport = (struct transport){0};
	snprintf(timing->slowest, sizeof timing->slowest, "%s", node);
}

static uint64_t or_zero(uint64_t ns)
{
	return ns == UINT64_MAX ? 0 : ns;
}

void timing_close(struct timing *timing)
{
	timing->slowest_ns =
		or_zero(timing->ns[TIMING_READY]) + or_zero(timing->ns[TIMING_EXEC]);
}

void timing_merge(struct timing *timing, const struct timing *other)
{
	for (size_t i = 0; i < TIMING_PHASES; i++)
		if (timing->ns[i] == UINT64_MAX ||
		    (other->ns[i] != UINT64_MAX && other->ns[i] > timing->ns[i]))
			timing->ns[i] = other->ns[i];
	if (other->slowest_ns > timing->slowest_ns) {
		timing->slowest_ns = other->slowest_ns;
		memcpy(timing->slowest, other->slowest, sizeof timing->slowest);
	}
	transport_merge(&timing->transport, &other->transport);
}

void timing_pack(const struct timing *timing, struct buf *out)
{
	for (size_t i = 0; i < TIMING_PHASES; i++)
		buf_add_u64(out, timing->ns[i]);
	buf_add_u64(out, timing->slowest_ns);
	buf_add_str(out, timing->slowest);
	transport_pack(&timing->transport, out);
}

void timing_parse(struct cursor *in, struct timing *timing)
{
	for (size_t i = 0; i < TIMING_PHASES; i++)
		timing->ns[i] = cursor_u64(in);
	timing->slowest_ns = cursor_u64(in);
	cursor_str(in, timing->slowest, sizeof timing->slowest);
	transport_parse(in, &timing->transport);
}

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

void timing_print(const struct timing *timing, uint32_t ranks, uint32_t nodes, uint64_t total_ns,
		  struct buf *out)
{
	buf_printf(out, "launched %u rank%s on %u node%s in %.1f ms:", ranks, ranks == 1 ? "" : "s",
		   nodes, nodes == 1 ? "" : "s", ms(total_ns));
	const char *comma = "";
	for (size_t i = 0; i < TIMING_PHASES; i++) {
		if (timing->ns[i] == UINT64_MAX)
			continue;
		buf_printf(out, "%s %s %.1f", comma, phases[i].name, ms(timing->ns[i]));
		comma = ",";
	}
	if (nodes > 1)
		buf_printf(out, "; slowest node %s", timing->slowest);
	if (timing->transport.words[0] != '\0')
		buf_printf(out, "; %s", timing->transport.words);
}

void timing_print_json(const struct timing *timing, uint32_t ranks, uint32_t nodes,
		       uint64_t total_ns, uint64_t image_bytes, struct buf *out)
{
	/* Host names hold nothing that JSON would want escaped (common/hostlist.h). */
	buf_printf(out, "{\"ranks\":%u,\"nodes\":%u,\"image_bytes\":%llu,\"total\":%.6f,\"phases\":{",
		   ranks, nodes, (unsigned long long)image_bytes, (double)total_ns / 1e9);
	const char *comma = "";
	for (size_t i = 0; i < TIMING_PHASES; i++) {
		if (timing->ns[i] == UINT64_MAX)
			continue;
		buf_printf(out, "%s\"%s\":%.6f", comma, phases[i].key, (double)timing->ns[i] / 1e9);
		comma = ",";
	}
	buf_printf(out, "},\"slowest_node\":\"%s\"", timing->slowest);
	transport_print_json(&timing->transport, out);
	buf_add_u8(out, '}');
}
