#include "array/pace.h"

#define WEIGHT 8	       /* a new value counts 1/8 */
#define UNUSUAL_EXPECTED 4     /* times what is expected, */
#define UNUSUAL_DEVIATIONS 8   /* and so many mean deviations */
#define ANSWERS_NEEDED 4       /* fewer tell nothing */

static void average(uint64_t *mean, uint64_t value)
{
	if (value == 0)
		value = 1;
	*mean = *mean == 0 ? value : (*mean * (WEIGHT - 1) + value + WEIGHT / 2) / WEIGHT;
}

void pace_answered(struct pace *p, uint64_t us)
{
	uint64_t off = us > p->latency_us ? us - p->latency_us : p->latency_us - us;

	if (p->latency_us > 0)
		average(&p->deviation_us, off);
	average(&p->latency_us, us);
	p->answers++;
}

/* Of us, what the bytes took. Long times are no reason to overflow. */
static uint64_t mib_us(uint64_t bytes, uint64_t us)
{
	return us > UINT64_MAX / PACE_MIB ? UINT64_MAX / PACE_MIB : us * PACE_MIB / bytes;
}

void pace_read(struct pace *p, uint64_t bytes, uint64_t us)
{
	average(&p->read_mib_us, mib_us(bytes, us));
	p->answers++;
}

void pace_wrote(struct pace *p, uint64_t bytes, uint64_t us)
{
	average(&p->write_mib_us, mib_us(bytes, us));
	p->answers++;
}

uint64_t pace_expect_us(const struct pace *p, uint64_t bytes)
{
	if (p->answers < ANSWERS_NEEDED)
		return 0;
	/* A MiB is so much that the latency is within what it takes. */
	if (bytes >= PACE_BULK_BYTES && p->read_mib_us > 0)
		return p->read_mib_us * bytes / PACE_MIB + 1;
	return p->latency_us + 1;
}

uint64_t pace_unusual_us(const struct pace *p, uint64_t bytes)
{
	return UNUSUAL_EXPECTED * pace_expect_us(p, bytes) + UNUSUAL_DEVIATIONS * p->deviation_us;
}

uint32_t pace_distance(uint64_t us, uint64_t nearest_us, uint64_t same_us)
{
	uint32_t distance = 0;

	if (us == 0 || nearest_us == 0)
		return 0;
	if (nearest_us < same_us)
		nearest_us = same_us;
	for (uint64_t reach = nearest_us; us / PACE_STEP >= reach; us /= PACE_STEP)
		distance++;
	return distance;
}

uint64_t pace_mib_us(const struct pace *p)
{
	uint64_t read_us = pace_expect_us(p, PACE_MIB);

	if (read_us == 0)
		return 0;
	return read_us > p->write_mib_us ? read_us : p->write_mib_us;
}
