#include "base/counters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct counters {
	_Atomic uint64_t files_done, files_total, bytes_done, bytes_total;
	_Atomic int queued[COUNTERS_DRIVES_MAX];
	pthread_mutex_t lock; /* of what follows */
	char name[COUNTERS_NAME_BYTES];
	struct {
		char name[COUNTERS_NAME_BYTES];
		bool remote;
		struct meter *meter;
	} drives[COUNTERS_DRIVES_MAX];
	unsigned drives_count;
};

struct counters *counters_new(void)
{
	struct counters *c = calloc(1, sizeof(*c));

	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void counters_free(struct counters *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < c->drives_count; i++)
		meter_drop(c->drives[i].meter);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void counters_total(struct counters *c, uint64_t files, uint64_t bytes)
{
	if (!c)
		return;
	atomic_store(&c->files_total, files);
	atomic_store(&c->bytes_total, bytes);
}

void counters_add(struct counters *c, uint64_t files, uint64_t bytes)
{
	if (!c)
		return;
	atomic_fetch_add(&c->files_done, files);
	atomic_fetch_add(&c->bytes_done, bytes);
}

void counters_name(struct counters *c, const char *name)
{
	size_t len_bytes = strlen(name);

	if (!c)
		return;
	if (len_bytes >= COUNTERS_NAME_BYTES)
		name += len_bytes - (COUNTERS_NAME_BYTES - 1);
	pthread_mutex_lock(&c->lock);
	snprintf(c->name, sizeof(c->name), "%s", name);
	pthread_mutex_unlock(&c->lock);
}

void counters_drive(struct counters *c, unsigned i, const char *name, bool remote,
		    struct meter *meter)
{
	struct meter *before;

	if (!c || i >= COUNTERS_DRIVES_MAX)
		return;
	pthread_mutex_lock(&c->lock);
	before = c->drives[i].meter;
	snprintf(c->drives[i].name, sizeof(c->drives[i].name), "%s", name);
	c->drives[i].remote = remote;
	c->drives[i].meter = meter_hold(meter);
	if (c->drives_count <= i)
		c->drives_count = i + 1;
	pthread_mutex_unlock(&c->lock);
	meter_drop(before);
}

bool counters_traffic(struct counters *c, unsigned i, struct counters_traffic *out)
{
	bool there;

	memset(out, 0, sizeof(*out));
	if (!c)
		return false;
	pthread_mutex_lock(&c->lock);
	there = i < c->drives_count;
	if (there) {
		memcpy(out->name, c->drives[i].name, sizeof(out->name));
		out->remote = c->drives[i].remote;
		meter_read(c->drives[i].meter, &out->moved);
	}
	pthread_mutex_unlock(&c->lock);
	return there;
}

void counters_queue(struct counters *c, unsigned i, int change)
{
	if (c && i < COUNTERS_DRIVES_MAX)
		atomic_fetch_add(&c->queued[i], change);
}

void counters_sample(struct counters *c, struct counters_sample *out)
{
	int longest = 0;

	memset(out, 0, sizeof(*out));
	if (!c)
		return;
	out->files_done = atomic_load(&c->files_done);
	out->files_total = atomic_load(&c->files_total);
	out->bytes_done = atomic_load(&c->bytes_done);
	out->bytes_total = atomic_load(&c->bytes_total);
	pthread_mutex_lock(&c->lock);
	memcpy(out->name, c->name, sizeof(out->name));
	for (unsigned i = 0; i < COUNTERS_DRIVES_MAX; i++) {
		int queued = atomic_load(&c->queued[i]);

		if (queued <= longest)
			continue;
		longest = queued;
		memcpy(out->slowest_drive, c->drives[i].name, sizeof(out->slowest_drive));
	}
	pthread_mutex_unlock(&c->lock);
	out->slowest_queue = (unsigned)longest;
}
