/*
 * engine_slow.c - a rank that is too slow to have children loses them.
 */
#include "bcast/engine_impl.h"

int engine_slow_turn(struct engine *engine, struct err *err)
{
	(void)engine;
	(void)err;
	return 0;
}

int engine_slow_take(struct engine *engine, int source, const struct word *word, struct err *err)
{
	(void)engine;
	(void)source;
	(void)word;
	(void)err;
	return 0;
}
