/*
 * The drives of an array as this host finds them: watched (array/watched.h), and how fast each is.
 * What is known of that lies in the state folder, in "paces.json": it is this host's view and no
 * part of the array; losing it costs nothing.
 */
#ifndef MRMR_ARRAY_PACES_H
#define MRMR_ARRAY_PACES_H

#include "array/array.h"
#include "array/pace.h"
#include "array/watched.h"

/* Opens the place of entry as array_options say, watched; with make_root and learned of how. The caller
 * closes *out. */
int paces_open_drive(struct array *a, const struct config_drive *entry,
		     const struct drive_options *how, struct drive **out, struct error *err);
/* The same in two steps: watched_open_end(). */
struct opening_call *paces_open_begin(struct array *a, const struct config_drive *entry,
				      struct error *err);

/* Gives the open drives what former runs found, and each its distance, which stays for this run.
 * A file that is not there or not what it should be counts as none. */
void paces_load(struct array *a);
/* Keeps what is known by now. Failing to fails nothing. */
void paces_store(struct array *a);

/* What is known of d now; zero when it is not open. */
struct pace drive_pace(const struct array_drive *d);

/* How many calls at once the drives across a network take; 0: there is none at hand. */
unsigned remote_calls_max(const struct array *a);

unsigned array_stall_ms(const struct array *a);
/* How long a read of so many bytes may take before it counts as late. */
unsigned drive_patience_ms(const struct array *a, const struct array_drive *d, uint64_t bytes);
/* The same for a call of d on its way, kept in it: what it takes itself says nothing of that. */
unsigned read_patience_ms(const struct array *a, const struct array_drive *d, struct read_call *c);
/* d did not answer for ms: it is asked last until drive_answered(). Tells it, once. */
void drive_stalled(struct array *a, struct array_drive *d, unsigned ms);
/* A read of d has ended well: if it was in time, a stall is over. */
void drive_answered(const struct array *a, struct array_drive *d, struct read_call *c);

#endif
