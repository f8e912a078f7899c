/*
 * A bucket as one moment: when all that was booked has moved at the rate. A piece may begin then; a
 * bucket that was idle has at most 100 ms to give away, so that moment never lies further back.
 */
#include "net/limit.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define BURST_NS ((uint64_t)100000000)
#define NS_PER_S ((uint64_t)1000000000)
#define PIECE_BYTES_MIN 1024

struct limit {
	pthread_mutex_t lock;
	uint64_t bytes_per_s; /* 0: none */
	uint64_t free_ns;     /* when the next piece may begin */
	struct limit *above;
	limit_moved_fn *moved;
	void *moved_ctx;
};

struct limit *limit_new(uint64_t bytes_per_s, struct limit *above)
{
	struct limit *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	pthread_mutex_init(&l->lock, NULL);
	l->bytes_per_s = bytes_per_s;
	l->above = above;
	return l;
}

void limit_free(struct limit *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* How long len_bytes take; a rate so low that it overflows takes for ever all the same. */
static uint64_t duration_ns(const struct limit *l, size_t len_bytes)
{
	uint64_t whole_s = len_bytes / l->bytes_per_s;
	uint64_t rest = len_bytes % l->bytes_per_s;

	return whole_s * NS_PER_S +
	       (uint64_t)((double)rest / (double)l->bytes_per_s * (double)NS_PER_S);
}

static uint64_t book_ns(struct limit *l, size_t len_bytes, uint64_t now_ns)
{
	uint64_t wait_ns;

	if (l->bytes_per_s == 0)
		return 0;
	pthread_mutex_lock(&l->lock);
	if (l->free_ns + BURST_NS < now_ns)
		l->free_ns = now_ns - BURST_NS;
	wait_ns = l->free_ns > now_ns ? l->free_ns - now_ns : 0;
	l->free_ns += duration_ns(l, len_bytes);
	pthread_mutex_unlock(&l->lock);
	return wait_ns;
}

void limit_watch(struct limit *l, limit_moved_fn *moved, void *ctx)
{
	l->moved = moved;
	l->moved_ctx = ctx;
}

uint64_t limit_book_us(struct limit *l, size_t len_bytes)
{
	uint64_t now_ns = clock_us() * 1000, longest_ns = 0, wait_us;

	for (struct limit *at = l; at; at = at->above) {
		uint64_t wait_ns = book_ns(at, len_bytes, now_ns);

		if (wait_ns > longest_ns)
			longest_ns = wait_ns;
	}
	wait_us = (longest_ns + 999) / 1000;
	if (l && l->moved)
		l->moved(l->moved_ctx, len_bytes, wait_us);
	return wait_us;
}

void limit_wait(struct limit *l, size_t len_bytes)
{
	uint64_t wait_us = limit_book_us(l, len_bytes);

	if (wait_us > 0)
		clock_sleep_until_us(clock_us() + wait_us);
}

bool limit_binds(const struct limit *l)
{
	while (l && l->bytes_per_s == 0)
		l = l->above;
	return l != NULL;
}

size_t limit_piece_bytes(const struct limit *l, size_t most_bytes)
{
	uint64_t piece = LIMIT_PIECE_BYTES_MAX;

	if (!limit_binds(l))
		return most_bytes;
	for (; l; l = l->above) {
		uint64_t burst = l->bytes_per_s / (NS_PER_S / BURST_NS);

		if (l->bytes_per_s > 0 && burst < piece)
			piece = burst;
	}
	if (piece < PIECE_BYTES_MIN)
		piece = PIECE_BYTES_MIN;
	return most_bytes < piece ? most_bytes : (size_t)piece;
}
