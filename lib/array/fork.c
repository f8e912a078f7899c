#include "array/fork.h"

#include "array/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 16 /* of a head are kept */
#define PLACES_BYTES 160

static void places_text(struct array *a, const struct journals *l, size_t item,
			char out[PLACES_BYTES])
{
	size_t end = journals_next(l, item), used = 0;

	out[0] = '\0';
	for (size_t i = item; i < end && used < PLACES_BYTES - 1; i++) {
		unsigned place = l->items[i].place;
		int n = snprintf(out + used, PLACES_BYTES - used, "%s%s", used ? ", " : "",
				 place == PLACE_MIRROR ? "the state folder" : a->drives[place].name);

		used += n > 0 ? (size_t)n : 0;
	}
}

int fork_note(struct array *a, const struct journals *l, size_t item, struct error *err)
{
	const struct segment_name *s = &l->items[item].parts;
	char places[PLACES_BYTES], hex[HASH_HEX_BYTES];

	for (size_t i = 0; i < a->forked_count; i++) {
		if (hash_equal(&a->forked[i], &s->writer))
			return ERR_NONE;
	}
	if (!grow(&a->forked, &a->forked_cap, a->forked_count + 1, sizeof(*a->forked)))
		return err_nomem(err);
	a->fork_found = true;
	a->forked[a->forked_count++] = s->writer;
	places_text(a, l, item, places);
	hex_encode(s->writer.b, HASH_BYTES, hex);
	snprintf(a->fork_why, sizeof(a->fork_why),
		 "FORK: writer %.8s has two histories: its journal number %" PRIu64
		 " on %s is another one than elsewhere (a state folder was copied, or restored from a "
		 "backup)", hex, s->last, places);
	array_tell(a, TELL_WARNING, "%s", a->fork_why);
	return ERR_NONE;
}

/* Whether another segment has the same numbers. */
static bool has_twin(const struct journals *l, size_t item)
{
	const struct segment_name *s = &l->items[item].parts;
	size_t next = journals_next(l, item);

	for (size_t n = 0; n < 2; n++) {
		size_t other = n ? next : item - 1;
		const struct segment_name *o;

		if ((n == 0 && item == 0) || other >= l->count)
			continue;
		o = &l->items[other].parts;
		if (hash_equal(&o->writer, &s->writer) && o->first == s->first && o->last == s->last)
			return true;
	}
	return false;
}

/* Whether the histories of the segment and of the table are one up to the segment's end. An error, or
 * what is not known, is no other history. */
static bool is_same(struct array *a, const struct segment *s)
{
	uint8_t head[HEAD_BYTES];
	struct error ignored;

	return table_head_at(a->table, &s->writer, s->last, head, &ignored) != ERR_NONE ||
	       memcmp(head, s->head.b, HEAD_BYTES) == 0;
}

static int check_item(struct array *a, const struct journals *l, size_t item, struct buf *bytes,
		      bool *kept, struct error *err)
{
	const struct listed_segment *listed = &l->items[item];
	struct segment s = { 0 };
	struct error ignored;
	unsigned from;
	int code = ERR_NONE;

	/* What does not open is scrub's. */
	if (journals_load(a, l, item, bytes, &from, &ignored) != ERR_NONE ||
	    segment_open(a->keys, bytes->data, bytes->len_bytes, &s, &ignored) != ERR_NONE)
		return ERR_NONE;
	if (!is_same(a, &s)) {
		code = fork_note(a, l, item, err);
	} else if (!journals_has(l, item, PLACE_MIRROR)) {
		code = object_put(a->mirror, listed->name, bytes->data, bytes->len_bytes, err);
		*kept = true;
	}
	segment_release(&s);
	return code;
}

int forks_find(struct array *a, const struct journals *l, bool *kept, struct error *err)
{
	struct clock applied = { 0 };
	struct buf bytes = { 0 };
	int code = table_clock(a->table, &applied, err);

	for (size_t i = 0; i < l->count && code == ERR_NONE; i = journals_next(l, i)) {
		const struct segment_name *s = &l->items[i].parts;

		if (l->items[i].replayed || s->last > clock_seq(&applied, &s->writer) ||
		    (journals_has(l, i, PLACE_MIRROR) && !a->table_fresh && !has_twin(l, i)))
			continue;
		code = check_item(a, l, i, &bytes, kept, err);
	}
	clock_release(&applied);
	buf_release(&bytes);
	return code;
}
