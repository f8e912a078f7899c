/*
 * Two hosts that change the same groups at once. One host's command stands still before its n-th
 * call of a drive while a whole command of the other one runs: for every pair of commands and, of
 * every n, a sample. Afterwards both hosts know the same, every loss that the array promised to bear
 * is borne, what the policy asks now is there if the command that ended last pays debts, and once one of
 * them has scrubbed and rebalanced no object is left that nobody needs.
 *	MRMR_SWEEP_CASE='small, rebalance, put, 2, 17' build/tests/sweeps/sweep_hosts
 * plays one case again, and the beginning of such a name all that begin so.
 */
#include "tests/support/fault_drive.h"
#include "tests/support/groups.h"
#include "tests/support/seeded.h"
#include "tests/support/tiny.h"

#include "array/health.h"
#include "array/membership.h"
#include "array/object.h"
#include "array/settings.h"
#include "base/file.h"
#include "care/debts.h"
#include "care/drain.h"
#include "care/idlist.h"
#include "care/rebalance.h"
#include "care/rebuild.h"
#include "care/scrub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVES 5
#define CONFIG_BYTES_MAX ((size_t)1 << 20)
#define CASES 20 /* of each beginning */
#define CASES_ALL 1000

static const struct rebalance_options no_limits = { .max_time_s = REBALANCE_UNLIMITED,
						    .max_bytes = REBALANCE_UNLIMITED };

static void must(int code, const char *what, const struct error *err)
{
	if (code == ERR_NONE)
		return;
	fprintf(stderr, "two hosts: %s: %s\n", what, err->message);
	abort();
}

/* ---- commands, as the program runs them ---- */

static int settle_level(struct array *a, bool copies, struct error *err)
{
	struct debts_options o = { .scope = DEBTS_THOROUGH };
	struct debts_result done;

	o.gathers_mirrors = copies && !a->policy.copies;
	return debts_settle(a, &o, &done, err);
}

static int set(struct array *a, const char *what, struct error *err)
{
	bool copies = a->policy.copies;
	struct settings *s = NULL;
	int code = settings_begin(a, &s, err);

	if (code == ERR_NONE)
		code = settings_set(s, what, err);
	if (code == ERR_NONE)
		code = settings_check(s, err);
	if (code == ERR_NONE)
		code = settings_apply(s, err);
	settings_end(s);
	if (code != ERR_NONE || (strncmp(what, "parity=", 7) != 0 && strncmp(what, "copies=", 7) != 0))
		return code;
	return settle_level(a, copies, err);
}

static int run_rebalance(struct tiny *t, struct array *a, struct error *err)
{
	struct rebalance_result r;

	(void)t;
	return rebalance(a, &no_limits, &r, err);
}

static int run_put(struct tiny *t, struct array *a, struct error *err)
{
	struct rebalance_result r;
	struct health h;
	int code = debts_pay(a, DEBTS_ALL, NULL, err);

	do {
		if (code == ERR_NONE || code == ERR_FULL)
			code = tiny_put(t, a, NULL, err);
	} while (code == ERR_FULL && rebalance_for_room(a, &r, err) == ERR_NONE &&
		 r.rows_dropped > 0);
	if (code == ERR_NONE)
		code = health_check(a, &h, err);
	if (code == ERR_NONE && !h.promise_kept)
		return debts_pay(a, DEBTS_THOROUGH, NULL, err);
	return code == ERR_NONE ? rebalance_thin(a, &r, err) : code;
}

static int run_more_parity(struct tiny *t, struct array *a, struct error *err)
{
	(void)t;
	return set(a, "parity=2", err);
}

static int run_most_parity(struct tiny *t, struct array *a, struct error *err)
{
	(void)t;
	return set(a, "parity=3", err);
}

static int run_less_parity(struct tiny *t, struct array *a, struct error *err)
{
	(void)t;
	return set(a, "parity=1", err);
}

