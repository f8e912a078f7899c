#include "cmd/status.h"

#include "array/domains.h"
#include "base/units.h"
#include "care/rebalance.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct together {
	struct status *s;
	bool harm; /* some failure would destroy something */
	bool all;  /* of all drives at hand: it is the only domain there is */
};

static int take_shared(void *ctx, const struct shared_domain *d, struct error *err)
{
	struct together *t = ctx;
	struct status *s = t->s;
	json_t *o = json_object(), *names = json_array();

	for (unsigned i = 0; i < d->count; i++)
		json_array_append_new(names, json_string(s->a->drives[d->drives[i]].name));
	json_path_set(o, "domain", d->domain, strlen(d->domain));
	json_object_set_new(o, "drives", names);
	json_object_set_new(o, "groups_lost", json_integer((json_int_t)d->groups));
	json_object_set_new(o, "blocks_lost", json_integer((json_int_t)d->blocks));
	json_object_set_new(o, "bytes_lost", json_integer((json_int_t)d->bytes));
	t->harm = t->harm || d->blocks > 0;
	t->all = d->count == s->health.members - s->health.absent;
	return json_array_append_new(s->shared, o) ? err_nomem(err) : ERR_NONE;
}

/* What is owed is another matter, which `action` tells. */
static void advise(struct together *t, const struct rebalance_result *r)
{
	json_t *help = t->s->help;
	char bytes[UNIT_TEXT_BYTES];

	size_text(r->read_bytes + r->written_bytes, bytes);
	if (t->s->a->policy.parity == 0)
		say(help, "`mrmr set parity=1` protects against that, where drives are in several "
			  "domains.");
	else if (r->moved + r->split > 0)
		say(help, "`mrmr rebalance` spreads %s over other domains: it reads and writes %s.",
		    r->crowded > 0 ? "what finds room" : "that", bytes);
	if (t->s->a->policy.parity > 0 && (t->all || r->crowded > 0))
		say(help, "`mrmr add` a drive%s elsewhere, then `mrmr rebalance`: one such failure "
			  "would lose nothing.", r->moved + r->split > 0 ? " more" : "");
}

int status_find_shared(struct status *s, struct error *err)
{
	struct together t = { .s = s };
	struct rebalance_result r = { .moved = 0 };
	int code = shared_domains(s->a, take_shared, &t, err);

	if (code != ERR_NONE || !t.harm)
		return code;
	if (s->a->policy.parity > 0)
		code = rebalance_spread_estimate(s->a, &r, err);
	if (code == ERR_NONE)
		advise(&t, &r);
	return code;
}

static void print_one(struct status *s, const json_t *o, const char *label)
{
	const json_t *names = json_object_get(o, "drives");
	const char *domain = json_string_value(json_object_get(o, "domain"));
	uint64_t blocks = (uint64_t)json_integer_value(json_object_get(o, "blocks_lost"));
	char list[DRIVES_MAX * (DRIVE_NAME_MAX + 2) + 1] = "", size[UNIT_TEXT_BYTES];
	char count[COUNT_TEXT_BYTES];

	for (size_t n = 0; n < json_array_size(names); n++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", n ? ", " : "",
			 json_string_value(json_array_get(names, n)));
	if (blocks == 0) {
		out_line(s->inv->out, "%-10s%s are on %s: its failure would lose nothing", label, list,
			 domain);
		return;
	}
	size_text((uint64_t)json_integer_value(json_object_get(o, "bytes_lost")), size);
	out_line(s->inv->out, "%-10s%s are on %s: its failure would destroy %s of data, %s", label, list,
		 domain, size, count_text(blocks, "block", count));
}

void status_print_shared(struct status *s)
{
	for (size_t i = 0; i < json_array_size(s->shared); i++)
		print_one(s, json_array_get(s->shared, i), i == 0 ? "together:" : "");
	for (size_t i = 0; i < json_array_size(s->help); i++)
		out_line(s->inv->out, "%-10s%s", "",
			 json_string_value(json_array_get(s->help, i)));
}
