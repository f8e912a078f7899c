/*
 * Objects under keys/: slots and rings, the same in every place. Places are the state folder's
 * copy (0) and the drives (1 + index). Which slots there should be, the journals tell: a drive
 * may bring back one that was removed while it was away, or have one that somebody else put there.
 */
#ifndef MRMR_ARRAY_KEY_OBJECTS_H
#define MRMR_ARRAY_KEY_OBJECTS_H

#include "array/array.h"

#define RING_BYTES_MAX ((size_t)65536)

/* The place i, or NULL when it is not at hand or not ours. i <= a->count. */
struct drive *key_place(struct array *a, unsigned i);
const char *key_place_name(const struct array *a, unsigned i);

/* Names of all places, each once, those of the state folder first. */
struct key_names {
	char (*names)[OBJECT_NAME_MAX + 1];
	size_t count, cap;
};
/* A place that cannot be listed is passed over. Caller: key_names_release(). */
void key_names_collect(struct array *a, const char *prefix, struct key_names *out);
void key_names_release(struct key_names *n);

/* Reads an object from the first place whose copy matches its name; out is cleared first. */
int key_load(struct array *a, const char *name, size_t max_bytes, struct buf *out,
	     struct error *err);

/* What the journals say of each slot they know. */
enum slot_fact { SLOT_UNKNOWN, SLOT_KNOWN, SLOT_REMOVED };
struct slot_facts {
	struct {
		struct id id;
		bool present;
	} *slots; /* owned */
	size_t count, cap;
};
/* Caller: slot_facts_release(). */
int slot_facts_load(struct table *t, struct slot_facts *out, struct error *err);
void slot_facts_release(struct slot_facts *f);
enum slot_fact slot_fact_of(const struct slot_facts *f, const struct id *slot_id);
/* The same of an object's name. Rings are always known; and so is every slot as long as no journal
 * speaks of any (a table made from blocks alone). */
enum slot_fact slot_fact_of_name(const struct slot_facts *f, const char *name);

#endif
