/*
 * The roll of a drive: every object that the journals place there, by name, with its last
 * verification; which of them a scrub reads, in which order; and what the journal is told
 * afterwards. Internal to lib/care. One thread at a time, but for the marks `whole`, which belong to
 * who reads the object.
 */
#ifndef MRMR_CARE_ROLL_H
#define MRMR_CARE_ROLL_H

#include "table/table.h"
#include "table/verified.h"

struct roll_object {
	struct hash sha256;
	uint64_t len_bytes;
	struct table_verified last;
	uint64_t turn; /* that it gets when it is found whole */
	struct id owner; /* block uid, or group id */
	uint8_t row;
	bool is_row;
	bool listed; /* the drive says that it has it, in that length */
	bool chosen; /* by roll_choose() */
	bool whole; /* read by this scrub, and right */
};

struct roll {
	struct id drive_id;
	struct clock known; /* owned; what the table knew when this was made */
	struct roll_object *objects; /* owned; by name. Of one name: blocks first */
	size_t count, cap;
	uint64_t bytes;
	uint32_t *order; /* owned; indexes of what is to be read: the least recently verified first */
	size_t chosen;
	uint64_t chosen_bytes;
	uint64_t turn; /* above all so far */
};
void roll_release(struct roll *r);

/* Of one state of the table. */
int roll_load(struct table *t, const struct id *drive_id, struct roll *out, struct error *err);
/* For tests, and roll_load(). False: no memory. */
bool roll_add(struct roll *r, const struct roll_object *o);
void roll_sort(struct roll *r);

/* The object of that name, or NULL. is_row: below parity/. */
const struct roll_object *roll_find(const struct roll *r, const struct hash *sha256, bool is_row);
struct table_object roll_table_object(const struct roll_object *o);
/* The drive says that it has an object of that name and length. */
void roll_list(struct roll *r, const struct hash *sha256, bool is_row, uint64_t len_bytes);

/* A sample has that many objects, or that part of all if it is more; but not more bytes than that,
 * unless it is one object. */
#define ROLL_SAMPLE_OBJECTS 16
#define ROLL_SAMPLE_PERCENT 1
#define ROLL_SAMPLE_BYTES ((uint64_t)64 << 20)

struct roll_choice {
	unsigned percent;     /* of the drive's bytes, at most 100; 0: all */
	bool only_new;	      /* never verified */
	bool only_older;      /* never verified, or longer ago than that */
	int64_t older_than_s;
	bool sample; /* drawn by lot; what was verified least recently has two chances */
	bool unlisted; /* what was not told to roll_list() is read in any case */
};
/* Fills order. After a roll is sorted. What was never verified gets the next turn; the others those
 * after it, one more each time the names begin anew: what was read first is next before what was read
 * last. */
int roll_choose(struct roll *r, const struct roll_choice *c, int64_t now_s, struct error *err);

/*
 * Appends the record of what is whole, verified at that time; nothing when nothing is. All of this
 * scrub so far: the last one said counts. all: every object was read, and all have one turn. Else
 * objects verified for the first time, few together between others, are said to be verified when
 * the older of these were: so they join their turn, and what a drive's scrubs say stays a few
 * ranges, however many objects come and go.
 */
int roll_tell(const struct roll *r, bool all, int64_t time_s, struct buf *records,
	      struct error *err);

#endif
