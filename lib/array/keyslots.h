/*
 * Key slots as users manage them: listed, added, removed. Order (RELIABILITY 1e): a new slot is
 * durable and reads back before an old one goes; one that opens is always left.
 */
#ifndef MRMR_ARRAY_KEYSLOTS_H
#define MRMR_ARRAY_KEYSLOTS_H

#include "array/key_objects.h"

struct slot_entry {
	struct slot slot; /* as stored: whoever can write to a drive can have made it up */
	enum slot_fact fact;
};

/* The slots on the drives at hand and in the state folder, oldest first, each id once. */
struct slot_list {
	struct slot_entry *items; /* owned */
	size_t count, cap;
};
/* Works on a locked array too. Caller: slot_list_release(). */
int slot_list_load(struct array *a, struct slot_list *out, struct error *err);
void slot_list_release(struct slot_list *l);
/* The one whose id in hex begins so. ERR_NOT_FOUND, ERR_USAGE when there are several. */
int slot_list_find(const struct slot_list *l, const char *prefix, const struct slot_entry **out,
		   struct error *err);
const struct slot_entry *slot_list_by_id(const struct slot_list *l, const struct id *id); /* or NULL */

/* A new slot, stored on every drive at hand and in the journal. ERR_USAGE when there are SLOTS_MAX
 * already. */
int keyslot_add(struct array *a, const struct secret *s, enum kdf_cost cost, bool allow_empty,
		struct id *id_out, struct error *err);

/* Makes the slot of the passphrase that opened the array anew when it costs less to guess at than one
 * made today: by array_open(), for commands that write. What goes wrong is told: the old one stays. */
void keyslot_raise(struct array *a);

/* Removes a slot: from the journal, so that drives away now lose it when they return, then from
 * the drives at hand. ERR_USAGE for the only one left. */
int keyslot_remove(struct array *a, const struct id *id, struct error *err);

#endif
