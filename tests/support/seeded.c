#include "tests/support/seeded.h"

#include "tests/support/noise.h"

#include <sodium.h>
#include <stdatomic.h>

static atomic_ullong seed, round_number, threads_in_round;

static struct noise *own_stream(void)
{
	static _Thread_local struct noise stream;
	static _Thread_local uint64_t of_round;

	if (of_round != atomic_load(&round_number)) {
		of_round = atomic_load(&round_number);
		stream.state = atomic_load(&seed) + (atomic_fetch_add(&threads_in_round, 1) << 48);
	}
	return &stream;
}

static const char *name(void)
{
	return "seeded";
}

static uint32_t draw(void)
{
	return (uint32_t)noise_u64(own_stream());
}

static void fill(void *out, size_t len_bytes)
{
	noise_fill(own_stream(), out, len_bytes);
}

void seeded_from(uint64_t new_seed)
{
	atomic_store(&seed, new_seed);
	atomic_store(&threads_in_round, 0);
	atomic_fetch_add(&round_number, 1);
	own_stream();
}

void seeded_start(void)
{
	static struct randombytes_implementation seeded = { .implementation_name = name,
							     .random = draw,
							     .buf = fill };

	seeded_from(1);
	randombytes_set_implementation(&seeded);
}
