#include "care/rebalance_inner.h"

#include "array/extra.h"
#include "base/stop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_within(struct rebalancing *b, uint64_t cost_bytes)
{
	uint64_t most = b->o->max_bytes;

	if (b->spent_bytes > most || cost_bytes > most - b->spent_bytes ||
	    (b->deadline_ms != REBALANCE_UNLIMITED && now_ms() >= b->deadline_ms))
		b->r->work_remains = true;
	return !b->r->work_remains;
}

int rebalance_may(struct rebalancing *b, uint64_t cost_bytes, bool *may, struct error *err)
{
	*may = is_within(b, cost_bytes);
	return stop_check(err);
}

int rebalance_done(struct rebalancing *b, uint64_t read_bytes, uint64_t written_bytes,
		   struct error *err)
{
	b->r->read_bytes += read_bytes;
	b->r->written_bytes += written_bytes;
	b->spent_bytes += read_bytes + written_bytes;
	b->changed = true;
	counters_add(b->o->counters, 1, read_bytes + written_bytes);
	return upkeep_is_due(&b->u) ? upkeep_settle(&b->u, err) : ERR_NONE;
}

int rebalance_failed(struct rebalancing *b, int code, struct error *err)
{
	if (code == ERR_NOMEM || code == ERR_INTERRUPTED)
		return code;
	array_tell(b->a, TELL_WARNING, "a group stays as it is: %s", err->message);
	b->r->failed++;
	return ERR_NONE;
}

static bool goes_on(const struct rebalancing *b, int code)
{
	return code == ERR_NONE && !b->r->work_remains;
}

/* ---- debts ---- */

static bool may_pay(void *ctx, uint64_t bytes)
{
	struct rebalancing *b = ctx;
	bool may = is_within(b, bytes);

	b->spent_bytes += may ? bytes : 0;
	return may;
}

/* r->debts tells all that was paid, and what is owed now. */
static int pay(struct rebalancing *b, enum debts_scope scope, bool extra, struct error *err)
{
	struct debts_options o = { .scope = scope, .extra = extra, .may = may_pay, .may_ctx = b };
	struct debts_result before = b->r->debts, *r = &b->r->debts;
	int code = b->o->dry_run ? debts_estimate(b->a, &o, r, err) : debts_settle(b->a, &o, r, err);

	b->r->read_bytes += r->read_bytes;
	b->r->written_bytes += r->written_bytes;
	r->rows_made += before.rows_made;
	r->extra_made += before.extra_made;
	r->objects_swept += before.objects_swept;
	r->read_bytes += before.read_bytes;
	r->written_bytes += before.written_bytes;
	return code;
}

/* ---- all of it ---- */

/* One round; what moved may be what kept other groups from being joined. */
static int round_of(struct rebalancing *b, struct error *err)
{
	bool more;
	int code = extra_recount(b->a, &more, err);

	if (code == ERR_NONE)
		code = rebalance_domains(b, err);
	if (goes_on(b, code))
		code = rebalance_join(b, REBALANCE_ALL, err);
	if (goes_on(b, code))
		code = rebalance_shares(b, err);
	return code;
}

static void begin(struct rebalancing *b, struct array *a, const struct rebalance_options *o,
		  struct rebalance_result *r)
{
	memset(b, 0, sizeof(*b));
	memset(r, 0, sizeof(*r));
	b->a = a;
	b->o = o;
	b->r = r;
	b->deadline_ms = o->max_time_s < REBALANCE_UNLIMITED / 2000
				 ? now_ms() + o->max_time_s * 1000
				 : REBALANCE_UNLIMITED;
	upkeep_init(&b->u, a);
}

/* What was done is committed, also when it ends before its time. */
static int end(struct rebalancing *b, int code, struct error *err)
{
	struct error why;

	/* Twice: the second time what was deleted by the first. */
	for (unsigned i = 0; i < 2; i++) {
		int settled = upkeep_settle(&b->u, &why);

		if (settled != ERR_NONE && code == ERR_NONE) {
			code = settled;
			*err = why;
		}
	}
	upkeep_release(&b->u);
	return code;
}

int rebalance(struct array *a, const struct rebalance_options *o, struct rebalance_result *r,
	      struct error *err)
{
	struct rebalancing b;
	bool more;
	int code;

	begin(&b, a, o, r);
	code = pay(&b, DEBTS_THOROUGH, o->dry_run, err);
	if (goes_on(&b, code))
		code = rebalance_surplus(&b, err);
	b.changed = true;
	while (goes_on(&b, code) && b.changed) {
		b.changed = false;
		code = round_of(&b, err);
		if (o->dry_run)
			break;
	}
	code = end(&b, code, err);
	/* The rows of drives that failed meanwhile; and what room is to spare now. */
	if (goes_on(&b, code) && !o->dry_run)
		code = extra_recount(a, &more, err);
	if (goes_on(&b, code) && !o->dry_run)
		code = pay(&b, DEBTS_ALL, true, err);
	return code;
}

static const struct rebalance_options no_limits = { .max_time_s = REBALANCE_UNLIMITED,
						    .max_bytes = REBALANCE_UNLIMITED };

/* A trial books what it would store; afterwards the books are as they were. */
struct booked {
	uint64_t used_bytes, free_bytes;
};

static struct booked *booked_now(const struct array *a)
{
	struct booked *b = calloc(a->count, sizeof(*b));

	for (unsigned i = 0; i < a->count && b; i++)
		b[i] = (struct booked){ a->drives[i].used_bytes, a->drives[i].about.free_bytes };
	return b;
}

static void book_again(struct array *a, const struct booked *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		a->drives[i].used_bytes = b[i].used_bytes;
		a->drives[i].about.free_bytes = b[i].free_bytes;
	}
}

int rebalance_spread_estimate(struct array *a, struct rebalance_result *r, struct error *err)
{
	struct rebalance_options trial = no_limits;
	struct booked *before = booked_now(a);
	struct rebalancing b;
	int code;

	trial.dry_run = true;
	begin(&b, a, &trial, r);
	code = before ? table_view(a->table, err) : err_nomem(err);
	if (code == ERR_NONE)
		code = rebalance_domains(&b, err);
	table_view_end(a->table);
	code = end(&b, code, err);
	if (before)
		book_again(a, before);
	free(before);
	return code;
}

static int join_only(struct array *a, enum rebalance_width which, const struct rebalance_options *o,
		     struct rebalance_result *r, struct error *err)
{
	struct rebalancing b;

	begin(&b, a, o, r);
	return end(&b, rebalance_join(&b, which, err), err);
}

int rebalance_widths(struct array *a, bool dry_run, struct counters *counters,
		     struct rebalance_result *r, struct error *err)
{
	struct booked *before = booked_now(a);
	struct rebalance_options o = no_limits;
	int code;

	memset(r, 0, sizeof(*r));
	if (!before)
		return err_nomem(err);
	o.dry_run = dry_run;
	o.counters = counters;
	code = join_only(a, REBALANCE_ALL, &o, r, err);
	if (dry_run)
		book_again(a, before);
	free(before);
	return code;
}

int rebalance_thin(struct array *a, struct rebalance_result *r, struct error *err)
{
	return join_only(a, REBALANCE_THIN, &no_limits, r, err);
}

int rebalance_for_room(struct array *a, struct rebalance_result *r, struct error *err)
{
	return join_only(a, REBALANCE_ROOM, &no_limits, r, err);
}
