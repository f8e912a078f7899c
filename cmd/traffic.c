#include "cmd/traffic.h"

#include "array/traffic.h"

/* needs_link: of what only remote drives have; of these some kinds do not count every_kind. */
static const struct traffic_row {
	const char *key;
	enum meter_count what;
	bool needs_link, every_kind;
} rows[] = {
	{ "objects_written", METER_PUTS, false, true },
	{ "bytes_written", METER_PUT_BYTES, false, true },
	{ "reads", METER_GETS, false, true },
	{ "bytes_read", METER_GOT_BYTES, false, true },
	{ "calls", METER_CALLS, false, true },
	{ "calls_failed", METER_FAILED, false, true },
	{ "retries", METER_RETRIES, true, true },
	{ "bytes_up", METER_UP_BYTES, true, true },
	{ "bytes_down", METER_DOWN_BYTES, true, true },
	{ "requests", METER_REQUESTS, true, false },
	{ "connections", METER_CONNECTIONS, true, false },
};

static bool is_known(const struct traffic_row *row, const struct meter_reading *r, bool remote)
{
	if (row->needs_link && !remote)
		return false;
	return row->every_kind || r->of[row->what] > 0;
}

static void fill(json_t *o, const struct meter_reading *r, bool remote)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		json_object_set_new(o, rows[i].key,
				    is_known(&rows[i], r, remote)
					    ? json_integer((json_int_t)r->of[rows[i].what])
					    : json_null());
	json_object_set_new(o, "held_back_seconds",
			    remote ? json_real((double)r->held_back_us / 1e6) : json_null());
}

json_t *traffic_json(const struct meter_reading *r, bool remote)
{
	json_t *o = json_object();

	fill(o, r, remote);
	return o;
}

static void add(json_t *list, const char *name, const struct meter_reading *r, bool remote)
{
	json_t *o = json_pack("{s:s}", "name", name);

	fill(o, r, remote);
	json_array_append_new(list, o);
}

json_t *traffic_of_all_json(const struct array *a)
{
	json_t *list = json_array();
	struct meter_reading r;

	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *d = &a->drives[i];

		if (!d->handle)
			continue;
		drive_traffic(d, &r);
		add(list, d->name, &r, drive_is_remote(d));
	}
	return list;
}

json_t *traffic_of_counters_json(struct counters *c)
{
	json_t *list = json_array();
	struct counters_traffic t;

	for (unsigned i = 0; counters_traffic(c, i, &t); i++)
		add(list, t.name, &t.moved, t.remote);
	return list;
}
