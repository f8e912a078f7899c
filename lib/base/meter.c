#include "base/meter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct meter {
	atomic_uint holders;
	atomic_ullong of[METER_COUNTS];
	atomic_ullong held_back_us, held_back_until_us;
};

struct meter *meter_new(void)
{
	struct meter *m = calloc(1, sizeof(*m));

	return m ? meter_hold(m) : NULL;
}

struct meter *meter_hold(struct meter *m)
{
	if (m)
		atomic_fetch_add(&m->holders, 1);
	return m;
}

void meter_drop(struct meter *m)
{
	if (m && atomic_fetch_sub(&m->holders, 1) == 1)
		free(m);
}

void meter_add(struct meter *m, enum meter_count what, uint64_t more)
{
	if (m)
		atomic_fetch_add_explicit(&m->of[what], more, memory_order_relaxed);
}

/* Several transfers wait at once: only what goes beyond what others wait for already is new. */
void meter_held_back(struct meter *m, uint64_t now_us, uint64_t wait_us)
{
	unsigned long long until_us = now_us + wait_us, before_us;

	if (!m || wait_us == 0)
		return;
	before_us = atomic_load(&m->held_back_until_us);
	do {
		if (until_us <= before_us)
			return;
	} while (!atomic_compare_exchange_weak(&m->held_back_until_us, &before_us, until_us));
	atomic_fetch_add(&m->held_back_us, until_us - (before_us > now_us ? before_us : now_us));
}

void meter_read(struct meter *m, struct meter_reading *out)
{
	memset(out, 0, sizeof(*out));
	if (!m)
		return;
	for (unsigned i = 0; i < METER_COUNTS; i++)
		out->of[i] = atomic_load_explicit(&m->of[i], memory_order_relaxed);
	out->held_back_us = atomic_load(&m->held_back_us);
}
