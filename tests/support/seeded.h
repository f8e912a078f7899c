/*
 * Repeatable randomness: libsodium's generator is replaced, so that keys, ids and nonces, and with
 * them the order in which things are done, are the same in every run. For sweeps, whose cases have
 * to be played again. Each thread draws from a stream of its own: the threads of a tiny array that
 * draw at all are the caller's and its one worker.
 */
#ifndef MRMR_TESTS_SEEDED_H
#define MRMR_TESTS_SEEDED_H

#include <stdint.h>

/* Before anything else of libsodium is used. */
void seeded_start(void);
/* From here on every thread's stream begins anew. Nobody draws meanwhile. */
void seeded_from(uint64_t seed);

#endif
