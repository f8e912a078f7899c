/*
 * The life of an array as users live it: random sequences of changes, puts, drives that go, come
 * back, rot, are lost and rebuilt, of commands that are cut off, of tables and state folders that are
 * lost, compared after each step with a model that only knows the files of every snapshot and how
 * many drives may be lost. Every sequence is told by its number:
 *	MRMR_MODEL_SEQUENCE=17 build/tests/sweeps/sweep_model
 * plays it again and tells its steps. MRMR_SWEEP_SEED gives all sequences other numbers.
 */
#include "tests/support/fault_drive.h"
#include "tests/support/noise.h"
#include "tests/support/seeded.h"
#include "tests/support/tiny.h"

#include "archive/select.h"
#include "array/health.h"
#include "array/membership.h"
#include "array/settings.h"
#include "care/debts.h"
#include "care/drain.h"
#include "care/rebalance.h"
#include "care/rebuild.h"
#include "care/scrub.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SEQUENCES 2000
#define STEPS_MIN 3
#define STEPS_MORE 6
#define DRIVES_MIN 2
#define DRIVES_MORE 4 /* at the beginning */
#define DRIVES_MOST 8  /* ever */
#define PARITY_MOST 2
#define STORY_BYTES 4096
#define MAX_BYTES 400000u /* of drives with bounds */

struct model {
	struct tiny t;
	struct noise noise;
	uint64_t sequence;
	unsigned members; /* bits; those that are away too */
	unsigned disabled; /* bits */
	unsigned rotten;  /* bits: something on them was damaged since the last scrub */
	unsigned used;	  /* places that were ever a drive's */
	bool sized;	  /* drives have sizes, and may be fuller than others */
	unsigned more;	  /* snapshots that a command may have stored before it was cut off */
	int spare;	  /* drives that may be lost now, by health_check() */
	bool kept;	  /* the promise, by health_check() */
	uint64_t deaths[DRIVES_MOST]; /* the call that each drive dies at; 0: never */
	char story[STORY_BYTES];
	size_t story_len;
};

static void tell(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct model *m, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(m->story + m->story_len, sizeof(m->story) - m->story_len, fmt, args);
	va_end(args);
	if (n > 0 && m->story_len + (size_t)n < sizeof(m->story))
		m->story_len += (size_t)n;
}

/* ---- drives ---- */

static unsigned bits(unsigned v)
{
	return (unsigned)__builtin_popcount(v);
}

static unsigned at_hand(const struct model *m)
{
	return m->members & ~m->t.absent & ~m->disabled;
}

/* One of these, as a bit; set is not empty. */
static unsigned pick(struct model *m, unsigned set)
{
	uint64_t n = noise_below(&m->noise, bits(set));

	while (n-- > 0)
		set &= set - 1;
	return set & -set;
}

static unsigned index_of(unsigned bit)
{
	return (unsigned)__builtin_ctz(bit);
}

static struct drive *wrap(void *ctx, unsigned i, struct drive *inner)
{
	struct model *m = ctx;
	struct drive *d = fault_drive_new(inner);

	if (m->deaths[i] > 0)
		fault_die(d, m->deaths[i], ERR_TRANSIENT);
	return d;
}

static uint64_t size_bytes(struct model *m)
{
	return m->sized ? 150000 + noise_below(&m->noise, 300000) : 0;
}

/* ---- what holds ---- */

/* A command that was cut off after its commit has stored its snapshot. */
static bool adopt(struct model *m, struct array *a)
{
	struct select_filter all = { .host = NULL };
	struct snapshot_list list = { 0 };
	struct error err;
	int code = ERR_NONE;

	if (m->more > 0)
		code = select_list(a->table, &all, &list, &err);
	if (list.count == m->t.snapshots + m->more && m->more > 0)
		tiny_expect(&m->t);
	snapshot_list_release(&list);
	m->more = 0;
	return code == ERR_NONE || tiny_says(&m->t, "list: %s", err.message);
}

/* Everything restores; and what may be lost, by what the array itself says. What rotted since counts
 * as lost. */
