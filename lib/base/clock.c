#include "base/clock.h"

#include <errno.h>
#include <time.h>

uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void clock_sleep_until_us(uint64_t until_us)
{
	struct timespec t = { .tv_sec = (time_t)(until_us / 1000000),
			      .tv_nsec = (long)(until_us % 1000000) * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}
