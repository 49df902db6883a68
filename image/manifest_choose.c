/*
 * manifest_choose.c - platforms and near tags (manifest_choose.h).
 */
#include "image/manifest_choose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/distance.h"

int manifest_platform_parse(const char *text, struct manifest_platform *platform, struct err *err)
{
	*platform = (struct manifest_platform){0};
	char end;
	int parts = sscanf(text, "%31[a-z0-9]/%31[a-z0-9_]/%31[a-z0-9.]%c", platform->os,
			   platform->architecture, platform->variant, &end);
	size_t used = strlen(platform->os) + 1 + strlen(platform->architecture) +
		      (parts == 3 ? 1 + strlen(platform->variant) : 0);
	if ((parts != 2 && parts != 3) || used != strlen(text))
		return err_set(err, EINVAL, "\"%s\" is not a platform: OS/ARCHITECTURE[/VARIANT], for "
			       "example linux/amd64 or linux/arm64/v8", text);
	return 0;
}

void manifest_platform_of_machine(const char *machine, struct manifest_platform *platform)
{
	static const struct {
		const char *machine, *architecture, *variant;
	} names[] = {
		{"x86_64", "amd64", ""},  {"aarch64", "arm64", ""},  {"i686", "386", ""},
		{"i386", "386", ""},      {"armv7l", "arm", "v7"},   {"armv6l", "arm", "v6"},
		{"ppc64le", "ppc64le", ""}, {"s390x", "s390x", ""},  {"riscv64", "riscv64", ""},
		{"loongarch64", "loong64", ""},
	};
	*platform = (struct manifest_platform){.os = "linux"};
	snprintf(platform->architecture, sizeof platform->architecture, "%.31s", machine);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(machine, names[i].machine) == 0) {
			snprintf(platform->architecture, sizeof platform->architecture, "%s",
				 names[i].architecture);
			snprintf(platform->variant, sizeof platform->variant, "%s", names[i].variant);
		}
}

void manifest_platform_format(const struct manifest_platform *platform, struct buf *out)
{
	buf_printf(out, "%s/%s%s%s", platform->os, platform->architecture,
		   platform->variant[0] ? "/" : "", platform->variant);
}

/* "v8" of arm64 says nothing: there is no other. */
static const char *variant_of(const struct manifest_platform *platform)
{
	bool says_nothing = strcmp(platform->architecture, "arm64") == 0 && strcmp(platform->variant, "v8") == 0;
	return says_nothing ? "" : platform->variant;
}

int manifest_platform_fit(const struct manifest_platform *wanted, const struct manifest_platform *is)
{
	if (strcmp(wanted->os, is->os) != 0 || strcmp(wanted->architecture, is->architecture) != 0)
		return 0;
	const char *want = variant_of(wanted), *have = variant_of(is);
	if (strcmp(want, have) == 0)
		return 1000;
	if (have[0] == '\0')
		return 999;
	int level = have[0] == 'v' ? atoi(have + 1) : 0, most = want[0] == 'v' ? atoi(want + 1) : 0;
	if (level < 1 || level > 100)
		return 0;
	/* Asked for v7, v6 runs.  Asked for nothing, the least demanding is the safest, since a job's
	 * nodes may be older than this one; above v1 the machine itself would have to be asked. */
	if (want[0] != '\0')
		return level <= most ? 500 + level : 0;
	return 400 - level;
}

static void list_platforms(const struct manifest *index, struct buf *out)
{
	for (size_t i = 0; i < index->entry_count; i++) {
		const struct manifest_entry *entry = &index->entries[i];
		if (entry->is_skipped || entry->is_index || entry->platform.os[0] == '\0')
			continue;
		buf_printf(out, "%s", out->len ? ", " : "");
		manifest_platform_format(&entry->platform, out);
	}
}

int manifest_choose(const struct manifest *index, const struct manifest_platform *wanted,
		    size_t *chosen, struct err *err)
{
	int best = 0;
	for (size_t i = 0; i < index->entry_count; i++) {
		const struct manifest_entry *entry = &index->entries[i];
		if (entry->is_skipped || entry->is_index)
			continue;
		/* Without a platform only the config tells: last choice. */
		int fit = entry->platform.os[0] == '\0' ? 1 : manifest_platform_fit(wanted, &entry->platform);
		if (fit > best) {
			best = fit;
			*chosen = i;
		}
	}
	if (best > 0)
		return 0;
	AUTO_BUF struct buf want = {0}, have = {0};
	manifest_platform_format(wanted, &want);
	list_platforms(index, &have);
	return err_set(err, ENOENT, "there is no image for %.*s; there is: %.*s", (int)want.len, want.data,
		       (int)have.len, have.len ? have.data : "");
}

struct near_tag {
	const char *tag;
	size_t changes;
};

static int compare_near(const void *a, const void *b)
{
	const struct near_tag *left = a, *right = b;
	if (left->changes != right->changes)
		return left->changes < right->changes ? -1 : 1;
	return strcmp(left->tag, right->tag);
}

void manifest_near_tags(char *const *tags, size_t count, const char *wanted, struct buf *out)
{
	enum { SHOWN = 8, LOOKED_AT = 10000 };
	count = count < LOOKED_AT ? count : LOOKED_AT;
	struct near_tag *near = calloc(count + 1, sizeof *near);
	if (near == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		near[i] = (struct near_tag){tags[i], distance_of_words(wanted, tags[i])};
		/* 1.2 for 1.2.7 is nearer than the letters say. */
		size_t len = strlen(wanted);
		if (strncmp(tags[i], wanted, len) == 0 || strncmp(wanted, tags[i], strlen(tags[i])) == 0)
			near[i].changes = near[i].changes > 1 ? near[i].changes / 2 : near[i].changes;
	}
	qsort(near, count, sizeof *near, compare_near);
	for (size_t i = 0; i < count && i < SHOWN; i++)
		buf_printf(out, "%s%.128s", i ? ", " : "", near[i].tag);
	free(near);
}