static int run_copies(struct tiny *t, struct array *a, struct error *err)
{
	(void)t;
	return set(a, "copies=3", err);
}

static int run_drain(struct tiny *t, struct array *a, struct error *err)
{
	struct array_drive *d = array_drive_by_name(a, "d1");
	struct rebuild_result r;
	struct drain_plan plan;
	int code = drain_check(a, d, &plan, err);

	(void)t;
	return code == ERR_NONE ? drain(a, d, NULL, &r, err) : code;
}

static int run_rebuild(struct tiny *t, struct array *a, struct error *err)
{
	struct rebuild_options o = { .name = "d1" };
	struct rebuild_result r;

	(void)t;
	return rebuild(a, &o, &r, err);
}

static int run_scrub(struct tiny *t, struct array *a, struct error *err)
{
	struct scrub_options o = { .repair = true, .grace_s = 86400 };
	struct scrub_result *r = calloc(1, sizeof(*r));
	int code = r ? scrub(a, &o, r, err) : err_nomem(err);

	if (code == ERR_NONE && r->lost_blocks > 0)
		code = err_set(err, ERR_LOST, "scrub gave up blocks");
	(void)t;
	free(r);
	return code;
}

struct command {
	const char *name;
	int (*run)(struct tiny *t, struct array *a, struct error *err);
	unsigned snapshots; /* that it adds */
	bool settles;	    /* leaves nothing that could be owed to the policy */
	bool takes_d1;	    /* the drive is not to be there afterwards */
	bool needs_it_gone; /* and not before, either */
};

