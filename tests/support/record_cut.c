#include "tests/support/record_log.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- images ---- */

/* splitmix64 (public domain, S. Vigna): any seed gives good bits. */
static uint64_t scatter(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static bool is_loose(const struct recorder *r, size_t i, uint64_t moment)
{
	const struct change *c = &r->changes[i];

	return i >= r->settled && record_moment_of(r, i) < moment && c->kind != CHANGE_SYNC &&
	       c->durable_from > moment && c->gone_from > moment;
}

static bool survives(const struct recorder *r, size_t i, const struct cut *cut)
{
	const struct change *c = &r->changes[i];
	uint64_t number = record_moment_of(r, i);

	if (c->kind == CHANGE_SYNC || (i >= r->settled && number >= cut->moment) ||
	    c->gone_from <= cut->moment)
		return false;
	if (cut->kind == CUT_LIED && c->drive == cut->drive)
		return i < r->settled;
	if (!is_loose(r, i, cut->moment))
		return true;
	switch (cut->kind) {
	case CUT_DROP_ALL:
		return false;
	case CUT_DROP_DRIVE:
		return c->drive != cut->drive;
	case CUT_KEEP_DRIVE:
		return c->drive == cut->drive;
	case CUT_DROP_ONE:
		return number != cut->change;
	case CUT_KEEP_ONE:
		return number == cut->change;
	case CUT_SUBSET:
		return scatter(cut->seed ^ scatter(number)) & 1;
	default:
		return true;
	}
}

static size_t boundary(uint64_t seed, size_t len_bytes, size_t unit_bytes)
{
	size_t units = (len_bytes + unit_bytes - 1) / unit_bytes;

	return units == 0 ? 0 : (size_t)(scatter(seed) % units) * unit_bytes;
}

/* The put's bytes as the cut left them, in fresh memory. */
static uint8_t *bytes_left(const struct recorder *r, size_t i, const struct cut *cut,
			   size_t *len_bytes)
{
	const struct change *c = &r->changes[i];
	uint8_t *bytes = malloc(c->len_bytes + 1);
	size_t zeros = 0;

	record_must(bytes != NULL, "out of memory");
	memcpy(bytes, c->bytes, c->len_bytes);
	*len_bytes = c->len_bytes;
	if (i < r->settled || record_moment_of(r, i) != cut->change)
		return bytes;
	if (cut->kind == CUT_TORN_HEAD)
		*len_bytes = boundary(cut->seed, c->len_bytes, 512);
	if (cut->kind == CUT_TORN_TAIL)
		zeros = boundary(cut->seed, c->len_bytes, 4096) + 4096;
	if (cut->kind == CUT_ZEROED)
		zeros = c->len_bytes;
	memset(bytes, 0, zeros < c->len_bytes ? zeros : c->len_bytes);
	return bytes;
}

/* Names may be taken or missing where an earlier change did not survive: then this one has no
 * effect either. */
static void replay(const struct recorder *r, size_t i, const struct cut *cut, struct drive *d)
{
	const struct change *c = &r->changes[i];
	struct error ignored;
	uint8_t *bytes;
	size_t len_bytes;

	switch (c->kind) {
	case CHANGE_PUT:
		bytes = bytes_left(r, i, cut, &len_bytes);
		d->driver->put(d, c->name, bytes, len_bytes, &ignored);
		free(bytes);
		record_must(d->driver->sync(d, &ignored) == ERR_NONE, ignored.message);
		break;
	case CHANGE_MOVE:
		d->driver->move(d, c->name, c->to, &ignored);
		break;
	case CHANGE_REMOVE:
		d->driver->remove(d, c->name, &ignored);
		break;
	case CHANGE_SYNC:
		break;
	}
}

void recorder_build(struct recorder *r, const struct cut *cut)
{
	struct drive **drives = calloc(r->drives, sizeof(struct drive *));

	record_must(drives != NULL, "out of memory");
	record_erase_mem(r, "image");
	for (unsigned i = 0; i < r->drives; i++)
		drives[i] = record_open_mem(r, "image", i);
	for (size_t i = 0; i < r->count; i++)
		if (survives(r, i, cut))
			replay(r, i, cut, drives[r->changes[i].drive]);
	for (unsigned i = 0; i < r->drives; i++)
		drives[i]->driver->close(drives[i]);
	free(drives);
}

struct drive *recorder_open_image(struct recorder *r, unsigned i)
{
	return record_open_mem(r, "image", i);
}

void recorder_describe(struct recorder *r, const struct cut *cut, char *out, size_t size)
{
	static const char *const changes[] = {"put", "move", "remove", "sync"};
	static const char *const kinds[CUT_KINDS] = {
		"all loose kept",	  "all loose dropped",	   "one drive's loose dropped",
		"one drive's loose kept", "one change dropped",	   "one change kept",
		"a subset kept",	  "a put torn at its end", "a put torn at its start",
		"a put zeroed",		  "a drive lied"};
	size_t last = r->settled + (size_t)cut->moment - 1;
	size_t one = r->settled + (size_t)cut->change;
	const struct change *c = cut->moment > 0 ? &r->changes[last] : NULL;
	const struct change *o = one < r->count ? &r->changes[one] : NULL;

	snprintf(out, size,
		 "after %llu changes (%s %s of drive %u): %s; drive %u, change %llu (%s %s), seed "
		 "%llu",
		 (unsigned long long)cut->moment, c ? changes[c->kind] : "none",
		 c && c->name ? c->name : "", c ? c->drive : 0, kinds[cut->kind], cut->drive,
		 (unsigned long long)cut->change, o ? changes[o->kind] : "none",
		 o && o->name ? o->name : "", (unsigned long long)cut->seed);
}

/* ---- all cuts of a plan ---- */

struct cuts {
	struct cut *all;
	size_t count, cap;
};

static void add_cut(struct cuts *s, const struct cut *cut)
{
	record_must(grow(&s->all, &s->cap, s->count + 1, sizeof(*s->all)), "out of memory");
	s->all[s->count++] = *cut;
}

static void add_cuts_of_change(struct cuts *s, const struct recorder *r, size_t i, struct cut cut,
			       bool honest)
{
	cut.change = record_moment_of(r, i);
	for (enum cut_kind kind = CUT_DROP_ONE; kind <= CUT_KEEP_ONE; kind++) {
		cut.kind = kind;
		add_cut(s, &cut);
	}
	if (honest || r->changes[i].kind != CHANGE_PUT)
		return;
	for (enum cut_kind kind = CUT_TORN_HEAD; kind <= CUT_ZEROED; kind++) {
		cut.kind = kind;
		cut.seed = scatter(cut.seed);
		add_cut(s, &cut);
	}
}

static void add_cuts_at(struct cuts *s, const struct recorder *r, uint64_t moment, bool honest,
			uint64_t seed)
{
	struct cut cut = {.moment = moment, .seed = scatter(seed ^ scatter(moment))};
	size_t end = r->settled + (size_t)moment;
	size_t loose = 0;

	add_cut(s, &cut);
	for (size_t i = r->settled; i < end; i++) {
		if (!is_loose(r, i, moment))
			continue;
		add_cuts_of_change(s, r, i, cut, honest);
		loose++;
	}
	for (cut.drive = 0; !honest && cut.drive < r->drives; cut.drive++) {
		cut.kind = CUT_LIED;
		add_cut(s, &cut);
	}
	if (loose == 0)
		return;
	cut.kind = CUT_DROP_ALL;
	add_cut(s, &cut);
	for (cut.drive = 0; cut.drive < r->drives; cut.drive++)
		for (cut.kind = CUT_DROP_DRIVE; cut.kind <= CUT_KEEP_DRIVE; cut.kind++)
			add_cut(s, &cut);
	cut.kind = CUT_SUBSET;
	for (unsigned i = 0; i < 8 && loose > 1; i++) {
		cut.seed = scatter(cut.seed);
		add_cut(s, &cut);
	}
}

unsigned recorder_each_cut(struct recorder *r, const struct cut_plan *plan, cut_fn *fn, void *ctx)
{
	uint64_t to = plan->to ? plan->to : recorder_now(r);
	struct cuts cuts = {0};
	size_t wanted;

	for (uint64_t moment = plan->from; moment <= to; moment++)
		add_cuts_at(&cuts, r, moment, plan->honest, plan->seed);
	wanted = plan->budget && plan->budget < cuts.count ? plan->budget : cuts.count;
	for (size_t i = 0; i < wanted; i++) {
		/* One at random of each of `wanted` equal stretches: all moments get their share.
		 */
		size_t first = cuts.count * i / wanted, next = cuts.count * (i + 1) / wanted;
		size_t pick = first + (size_t)(scatter(plan->seed ^ i) % (next - first));

		recorder_build(r, &cuts.all[pick]);
		fn(ctx, r, &cuts.all[pick]);
	}
	record_erase_mem(r, "image");
	free(cuts.all);
	return (unsigned)wanted;
}
