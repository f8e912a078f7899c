#include "cmd/status.h"

#include "cmd/open.h"
#include "cmd/out.h"

#include <stdlib.h>
#include <string.h>

static bool any_drive(const struct status *s, enum standing standing)
{
	for (unsigned i = 0; i < s->a->count; i++) {
		if (s->drives[i].listed && s->drives[i].standing == standing)
			return true;
	}
	return false;
}

static bool is_lost(const struct status *s, unsigned i)
{
	return s->drives[i].listed && s->a->drives[i].record.state == DRIVE_LOST &&
	       s->a->drives[i].presence != DRIVE_REFUSED;
}

bool status_is_gone(const struct status *s)
{
	return s->lost.bytes > 0 || s->lost.unknown_blocks > 0;
}

static enum array_state judge(const struct status *s)
{
	bool recovering = any_drive(s, STANDING_RECOVERING), other = false;

	if (s->health.lost > 0 || status_is_gone(s))
		return ARRAY_FAILED;
	for (unsigned i = 0; i < s->a->count; i++) {
		if (!s->drives[i].listed || s->drives[i].standing == STANDING_RECOVERING)
			continue;
		if (is_lost(s, i))
			recovering = true;
		else if (s->drives[i].standing != STANDING_DRAINING)
			other = other || s->drives[i].standing != STANDING_OPTIMAL;
	}
	if (other || s->a->fork_found)
		return ARRAY_DEGRADED;
	if (recovering)
		return ARRAY_RECOVERING;
	if (s->health.owed_rows > 0 || s->health.degraded > 0 || !s->health.promise_kept)
		return ARRAY_DEGRADED;
	return ARRAY_OPTIMAL;
}

static int find_verified(struct status *s, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++) {
		if (!s->drives[i].listed)
			continue;
		code = verification_of(s->a, &s->a->drives[i], &s->verified[i], err);
		verification_add(&s->verified[s->a->count], &s->verified[i]);
	}
	return code;
}

static int find_out(struct status *s, struct error *err)
{
	int code = health_check(s->a, &s->health, err);

	if (code == ERR_NONE)
		code = health_attached(s->a, &s->attached, err);
	s->drives = calloc(s->a->count ? s->a->count : 1, sizeof(*s->drives));
	s->verified = calloc(s->a->count + 1, sizeof(*s->verified));
	if (code == ERR_NONE && (!s->drives || !s->verified || !s->meaning || !s->action || !s->shared || !s->help))
		code = err_nomem(err);
	for (unsigned i = 0; i < s->a->count && code == ERR_NONE; i++)
		code = standing_of(s->a, i, &s->drives[i], err);
	if (code == ERR_NONE)
		code = find_verified(s, err);
	if (code == ERR_NONE)
		code = capacity_of(s->a, &s->capacity, err);
	if (code == ERR_NONE)
		code = lost_data(s->a, &s->lost, err);
	if (code == ERR_NONE)
		code = status_find_shared(s, err);
	if (code == ERR_NONE)
		s->state = judge(s);
	return code;
}

static int tell(struct status *s, struct error *err)
{
	status_explain(s);
	status_advise(s);
	if (s->state != ARRAY_OPTIMAL)
		invocation_note(s->inv, EXIT_DEGRADED);
	if (!s->inv->globals.json)
		return status_print(s, err);
	status_print_json(s);
	return ERR_NONE;
}

int cmd_status(struct invocation *inv, struct error *err)
{
	struct status s = { .inv = inv };
	struct opened opened;
	int code = open_array(inv, OPEN_READ, &opened, &s.a, err);

	s.meaning = json_array();
	s.action = json_array();
	s.shared = json_array();
	s.help = json_array();
	if (code == ERR_NONE)
		code = find_out(&s, err);
	if (code == ERR_NONE)
		code = tell(&s, err);
	json_decref(s.meaning);
	json_decref(s.action);
	json_decref(s.shared);
	json_decref(s.help);
	free(s.drives);
	free(s.verified);
	array_close(s.a);
	opened_release(&opened);
	return code;
}
