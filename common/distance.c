/*
 * distance.c - the Levenshtein distance, one row of the table at a time (distance.h).
 */
#include "common/distance.h"

#include <string.h>

size_t distance_of_words(const char *a, const char *b)
{
	size_t row[DISTANCE_WORD_MAX + 1], a_len = strlen(a), b_len = strlen(b);
	if (a_len > DISTANCE_WORD_MAX || b_len > DISTANCE_WORD_MAX)
		return DISTANCE_WORD_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			best = above + 1 < best ? above + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[b_len];
}
