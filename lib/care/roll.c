#include "care/roll.h"

#include "array/object.h"

#include <stdlib.h>
#include <string.h>

/* A clock that is wrong by less may be that of another host. */
#define CLOCK_SLACK_S ((int64_t)24 * 3600)

void roll_release(struct roll *r)
{
	clock_release(&r->known);
	free(r->objects);
	free(r->order);
	memset(r, 0, sizeof(*r));
}

static uint64_t later(uint64_t turn)
{
	return turn < VERIFIED_TURN_MAX ? turn + 1 : VERIFIED_TURN_MAX;
}

bool roll_add(struct roll *r, const struct roll_object *o)
{
	if (r->count == UINT32_MAX || !grow(&r->objects, &r->cap, r->count + 1, sizeof(*r->objects)))
		return false;
	r->objects[r->count++] = *o;
	r->bytes += o->len_bytes;
	if (o->last.turn >= r->turn)
		r->turn = later(o->last.turn);
	return true;
}

static int by_name(const void *x, const void *y)
{
	const struct roll_object *a = x, *b = y;
	int order = hash_compare(&a->sha256, &b->sha256);

	return order != 0 ? order : (int)a->is_row - (int)b->is_row;
}

/* Names that no range tells apart are verified together: they have the last verification of the one
 * that waits longest. */
static void join_last(struct roll *r)
{
	for (size_t i = 0, end; i < r->count; i = end) {
		uint64_t number = name_number(&r->objects[i].sha256);
		struct table_verified last = r->objects[i].last;

		for (end = i; end < r->count && name_number(&r->objects[end].sha256) == number; end++) {
			if (r->objects[end].last.turn < last.turn)
				last = r->objects[end].last;
		}
		for (size_t n = i; n < end; n++)
			r->objects[n].last = last;
	}
}

void roll_sort(struct roll *r)
{
	if (r->count > 0)
		qsort(r->objects, r->count, sizeof(*r->objects), by_name);
	join_last(r);
}

static int add_object(void *ctx, const struct table_object *o, struct error *err)
{
	struct roll *r = ctx;
	struct roll_object object = { .sha256 = o->sha256,
				      .len_bytes = o->len_bytes,
				      .last = o->verified,
				      .owner = o->owner,
				      .row = o->row,
				      .is_row = o->is_row };

	return roll_add(r, &object) ? ERR_NONE : err_nomem(err);
}

int roll_load(struct table *t, const struct id *drive_id, struct roll *out, struct error *err)
{
	int code;

	memset(out, 0, sizeof(*out));
	out->drive_id = *drive_id;
	out->turn = 1;
	code = table_view(t, err);
	if (code != ERR_NONE)
		return code;
	code = table_clock(t, &out->known, err);
	if (code == ERR_NONE)
		code = table_objects(t, drive_id, add_object, out, err);
	table_view_end(t);
	if (code == ERR_NONE)
		roll_sort(out);
	else
		roll_release(out);
	return code;
}

const struct roll_object *roll_find(const struct roll *r, const struct hash *sha256, bool is_row)
{
	struct roll_object key = { .sha256 = *sha256, .is_row = is_row };

	return r->count > 0 ? bsearch(&key, r->objects, r->count, sizeof(key), by_name) : NULL;
}

void roll_list(struct roll *r, const struct hash *sha256, bool is_row, uint64_t len_bytes)
{
	struct roll_object key = { .sha256 = *sha256, .is_row = is_row };
	size_t i;

	if (r->count == 0 || !roll_find(r, sha256, is_row))
		return;
	i = (size_t)(roll_find(r, sha256, is_row) - r->objects);
	while (i > 0 && by_name(&r->objects[i - 1], &key) == 0)
		i--;
	for (; i < r->count && by_name(&r->objects[i], &key) == 0; i++) {
		if (r->objects[i].len_bytes == len_bytes)
			r->objects[i].listed = true;
	}
}

struct table_object roll_table_object(const struct roll_object *o)
{
	struct table_object out = { .sha256 = o->sha256,
				    .len_bytes = o->len_bytes,
				    .is_row = o->is_row,
				    .owner = o->owner,
				    .row = o->row,
				    .verified = o->last };

