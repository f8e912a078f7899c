/*
 * Listing: the names in a folder, sorted by their bytes.
 */
#ifndef MRMR_ARCHIVE_LISTING_H
#define MRMR_ARCHIVE_LISTING_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct listed {
	uint64_t
		order; /* the first eight bytes of the name, big-endian: decides most comparisons */
	uint64_t inode;
	const uint8_t *name; /* followed by a NUL */
	uint16_t name_bytes;
	uint8_t type; /* DT_* of dirent.h; DT_UNKNOWN on some file systems */
};

/* All zero is empty; listing_release(). The caller owns it, one thread at a time. */
struct listing {
	struct listed *entries;
	size_t count, cap;
	struct buf names;
};

/*
 * Reads the folder fd from where it stands, without "." and "..". What was read before an error
 * is kept, sorted. Names are as the file system gives them: name_ok() is the caller's to ask.
 */
int listing_read(struct listing *l, int fd, struct error *err);
/* Or one made by hand: cleared, added to (false: out of memory), then sorted, each name once. */
void listing_clear(struct listing *l);
bool listing_add(struct listing *l, const void *name, size_t name_bytes, uint8_t type,
		 uint64_t inode);
void listing_sort(struct listing *l);
void listing_release(struct listing *l);

/* The entry of that name, or NULL. */
struct listed *listing_find(const struct listing *l, const void *name, size_t name_bytes);

/* memcmp of the common length, then the shorter one first. */
int name_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

#endif
