/*
 * A writer's identity in memory and its file; internal to the writer. What it is and the
 * format: table/writer.h. Not thread-safe.
 */
#ifndef MRMR_TABLE_IDENTITY_H
#define MRMR_TABLE_IDENTITY_H

#include "table/segment.h"

/* Which machine and folder an identity belongs to. */
struct home {
	struct hash machine;
	uint64_t device, inode;
};

/* All zero is none; identity_release() wipes it. */
struct identity {
	uint8_t *guarded;    /* memory that no core dump has */
	uint8_t *secret_key; /* SECRET_KEY_BYTES of it */
	struct mark last;    /* writer: the public key */
	struct home home;
	struct have *have; /* by rising drive id */
	size_t have_count, have_cap;
};

void identity_release(struct identity *id);
/* A new random key pair, seq 0, no marks. */
int identity_new(const struct home *home, struct identity *out, struct error *err);
/* ERR_NOT_FOUND, ERR_CORRUPT when it does not open, or what reading it gave. */
int identity_load(const char *path, const struct keys *k, struct identity *out,
		  struct error *err);
/* Durable on return. */
int identity_store(const char *path, const struct keys *k, const struct identity *id,
		   struct error *err);

/* Takes over the marks that are higher than those known; *changed is set when any was. */
int identity_merge(struct identity *id, const struct id *drive_id, const struct clock *clock,
		   bool *changed, struct error *err);

#endif
