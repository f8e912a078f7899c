#include "array/standing.h"

#include "array/place.h"

#include <stdlib.h>
#include <string.h>

const char *standing_word(enum standing s)
{
	static const char *const words[] = {
		[STANDING_OPTIMAL] = "optimal",	      [STANDING_DEGRADED] = "degraded",
		[STANDING_RECOVERING] = "recovering", [STANDING_DISABLED] = "disabled",
		[STANDING_ABSENT] = "absent",	      [STANDING_STALE] = "stale",
		[STANDING_FAILED] = "failed",	      [STANDING_DRAINING] = "draining",
	};

	return words[s];
}

enum standing standing_at_sight(const struct array_drive *d)
{
	bool gone = d->record.state == DRIVE_LOST || d->record.state == DRIVE_REMOVED;

	if (d->presence == DRIVE_FOREIGN || d->presence == DRIVE_DUPLICATE ||
	    d->presence == DRIVE_REFUSED || d->presence == DRIVE_ROLLED_BACK || gone ||
	    atomic_load(&d->poisoned))
		return STANDING_FAILED;
	if (d->record.state == DRIVE_DISABLED)
		return STANDING_DISABLED;
	if (d->presence != DRIVE_PRESENT)
		return STANDING_ABSENT;
	if (d->record.state == DRIVE_JOINING)
		return STANDING_RECOVERING;
	if (d->record.state == DRIVE_DRAINING)
		return STANDING_DRAINING;
	if (d->behind && d->record.journal)
		return STANDING_STALE;
	if (d->returned == RETURN_LOOKING)
		return STANDING_RECOVERING;
	return d->unrepaired > 0 ? STANDING_DEGRADED : STANDING_OPTIMAL;
}

static int count_segments(struct array *a, const struct array_drive *d, uint64_t *out,
			  struct error *err)
{
	struct clock applied = { 0 };
	int code = table_clock(a->table, &applied, err);

	for (size_t i = 0; i < applied.count && code == ERR_NONE; i++) {
		uint64_t has = clock_seq(&d->holds, &applied.marks[i].writer);

		if (has < applied.marks[i].seq)
			*out += applied.marks[i].seq - has;
	}
	clock_release(&applied);
	return code;
}

static int count_name(void *ctx, const char *name, struct error *err)
{
	uint64_t *count = ctx;

	(void)name;
	(void)err;
	++*count;
	return 0;
}

/* One that was disabled has all that it missed as soon as nothing is owed to it. It was sent all journals
 * first: one that lacks some was away since. */
static enum standing standing_with_debts(const struct array_drive *d,
					 const struct drive_standing *s)
{
	enum standing at_sight = standing_at_sight(d);
	bool owed = s->owed_deletions > 0;

	if (d->returning && owed && at_sight == STANDING_OPTIMAL)
		return STANDING_RECOVERING;
	return at_sight;
}

/* What a command did is in the journal, what was found at a scrub in its record; the rest is as this
 * host saw it. */
static int64_t since_of(const struct array_drive *d, enum standing standing)
{
	bool told = d->record.state == DRIVE_LOST || standing == STANDING_DISABLED ||
		    standing == STANDING_DRAINING || standing == STANDING_RECOVERING;

	if (told && d->since_s != 0 && d->returned != RETURN_LOOKING)
		return d->since_s;
	return standing == STANDING_DEGRADED ? d->unrepaired_s : d->seen_s;
}

int standing_of(struct array *a, unsigned i, struct drive_standing *out, struct error *err)
{
	const struct array_drive *d = &a->drives[i];
	struct alloc_drive *view = calloc(a->count, sizeof(*view));
	int code = ERR_NONE;

	memset(out, 0, sizeof(*out));
	if (!view)
		return err_nomem(err);
	place_view(a, view);
	/* A lost drive matters until all that it held is whole again, or when it returns. */
	out->listed = d->record.state == DRIVE_JOINING || drive_counts(d) ||
		      d->presence == DRIVE_REFUSED ||
		      (d->record.state == DRIVE_LOST && d->used_bytes > 0);
	out->used_bytes = d->used_bytes;
	out->extra_bytes = d->extra_bytes;
	out->objects = d->objects;
	out->knows_space = d->presence == DRIVE_PRESENT && place_knows_size(d);
	out->free_bytes = view[i].free_bytes;
	out->errors = d->unrepaired;
	if (d->record.journal && d->presence == DRIVE_PRESENT)
		code = count_segments(a, d, &out->owed_segments, err);
	if (code == ERR_NONE && drive_counts(d))
		code = table_garbage(a->table, &d->id, count_name, &out->owed_deletions, err);
	out->standing = standing_with_debts(d, out);
	out->since_s = since_of(d, out->standing);
	free(view);
	return code;
}

/* ---- what is gone ---- */

struct losses {
	struct array *a;
	struct lost_data *out;
};

static int add_lost_block(void *ctx, const struct id *uid, struct error *err)
{
	struct losses *l = ctx;
	struct contents contents = { 0 };
	struct table_block b;
	int code = table_block_by_uid(l->a->table, uid, &b, err);

	if (code == ERR_NONE)
		code = table_block_contents(l->a->table, b.id, &contents, NULL, err);
	if (code == ERR_NOT_FOUND) {
		l->out->unknown_blocks++;
		return ERR_NONE;
	}
	for (size_t i = 0; i < contents.chunk_count && code == ERR_NONE; i++) {
		const struct contents_chunk *chunk = &contents.chunks[i];
		struct chunk_place place;

		if (chunk->manifest)
			continue;
		code = table_find_chunk(l->a->table, &chunk->id, 0, &place, err);
		if (code == ERR_NOT_FOUND) {
			l->out->bytes += chunk->len_bytes;
			code = ERR_NONE;
		}
	}
	contents_release(&contents);
	return code;
}

int lost_data(struct array *a, struct lost_data *out, struct error *err)
{
	struct losses l = { .a = a, .out = out };

	memset(out, 0, sizeof(*out));
	return table_lost_blocks(a->table, add_lost_block, &l, err);
}
