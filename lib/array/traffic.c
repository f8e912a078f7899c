#include "array/traffic.h"

#include "array/watched.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void drive_traffic(const struct array_drive *d, struct meter_reading *out)
{
	meter_read(d->handle ? watched_meter(d->handle) : NULL, out);
}

bool drive_is_remote(const struct array_drive *d)
{
	return d->handle && d->handle->driver->flags & DRIVER_REMOTE;
}

void traffic_watch(const struct array *a, const struct array_drive *d)
{
	counters_drive(a->counters, (unsigned)(d - a->drives), d->name, drive_is_remote(d),
		       d->handle ? watched_meter(d->handle) : NULL);
}

__attribute__((format(printf, 2, 3))) static void add(char *out, const char *fmt, ...)
{
	size_t used = strlen(out);
	va_list args;

	va_start(args, fmt);
	vsnprintf(out + used, TRAFFIC_TEXT_BYTES - used, fmt, args);
	va_end(args);
}

static void add_count(char *out, uint64_t count, const char *one, const char *many)
{
	if (count > 0)
		add(out, ", %" PRIu64 " %s", count, count == 1 ? one : many);
}

const char *traffic_text(const struct meter_reading *r, char out[TRAFFIC_TEXT_BYTES])
{
	uint64_t requests = r->of[METER_REQUESTS], calls = r->of[METER_CALLS];
	char up[UNIT_TEXT_BYTES], down[UNIT_TEXT_BYTES];

	out[0] = '\0';
	size_text(r->of[METER_UP_BYTES], up);
	size_text(r->of[METER_DOWN_BYTES], down);
	if (requests > 0)
		add(out, "%" PRIu64 " request%s", requests, requests == 1 ? "" : "s");
	else /* a kind that does not count them */
		add(out, "%" PRIu64 " call%s", calls, calls == 1 ? "" : "s");
	add(out, ", %s up, %s down", up, down);
	add_count(out, r->of[METER_CONNECTIONS], "connection", "connections");
	add_count(out, r->of[METER_RETRIES], "retry", "retries");
	add_count(out, r->of[METER_FAILED], "call failed", "calls failed");
	if (r->held_back_us >= 100000)
		add(out, ", held back by limits for %.1f s", (double)r->held_back_us / 1e6);
	return out;
}

void traffic_tell(const struct array *a)
{
	char text[TRAFFIC_TEXT_BYTES];
	struct meter_reading r;

	for (unsigned i = 0; i < a->count; i++) {
		if (!drive_is_remote(&a->drives[i]))
			continue;
		drive_traffic(&a->drives[i], &r);
		array_tell(a, TELL_INFO, "drive %s: %s", a->drives[i].name, traffic_text(&r, text));
	}
}