static const struct command commands[] = {
	{ .name = "rebalance", .run = run_rebalance, .settles = true },
	{ .name = "put", .run = run_put, .snapshots = 1 },
	{ .name = "more parity", .run = run_more_parity, .settles = true },
	{ .name = "most parity", .run = run_most_parity, .settles = true },
	{ .name = "less parity", .run = run_less_parity, .settles = true },
	{ .name = "copies", .run = run_copies, .settles = true },
	{ .name = "drain", .run = run_drain, .settles = true, .takes_d1 = true },
	{ .name = "rebuild", .run = run_rebuild, .settles = true, .takes_d1 = true, .needs_it_gone = true },
	{ .name = "scrub", .run = run_scrub },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* ---- where they begin ---- */

static void put_now(struct tiny *t)
{
	struct array *a;
	struct error err;

	must(tiny_open(t, true, &a, &err), "open", &err);
	must(tiny_put(t, a, NULL, &err), "put", &err);
	array_close(a);
}

static void set_now(struct tiny *t, const char *what)
{
	struct array *a;
	struct error err;

	must(tiny_open(t, true, &a, &err), "open", &err);
	must(set(a, what, &err), what, &err);
	array_close(a);
}

static void add_drive_five(struct tiny *t)
{
	struct new_drive n = { .url = tiny_url(t, 5), .make_root = true };
	struct array *a;
	struct error err;

	snprintf(n.record.name, sizeof(n.record.name), "d5");
	must(tiny_open(t, true, &a, &err), "open", &err);
	must(array_add_drive(a, &n, DRIVE_MEMBER, &err), "add", &err);
	array_close(a);
}

/* Each leaves a block with copies. */
static void small_puts(struct tiny *t)
{
	for (unsigned i = 0; i < 5; i++) {
		tiny_file(t, i, 300 + 20 * i, 10 + i, false);
		put_now(t);
	}
}

static void wide_puts(struct tiny *t)
{
	tiny_file(t, 0, 9000, 1, false);
	put_now(t);
	tiny_file(t, 1, 5000, 2, true);
	tiny_file(t, 2, 7000, 3, false);
	put_now(t);
}

static void prepare_small(struct tiny *t)
{
	small_puts(t);
	tiny_file(t, 5, 350, 20, false);
}

static void prepare_wide(struct tiny *t)
{
	wide_puts(t);
	tiny_file(t, 3, 400, 30, false);
	put_now(t);
	tiny_file(t, 4, 450, 31, false);
	put_now(t);
	add_drive_five(t);
	tiny_file(t, 5, 2500, 20, false);
}

/* What is free is on one drive. */
static void prepare_full(struct tiny *t)
{
	static const char *const full[DRIVES] = { "d0.max=21K", "d1.max=21K", "d2.max=21K",
						  "d3.max=21K", "d4.max=21K" };

	wide_puts(t);
	for (unsigned i = 0; i < DRIVES; i++)
		set_now(t, full[i]);
	add_drive_five(t);
	tiny_file(t, 5, 5000, 20, false);
}

/* d5 is far emptier than the others. */
static void prepare_uneven(struct tiny *t)
{
	static const char *const maxima[] = { "d0.max=60K", "d1.max=60K", "d2.max=60K",
					      "d3.max=60K", "d4.max=60K", "d5.max=60K" };

	wide_puts(t);
	add_drive_five(t);
	for (unsigned i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++)
		set_now(t, maxima[i]);
	tiny_file(t, 5, 2500, 20, false);
}

/* Too much of each group is in one domain, and another has room. */
static void prepare_domains(struct tiny *t)
{
	static const char *const places[] = { "d0.domain=a", "d1.domain=a", "d2.domain=b",
					      "d3.domain=c", "d4.domain=d", "d5.domain=e" };

	small_puts(t);
	wide_puts(t);
	add_drive_five(t);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		set_now(t, places[i]);
	tiny_file(t, 5, 2500, 20, false);
}

struct beginning {
	const char *name;
	bool full; /* no more rows fit */
	bool tight; /* not many */
	unsigned parity;
	void (*prepare)(struct tiny *t);
};

static const struct beginning beginnings[] = {
	{ "small", false, false, 1, prepare_small },
	{ "wide", false, false, 1, prepare_wide },
	{ "full", true, true, 1, prepare_full },
	{ "uneven", false, true, 1, prepare_uneven },
	{ "domains", false, false, 1, prepare_domains },
	{ "parity 2", false, false, 2, prepare_wide },
	{ "parity 2, small", false, false, 2, prepare_small },
};
#define BEGINNINGS (sizeof(beginnings) / sizeof(beginnings[0]))

/* ---- the case at hand ---- */

struct sweep {
	const struct beginning *from;
	const struct command *first, *second;
	struct tiny a, b; /* the hosts; their drives are the same */
	struct tiny_image image;
	char b_image[256]; /* of its state folder */
	struct buf config; /* of both */
	unsigned drive;	   /* that the first command stands still at */
	uint64_t nth;	   /* its call; 0: nowhere */
	atomic_ullong calls[TINY_DRIVES_MAX];
	atomic_bool ran; /* the second command */
	int second_code;
	struct error second_err;
	unsigned parity; /* that was promised all the while */
	char name[160];
	uint64_t cases, met, failures, turn;
};

static void copy_expected(const struct tiny *from, struct tiny *to)
{
	memcpy(to->expected, from->expected, sizeof(to->expected));
	to->snapshots = from->snapshots;
}

static int open_and_run(struct tiny *t, const struct command *c, struct error *err)
{
	struct array *a;
	int code = tiny_open(t, true, &a, err);

	if (code == ERR_NONE)
		code = c->run(t, a, err);
	array_close(a);
	return code;
}

static void run_second(struct sweep *s)
{
	copy_expected(&s->a, &s->b);
	s->b.absent = s->a.absent;
	s->second_code = open_and_run(&s->b, s->second, &s->second_err);
	copy_expected(&s->b, &s->a);
}

struct hooked {
	struct sweep *s;
	unsigned drive;
};
static struct hooked hooked[TINY_DRIVES_MAX];

static void stand_still(void *ctx, enum fault_calls call, const char *name)
{
	struct hooked *h = ctx;
	struct sweep *s = h->s;
	uint64_t n = atomic_fetch_add(&s->calls[h->drive], 1) + 1;

	(void)call;
	(void)name;
	if (h->drive == s->drive && n == s->nth && !atomic_exchange(&s->ran, true))
		run_second(s);
}

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct drive *d = fault_drive_new(inner);

	hooked[i] = (struct hooked){ ctx, i };
	fault_set_hook(d, stand_still, &hooked[i]);
	return d;
}

