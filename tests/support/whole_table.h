/*
 * A journal that says something of everything, and all questions a table answers: for tests of
 * what goes wrong on the way.
 */
#ifndef MRMR_TESTS_WHOLE_TABLE_H
#define MRMR_TESTS_WHOLE_TABLE_H

#include "tests/support/scribe.h"

#define WHOLE_SEGMENTS 4

/* Segments of one writer, to be applied in order. The caller: segment_release() each. */
void whole_table_segments(struct segment out[WHOLE_SEGMENTS]);

/* Asks everything, dumps and takes the fingerprint. The first code that is neither ERR_NONE nor
 * ERR_NOT_FOUND. */
int whole_table_ask(struct table *t, struct error *err);

#endif
