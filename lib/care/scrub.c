#include "care/scrub.h"

#include "array/health.h"
#include "array/journals.h"
#include "array/object.h"
#include "base/stop.h"
#include "care/deep.h"
#include "care/inspect.h"
#include "care/readmit.h"
#include "care/repair.h"
#include "care/sweep.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct scrubbing {
	struct array *a;
	const struct scrub_options *o;
	struct scrub_result *r;
	struct inspecting in;
	struct stray_list strays;
	struct wrong_rows wrong;
	struct buf records;
	int64_t time_s; /* when it began: what is whole was verified then or later */
	uint64_t begun_ms, remember_ms; /* when what is whole is told next; 0: at the end */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool scrub_chooses(const struct scrub_options *o, const struct array_drive *d)
{
	if (!o->drives)
		return true;
	for (unsigned i = 0; o->drives[i]; i++) {
		if (strcmp(o->drives[i], d->name) == 0)
			return true;
	}
	return false;
}

/* A rolled-back drive is whole when all that it lacks was put back. One that is joining counts for
 * nothing yet, but has to be whole for its rebuild to go on. */
static bool can_scrub(const struct array_drive *d)
{
	return d->handle && (drive_counts(d) || d->record.state == DRIVE_JOINING) &&
	       (d->presence == DRIVE_PRESENT || d->presence == DRIVE_ROLLED_BACK);
}

/* ---- reading ---- */

/* What is the same on all drives or belongs to one is small: it is verified each time. */
static int inspect_small(struct scrubbing *s, struct error *err)
{
	struct journals listed = { 0 };
	int code = ERR_NONE;

	for (unsigned n = 0; n < s->in.count && code == ERR_NONE; n++) {
		const struct inspection *i = &s->in.drives[n];

		code = inspect_marker(s->a, i->drive, s->o->repair, i->result, err);
		if (code == ERR_NONE)
			code = inspect_keys(s->a, i->drive, s->o->repair, i->result, err);
	}
	if (code == ERR_NONE)
		code = journals_read(s->a, &listed, err);
	for (unsigned n = 0; n < s->in.count && code == ERR_NONE; n++) {
		const struct inspection *i = &s->in.drives[n];

		code = inspect_journal(s->a, i->drive, &listed, s->o->repair, i->result, err);
	}
	journals_release(&listed);
	return code;
}

static void tell_total(const struct scrubbing *s)
{
	uint64_t objects = 0, bytes = 0;

	for (unsigned n = 0; n < s->in.count; n++) {
		objects += s->in.drives[n].roll.chosen;
		bytes += s->in.drives[n].roll.chosen_bytes;
	}
	counters_total(s->o->counters, objects, bytes);
}

static void drop_inspection(struct inspecting *in, unsigned n)
{
	roll_release(&in->drives[n].roll);
	in->count--;
	memmove(&in->drives[n], &in->drives[n + 1], (in->count - n) * sizeof(*in->drives));
}

static int begin_drives(struct scrubbing *s, struct error *err)
{
	struct array *a = s->a;
	int code;

	s->in.drives = calloc(a->count + 1, sizeof(*s->in.drives));
	if (!s->in.drives)
		return err_nomem(err);
	for (unsigned i = 0; i < a->count; i++) {
		if (!scrub_chooses(s->o, &a->drives[i]) || !can_scrub(&a->drives[i]))
			continue;
		s->in.drives[s->in.count++] = (struct inspection){ .drive = &a->drives[i],
								   .result = &s->r->drives[i] };
		s->r->drives[i].scrubbed = true;
	}
	code = s->o->quick ? ERR_NONE : inspect_small(s, err);
	for (unsigned n = s->in.count; n-- > 0 && code == ERR_NONE;) {
		code = inspect_list(&s->in, &s->in.drives[n], &s->strays, err);
		if (!can_scrub(s->in.drives[n].drive))
			drop_inspection(&s->in, n);
	}
	if (code == ERR_NONE)
		tell_total(s);
	return code;
}

/* What every drive has whole so far. A few objects drawn by lot would only break up the ranges of those
 * that were verified in their turn. */
static int add_verified(struct scrubbing *s, struct buf *records, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned n = 0; n < s->in.count && code == ERR_NONE && !s->o->quick; n++) {
		const struct inspection *i = &s->in.drives[n];

		code = roll_tell(&i->roll, i->next == i->roll.count, s->time_s, records, err);
	}
	return code;
}

/* What was read is not read again by the next scrub, even if this one is killed. */
static int remember(struct scrubbing *s, struct error *err)
{
	struct buf records = { 0 };
	int code = add_verified(s, &records, err);

	if (code == ERR_NONE && records.len_bytes > 0 && s->o->repair &&
	    array_usable_count(s->a) > 0)
		code = array_commit(s->a, &records, NULL, err);
	buf_release(&records);
	return code;
}

