#include "array/capacity.h"

#include "array/place.h"

#include <stdlib.h>
#include <string.h>

/* Idle space below this part of a whole is not worth a word, nor a drive. */
#define IDLE_PERCENT 1

#define HELP_DRIVES_MAX 16
#define SIZES_TRIED 32

struct view {
	struct alloc_drive *drives;
	unsigned count;
};

static uint64_t less_by(uint64_t bytes, uint64_t taken)
{
	return bytes > taken ? bytes - taken : 0;
}

/* What no group can use, or has to. */
static uint64_t idle_of(const struct view *v, const struct alloc_policy *policy)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < v->count; i++)
		bytes += v->drives[i].usable ? v->drives[i].size_bytes : 0;
	return less_by(bytes, alloc_policy_needs(v->drives, v->count, policy));
}

/* Of all domains: no partner need be larger. */
static uint64_t largest(const struct view *v)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < v->count; i++) {
		uint64_t bytes = 0;

		for (unsigned n = 0; n < v->count; n++) {
			if (v->drives[n].usable && v->drives[n].domain == v->drives[i].domain)
				bytes += v->drives[n].size_bytes;
		}
		most = bytes > most ? bytes : most;
	}
	return most;
}

static uint64_t not_worth_a_word(uint64_t of_bytes)
{
	return of_bytes / 100 * IDLE_PERCENT;
}

/* Whether these drives more would leave (almost) nothing idle. */
static bool would_help(const struct view *v, const struct alloc_policy *policy, unsigned n,
		       uint64_t size_bytes)
{
	struct alloc_drive with[DRIVES_MAX];
	struct view more = { with, v->count };

	memcpy(with, v->drives, v->count * sizeof(*with));
	for (unsigned i = 0; i < n; i++)
		with[more.count++] = (struct alloc_drive){ .usable = true,
							   .domain = DRIVES_MAX + i,
							   .size_bytes = size_bytes,
							   .free_bytes = size_bytes };
	return idle_of(&more, policy) <= not_worth_a_word(largest(v));
}

/* The smallest size of which n drives help, to a percent. One that is too large is idle itself, so all
 * sizes are tried, roughly. False: none helps. */
static bool smallest(const struct view *v, const struct alloc_policy *policy, unsigned n,
		     uint64_t *out)
{
	uint64_t most = largest(v), step = most / SIZES_TRIED + 1, low = 0, high = step;

	while (!would_help(v, policy, n, high)) {
		if (high >= most)
			return false;
		low = high;
		high = high + step < most ? high + step : most;
	}
	while (high - low > most / 100 + 1) {
		uint64_t size = low + (high - low) / 2;

		if (would_help(v, policy, n, size))
			high = size;
		else
			low = size;
	}
	*out = high;
	return true;
}

/* As few as there can be; then as small as they can be, all alike. */
static void find_help(const struct view *v, const struct alloc_policy *policy, struct capacity *out)
{
	for (unsigned n = 1; n <= HELP_DRIVES_MAX && v->count + n <= DRIVES_MAX; n++) {
		if (smallest(v, policy, n, &out->help_bytes)) {
			out->help_drives = n;
			break;
		}
	}
}

/* With another number of rows, what is stored would have as many. */
static struct capacity_at at_parity(const struct view *v, struct alloc_policy policy,
				    unsigned parity, uint64_t data_bytes)
{
	struct capacity_at at = { .parity = parity };

	policy.parity = parity;
	at.usable_bytes = alloc_policy_bytes(v->drives, v->count, &policy);
	at.free_bytes = less_by(at.usable_bytes, data_bytes);
	at.possible = at.usable_bytes > 0;
	return at;
}

static void add_up(struct array *a, const struct view *v, struct capacity *out)
{
	out->known = true;
	for (unsigned i = 0; i < v->count; i++) {
		const struct array_drive *d = &a->drives[i];

		if (!v->drives[i].usable)
			continue;
		out->known = out->known && place_knows_size(d);
		out->raw_bytes += v->drives[i].size_bytes;
		out->stored_bytes += d->used_bytes;
		out->row_bytes += d->row_bytes;
		out->extra_bytes += d->extra_bytes;
	}
}

int capacity_of(struct array *a, struct capacity *out, struct error *err)
{
	struct alloc_policy policy = place_policy(a);
	struct view v = { calloc(a->count ? a->count : 1, sizeof(*v.drives)), a->count };
	uint64_t data_bytes;

	memset(out, 0, sizeof(*out));
	if (!v.drives)
		return err_nomem(err);
	place_view(a, v.drives);
	add_up(a, &v, out);
	data_bytes = less_by(out->stored_bytes, out->row_bytes);
	out->now = at_parity(&v, policy, policy.parity, data_bytes);
	if (policy.parity > 0)
		out->less = at_parity(&v, policy, policy.parity - 1, data_bytes);
	if (policy.parity < PARITY_MAX)
		out->more = at_parity(&v, policy, policy.parity + 1, data_bytes);
	out->idle_bytes = idle_of(&v, &policy);
	if (out->idle_bytes > not_worth_a_word(out->now.usable_bytes))
		find_help(&v, &policy, out);
	/* As things lie now, it may be less than all that could be stored minus what is. */
	for (unsigned i = 0; i < a->count; i++)
		v.drives[i].size_bytes = v.drives[i].free_bytes;
	out->now.free_bytes = alloc_policy_bytes(v.drives, a->count, &policy);
	free(v.drives);
	return ERR_NONE;
}
