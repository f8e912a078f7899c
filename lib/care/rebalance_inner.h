/* Between the parts of rebalancing: rebalance_join.c joins groups, rebalance_move.c moves objects and
 * evens out drives, rebalance_domains.c spreads groups over domains. */
#ifndef MRMR_CARE_REBALANCE_INNER_H
#define MRMR_CARE_REBALANCE_INNER_H

#include "array/join.h"
#include "care/idlist.h"
#include "care/rebalance.h"

struct rebalancing {
	struct array *a;
	const struct rebalance_options *o;
	struct rebalance_result *r;
	struct upkeep u;
	uint64_t deadline_ms;
	uint64_t spent_bytes;
	bool changed; /* since it was set to false */
};

/* Before each step, which takes so many bytes: ERR_NONE and *may, or ERR_INTERRUPTED. When it may
 * not, a limit is reached, and is again for every step after it. */
int rebalance_may(struct rebalancing *b, uint64_t cost_bytes, bool *may, struct error *err);

/* After a step that was done. */
int rebalance_done(struct rebalancing *b, uint64_t read_bytes, uint64_t written_bytes,
		   struct error *err);

/* After a step that failed with code: what leaves this group as it is, is told; ERR_NOMEM and
 * ERR_INTERRUPTED are returned. */
int rebalance_failed(struct rebalancing *b, int code, struct error *err);

/* Which groups are to be joined. */
enum rebalance_width {
	REBALANCE_ALL,	/* all that are narrower than new ones */
	REBALANCE_THIN, /* at most half as wide; and only to nearly the width of new ones */
	REBALANCE_ROOM, /* all, and as wide as there are drives */
};
int rebalance_join(struct rebalancing *b, enum rebalance_width which, struct error *err);
/* Groups that share blocks. */
int rebalance_surplus(struct rebalancing *b, struct error *err);

/* join_plan(); room that is taken by what was replaced already is made. */
int rebalance_plan(struct rebalancing *b, struct join *j, struct error *err);
/* A step: what was planned is done, within the limits. */
int rebalance_make(struct rebalancing *b, struct join *j, struct error *err);

/* ---- moving ---- */

struct moving {
	struct rebalancing *b;
	struct alloc_drive *view;
	struct table_group *group; /* scratch */
	unsigned domain_max, removable_max;
	unsigned objects[DRIVES_MAX]; /* on each drive, of every group that the object at hand is in */
	unsigned in_domain[DRIVES_MAX]; /* of its group, or the fullest of its groups */
};

/* moving_release() in any case. */
int moving_init(struct moving *m, struct rebalancing *b, struct error *err);
void moving_release(struct moving *m);
/* Forgets what was counted; counts the objects of m->group, too. */
void moving_begin(struct moving *m);
void moving_count(struct moving *m);
/* A step. An extra row of these groups gives way to the object. *done: it was, or would be. */
int moving_move(struct moving *m, const struct table_object *o, const struct id_list *groups,
		unsigned from, unsigned to, bool *done, struct error *err);

int rebalance_domains(struct rebalancing *b, struct error *err);
int rebalance_shares(struct rebalancing *b, struct error *err);

#endif
