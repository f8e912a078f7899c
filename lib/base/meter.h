/*
 * What moves to and from one drive while it is open: counted where it happens, by drivers, retries,
 * limits and the threads that call, and read by whoever shows it. Reading never waits for the
 * drive. Any thread; NULL is allowed wherever something is counted.
 */
#ifndef MRMR_BASE_METER_H
#define MRMR_BASE_METER_H

#include <stdint.h>

enum meter_count {
	METER_CALLS,	  /* of the drive that have come back, whatever became of them */
	METER_FAILED,	  /* of these, with an error that is no answer */
	METER_PUTS,	  /* objects stored */
	METER_PUT_BYTES,
	METER_GETS,	  /* ranges read */
	METER_GOT_BYTES,
	METER_RETRIES,	  /* tries after the first one of a call */
	METER_GIVEN_UP,	  /* calls that failed though they were tried again, or could not be */
	METER_UP_BYTES,	  /* that moved on the link, with tries that failed; remote drives only */
	METER_DOWN_BYTES,
	METER_REQUESTS,	  /* to the server: 0 where the driver does not count them */
	METER_CONNECTIONS, /* opened: the same */
	METER_COUNTS	  /* how many there are */
};

struct meter;

struct meter *meter_new(void); /* held once; NULL: out of memory */
struct meter *meter_hold(struct meter *m);
void meter_drop(struct meter *m); /* whoever is the last frees it */

void meter_add(struct meter *m, enum meter_count what, uint64_t more);
/* From now_us on limits hold something back for wait_us. */
void meter_held_back(struct meter *m, uint64_t now_us, uint64_t wait_us);

struct meter_reading {
	uint64_t of[METER_COUNTS];
	uint64_t held_back_us; /* how long limits held anything back: no moment counts twice */
};
void meter_read(struct meter *m, struct meter_reading *out); /* all zero for NULL */

#endif
