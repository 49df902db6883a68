/*
 * rank_table.c - an array of pids, searched (rank_table.h).  Pure.
 *
 * The place of one that left is taken by the last, so order means nothing.  A search among 4096
 * takes a microsecond: less than the wait4(2) beside it.
 */
#include "runtime/rank_table.h"

#include <stdlib.h>

bool rank_table_reserve(struct rank_table *table)
{
	if (table->count < table->size)
		return true;
	size_t size = table->size ? 2 * table->size : 64;
	struct rank_entry *entries = realloc(table->entries, size * sizeof *entries);
	if (entries == NULL)
		return false;
	table->entries = entries;
	table->size = size;
	return true;
}

void rank_table_add(struct rank_table *table, pid_t pid, uint32_t rank)
{
	table->entries[table->count++] = (struct rank_entry){pid, rank};
}

bool rank_table_remove(struct rank_table *table, pid_t pid, uint32_t *rank)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->entries[i].pid != pid)
			continue;
		*rank = table->entries[i].rank;
		table->entries[i] = table->entries[--table->count];
		return true;
	}
	return false;
}

void rank_table_free(struct rank_table *table)
{
	free(table->entries);
	*table = (struct rank_table){0};
}