static bool is_out_of_time(const struct scrubbing *s)
{
	return s->o->has_max_time && (now_ms() - s->begun_ms) / 1000 >= s->o->max_time_s;
}

static bool pause_reading(void *ctx)
{
	const struct scrubbing *s = ctx;

	return is_out_of_time(s) || (s->remember_ms > 0 && now_ms() >= s->remember_ms);
}

/* Ever more seldom: the journal grows by the logarithm of the time, and of a long scrub that is killed
 * a small part is lost. */
static void set_remember_time(struct scrubbing *s)
{
	uint64_t wait_ms = s->o->remember_s * 1000, now = now_ms();

	if (wait_ms == 0)
		return;
	if (wait_ms < (now - s->begun_ms) / 16)
		wait_ms = (now - s->begun_ms) / 16;
	s->remember_ms = now + wait_ms;
}

static int read_objects(struct scrubbing *s, struct error *err)
{
	bool done = false;
	int code = ERR_NONE;

	while (code == ERR_NONE && !done) {
		set_remember_time(s);
		code = inspect_objects(&s->in, pause_reading, s, &done, err);
		if (code != ERR_NONE || done)
			break;
		s->r->out_of_time = is_out_of_time(s);
		if (s->r->out_of_time)
			break;
		/* The commit at the end says what is wrong with a drive that takes none. */
		code = remember(s, err);
		if (code != ERR_NOMEM && code != ERR_INTERRUPTED)
			code = ERR_NONE;
	}
	for (unsigned n = 0; n < s->in.count; n++) {
		struct inspection *i = &s->in.drives[n];

		i->result->left = i->roll.count - i->next;
	}
	inspect_sort_damage(&s->in);
	return code;
}

/* What another host superseded or moved, and deleted, meanwhile is not missed. */
static int forget_superseded(struct scrubbing *s, struct error *err)
{
	struct damage_list *l = &s->in.damage;
	size_t kept = 0;
	int code = l->count > 0 ? array_pull(s->a, err) : ERR_NONE;

	for (size_t i = 0; i < l->count && code == ERR_NONE; i++) {
		struct scrub_drive *result = &s->r->drives[l->items[i].drive - s->a->drives];

		if (table_places(s->a->table, &l->items[i].drive->id, l->items[i].object.name)) {
			l->items[kept++] = l->items[i];
			continue;
		}
		result->damaged--;
		result->unopened -= l->items[i].unopened;
	}
	if (code == ERR_NONE)
		l->count = kept;
	return code;
}

static bool all_at_hand(const struct array *a)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (drive_counts(&a->drives[i]) && !can_scrub(&a->drives[i]))
			return false;
	}
	return true;
}

static int repair(struct scrubbing *s, struct error *err)
{
	struct repairing r = { .a = s->a,
			       .damage = &s->in.damage,
			       .r = s->r,
			       .records = &s->records,
			       .all_at_hand = all_at_hand(s->a) };

	return repair_damage(&r, err);
}

/* ---- the whole ---- */

/* What could not be read to the end may be damaged still, or may be not. */
static void drop_unreachable(struct scrubbing *s)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		const struct array_drive *d = &s->a->drives[i];
		struct scrub_drive *result = &s->r->drives[i];
		uint64_t left = result->damaged - result->repaired;

		if (!result->scrubbed || can_scrub(d))
			continue;
		result->scrubbed = false;
		result->damaged -= result->unread < left ? result->unread : left;
		array_tell(s->a, TELL_WARNING, "drive %s is not scrubbed to the end: %s: %s", d->name,
			   presence_word(d->presence), d->why);
	}
}

/* A share that was found whole says nothing of what an earlier scrub left damaged elsewhere. */
static bool says_something(const struct scrubbing *s, const struct array_drive *d,
			   const struct scrub_drive *result)
{
	bool chosen = s->o->choice.only_new || s->o->choice.only_older;
	bool left = result->damaged > result->repaired;

	if (s->o->quick)
		return left || (result->damaged > 0 && d->unrepaired == 0);
	return result->scrubbed && !(chosen && result->damaged == 0 && d->unrepaired > 0);
}

static void add_scrub_records(struct scrubbing *s)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		const struct scrub_drive *d = &s->r->drives[i];
		struct scrub_record record = { .drive_id = s->a->drives[i].id,
					       .time_s = time(NULL),
					       .objects = d->objects,
					       .bytes = d->bytes,
					       .damaged = d->damaged,
					       .repaired = d->repaired,
					       .complete = d->left == 0 && !s->o->quick };

		s->r->objects += d->objects;
		s->r->bytes += d->bytes;
		s->r->damaged += d->damaged;
		s->r->unopened += d->unopened;
		s->r->wrong_rows += d->wrong_rows;
		s->r->repaired += d->repaired;
		s->r->left += d->left;
		if (says_something(s, &s->a->drives[i], d))
			record_scrub(&s->records, &record);
	}
}