static void complain(struct sweep *s, const char *what, const char *why)
{
	s->failures++;
	printf("FAILED case '%s': %s: %s (told last: %s)\n", s->name, what, why, s->a.warning);
}

/* ---- what has to hold ---- */

static bool same_on_both(struct sweep *s)
{
	struct array *a = NULL, *b = NULL;
	struct hash of_a, of_b;
	struct error err;
	bool ok = false;

	/* The second to be opened has sent what the first one lacks. */
	if (tiny_open(&s->a, true, &a, &err) != ERR_NONE ||
	    tiny_open(&s->b, true, &b, &err) != ERR_NONE || array_pull(a, &err) != ERR_NONE ||
	    table_fingerprint(a->table, &of_a, &err) != ERR_NONE ||
	    table_fingerprint(b->table, &of_b, &err) != ERR_NONE)
		tiny_says(&s->a, "%s", err.message);
	else
		ok = hash_equal(&of_a, &of_b) || tiny_says(&s->a, "they know different things");
	array_close(a);
	array_close(b);
	return ok;
}

/* Neither could know what the other one did, but the one that ended last. */
static bool keeps_policy(struct sweep *s)
{
	struct array *a = NULL;
	struct health h = { 0 };
	struct error err;
	bool ok = tiny_open(&s->a, true, &a, &err) == ERR_NONE &&
		  health_check(a, &h, &err) == ERR_NONE;

	if (!ok)
		tiny_says(&s->a, "%s", err.message);
	if (ok && !h.promise_kept && s->first->settles && !s->a.absent)
		ok = tiny_says(&s->a, "parity %u is asked, any %d drives may be lost",
			       a->policy.parity, h.least_spare);
	array_close(a);
	return ok;
}

/* With any so many drives gone, all of it restores. */
static bool bears_loss(struct sweep *s)
{
	unsigned was = s->a.absent, gone_already = (unsigned)__builtin_popcount(was);
	char why[TINY_WHY_BYTES];
	bool ok = true;

	for (unsigned gone = 0; gone < 1u << (DRIVES + 1) && ok; gone++) {
		if ((unsigned)__builtin_popcount(gone & ~was) + gone_already > s->parity)
			continue;
		s->a.absent = was | gone;
		ok = tiny_check_opened(&s->a, 0);
		if (!ok) {
			snprintf(why, sizeof(why), "%s", s->a.why);
			tiny_says(&s->a, "drives %x gone: %.900s", s->a.absent, why);
		}
	}
	s->a.absent = was;
	return ok;
}

struct counting {
	struct array *a;
	struct array_drive *d;
	uint64_t named;
	struct tiny *t;
};

static int count_named(void *ctx, const struct table_object *o, struct error *err)
{
	struct counting *c = ctx;
	struct object_stat st;
	struct drive *h = c->d->handle;

	c->named++;
	if (h->driver->stat(h, o->name, &st, err) == ERR_NONE && st.len_bytes == o->len_bytes)
		return ERR_NONE;
	tiny_says(c->t, "%s is missing on %s", o->name, c->d->name);
	return 1;
}

static int count_stored(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	++*(uint64_t *)ctx;
	return 0;
}

