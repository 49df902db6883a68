/*
 * distance.h - how far two words are apart, for "did you mean".
 */
#ifndef COMMON_DISTANCE_H
#define COMMON_DISTANCE_H

#include <stddef.h>

enum { DISTANCE_WORD_MAX = 128 };

/* Levenshtein distance; DISTANCE_WORD_MAX when a word is longer than that. */
size_t distance_of_words(const char *a, const char *b);

#endif
