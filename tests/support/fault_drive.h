/*
 * A drive around a drive that fails when told to. Rules are added while it runs; the first one
 * that applies to a call decides about it. Thread-safe like the drive inside.
 *
 * The third put from now on, and every later one, finds the disk full:
 *
 *	struct drive *d = fault_drive_new(inner);
 *	fault_add(d, &(struct fault_rule){ .calls = FAULT_PUT, .nth = 3, .for_ever = true,
 *					   .code = ERR_FULL });
 */
#ifndef MRMR_TESTS_FAULT_DRIVE_H
#define MRMR_TESTS_FAULT_DRIVE_H

#include "drivers/driver.h"

#define FAULT_RULES_MAX 16

enum fault_calls {
	FAULT_PUT = 1,
	FAULT_GET = 2,
	FAULT_STAT = 4,
	FAULT_LIST = 8,
	FAULT_MOVE = 16,
	FAULT_REMOVE = 32,
	FAULT_SYNC = 64,
	FAULT_ABOUT = 128,
	FAULT_WRITES = FAULT_PUT | FAULT_MOVE | FAULT_REMOVE | FAULT_SYNC,
	FAULT_ANY = 255,
};

enum fault_effect {
	FAULT_FAIL,	  /* returns code; the drive inside is not asked */
	FAULT_FAIL_AFTER, /* the drive inside does it, and code is returned: the answer got lost */
	FAULT_LIE,	  /* nothing is done, ERR_NONE is returned; get and stat answer zeros */
	FAULT_TEAR, /* put: only the first `at` bytes are stored; returns code, ERR_NONE too */
	FAULT_FLIP, /* put, get: bit `at` of the bytes is wrong (modulo their length) */
	FAULT_STALL, /* does it `at` ms later; 0: not before fault_release() */
};

struct fault_rule {
	unsigned calls;	    /* of enum fault_calls */
	const char *prefix; /* only names that begin so, of move the old one; NULL: any. Lent */
	uint64_t nth;	    /* the nth such call from now on; 0 and 1 are the next */
	bool for_ever;	    /* and all such calls after it */
	enum fault_effect effect;
	enum err_code code;
	uint64_t at;
};

/* Called before each call is done, outside all locks: a test may let somebody else act here. */
typedef void fault_hook(void *ctx, enum fault_calls call, const char *name);

/* Takes inner over: closing the new drive closes it. */
struct drive *fault_drive_new(struct drive *inner);

void fault_add(struct drive *d, const struct fault_rule *rule);
void fault_clear(struct drive *d); /* no rules; the counts stay */

/* Lets all calls go that stall now. Those that come later stall anew, while their rule is there. */
void fault_release(struct drive *d);
/* How many calls stall now that only fault_release() ends. */
unsigned fault_stalling(struct drive *d);
/* The same on all fault drives, their rules forgotten, until the last of them is closed: one whose
 * call stalls may outlive what it belonged to. */
void fault_let_all_go(void);

/* Everything from the nth call from now on fails with code: the drive has died. */
void fault_die(struct drive *d, uint64_t nth, enum err_code code);

/* Calls so far of these kinds, failed ones too. */
uint64_t fault_count(struct drive *d, unsigned calls);

/* The drive is this large: about() tells it and what is left, and put() beyond is ERR_FULL. Only
 * the bytes of objects count, those that are there now too. */
void fault_set_size(struct drive *d, uint64_t total_bytes);

void fault_set_hook(struct drive *d, fault_hook *hook, void *ctx);

struct drive *fault_inner(struct drive *d); /* lent */

#endif
