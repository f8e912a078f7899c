/* Preloaded into a command (LD_PRELOAD): its clock, as time() tells it, is wrong by SKEW_S seconds. */
#include <stdlib.h>
#include <time.h>

time_t time(time_t *out)
{
	const char *skew = getenv("SKEW_S");
	struct timespec now = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += skew ? strtol(skew, NULL, 10) : 0;
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