static bool restores(struct model *m, struct health *h)
{
	struct array *a;
	struct error err;
	bool ok;

	if (tiny_open(&m->t, false, &a, &err) != ERR_NONE)
		return tiny_says(&m->t, "open: %s", err.message);
	ok = adopt(m, a) && tiny_check(&m->t, a, 0);
	if (ok && table_check(a->table, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "table: %s", err.message);
	if (ok && health_check(a, h, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "health: %s", err.message);
	array_close(a);
	m->spare = h->least_spare;
	m->spare -= (int)bits(m->rotten & at_hand(m));
	m->kept = h->promise_kept;
	return ok;
}

/* The same with as many drives gone as may be. */
static bool bears_loss(struct model *m)
{
	unsigned was = m->t.absent, left = at_hand(m), gone = 0, count = 0;
	char why[TINY_WHY_BYTES];
	bool ok = true;

	while ((int)count < m->spare && left != 0) {
		unsigned one = pick(m, left);

		left &= ~one;
		gone |= one;
		count += !(m->rotten & one); /* what is rotten is counted already */
	}
	if (gone == 0)
		return true;
	m->t.absent |= gone;
	if (!tiny_check_opened(&m->t, 0)) {
		snprintf(why, sizeof(why), "%s", m->t.why);
		ok = tiny_says(&m->t, "with drives %x gone: %.900s", m->t.absent, why);
	}
	m->t.absent = was;
	return ok;
}

static bool holds(struct model *m)
{
	struct health h;

	return restores(m, &h) && bears_loss(m);
}

/* ---- steps ---- */

/* Brings rotten drives up to date, as the refusal of other commands advises. */
static bool scrub_now(struct model *m)
{
	unsigned here = at_hand(m);

	m->t.strict = false;
	if (!tiny_scrub_clean(&m->t))
		return false;
	m->rotten &= ~here;
	return true;
}

/* Opens for a command that writes. Where a drive's journal rotted it is refused until a scrub. */
static bool open_writing(struct model *m, bool strict, struct array **a)
{
	struct error err;
	int code;

	m->t.strict = strict;
	code = tiny_open(&m->t, true, a, &err);
	if (code == ERR_UNSAFE && m->rotten & at_hand(m)) {
		tell(m, "-scrub");
		if (!scrub_now(m))
			return false;
		m->t.strict = strict;
		code = tiny_open(&m->t, true, a, &err);
	}
	if (code != ERR_NONE)
		return tiny_says(&m->t, "open to write: %s", err.message);
	return true;
}

static bool pay(struct model *m, struct array *a)
{
	struct error err;

	if (debts_pay(a, DEBTS_ALL, NULL, &err) != ERR_NONE)
		return tiny_says(&m->t, "debts: %s", err.message);
	return true;
}

static void change_files(struct model *m)
{
	unsigned changes = 1 + (unsigned)noise_below(&m->noise, 3);

	while (changes-- > 0) {
		unsigned file = (unsigned)noise_below(&m->noise, TINY_FILES);
		/* From nothing to several groups; of few seeds, so that chunks are met again. */
		size_t len = (size_t)noise_below(&m->noise, noise_below(&m->noise, 2) ? 300 : 30000);

		tiny_file(&m->t, file, len, noise_below(&m->noise, 6), noise_below(&m->noise, 2));
	}
}

/* Where drives have sizes, a put may find no room, and changes nothing then. */
static bool is_refusal(struct model *m, int code)
{
	if (code == ERR_FULL && m->sized)
		tell(m, "-full");
	return code == ERR_FULL && m->sized;
}

static bool step_put(struct model *m)
{
	int code = ERR_NONE;
	struct array *a;
	struct error err;
	bool ok;

	change_files(m);
	if (m->t.snapshots + 1 >= TINY_SNAPSHOTS_MAX)
		return true;
	tell(m, " put");
	ok = open_writing(m, true, &a) && pay(m, a);
	if (ok)
		code = tiny_put(&m->t, a, NULL, &err);
	if (code != ERR_NONE && !is_refusal(m, code))
		ok = tiny_says(&m->t, "put: %s", err.message);
	array_close(a);
	return ok;
}

/* Its drives die, each at a moment of its own: it ends as if it had been killed then. */
static bool step_put_cut_off(struct model *m)
{
	struct array *a;
	struct error err;

	change_files(m);
	if (m->t.snapshots + 1 >= TINY_SNAPSHOTS_MAX)
		return true;
	for (unsigned i = 0; i < DRIVES_MOST; i++)
		m->deaths[i] = 1 + noise_below(&m->noise, 60);
	m->t.wrap = wrap;
	m->t.strict = true;
	m->more = 1;
	if (tiny_open(&m->t, true, &a, &err) == ERR_NONE && tiny_put(&m->t, a, NULL, &err) == ERR_NONE)
		m->more = 0;
	array_close(a);
	m->t.wrap = NULL;
	tell(m, " put-cut-off(%s)", m->more ? err.message : "done");
	return true;
}

static bool step_take_away(struct model *m)
{
	unsigned one;

	if (m->spare < 1)
		return true;
	one = pick(m, at_hand(m));
	tell(m, " take-away(%u)", index_of(one));
	m->t.absent |= one;
	return true;
}

static bool step_bring_back(struct model *m)
{
	unsigned away = m->members & m->t.absent, one;

	if (away == 0)
		return true;
	one = pick(m, away);
	tell(m, " bring-back(%u)", index_of(one));
	m->t.absent &= ~one;
	return true;
}

/* Bits flip in some objects of one drive, others are gone. */
static bool step_rot(struct model *m)
{
	struct tiny_place p;
	struct drive *d;
	unsigned one, hurt = 0;

	if (m->spare < 1 || m->rotten != 0)
		return true;
	one = pick(m, at_hand(m));
	d = tiny_drive(&m->t, index_of(one));
	tiny_place_load(d, &p);
	for (size_t i = noise_below(&m->noise, 3); i < p.count; i += 1 + noise_below(&m->noise, 4)) {
		struct tiny_object *o = &p.objects[i];
		bool gone = noise_below(&m->noise, 4) == 0;

		/* A drive without its marker is an empty mount point. */
		if (o->bytes.len_bytes == 0 || strcmp(o->name, "config.json") == 0)
			continue;
		o->bytes.data[noise_below(&m->noise, o->bytes.len_bytes)] ^= 16;
		tiny_overwrite(d, o->name, gone ? NULL : o->bytes.data, o->bytes.len_bytes);
		hurt++;
	}
	tiny_place_release(&p);
	d->driver->close(d);
	m->rotten |= one;
	tell(m, " rot(%u, %u objects)", index_of(one), hurt);
	return true;
}

static bool step_scrub(struct model *m)
{
	tell(m, " scrub");
	return scrub_now(m);
}

static bool step_pay_debts(struct model *m)
{
	struct array *a;
	bool ok;

	tell(m, " debts");
	ok = open_writing(m, false, &a) && pay(m, a);
	array_close(a);
	return ok;
}

static bool step_rebalance(struct model *m)
{
	struct rebalance_options o = { .max_time_s = REBALANCE_UNLIMITED,
				       .max_bytes = REBALANCE_UNLIMITED };
	struct rebalance_result r;
	struct array *a;
	struct error err;
	bool ok;

	tell(m, " rebalance");
	if (noise_below(&m->noise, 2))
		o.max_bytes = noise_below(&m->noise, 40000);
	ok = open_writing(m, false, &a);
	if (ok && rebalance(a, &o, &r, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "rebalance: %s", err.message);
	array_close(a);
	return ok;
}

static bool step_add(struct model *m)
{
	struct new_drive n = { .make_root = true };
	struct array *a;
	struct error err;
	unsigned i = bits(m->used);
	bool ok;

	if (i == DRIVES_MOST)
		return true;
	tell(m, " add(%u)", i);
	n.url = tiny_url(&m->t, i);
	snprintf(n.record.name, sizeof(n.record.name), "d%u", i);
	n.record.max_bytes = size_bytes(m);
	ok = open_writing(m, true, &a);
	if (ok && array_add_drive(a, &n, DRIVE_MEMBER, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "add: %s", err.message);
	if (ok)
		m->t.parity = a->policy.parity; /* under parity=max the second drive brings a row */
	array_close(a);
	m->used |= 1u << i;
	m->members |= 1u << i;
	return ok;
}

/* Of a drive that is away, while what it held can be made anew; onto a new one, or into free space
 * where enough drives are left. */
static bool step_rebuild(struct model *m)
{
	unsigned away = m->members & m->t.absent & ~m->disabled, one, i = bits(m->used);
	struct new_drive n = { .make_root = true };
	struct rebuild_options o = { .name = NULL };
	struct rebuild_result r;
	struct array *a;
	struct error err;
	char name[8];
	bool ok, onto = i < DRIVES_MOST && noise_below(&m->noise, 2);

	if (away == 0 || m->spare < 0 || m->rotten != 0)
		return true;
	if (!onto && bits(m->members) - 1 <= m->t.parity)
		return true;
	one = pick(m, away);
	snprintf(name, sizeof(name), "d%u", index_of(one));
	o.name = name;
	if (onto) {
		n.url = tiny_url(&m->t, i);
		snprintf(n.record.name, sizeof(n.record.name), "d%u", i);
		n.record.max_bytes = size_bytes(m);
		o.onto = &n;
	}
	tell(m, " rebuild(%u%s)", index_of(one), onto ? ", onto" : "");
	ok = open_writing(m, false, &a);
	if (ok && rebuild(a, &o, &r, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "rebuild: %s", err.message);
	else if (ok && r.beyond > 0)
		ok = tiny_says(&m->t, "%llu blocks beyond rebuild", (unsigned long long)r.beyond);
	array_close(a);
	m->members &= ~one;
	if (onto) {
		m->used |= 1u << i;
		m->members |= 1u << i;
	}
	return ok;
}

/* The drive of that bit, in the array open to write: the caller closes *a, also when it is not there. */
static bool open_for(struct model *m, unsigned one, struct array **a, struct array_drive **d)
{
	char name[8];

	snprintf(name, sizeof(name), "d%u", index_of(one));
	if (!open_writing(m, true, a))
		return false;
	*d = array_drive_by_name(*a, name);
	return *d || tiny_says(&m->t, "drive %s is unknown", name);
}

static bool step_disable(struct model *m)
{
	struct array_drive *d;
	struct array *a;
	struct error err;
	unsigned one;
	bool ok;

	if (m->spare < 1 || m->rotten != 0)
		return true;
	one = pick(m, at_hand(m));
	tell(m, " disable(%u)", index_of(one));
	ok = open_for(m, one, &a, &d);
	if (ok && member_may_be_disabled(a, d, &err) != ERR_NONE)
		tell(m, "-refused");
	else if (ok && member_set_state(a, d, DRIVE_DISABLED, false, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "disable: %s", err.message);
	else if (ok)
		m->disabled |= one;
	array_close(a);
	return ok;
}

static bool enable(struct model *m, unsigned one)
{
	struct array_drive *d;
	struct array *a;
	struct error err;
	bool ok;

	tell(m, " enable(%u)", index_of(one));
	ok = open_for(m, one, &a, &d);
	if (ok && (member_look(a, d, &err) != ERR_NONE || member_enable(a, d, &err) != ERR_NONE))
		ok = tiny_says(&m->t, "enable: %s", err.message);
	ok = ok && pay(m, a);
	array_close(a);
	m->disabled &= ~one;
	return ok;
}

static bool step_enable(struct model *m)
{
	unsigned here = m->disabled & ~m->t.absent;

	return here == 0 || enable(m, pick(m, here));
}

/* Drained, and forgotten when it is empty; in use again when it cannot be emptied now. */
static bool step_drain(struct model *m)
{
	struct rebuild_result r = { .waiting = 0 };
	struct drain_plan plan;
	struct array_drive *d;
	struct array *a;
	struct error err;
	unsigned one;
	bool ok;

	if (m->spare < 0 || m->rotten != 0 || at_hand(m) == 0)
		return true;
	one = pick(m, at_hand(m));
	tell(m, " drain(%u)", index_of(one));
	ok = open_for(m, one, &a, &d);
	if (ok && drain_check(a, d, &plan, &err) != ERR_NONE)
		tell(m, "-refused");
	else if (ok && drain(a, d, NULL, &r, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "drain: %s", err.message);
	else if (ok && r.waiting + r.beyond > 0)
		tell(m, "-waiting");
	else if (ok && !pay(m, a))
		ok = false;
	else if (ok && member_remove(a, d, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "remove: %s", err.message);
	else if (ok)
		m->members &= ~one;
	array_close(a);
	return ok && r.waiting + r.beyond > 0 ? enable(m, one) : ok;
}

static bool step_parity(struct model *m)
{
	unsigned parity = (unsigned)noise_below(&m->noise, PARITY_MOST + 2);
	struct settings *s = NULL;
	struct array *a;
	struct error err;
	char text[16];
	bool ok;

	if (parity >= bits(m->members) || m->rotten != 0)
		return true;
	tell(m, " parity=%u", parity);
	snprintf(text, sizeof(text), "parity=%u", parity);
	ok = open_writing(m, true, &a);
	if (ok && (settings_begin(a, &s, &err) != ERR_NONE ||
		   settings_set(s, text, &err) != ERR_NONE ||
		   settings_check(s, &err) != ERR_NONE || settings_apply(s, &err) != ERR_NONE))
		ok = tiny_says(&m->t, "set %s: %s", text, err.message);
	settings_end(s);
	ok = ok && pay(m, a);
	array_close(a);
	m->t.parity = parity;
	return ok;
}

/* Drives have bounds then: else there is no room to spare. */
static bool step_parity_max(struct model *m)
{
	struct debts_options o = { .scope = DEBTS_ALL, .extra = true };
	struct debts_result r;
	struct settings *s = NULL;
	struct array *a;
	struct error err;
	char text[32];
	bool ok;

	if (m->rotten != 0)
		return true;
	tell(m, " parity=max");
	ok = open_writing(m, true, &a);
	if (ok && (settings_begin(a, &s, &err) != ERR_NONE ||
		   settings_set(s, "parity=max", &err) != ERR_NONE))
		ok = tiny_says(&m->t, "set parity=max: %s", err.message);
	for (unsigned i = 0; i < TINY_DRIVES_MAX && ok; i++) {
		snprintf(text, sizeof(text), "d%u.max=%u", i, MAX_BYTES);
		if (m->members & 1u << i && settings_set(s, text, &err) != ERR_NONE)
			ok = tiny_says(&m->t, "set %s: %s", text, err.message);
	}
	if (ok && (settings_check(s, &err) != ERR_NONE || settings_apply(s, &err) != ERR_NONE ||
		   debts_settle(a, &o, &r, &err) != ERR_NONE))
		ok = tiny_says(&m->t, "parity=max: %s", err.message);
	settings_end(s);
	if (ok)
		m->t.parity = a->policy.parity;
	array_close(a);
	return ok;
}

static bool step_lose_table(struct model *m)
{
	char path[512];
	struct error err;

	tell(m, " lose-table");
	snprintf(path, sizeof(path), "%.255s/table.sqlite", m->t.state_path);
	if (table_remove(path, &err) != ERR_NONE)
		return tiny_says(&m->t, "remove the table: %s", err.message);
	return true;
}

/* The writer is a new one afterwards. Not while the outbox alone has what a command that was cut off
 * wanted to say; an empty one goes. */
static bool step_lose_state(struct model *m)
{
	char empty[512], outbox[512];

	snprintf(outbox, sizeof(outbox), "%.255s/outbox", m->t.state_path);
	if (rmdir(outbox) != 0 && errno == ENOTEMPTY)
		return true;
	tell(m, " lose-state");
	snprintf(empty, sizeof(empty), "%.255s/none", m->t.folder);
	if (access(empty, F_OK) != 0)
		assert_int_equal(mkdir(empty, 0700), 0);
	tiny_copy_folder(empty, m->t.state_path, NULL);
	return true;
}

static const struct step {
	bool (*run)(struct model *m);
	unsigned weight;
	bool keeps; /* nothing may be less protected than before */
} steps[] = {
	{ step_put, 8, false },	       { step_put_cut_off, 3, false },
	{ step_take_away, 4, false },  { step_bring_back, 4, false },
	{ step_rot, 2, false },	       { step_scrub, 2, true },
	{ step_pay_debts, 2, true },   { step_add, 2, true },
	{ step_rebuild, 4, true },     { step_disable, 2, false },
	{ step_enable, 2, true },      { step_drain, 2, true },
	{ step_parity, 3, true },      { step_rebalance, 3, true },
	{ step_parity_max, 2, true },
	{ step_lose_table, 2, true },  { step_lose_state, 1, true },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static const struct step *choose_step(struct model *m)
{
	unsigned sum = 0;
	uint64_t at;

	for (unsigned i = 0; i < STEPS; i++)
		sum += steps[i].weight;
	at = noise_below(&m->noise, sum);
	for (unsigned i = 0;; i++) {
		if (at < steps[i].weight)
			return &steps[i];
		at -= steps[i].weight;
	}
}

/* Drives that are away count as some of those that the policy names. */
static int asked(const struct model *m)
{
	return (int)m->t.parity - (int)bits(m->members & ~at_hand(m));
}

/* Whatever may have been lost before a step may be lost after it, but for what is asked no more. */
static bool step(struct model *m)
{
	const struct step *s = choose_step(m);
	int before = m->spare, asked_before = asked(m);
	bool kept = m->kept;

	if (!s->run(m) || !holds(m))
		return false;
	before = before < asked(m) ? before : asked(m);
	if (s->keeps && m->spare < before)
		return tiny_says(&m->t, "%d drives may be lost, %d before", m->spare, before);
	if (s->keeps && kept && !m->kept && asked(m) == asked_before)
		return tiny_says(&m->t, "the promise is kept no more");
	return true;
}

/* All drives back, all debts paid: the promise holds wherever there are drives for it. */
static bool ends_well(struct model *m)
{
	struct health h;

	tell(m, " end:");
	m->t.absent &= ~m->members;
	while (m->disabled != 0) {
		if (!enable(m, pick(m, m->disabled)))
			return false;
	}
	if (!step_scrub(m) || !step_pay_debts(m) || !restores(m, &h) || !bears_loss(m))
		return false;
	if (bits(m->members) > m->t.parity && !h.promise_kept)
		return tiny_says(&m->t, "the promise is not kept in the end: %llu weak of %llu groups, "
					"%llu rows owed", (unsigned long long)h.weak,
				 (unsigned long long)h.groups, (unsigned long long)h.owed_rows);
	return true;
}

/* Sizes for the drives that it began with. */
static bool limit(struct model *m)
{
	struct buf records = { 0 };
	struct array *a;
	struct error err;
	bool ok = open_writing(m, true, &a);

	for (unsigned i = 0; ok && i < a->count; i++) {
		a->drives[i].record.max_bytes = size_bytes(m);
		record_drive(&records, &a->drives[i].record);
	}
	if (ok && array_commit(a, &records, NULL, &err) != ERR_NONE)
		ok = tiny_says(&m->t, "sizes: %s", err.message);
	buf_release(&records);
	array_close(a);
	return ok;
}

static bool play(uint64_t sequence, bool loud)
{
	struct model *m = calloc(1, sizeof(*m));
	unsigned drives, parity, count;
	bool ok;

	assert_non_null(m);
	seeded_from(sequence + 1);
	m->sequence = sequence;
	m->noise.state = sequence;
	drives = DRIVES_MIN + (unsigned)noise_below(&m->noise, DRIVES_MORE + 1);
	parity = (unsigned)noise_below(&m->noise, (drives < PARITY_MOST + 2 ? drives : PARITY_MOST + 1));
	count = STEPS_MIN + (unsigned)noise_below(&m->noise, STEPS_MORE + 1);
	m->sized = noise_below(&m->noise, 2);
	tiny_init(&m->t, drives, parity, 0);
	m->t.wrap_ctx = m;
	m->members = m->used = (1u << drives) - 1;
	tell(m, "%u %sdrives, parity %u:", drives, m->sized ? "sized " : "", parity);
	ok = (!m->sized || limit(m)) && step_put(m) && holds(m);
	while (ok && count-- > 0)
		ok = step(m);
	ok = ok && ends_well(m);
	if (!ok || loud)
		fprintf(stderr, "MRMR_MODEL_SEQUENCE=%llu: %s: %s (told: %s)\n",
			(unsigned long long)sequence, m->story, ok ? "all is well" : m->t.why,
			m->t.warning);
	tiny_release(&m->t);
	free(m);
	return ok;
}

static void an_array_keeps_what_it_promises_whatever_happens_to_it(void **state)
{
	const char *only = getenv("MRMR_MODEL_SEQUENCE");
	unsigned played = 0, wrong = 0;

	(void)state;
	if (only) {
		assert_true(play(strtoull(only, NULL, 10), true));
		return;
	}
	for (uint64_t i = 0; i < SEQUENCES && wrong < 10; i += tiny_every(), played++)
		wrong += !play(tiny_seed() * SEQUENCES + i, false);
	printf("lives: %u cases, %u as the model says, %u wrong\n", played, played - wrong, wrong);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_keeps_what_it_promises_whatever_happens_to_it),
	};

	seeded_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
