/* How fast rows are encoded, and lost members computed: bytes of members per second, one thread. */
#include "group/code.h"
#include "tests/support/noise.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RANGE_BYTES ((size_t)4 << 20)
#define OBJECTS_MAX 16
#define SECONDS 0.5

static double now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int code)
{
	if (code != ERR_NONE)
		abort();
}

static void report(const char *what, unsigned k, unsigned m, unsigned rounds, double seconds)
{
	printf("%s k=%u m=%u: %.0f MB/s\n", what, k, m,
	       (double)rounds * k * (double)RANGE_BYTES / seconds / 1e6);
}

static void measure(uint8_t *const *memory, unsigned k, unsigned m)
{
	struct code_input members[OBJECTS_MAX], have[OBJECTS_MAX];
	struct code_ref lost[OBJECTS_MAX];
	uint8_t slots[OBJECTS_MAX], rows[OBJECTS_MAX];
	struct error err;
	double start;
	unsigned rounds;

	for (unsigned i = 0; i < k + m; i++) {
		struct code_ref ref = {i >= k, (uint8_t)(i < k ? i : i - k)};

		slots[i] = rows[i] = (uint8_t)i;
		members[i] = (struct code_input){ref, memory[i], RANGE_BYTES};
	}
	start = now_seconds();
	for (rounds = 0; now_seconds() - start < SECONDS; rounds++)
		must(code_encode(members, k, rows, m, memory + k, RANGE_BYTES, &err));
	report("encode ", k, m, rounds, now_seconds() - start);

	/* The first members are lost, the rows stand for them. */
	for (unsigned i = 0; i < k; i++)
		have[i] = members[k + m - 1 - i];
	for (unsigned i = 0; i < m; i++)
		lost[i] = members[i].ref;
	start = now_seconds();
	for (rounds = 0; now_seconds() - start < SECONDS; rounds++)
		must(code_rebuild(slots, k, have, k, lost, m, memory, RANGE_BYTES, &err));
	report("rebuild", k, m, rounds, now_seconds() - start);
}

int main(void)
{
	struct noise noise = {1};
	uint8_t *memory[OBJECTS_MAX];

	for (unsigned i = 0; i < OBJECTS_MAX; i++) {
		memory[i] = malloc(RANGE_BYTES);
		if (!memory[i])
			return 1;
		noise_fill(&noise, memory[i], RANGE_BYTES);
	}
	measure(memory, 3, 1);
	measure(memory, 2, 2);
	measure(memory, 8, 3);
	for (unsigned i = 0; i < OBJECTS_MAX; i++)
		free(memory[i]);
	return 0;
}
