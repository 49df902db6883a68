/*
 * linker_words.h - a rank failed, and these were its last words: did the dynamic linker speak, and of what that
 * cmpirun had put into the container?  Pure.
 */
#ifndef LAUNCHER_LINKER_WORDS_H
#define LAUNCHER_LINKER_WORDS_H

#include <stdbool.h>

#include "launcher/plan.h"

/* One clause about the plan's part in it, without newline; false: none. */
bool linker_words_explain(const struct plan *plan, const char *words, size_t len, struct buf *out);

#endif
