/*
 * The power-loss model: drives that remember every change, so that a test can build what they
 * hold if the power fails at any moment, and try recovery on it. Nothing is executed twice.
 *
 * A recorder has several drives and one clock. Moment m: the first m changes (put, move, remove,
 * sync, of all drives) are done. What a finished sync() of the same handle follows is durable;
 * anything else is *loose* and, after a cut, may be there or not, in any combination, whatever
 * its order. A handle that closes gives up its loose puts for good.
 *
 *	struct recorder *r = recorder_new(3);
 *	... run init with drives from recorder_open() ...
 *	recorder_settle(r);
 *	... run the operation to be tried, note recorder_now() where it says "done" ...
 *	recorder_each_cut(r, &(struct cut_plan){ .budget = 3000 }, verify, ctx);
 *
 * Everything aborts when memory runs out or the caller breaks a rule.
 */
#ifndef MRMR_TESTS_RECORD_DRIVE_H
#define MRMR_TESTS_RECORD_DRIVE_H

#include "drivers/driver.h"

enum cut_kind {
	CUT_KEEP_ALL,	/* everything loose got there: a kill, not a power cut */
	CUT_DROP_ALL,	/* nothing loose did */
	CUT_DROP_DRIVE, /* nothing loose on one drive, all on the others */
	CUT_KEEP_DRIVE, /* everything loose on one drive, nothing on the others */
	CUT_DROP_ONE,	/* all but one loose change */
	CUT_KEEP_ONE,	/* only one loose change */
	CUT_SUBSET,	/* each loose change with probability 1/2 */
	CUT_TORN_HEAD,	/* all, but of one loose put only the first bytes, to a 512 boundary */
	CUT_TORN_TAIL,	/* all, but of one loose put the bytes up to a 4096 boundary are zeros */
	CUT_ZEROED,	/* all, but one loose put is zeros: the name came before the data */
	CUT_LIED,	/* one drive's syncs since recorder_settle() did nothing; others: all */
	CUT_KINDS
};

struct cut {
	uint64_t moment;
	enum cut_kind kind;
	unsigned drive;	 /* ..._DRIVE, LIED */
	uint64_t change; /* ..._ONE, TORN_..., ZEROED: its number, moments count the same way */
	uint64_t seed;	 /* SUBSET, TORN_...: which, where */
};

struct recorder;

struct recorder *recorder_new(unsigned drives);
void recorder_free(struct recorder *r); /* its drives are closed before */

/* A handle of drive i as it is now. The caller closes it. */
struct drive *recorder_open(struct recorder *r, unsigned i);

uint64_t recorder_now(struct recorder *r);

/* What the drives hold now is durable, and the clock starts at 0 again. No handle may have loose
 * puts. */
void recorder_settle(struct recorder *r);

/* Builds what every drive holds after the cut; recorder_open_image() opens it, as often as wanted,
 * until the next image is built. The caller closes the handles. */
void recorder_build(struct recorder *r, const struct cut *cut);
struct drive *recorder_open_image(struct recorder *r, unsigned i);

/* A line about the cut for messages: "after 17 changes (sync of drive 1): ...". */
void recorder_describe(struct recorder *r, const struct cut *cut, char *out, size_t size);

struct cut_plan {
	uint64_t from, to; /* moments; to 0: recorder_now() */
	unsigned budget; /* images at most; 0: all there are. A sample by seed if there are more */
	uint64_t seed;
	bool honest; /* without TORN_..., ZEROED and LIED: disks that keep their word */
};

/* The image is built. Handles opened by it are closed when it returns. */
typedef void cut_fn(void *ctx, struct recorder *r, const struct cut *cut);

/* Calls fn for every cut of the plan. Returns how many there were. */
unsigned recorder_each_cut(struct recorder *r, const struct cut_plan *plan, cut_fn *fn, void *ctx);

#endif