/* What was rolled back and is now up to date takes part again. */
static int readmit(struct scrubbing *s, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &s->a->drives[i];
		struct scrub_drive *result = &s->r->drives[i];

		if (!result->scrubbed || d->presence != DRIVE_ROLLED_BACK ||
		    result->damaged != result->repaired)
			continue;
		code = array_take_back(s->a, d, err);
		if (code != ERR_NONE || d->presence != DRIVE_ROLLED_BACK)
			continue;
		result->damaged++;
		array_tell(s->a, TELL_WARNING,
			   "drive %s: %s; no drive at hand has what is missing, nor has the state "
			   "folder", d->name, d->why);
	}
	return code;
}

static bool has_to_tell(const struct scrubbing *s)
{
	return s->o->quick ? s->records.len_bytes > 0 : s->o->repair;
}

/* Nothing was read, and no drive is there to be told of it: why the first of them is not. */
static int check_read(const struct scrubbing *s, struct error *err)
{
	const struct array_drive *away = NULL;

	if (array_usable_count(s->a) > 0)
		return ERR_NONE;
	for (unsigned i = s->a->count; i-- > 0;) {
		if (s->r->drives[i].scrubbed || s->r->drives[i].damaged > 0)
			return ERR_NONE;
		if (scrub_chooses(s->o, &s->a->drives[i]) && drive_counts(&s->a->drives[i]))
			away = &s->a->drives[i];
	}
	if (!away)
		return ERR_NONE;
	return err_set(err, ERR_ABSENT, "no drive can be scrubbed: drive %s is %s: %s", away->name,
		       presence_word(away->presence), away->why);
}

/* After all repairs: what they made is right. */
static int commit_all(struct scrubbing *s, struct error *err)
{
	int code;

	drop_unreachable(s);
	add_scrub_records(s);
	code = has_to_tell(s) ? check_read(s, err) : ERR_NONE;
	if (code == ERR_NONE)
		code = add_verified(s, &s->records, err);
	/* When all were rolled back for good there is none to say it to: the result does. */
	if (code == ERR_NONE && has_to_tell(s) &&
	    (array_usable_count(s->a) > 0 || s->r->damaged == s->r->repaired))
		code = array_commit(s->a, &s->records, NULL, err);
	if (code == ERR_NONE && s->o->repair)
		code = deep_set_aside(s->a, &s->wrong, err);
	return code;
}

static int settle(struct scrubbing *s, struct error *err)
{
	int code = forget_superseded(s, err);

	if (code == ERR_NONE && s->o->repair)
		code = repair(s, err);
	if (code == ERR_NONE && s->o->repair)
		code = readmit(s, err);
	if (code == ERR_NONE && s->o->deep)
		code = deep_check_rows(&s->in, s->r, &s->wrong, &s->records, err);
	if (code == ERR_NONE && s->o->repair && !s->o->quick)
		code = sweep_orphans(s->a, &s->strays, s->o->grace_s, s->r, &s->records, err);
	return code == ERR_NONE ? commit_all(s, err) : code;
}

static int begin(struct scrubbing *s, struct error *err)
{
	int code = ERR_NONE;

	memset(s->r, 0, sizeof(*s->r));
	s->time_s = time(NULL);
	s->begun_ms = now_ms();
	s->in.a = s->a;
	s->in.o = s->o;
	damage_list_init(&s->in.damage);
	pthread_mutex_init(&s->in.lock, NULL);
	s->in.pool = pool_new(s->a->options.threads, err);
	if (!s->in.pool)
		code = (int)err->code;
	if (code == ERR_NONE && s->o->deep)
		code = frame_loader_new(s->a, &s->in.loader, err);
	return code;
}

static void end(struct scrubbing *s)
{
	pool_free(s->in.pool);
	frame_loader_free(s->in.loader);
	for (unsigned n = 0; n < s->in.count; n++)
		roll_release(&s->in.drives[n].roll);
	free(s->in.drives);
	damage_list_release(&s->in.damage);
	pthread_mutex_destroy(&s->in.lock);
	free(s->strays.items);
	free(s->wrong.items);
	buf_release(&s->records);
}

int scrub(struct array *a, const struct scrub_options *o, struct scrub_result *r,
	  struct error *err)
{
	struct scrubbing s = { .a = a, .o = o, .r = r };
	struct error ignored;
	int code = begin(&s, err);

	if (code == ERR_NONE)
		code = readmit_drives(a, o, r, err);
	if (code == ERR_NONE && o->repair && !o->quick)
		code = array_drop_removed_slots(a, err);
	if (code == ERR_NONE)
		code = begin_drives(&s, err);
	if (code == ERR_NONE)
		code = read_objects(&s, err);
	if (code == ERR_NONE)
		code = settle(&s, err);
	if (code != ERR_NONE)
		(void)remember(&s, &ignored);
	end(&s);
	return code;
}
