#include "tests/support/tiny_op.h"

#include "array/health.h"
#include "array/settings.h"
#include "care/debts.h"
#include "care/drain.h"
#include "care/rebalance.h"
#include "care/rebuild.h"
#include "care/scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int code, const char *what, const struct error *err)
{
	if (code == ERR_NONE)
		return;
	fprintf(stderr, "tiny array: %s: %s\n", what, err->message);
	abort();
}

/* ---- where they begin ---- */

static int set_level(struct array *a, const char *level, struct error *err)
{
	struct debts_options o = { .scope = DEBTS_ALL };
	struct debts_result done;
	struct settings *s = NULL;
	bool copies = a->policy.copies;
	int code = settings_begin(a, &s, err);

	if (code == ERR_NONE)
		code = settings_set(s, level, err);
	if (code == ERR_NONE)
		code = settings_check(s, err);
	if (code == ERR_NONE)
		code = settings_apply(s, err);
	settings_end(s);
	o.gathers_mirrors = copies && !a->policy.copies;
	return code == ERR_NONE ? debts_settle(a, &o, &done, err) : code;
}

static void first_files(struct tiny *t)
{
	tiny_file(t, 0, 9000, 1, false);
	tiny_file(t, 1, 4000, 2, true);
	tiny_file(t, 2, 150, 3, false);
}

static void put_now(struct tiny *t)
{
	struct array *a;
	struct error err;

	must(tiny_open(t, true, &a, &err), "open", &err);
	must(tiny_put(t, a, NULL, &err), "put", &err);
	array_close(a);
}

static void put_once(struct tiny *t)
{
	first_files(t);
	put_now(t);
}

static void change_files(struct tiny *t)
{
	put_once(t);
	tiny_file(t, 1, 5000, 4, true);
	tiny_file(t, 3, 6000, 5, false);
	tiny_file(t, 2, 0, 0, false);
}

static void put_twice(struct tiny *t)
{
	change_files(t);
	put_now(t);
	tiny_file(t, 4, 10, 6, false);
	put_now(t);
}

static void damage_two_drives(struct tiny *t)
{
	put_twice(t);
	for (unsigned i = 1; i < 3; i++) {
		struct drive *d = tiny_drive(t, i);
		struct tiny_place p;

		tiny_place_load(d, &p);
		for (size_t n = 0; n < p.count; n += 3) {
			struct tiny_object *o = &p.objects[n];

			o->bytes.data[o->bytes.len_bytes / 2] ^= 4;
			tiny_overwrite(d, o->name, n % 2 ? NULL : o->bytes.data,
				       o->bytes.len_bytes);
		}
		tiny_place_release(&p);
		d->driver->close(d);
	}
}

static void put_without_a_drive(struct tiny *t)
{
	put_once(t);
	t->absent = 1u << 3;
	tiny_file(t, 1, 5000, 4, true);
	tiny_file(t, 3, 6000, 5, false);
	put_now(t);
	t->absent = 0;
}

static void put_then_set(struct tiny *t, const char *level)
{
	struct array *a;
	struct error err;

	put_twice(t);
	must(tiny_open(t, true, &a, &err), "open", &err);
	must(set_level(a, level, &err), level, &err);
	array_close(a);
}

static void put_without_parity(struct tiny *t)
{
	put_then_set(t, "parity=0");
}

static void put_with_parity_3(struct tiny *t)
{
	put_then_set(t, "parity=3");
}

static void put_copies(struct tiny *t)
{
	put_then_set(t, "copies=3");
}

/* Each leaves a block with copies. */
static void put_small(struct tiny *t)
{
	for (unsigned i = 0; i < TINY_FILES; i++) {
		tiny_file(t, i, 300 + 20 * i, 10 + i, false);
		put_now(t);
	}
}

/* ---- what they do ---- */

static int judge(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	struct health h;
	int code = health_check(a, &h, err);

	t->spare = code == ERR_NONE && h.least_spare > 0 && !a->short_commit
			   ? (unsigned)h.least_spare
			   : 0;
	*promise = code == ERR_NONE && h.promise_kept;
	return code;
}

