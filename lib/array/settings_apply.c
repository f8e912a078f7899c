#include "array/settings_inner.h"

#include <stdlib.h>
#include <string.h>

/* ---- checks ---- */

int policy_check(const struct policy *p, const struct drive_record *drives, unsigned count,
		 struct error *err)
{
	unsigned data = 0, rows = 0, journals = 0;

	if (p->parity >= count)
		return err_set(err, ERR_USAGE, "%u drive%s cannot carry parity %u: at most %u", count,
			       count == 1 ? "" : "s", p->parity, count ? count - 1 : 0);
	if (p->width > 0 && p->width <= p->parity)
		return err_set(err, ERR_USAGE, "a width of %u leaves no room for data beside %u rows",
			       p->width, p->parity);
	for (unsigned i = 0; i < count; i++) {
		data += drives[i].role != ROLE_PARITY;
		rows += drives[i].role != ROLE_DATA && !drives[i].removable;
		journals += drives[i].journal;
	}
	if (data == 0)
		return err_set(err, ERR_USAGE, "no drive would be left that may hold data");
	if (rows < p->parity)
		return err_set(err, ERR_USAGE, "parity %u needs as many drives that may hold rows: %u "
					       "would be left (neither for data only nor removable)",
			       p->parity, rows);
	if (journals <= p->parity)
		return err_set(err, ERR_USAGE, "parity %u needs %u drives that keep the journal: %u "
					       "would be left", p->parity, p->parity + 1, journals);
	return geometry_check(&p->geometry, err);
}

int settings_check(struct settings *s, struct error *err)
{
	struct drive_record counting[DRIVES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < s->a->count; i++) {
		if (drive_counts(&s->a->drives[i]))
			counting[count++] = s->records[i];
	}
	return policy_check(&s->policy, counting, count, err);
}

void settings_swap(struct settings *s)
{
	struct policy policy = s->a->policy;

	s->a->policy = s->policy;
	s->policy = policy;
	for (unsigned i = 0; i < s->a->count; i++) {
		struct drive_record record = s->a->drives[i].record;

		s->a->drives[i].record = s->records[i];
		s->records[i] = record;
	}
}

/* ---- applying ---- */

static bool record_differs(const struct drive_record *x, const struct drive_record *y)
{
	return x->role != y->role || x->removable != y->removable || x->journal != y->journal ||
	       x->reserve_bytes != y->reserve_bytes || x->max_bytes != y->max_bytes ||
	       strcmp(x->domain, y->domain) != 0;
}

/* The options of drive i, in the array, and as a record. */
static int replace_options(struct settings *s, unsigned i, struct buf *records, struct error *err)
{
	struct array_drive *d = &s->a->drives[i];
	char *json = json_dumps(s->options[i], JSON_COMPACT | JSON_SORT_KEYS);

	if (!json)
		return err_nomem(err);
	free(d->options_json);
	d->options_json = json;
	d->billed = config_says_yes(json, "egress-billed");
	record_access(records, &d->id, d->url, json);
	return ERR_NONE;
}

/* A drive that is to keep the journal again gets all that it missed, and then this change. */
static int resume_journals(struct settings *s, struct error *err)
{
	bool any = false;
	unsigned sent;

	for (unsigned i = 0; i < s->a->count; i++) {
		struct drive_record *now = &s->a->drives[i].record;

		if (now->journal || !s->records[i].journal)
			continue;
		now->journal = true;
		any = true;
	}
	return any ? array_push(s->a, &sent, err) : ERR_NONE;
}

/* Of two hosts that set something at once one at least knows it before it acts by it. */
static int commit(struct settings *s, const struct buf *records, struct error *err)
{
	struct error why;
	int code = array_commit(s->a, records, NULL, err);

	/* What cannot be read now is learned later. */
	if (code == ERR_NONE && array_learn(s->a, &why) == ERR_NOMEM)
		return err_nomem(err);
	return code;
}

int settings_apply(struct settings *s, struct error *err)
{
	struct buf records = { 0 };
	int code = ERR_NONE;

	if (!policy_same(&s->policy, &s->a->policy))
		record_policy(&records, &s->policy);
	if (s->policy.extra != s->a->policy.extra)
		record_extra(&records, s->policy.extra);
	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++) {
		if (record_differs(&s->records[i], &s->a->drives[i].record))
			record_drive(&records, &s->records[i]);
		if (s->options[i])
			code = replace_options(s, i, &records, err);
	}
	if (code == ERR_NONE)
		code = resume_journals(s, err);
	if (code == ERR_NONE && records.len_bytes > 0)
		code = commit(s, &records, err);
	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++) {
		if (s->options[i])
			code = array_store_way(s->a, &s->a->drives[i], err);
	}
	if (code == ERR_NONE)
		code = array_refresh(s->a, err);
	buf_release(&records);
	return code;
}
