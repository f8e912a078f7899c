#include "table/ranges.h"

#include "base/bytes.h"

#include <assert.h>
#include <stdlib.h>

void ranges_release(struct name_ranges *r)
{
	free(r->items);
	*r = (struct name_ranges){ 0 };
}

uint64_t name_number(const struct hash *name)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < 8; i++)
		number = number << 8 | name->b[i];
	return number;
}

bool ranges_add(struct name_ranges *r, uint64_t from, uint64_t to)
{
	struct name_range *last = r->count > 0 ? &r->items[r->count - 1] : NULL;

	assert(from <= to && (!last || from >= last->from));
	if (last && (last->to == UINT64_MAX || from <= last->to + 1)) {
		if (to > last->to)
			last->to = to;
		return true;
	}
	if (!grow(&r->items, &r->cap, r->count + 1, sizeof(*r->items)))
		return false;
	r->items[r->count++] = (struct name_range){ from, to };
	return true;
}

/* The first range that ends at the name or after it. */
static size_t first_reaching(const struct name_ranges *r, uint64_t name)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->items[mid].to < name)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool ranges_have(const struct name_ranges *r, uint64_t name)
{
	size_t i = first_reaching(r, name);

	return i < r->count && r->items[i].from <= name;
}

/* What is left of one range, added to out. */
static bool add_rest(struct name_ranges *out, struct name_range rest,
		     const struct name_ranges *minus)
{
	for (size_t i = first_reaching(minus, rest.from);
	     i < minus->count && minus->items[i].from <= rest.to; i++) {
		const struct name_range *m = &minus->items[i];

		if (m->from > rest.from && !ranges_add(out, rest.from, m->from - 1))
			return false;
		if (m->to >= rest.to)
			return true;
		rest.from = m->to + 1;
	}
	return ranges_add(out, rest.from, rest.to);
}

bool ranges_subtract(struct name_ranges *r, const struct name_ranges *minus)
{
	struct name_ranges out = { 0 };

	for (size_t i = 0; i < r->count; i++) {
		if (!add_rest(&out, r->items[i], minus)) {
			ranges_release(&out);
			return false;
		}
	}
	ranges_release(r);
	*r = out;
	return true;
}