	if (o->is_row)
		object_name_row(&o->sha256, out.name);
	else
		object_name_block(&o->sha256, out.name);
	return out;
}

/* ---- what is read ---- */

static int by_turn(const void *x, const void *y, void *ctx)
{
	const struct roll *r = ctx;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	uint64_t turn_a = r->objects[a].last.turn, turn_b = r->objects[b].last.turn;

	if (turn_a != turn_b)
		return turn_a < turn_b ? -1 : 1;
	return (a > b) - (a < b); /* by name */
}

/* A time that is still to come says nothing. */
static bool is_older(const struct table_verified *last, int64_t age_s, int64_t now_s)
{
	return last->turn == 0 || last->time_s > now_s + CLOCK_SLACK_S ||
	       last->time_s < now_s - age_s;
}

/* How many of the first ones, in order, make that share. What ranges do not tell apart stays
 * together. */
static size_t count_share(const struct roll *r, size_t count, unsigned percent)
{
	uint64_t budget = r->bytes / 100 * percent + (r->bytes % 100 * percent + 99) / 100, sum = 0;
	size_t i = 0;

	while (i < count && sum < budget)
		sum += r->objects[r->order[i++]].len_bytes;
	while (i > 0 && i < count && name_number(&r->objects[r->order[i]].sha256) ==
					     name_number(&r->objects[r->order[i - 1]].sha256))
		i++;
	return i;
}

struct draw {
	const struct roll *r;
	uint64_t seed, oldest; /* turn */
};

static uint64_t lot_of(const struct draw *d, uint32_t i)
{
	uint64_t lot = d->seed + (i + 1) * 0x9e3779b97f4a7c15u;

	lot = (lot ^ lot >> 30) * 0xbf58476d1ce4e5b9u;
	lot = (lot ^ lot >> 27) * 0x94d049bb133111ebu;
	lot ^= lot >> 31;
	return d->r->objects[i].last.turn == d->oldest ? lot / 2 : lot;
}

static int by_lot(const void *x, const void *y, void *ctx)
{
	const struct draw *d = ctx;
	uint64_t a = lot_of(d, *(const uint32_t *)x), b = lot_of(d, *(const uint32_t *)y);

	return (a > b) - (a < b);
}

/* Puts those that are drawn first; returns how many. */
static size_t draw_sample(struct roll *r, size_t count)
{
	struct draw d = { .r = r, .seed = load_u64(id_random().b), .oldest = UINT64_MAX };
	size_t most = (count * ROLL_SAMPLE_PERCENT + 99) / 100, i = 0;
	uint64_t bytes = 0;

	if (most < ROLL_SAMPLE_OBJECTS)
		most = ROLL_SAMPLE_OBJECTS;
	for (size_t n = 0; n < count; n++) {
		if (r->objects[r->order[n]].last.turn < d.oldest)
			d.oldest = r->objects[r->order[n]].last.turn;
	}
	if (count > 0)
		qsort_r(r->order, count, sizeof(*r->order), by_lot, &d);
	for (; i < count && i < most; i++) {
		bytes += r->objects[r->order[i]].len_bytes;
		if (i > 0 && bytes > ROLL_SAMPLE_BYTES)
			break;
	}
	return i;
}

/* What the drive did not list as it must be is missing, or wrong: reading it will tell. */
static void add_unlisted(struct roll *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!r->objects[i].listed && !r->objects[i].chosen)
			r->order[r->chosen++] = (uint32_t)i;
	}
}

static void give_turns(struct roll *r)
{
	uint64_t turn = r->turn;

	for (size_t i = 0; i < r->chosen; i++) {
		const struct roll_object *before = i > 0 ? &r->objects[r->order[i - 1]] : NULL;
		struct roll_object *o = &r->objects[r->order[i]];

		if (before && (o < before || (before->last.turn == 0 && o->last.turn > 0)))
			turn = later(turn);
		o->turn = turn;
	}
}

