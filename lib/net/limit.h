/*
 * Rate limits: a token bucket per drive and direction, and one above them for all drives.
 *
 * Whoever moves bytes books them first, in pieces of some 16 to 64 KiB, and is told how long to
 * wait before the piece is sent (or read). A bucket holds what may move in 100 ms, so that a link is
 * shared smoothly. Any thread.
 */
#ifndef MRMR_NET_LIMIT_H
#define MRMR_NET_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_PIECE_BYTES_MAX ((size_t)64 << 10)

struct limit;

/* above: a limit that binds it too, which must outlive it; or NULL. bytes_per_s 0: none of its own.
 * NULL: out of memory. */
struct limit *limit_new(uint64_t bytes_per_s, struct limit *above);
void limit_free(struct limit *l); /* NULL is allowed */

/* To be told that bytes are on their way, and how long they have to wait: at each booking, also
 * where nothing binds, by the thread that books. Before the first one; of this limit alone, not of
 * those above it. */
typedef void limit_moved_fn(void *ctx, size_t len_bytes, uint64_t wait_us);
void limit_watch(struct limit *l, limit_moved_fn *moved, void *ctx);

/* Books len_bytes: how many microseconds until they may move. 0 for NULL. */
uint64_t limit_book_us(struct limit *l, size_t len_bytes);
/* The same, and sleeps as long. */
void limit_wait(struct limit *l, size_t len_bytes);

bool limit_binds(const struct limit *l); /* false: every wait is 0 */
/* How much of most_bytes to book at once: what may move in 100 ms, but at least 1 and at most
 * 64 KiB; all of it when nothing binds. */
size_t limit_piece_bytes(const struct limit *l, size_t most_bytes);

#endif