/* Every object is one that the journals place there, and the other way round. */
static bool nothing_beyond(struct tiny *t, struct array *a)
{
	struct error err;

	for (unsigned i = 0; i < a->count; i++) {
		struct counting c = { .a = a, .d = &a->drives[i], .t = t };
		uint64_t stored = 0;

		if (c.d->presence != DRIVE_PRESENT)
			continue;
		if (table_objects(a->table, &c.d->id, count_named, &c, &err) != ERR_NONE)
			return false;
		if (c.d->handle->driver->list(c.d->handle, "blocks/", count_stored, &stored, &err) ||
		    c.d->handle->driver->list(c.d->handle, "parity/", count_stored, &stored, &err))
			return tiny_says(t, "list: %s", err.message);
		/* A copy may serve two groups only until they are one. */
		if (stored != c.named)
			return tiny_says(t, "%s has %llu objects, named are %llu", c.d->name,
					 (unsigned long long)stored, (unsigned long long)c.named);
	}
	return true;
}

static bool is_at_hand(struct array *a, const struct id *drive_id)
{
	const struct array_drive *d = array_drive_by_id(a, drive_id);

	return d && health_at_hand(a, (unsigned)(d - a->drives));
}

static bool all_at_hand(struct tiny *t, struct array *a, const struct table_group *g)
{
	bool there = true;

	for (unsigned i = 0; i < g->member_count; i++)
		there = there && is_at_hand(a, &g->members[i].drive_id);
	for (unsigned i = 0; i < g->row_count; i++)
		there = there && is_at_hand(a, &g->rows[i].drive_id);
	return there || tiny_says(t, "a group has an object on a drive that is not there");
}

static bool groups_are_right(struct tiny *t, struct array *a)
{
	struct id_list shared = { 0 };
	struct group_list *l = groups_load(a);
	struct health h;
	struct error err;
	bool ok = true;

	for (unsigned i = 0; i < l->count && ok; i++)
		ok = all_at_hand(t, a, l->groups[i]) &&
		     (group_is_as_encoded(a, l->groups[i], &err) || tiny_says(t, "%s", err.message));
	groups_free(l);
	if (ok && table_shared_groups(a->table, id_list_add, &shared, &err) != ERR_NONE)
		ok = tiny_says(t, "%s", err.message);
	if (ok && shared.count > 0)
		ok = tiny_says(t, "%zu groups share blocks", shared.count);
	id_list_release(&shared);
	if (ok && health_check(a, &h, &err) != ERR_NONE)
		ok = tiny_says(t, "%s", err.message);
	return ok && (h.promise_kept || t->absent || tiny_says(t, "the promise is not kept"));
}

/* One host cleans up, the other one finds nothing to complain of. */
static bool is_cleaned_up(struct sweep *s)
{
	struct scrub_options o = { .repair = true, .grace_s = 0 };
	struct scrub_result *r = calloc(1, sizeof(*r));
	struct rebalance_result moved;
	struct array *a = NULL;
	struct error err = { .code = ERR_NONE };
	bool ok;

	must(r ? ERR_NONE : err_nomem(&err), "memory", &err);
	ok = tiny_open(&s->a, true, &a, &err) == ERR_NONE &&
	     scrub(a, &o, r, &err) == ERR_NONE && rebalance(a, &no_limits, &moved, &err) == ERR_NONE &&
	     array_refresh(a, &err) == ERR_NONE;
	if (!ok)
		tiny_says(&s->a, "%s", err.message);
	if (ok && (r->damaged != r->repaired || r->lost_blocks > 0))
		ok = tiny_says(&s->a, "%llu damaged, %llu repaired, %llu lost",
			       (unsigned long long)r->damaged, (unsigned long long)r->repaired,
			       (unsigned long long)r->lost_blocks);
	ok = ok && groups_are_right(&s->a, a) && nothing_beyond(&s->a, a);
	array_close(a);
	free(r);
	return ok;
}

static void name_case(const struct sweep *s, char name[160])
{
	snprintf(name, 160, "%s, %s, %s, %u, %llu", s->from->name, s->first->name, s->second->name,
		 s->drive, (unsigned long long)s->nth);
}

