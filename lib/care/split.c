#include "care/split.h"

#include <string.h>

struct splitting {
	struct alloc_drive *drives;
	unsigned count;
	const struct alloc_policy *policy;
	uint64_t object_bytes;
	unsigned domain_max; /* objects of a part in one domain */
	struct split *out;
};

/* Drives by index that have an object of the part at work. */
struct taken {
	uint16_t index[DRIVES_MAX];
	unsigned count;
};

static bool has(const struct taken *t, uint16_t drive)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (t->index[i] == drive)
			return true;
	}
	return false;
}

static bool domain_takes(const struct splitting *s, const struct taken *t, uint16_t drive)
{
	unsigned objects = 0;

	for (unsigned i = 0; i < t->count; i++)
		objects += s->drives[t->index[i]].domain == s->drives[drive].domain;
	return objects < s->domain_max;
}

static int choose(const struct splitting *s, struct taken *t, bool for_row, uint16_t *drive,
		  struct error *err)
{
	int code = alloc_one(s->drives, s->count, s->policy, t->index, t->count, for_row,
			     s->object_bytes, drive, err);

	/* It keeps the rule wherever it can. */
	if (code == ERR_NONE && !domain_takes(s, t, *drive))
		code = err_set(err, ERR_FULL, "no drive of another domain has room");
	if (code == ERR_NONE)
		t->index[t->count++] = *drive;
	return code;
}

/* Drives for at most so many rows beside what is taken. */
static unsigned rows_beside(const struct splitting *s, const struct taken *taken, unsigned most,
			    uint16_t *rows)
{
	struct taken t = *taken;
	struct error why;
	unsigned found = 0;

	while (found < most && choose(s, &t, true, &rows[found], &why) == ERR_NONE)
		found++;
	return found;
}

static bool leaves_room(const struct splitting *s, const struct taken *taken)
{
	uint16_t rows[GROUP_ROWS_MAX];

	return rows_beside(s, taken, s->out->rows_wanted, rows) == s->out->rows_wanted;
}

/* The drive that a member without one gets in this part; taken grows by it. anyhow: also where that
 * leaves no room for rows. */
static int find_home(const struct splitting *s, struct taken *taken, bool anyhow, uint16_t *home,
		     struct error *err)
{
	struct taken tried = *taken; /* and every drive that leaves no room */
	uint16_t drive;
	int code;

	while ((code = choose(s, &tried, false, &drive, err)) == ERR_NONE) {
		taken->index[taken->count++] = drive;
		if (anyhow || leaves_room(s, taken)) {
			*home = drive;
			break;
		}
		taken->count--;
	}
	return code;
}

/* Too many of the members would be unplugged together. */
static bool too_removable(const struct splitting *s, const struct taken *t, uint16_t drive)
{
	unsigned members = 0;

	for (unsigned i = 0; i < t->count; i++)
		members += s->drives[t->index[i]].removable;
	return s->drives[drive].removable &&
	       members >= alloc_removable_limit(s->drives, s->count, s->policy->parity);
}

/* Whether the member can be one of this part, with all rows; taken grows by its drive then. */
static bool joins(struct splitting *s, unsigned member, struct taken *taken)
{
	uint16_t *home = &s->out->homes[member];
	struct error why;

	if (*home == SPLIT_HOMELESS)
		return find_home(s, taken, false, home, &why) == ERR_NONE;
	if (has(taken, *home) || !domain_takes(s, taken, *home) ||
	    too_removable(s, taken, *home))
		return false;
	taken->index[taken->count++] = *home;
	if (leaves_room(s, taken))
		return true;
	taken->count--;
	return false;
}

static void use(struct splitting *s, uint16_t drive)
{
	uint64_t *left = &s->drives[drive].free_bytes;

	*left -= s->object_bytes < *left ? s->object_bytes : *left;
}

/* The members in none yet that can be in one part: those with a drive first, since the others can
 * go anywhere. */
static void gather(struct splitting *s, const uint16_t *had, unsigned member_count, bool *placed,
		   struct taken *taken, struct split_part *p)
{
	bool in[GROUP_SLOTS_MAX] = { false };

	for (unsigned homeless = 0; homeless < 2; homeless++) {
		for (unsigned i = 0; i < member_count; i++) {
			if (!placed[i] && (had[i] == SPLIT_HOMELESS) == homeless)
				in[i] = placed[i] = joins(s, i, taken);
		}
	}
	p->member_count = 0;
	for (unsigned i = 0; i < member_count; i++) {
		if (in[i])
			p->members[p->member_count++] = (uint16_t)i;
	}
}

/* The first member in none yet, alone, with whatever rows there are. */
static int take_alone(struct splitting *s, const uint16_t *had, bool *placed, struct taken *taken,
		      struct split_part *p, struct error *err)
{
	unsigned first = 0;

	while (placed[first])
		first++;
	placed[first] = true;
	p->members[p->member_count++] = (uint16_t)first;
	if (had[first] == SPLIT_HOMELESS)
		return find_home(s, taken, true, &s->out->homes[first], err);
	taken->index[taken->count++] = had[first];
	return ERR_NONE;
}

static int make_part(struct splitting *s, const uint16_t *had, unsigned member_count, bool *placed,
		     struct error *err)
{
	struct split_part *p = &s->out->parts[s->out->part_count++];
	struct taken taken = { .count = 0 };
	int code = ERR_NONE;

	gather(s, had, member_count, placed, &taken, p);
	if (p->member_count == 0)
		code = take_alone(s, had, placed, &taken, p, err);
	if (code != ERR_NONE)
		return code;
	p->row_count = rows_beside(s, &taken, s->out->rows_wanted, p->rows);
	s->out->complete = s->out->complete && p->row_count == s->out->rows_wanted;
	for (unsigned i = 0; i < p->row_count; i++)
		use(s, p->rows[i]);
	for (unsigned i = 0; i < p->member_count; i++) {
		if (had[p->members[i]] == SPLIT_HOMELESS)
			use(s, s->out->homes[p->members[i]]);
	}
	return ERR_NONE;
}

static int split_all(struct splitting *s, const uint16_t *homes, unsigned member_count,
		     struct error *err)
{
	bool placed[GROUP_SLOTS_MAX] = { false };
	struct split *out = s->out;
	unsigned left = member_count;
	int code = ERR_NONE;

	out->part_count = 0;
	out->complete = true;
	out->rows_wanted = alloc_rows(s->drives, s->count, s->policy->parity);
	memcpy(out->homes, homes, member_count * sizeof(*homes));
	while (left > 0 && code == ERR_NONE) {
		code = make_part(s, homes, member_count, placed, err);
		left -= out->parts[out->part_count - 1].member_count;
	}
	return code;
}

int split_members(struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		  const uint16_t *homes, unsigned member_count, uint64_t object_bytes,
		  struct split *out, struct error *err)
{
	struct splitting s = { drives, count, policy, object_bytes, DRIVES_MAX + 1, out };

	return split_all(&s, homes, member_count, err);
}

int split_by_domain(struct alloc_drive *drives, unsigned count, const struct alloc_policy *policy,
		    const uint16_t *homes, unsigned member_count, uint64_t object_bytes,
		    struct split *out, struct error *err)
{
	struct splitting s = { drives, count, policy, object_bytes,
			       alloc_domain_limit(drives, count, policy->parity), out };

	return split_all(&s, homes, member_count, err);
}
