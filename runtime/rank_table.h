/*
 * rank_table.h - which rank a process is.  Pure.
 */
#ifndef RUNTIME_RANK_TABLE_H
#define RUNTIME_RANK_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rank_entry {
	pid_t pid;
	uint32_t rank;
};

struct rank_table {
	struct rank_entry *entries;
	size_t count, size;
};

/* Makes sure that the next add succeeds; false when memory ran out. */
bool rank_table_reserve(struct rank_table *table);
void rank_table_add(struct rank_table *table, pid_t pid, uint32_t rank);
/* Takes a process out; false when it is no rank. */
bool rank_table_remove(struct rank_table *table, pid_t pid, uint32_t *rank);
void rank_table_free(struct rank_table *table);

#endif