static void begin_case(struct sweep *s)
{
	uint64_t seed = tiny_seed() + (s->drive + 1) * 1000 + s->nth;
	struct error err;

	name_case(s, s->name);
	for (const char *c = s->name; *c; c++)
		seed = seed * 31 + (uint8_t)*c;
	seeded_from(seed);
	tiny_image_restore(&s->a, &s->image);
	tiny_copy_folder(s->b_image, s->b.state_path, NULL);
	must(file_store(s->b.config_path, s->config.data, s->config.len_bytes, &err), "config",
	     &err);
	s->a.why[0] = s->a.warning[0] = '\0';
	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++)
		atomic_store(&s->calls[i], 0);
	atomic_store(&s->ran, false);
	s->second_code = ERR_NONE;
	s->a.absent = s->b.absent = s->first->needs_it_gone || s->second->needs_it_gone ? 2 : 0;
}

static int run_first(struct sweep *s, struct error *err)
{
	int code;

	s->a.wrap = wrap;
	s->a.wrap_ctx = s;
	code = open_and_run(&s->a, s->first, err);
	s->a.wrap = NULL;
	return code;
}

static void judge(struct sweep *s, int code, const struct error *err)
{
	if (code != ERR_NONE)
		complain(s, "the first command", err->message);
	else if (s->second_code != ERR_NONE)
		complain(s, "the second command", s->second_err.message);
	else if (!same_on_both(s))
		complain(s, "afterwards", s->a.why);
	else if (!keeps_policy(s))
		complain(s, "what is asked now", s->a.why);
	else if (!bears_loss(s))
		complain(s, "loss", s->a.why);
	else if (!is_cleaned_up(s))
		complain(s, "cleaning up", s->a.why);
	else if (!bears_loss(s))
		complain(s, "loss, cleaned up", s->a.why);
	else if (!same_on_both(s))
		complain(s, "in the end", s->a.why);
	else
		return;
}

static void try_case(struct sweep *s)
{
	struct error err = { .code = ERR_NONE };
	int code;

	begin_case(s);
	code = run_first(s, &err);
	s->cases++;
	s->met += atomic_load(&s->ran);
	/* It did less, since that drive was away. */
	if (!atomic_load(&s->ran))
		run_second(s);
	judge(s, code, &err);
}

static unsigned promised(const struct sweep *s)
{
	bool less = s->first->run == run_less_parity || s->second->run == run_less_parity;

	return less ? 1 : s->from->parity;
}

/* Calls of each drive, when nobody else is there. */
static uint64_t count_calls(struct sweep *s, uint64_t calls[TINY_DRIVES_MAX])
{
	struct error err;
	uint64_t sum = 0;

	s->nth = 0;
	begin_case(s);
	run_first(s, &err);
	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++) {
		calls[i] = atomic_load(&s->calls[i]);
		sum += calls[i];
	}
	return sum;
}

static void sweep_pair(struct sweep *s, const uint64_t calls[TINY_DRIVES_MAX], uint64_t stride)
{
	const char *only = getenv("MRMR_SWEEP_CASE");
	char name[160];

	s->parity = promised(s);
	for (s->drive = 0; s->drive < TINY_DRIVES_MAX; s->drive++) {
		for (s->nth = 1; s->nth <= calls[s->drive]; s->nth++) {
			name_case(s, name);
			if (only ? strncmp(only, name, strlen(only)) == 0 : s->turn++ % stride == 0)
				try_case(s);
		}
	}
}

static bool needs_room(const struct command *c)
{
	return c->run == run_more_parity || c->run == run_most_parity || c->run == run_copies ||
	       c->takes_d1;
}

static bool fills(const struct command *x, const struct command *y)
{
	return x->run == run_most_parity && y->takes_d1;
}