int roll_choose(struct roll *r, const struct roll_choice *c, int64_t now_s, struct error *err)
{
	size_t count = 0;

	free(r->order);
	r->order = malloc((r->count + 1) * sizeof(*r->order));
	if (!r->order)
		return err_nomem(err);
	for (size_t i = 0; i < r->count; i++) {
		const struct table_verified *last = &r->objects[i].last;

		r->objects[i].chosen = false;
		if ((c->only_new && last->turn > 0) ||
		    (c->only_older && !is_older(last, c->older_than_s, now_s)))
			continue;
		r->order[count++] = (uint32_t)i;
	}
	if (c->sample)
		count = draw_sample(r, count);
	else if (count > 0)
		qsort_r(r->order, count, sizeof(*r->order), by_turn, r);
	r->chosen = c->percent > 0 ? count_share(r, count, c->percent) : count;
	for (size_t i = 0; i < r->chosen; i++)
		r->objects[r->order[i]].chosen = true;
	if (c->unlisted)
		add_unlisted(r);
	r->chosen_bytes = 0;
	for (size_t i = 0; i < r->chosen; i++)
		r->chosen_bytes += r->objects[r->order[i]].len_bytes;
	give_turns(r);
	return ERR_NONE;
}

/* ---- what is told ---- */

#define FEW 64 /* objects in a row that are not worth ranges of their own */

/* Objects whose names no range tells apart. */
struct unit {
	uint64_t number;
	struct table_verified said; /* turn 0: nothing */
	bool now;		    /* by this scrub */
	bool first;		    /* and never before */
};

static size_t make_units(const struct roll *r, bool all, int64_t time_s, struct unit *units)
{
	size_t count = 0;

	for (size_t i = 0, end; i < r->count; i = end) {
		const struct roll_object *o = &r->objects[i];
		struct unit *u = &units[count++];

		*u = (struct unit){ .number = name_number(&o->sha256), .now = true };
		for (end = i; end < r->count && name_number(&r->objects[end].sha256) == u->number;
		     end++)
			u->now = u->now && r->objects[end].whole;
		u->said = o->last;
		if (u->now)
			u->said = (struct table_verified){ all ? r->turn : o->turn, time_s };
		u->first = u->now && o->last.turn == 0;
	}
	return count;
}

/* Few that are verified for the first time, between others that were verified: they join the older of
 * these. */
static void join_turns(struct unit *units, size_t count)
{
	for (size_t i = 0, end; i < count; i = end) {
		struct table_verified said = { 0 };

		for (end = i + 1; end < count && units[end].first == units[i].first; end++)
			;
		if (units[i].first && i > 0 && end < count && end - i < FEW)
			said = units[i - 1].said.turn < units[end].said.turn ? units[i - 1].said
									     : units[end].said;
		for (size_t n = i; n < end && said.turn > 0; n++)
			units[n].said = said;
	}
}

static bool same_turn(const struct table_verified *a, const struct table_verified *b)
{
	return a->turn == b->turn && a->time_s == b->time_s;
}

/* Runs of one turn, as far as the names of the neighbours: what lies between is of none. */
static int add_claims(const struct unit *units, size_t count, struct verified_record *v,
		      struct error *err)
{
	for (size_t i = 0, end; i < count; i = end) {
		bool tell = false;
		uint64_t from = i > 0 ? units[i - 1].number + 1 : 0, to;
		struct verified_claim *c;

		for (end = i; end < count && same_turn(&units[end].said, &units[i].said); end++)
			tell = tell || units[end].now;
		to = end < count ? units[end].number - 1 : UINT64_MAX;
		if (!tell)
			continue;
		c = verified_claim(v, units[i].said.turn, units[i].said.time_s);
		if (!c || !ranges_add(&c->ranges, from, to))
			return err_nomem(err);
	}
	return ERR_NONE;
}

int roll_tell(const struct roll *r, bool all, int64_t time_s, struct buf *records,
	      struct error *err)
{
	struct verified_record v = { .drive_id = r->drive_id };
	struct unit *units = calloc(r->count + 1, sizeof(*units));
	size_t count;
	int code = units ? ERR_NONE : err_nomem(err);

	if (code == ERR_NONE) {
		count = make_units(r, all, time_s, units);
		if (!all)
			join_turns(units, count);
		code = clock_copy(&v.known, &r->known) ? ERR_NONE : err_nomem(err);
	}
	if (code == ERR_NONE)
		code = add_claims(units, count, &v, err);
	if (code == ERR_NONE && !verified_says_nothing(&v))
		record_verified(records, &v);
	verified_release(&v);
	free(units);
	return code;
}
