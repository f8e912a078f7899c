/*
 * Leveling: the parts of paying debts (care/debts.h). Internal to care/debts.c, leveling_*.c.
 *
 * The main thread plans: on a view of the drives from which it takes what was planned, so that
 * threads do not compete for the same room. Planned tasks are run together, their records and
 * what follows from them committed, and what has become garbage deleted before the next batch is
 * planned. A dry run does the same without the tasks.
 */
#ifndef MRMR_CARE_LEVELING_H
#define MRMR_CARE_LEVELING_H

#include "care/debts.h"
#include "care/gather.h"
#include "care/mend.h"

#include <pthread.h>

/* A group whose blocks are on their way into new ones. */
struct old_group {
	struct id id;
	unsigned left; /* blocks that are in none yet */
	bool split;    /* too wide; else a mirror */
	struct old_group *next;
};

struct loose_block {
	struct table_block block;
	struct old_group *from; /* NULL: it lies alone */
};

enum level_kind {
	LEVEL_ROWS,    /* rows of a group as it is */
	LEVEL_REGROUP, /* a group with members away is split by itself */
	LEVEL_GATHER,  /* a new group of loose blocks */
};

struct level_task {
	struct leveling *l;
	enum level_kind kind;
	struct id group; /* of all but LEVEL_GATHER */
	bool extra;	 /* of LEVEL_ROWS: nobody owes them */
	struct mend_want wants[GROUP_ROWS_MAX];
	unsigned want_count; /* of LEVEL_REGROUP: rows that are missing */
	uint64_t written_each; /* of LEVEL_ROWS: a row */
	struct loose_block *loose; /* owned */
	uint16_t rows[GROUP_ROWS_MAX];
	unsigned loose_count, row_count;
	uint64_t memory_bytes;
	/* what comes of it; planned in a dry run */
	struct buf records;
	struct mend_result mended;
	unsigned rows_made;
	unsigned loose_done; /* of loose, the first so many */
	unsigned unread;     /* of loose; err tells why, if code does not */
	int code;
	struct error err;
};

#define LEVEL_TASKS 64

struct leveling {
	struct array *a;
	const struct debts_options *o;
	bool dry, stopped; /* stopped: options.may said no */
	bool met; /* again, for what others committed meanwhile: what is doubled now stays till later */
	struct debts_result *r;
	struct alloc_drive *view;  /* with what is planned taken off */
	struct table_group *group; /* scratch of the main thread, as is the other one */
	struct table_group *other;
	struct buf records; /* not committed yet */
	unsigned since_commit;
	uint64_t freed_bytes[DRIVES_MAX]; /* recorded as garbage, not deleted yet */
	struct level_task *tasks;	  /* LEVEL_TASKS of them */
	unsigned task_count;
	uint64_t task_bytes;
	struct loose_block *pool; /* waiting for company */
	size_t pool_count, pool_cap;
	size_t pool_due; /* so many blocks are gathered next; 0: at first */
	struct old_group *old;
	pthread_mutex_t lock; /* memory in use */
	pthread_cond_t changed;
	uint64_t memory_bytes;
};

/* Errors of one debt leave it unpaid; these end the run. */
bool level_is_fatal(int code);

/* ---- debts.c ---- */
/* What was recorded, and then the deletions that this allows; the view has the room that they
 * make. No task is planned. */
int level_commit(struct leveling *l, struct error *err);
int level_commit_if_due(struct leveling *l, struct error *err);
/* A row object becomes garbage, if it lies on a drive that counts; all of those of g. */
void level_drop_row(struct leveling *l, const struct group_row_record *row);
void level_drop_rows(struct leveling *l, const struct table_group *g);

/* ---- leveling_drop.c: what is beyond the policy ---- */
int level_drop_surplus(struct leveling *l, struct error *err);
/* Groups that others make needless, as two hosts leave them that changed the same ones at once. */
int level_drop_doubled(struct leveling *l, struct error *err);
/* g as it is once that is done: for a dry run. l->other is used. */
void level_trim(struct leveling *l, struct table_group *g);

/* ---- leveling_plan.c: what is missing ---- */
int level_make_rows(struct leveling *l, struct error *err);

uint64_t level_row_bytes(const struct table_group *g);
uint64_t level_all_bytes(const struct table_group *g); /* of its members */

/* ---- leveling_extra.c: more than the policy promises ---- */
/* When all else is done. */
int level_make_extra(struct leveling *l, struct error *err);

/* ---- leveling_pool.c: blocks that need new groups ---- */
/* l->group, all of whose members are at hand, is to be replaced. */
int level_loosen(struct leveling *l, bool split, struct error *err);
int level_gather_alone(struct leveling *l, struct error *err); /* and all that is in the pool */
/* A block that became part of a new group: when it was the last one, the old group ends. */
int level_settle_block(struct leveling *l, const struct loose_block *b, struct error *err);

/* ---- leveling_run.c ---- */
/* A zeroed task to fill; then level_task_add(), which runs the batch when it is full. */
struct level_task *level_task_new(struct leveling *l);
int level_task_add(struct leveling *l, struct error *err);
int level_run(struct leveling *l, struct error *err); /* those that were added; commits */

#endif