static int run_put(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	int code = debts_pay(a, DEBTS_ALL, NULL, err);

	if (code == ERR_NONE)
		code = tiny_put(t, a, NULL, err);
	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_scrub(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	struct scrub_options o = { .repair = true, .grace_s = 86400 };
	struct scrub_result *r = calloc(1, sizeof(*r));
	int code = r ? scrub(a, &o, r, err) : err_nomem(err);

	*promise = code == ERR_NONE && r->damaged == r->repaired;
	/* What is on a drive that was left out may be damaged still. */
	for (unsigned i = 0; i < a->count && *promise; i++)
		*promise = r->drives[i].scrubbed;
	if (code == ERR_NONE && r->lost_blocks > 0) {
		code = err_set(err, ERR_LOST, "scrub gave up %llu blocks that can be repaired",
			       (unsigned long long)r->lost_blocks);
		tiny_says(t, "%s", err->message);
	}
	t->spare = *promise ? TINY_OP_PARITY : 0;
	free(r);
	return code;
}

static struct new_drive drive_five(struct tiny *t)
{
	struct new_drive n = { .url = tiny_url(t, 5), .make_root = true };

	snprintf(n.record.name, sizeof(n.record.name), "d5");
	return n;
}

static int run_rebuild(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	struct new_drive n = drive_five(t);
	struct rebuild_options o = { .name = "d1", .onto = &n };
	struct rebuild_result r;
	int code = rebuild(a, &o, &r, err);

	if (code == ERR_NONE && (r.beyond > 0 || r.waiting > 0))
		code = err_set(err, ERR_LOST, "%llu beyond, %llu waiting",
			       (unsigned long long)r.beyond, (unsigned long long)r.waiting);
	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int rebuild_free(struct array *a, const char *name, struct error *err)
{
	struct rebuild_options o = { .name = name };
	struct rebuild_result r;
	int code = rebuild(a, &o, &r, err);

	if (code == ERR_NONE && (r.beyond > 0 || r.waiting > 0))
		code = err_set(err, ERR_LOST, "%llu beyond, %llu waiting",
			       (unsigned long long)r.beyond, (unsigned long long)r.waiting);
	return code;
}

static int run_rebuild_free(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	int code = rebuild_free(a, "d1", err);

	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

/* Of five drives three are left: every group becomes as narrow as can be. */
static int run_rebuild_two(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	static const char *const names[] = { "d1", "d2" };
	int code = ERR_NONE;

	/* One that was done before the command was cut off is known no more. */
	for (unsigned i = 0; i < 2 && code == ERR_NONE; i++) {
		if (array_drive_by_name(a, names[i]))
			code = rebuild_free(a, names[i], err);
	}
	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_add(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	struct new_drive n = drive_five(t);
	const struct array_drive *there = array_drive_by_name(a, "d5");
	int code = ERR_NONE;

	/* Cut off after its commit: there is nothing left to do. */
	if (!there || there->record.state != DRIVE_MEMBER)
		code = array_add_drive(a, &n, DRIVE_MEMBER, err);
	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_drain(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	struct array_drive *d = array_drive_by_name(a, "d1");
	struct rebuild_result r;
	struct drain_plan plan;
	int code = drain_check(a, d, &plan, err);

	if (code == ERR_NONE)
		code = drain(a, d, NULL, &r, err);
	if (code == ERR_NONE && (r.beyond > 0 || r.waiting > 0))
		code = err_set(err, ERR_FULL, "%llu beyond, %llu waiting",
			       (unsigned long long)r.beyond, (unsigned long long)r.waiting);
	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_debts(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	int code = debts_pay(a, DEBTS_ALL, NULL, err);

	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_level(struct tiny *t, struct array *a, const char *level, bool *promise,
		     struct error *err)
{
	int code = set_level(a, level, err);

	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_rebalance(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	struct rebalance_options o = { .max_time_s = REBALANCE_UNLIMITED,
				       .max_bytes = REBALANCE_UNLIMITED };
	struct rebalance_result r;
	int code = rebalance(a, &o, &r, err);

	return code == ERR_NONE ? judge(t, a, promise, err) : code;
}

static int run_parity_2(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	return run_level(t, a, "parity=2", promise, err);
}

static int run_parity_3(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	return run_level(t, a, "parity=3", promise, err);
}

static int run_copies(struct tiny *t, struct array *a, bool *promise, struct error *err)
{
	return run_level(t, a, "copies=3", promise, err);
}

const struct tiny_op tiny_ops[] = {
	{ .name = "put", .prepare = first_files, .run = run_put, .snapshots = 1, .whole = true },
	{ .name = "second put", .prepare = change_files, .run = run_put, .snapshots = 1,
	  .whole = true },
	{ .name = "scrub", .prepare = damage_two_drives, .run = run_scrub, .mends = true },
	{ .name = "rebuild", .prepare = put_twice, .run = run_rebuild, .absent = 1u << 1,
	  .mends = true, .once = true },
	{ .name = "rebuild into free space", .prepare = put_twice, .run = run_rebuild_free,
	  .absent = 1u << 1, .mends = true, .once = true },
	{ .name = "rebuild of two", .prepare = put_twice, .run = run_rebuild_two,
	  .absent = 1u << 1 | 1u << 2, .mends = true, .once = true },
	{ .name = "add", .prepare = put_twice, .run = run_add, .whole = true, .once = true },
	{ .name = "drain", .prepare = put_twice, .run = run_drain, .whole = true },
	{ .name = "parity from 0 to 2", .prepare = put_without_parity, .run = run_parity_2,
	  .bare = true },
	{ .name = "parity from 2 to 3", .prepare = put_twice, .run = run_parity_3, .whole = true },
	{ .name = "parity from 3 to 2", .prepare = put_with_parity_3, .run = run_parity_2,
	  .whole = true },
	{ .name = "copies of parity", .prepare = put_twice, .run = run_copies, .whole = true },
	{ .name = "parity of copies", .prepare = put_copies, .run = run_parity_2, .whole = true },
	{ .name = "rebalance", .prepare = put_small, .run = run_rebalance, .whole = true },
	{ .name = "debts", .prepare = put_without_a_drive, .run = run_debts },
};
const unsigned tiny_ops_count = sizeof(tiny_ops) / sizeof(tiny_ops[0]);

int tiny_op_run(struct tiny *t, const struct tiny_op *op, bool *promise, struct error *err)
{
	struct array *a;
	int code;

	*promise = false;
	t->strict = !op->mends;
	code = tiny_open(t, true, &a, err);
	if (code == ERR_NONE)
		code = op->run(t, a, promise, err);
	array_close(a);
	t->strict = false;
	return code;
}
