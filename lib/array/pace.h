/*
 * Pace: how fast a drive answers, as far as its own calls have told. Moving averages of what is
 * done anyway: nothing is read or written to find out. Pure functions; the caller locks.
 */
#ifndef MRMR_ARRAY_PACE_H
#define MRMR_ARRAY_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_BULK_BYTES ((uint64_t)64 << 10) /* what moves more tells of throughput */
#define PACE_MIB ((uint64_t)1 << 20)

struct pace {
	uint64_t answers;	/* calls that it was taken from; 0: nothing is known */
	uint64_t latency_us;	/* until a call that moves few bytes has its answer */
	uint64_t deviation_us;	/* of that, mean */
	uint64_t read_mib_us;	/* what a MiB takes to be read; 0: unknown, here and below */
	uint64_t write_mib_us;	/* what a MiB takes to be written and synced */
};

/* A call took us and moved few bytes. */
void pace_answered(struct pace *p, uint64_t us);
/* bytes (PACE_BULK_BYTES at least) were read, or written and made durable, in us. */
void pace_read(struct pace *p, uint64_t bytes, uint64_t us);
void pace_wrote(struct pace *p, uint64_t bytes, uint64_t us);

/* What it is to be expected that a read of so many bytes takes. 0: nothing is known. */
uint64_t pace_expect_us(const struct pace *p, uint64_t bytes);
/* A read of so many bytes that takes longer is not usual: some multiple of what is expected. */
uint64_t pace_unusual_us(const struct pace *p, uint64_t bytes);

/*
 * How far a drive is, beside the nearest one: 0 as near; each more is PACE_STEP times as slow.
 * Times below same_us are all the same, so that like drives count as equal and what follows from it
 * does not change from run to run. 0 also where one of them is not known.
 */
#define PACE_STEP 4
uint32_t pace_distance(uint64_t us, uint64_t nearest_us, uint64_t same_us);
/* Of a MiB, read or written, whichever takes longer: what the allocator goes by. 0: unknown. */
uint64_t pace_mib_us(const struct pace *p);

#endif