/* The one drive cannot be both drained and lost; of two puts the order is not known. */
static bool go_together(const struct beginning *from, const struct command *x,
			const struct command *y)
{
	return !(x->takes_d1 && y->takes_d1) && !(x->snapshots && y->snapshots) &&
	       !(from->full && (needs_room(x) || needs_room(y))) &&
	       !(from->tight && (fills(x, y) || fills(y, x)));
}

static void set_up(struct sweep *s)
{
	struct array *a;
	struct error err;

	seeded_from(tiny_seed());
	tiny_init(&s->a, DRIVES, s->from->parity, 0);
	s->from->prepare(&s->a);
	s->b = s->a;
	snprintf(s->b.config_path, sizeof(s->b.config_path), "%.200s/tiny-b.json", s->a.folder);
	snprintf(s->b.state_root, sizeof(s->b.state_root), "%.200s/state-b", s->a.folder);
	snprintf(s->b.state_path, sizeof(s->b.state_path), "%.200s%s", s->b.state_root,
		 strrchr(s->a.state_path, '/'));
	must(file_load(s->a.config_path, CONFIG_BYTES_MAX, &s->config, &err), "config", &err);
	must(file_store(s->b.config_path, s->config.data, s->config.len_bytes, &err), "config", &err);
	/* It has a journal of its own from the beginning. */
	must(tiny_open(&s->b, true, &a, &err), "open", &err);
	array_close(a);
	tiny_image_take(&s->a, &s->image);
	snprintf(s->b_image, sizeof(s->b_image), "%.200s/image-b", s->a.folder);
	tiny_copy_folder(s->b.state_path, s->b_image, NULL);
}

/* Of every command; returns how many cases there are. */
static uint64_t count_all(struct sweep *s, uint64_t calls[COMMANDS][TINY_DRIVES_MAX])
{
	uint64_t cases = 0;

	for (unsigned i = 0; i < COMMANDS; i++) {
		uint64_t of_one;

		s->first = s->second = &commands[i];
		of_one = count_calls(s, calls[i]);
		for (unsigned n = 0; n < COMMANDS; n++) {
			if (go_together(s->from, &commands[i], &commands[n]))
				cases += of_one;
		}
	}
	return cases;
}

static void sweep_from(const struct beginning *from)
{
	struct sweep *s = calloc(1, sizeof(*s));
	uint64_t calls[COMMANDS][TINY_DRIVES_MAX], stride, failures;

	assert_non_null(s);
	s->from = from;
	set_up(s);
	stride = count_all(s, calls) / (tiny_all() ? CASES_ALL : CASES) + 1;
	s->turn = tiny_seed();
	for (unsigned i = 0; i < COMMANDS; i++) {
		for (unsigned n = 0; n < COMMANDS; n++) {
			s->first = &commands[i];
			s->second = &commands[n];
			if (go_together(from, s->first, s->second))
				sweep_pair(s, calls[i], stride * tiny_every());
		}
	}
	printf("two hosts, %s: %llu cases, %llu met, %llu wrong\n", from->name,
	       (unsigned long long)s->cases, (unsigned long long)s->met,
	       (unsigned long long)s->failures);
	failures = s->failures;
	tiny_image_release(&s->image);
	buf_release(&s->config);
	tiny_release(&s->a);
	free(s);
	assert_int_equal(failures, 0);
}

static void two_hosts_at_once_lose_nothing(void **state)
{
	sweep_from(*state);
}

int main(void)
{
	struct CMUnitTest tests[BEGINNINGS] = { { .name = NULL } };

	for (unsigned i = 0; i < BEGINNINGS; i++)
		tests[i] = (struct CMUnitTest){ .name = beginnings[i].name,
						.test_func = two_hosts_at_once_lose_nothing,
						.initial_state = (void *)(uintptr_t)&beginnings[i] };
	seeded_start();
	return _cmocka_run_group_tests("two hosts", tests, BEGINNINGS, NULL, NULL);
}
