/*
 * What a WebDAV server answers to PROPFIND (RFC 4918), of bytes that anybody may have made: which
 * resources there are and how long they are. And how a URL's path is compared with another.
 * Thread-safe.
 */
#ifndef MRMR_DRIVERS_MULTISTATUS_H
#define MRMR_DRIVERS_MULTISTATUS_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dav_entry {
	const char *name; /* lent: of what is in the folder asked for; "" is that itself */
	bool is_folder;
	bool has_length, has_quota;
	uint64_t len_bytes;
	uint64_t free_bytes, used_bytes; /* RFC 4331, of has_quota */
	int64_t changed_s;		 /* UNIX time by the server's clock; 0: not told */
};

/* A value other than ERR_NONE stops the walk and is returned by it. */
typedef int dav_entry_fn(void *ctx, const struct dav_entry *e, struct error *err);

/*
 * Walks an answer about what lies at path (decoded, without a slash at its end; "" is the root).
 * Entries deeper than one folder are passed over, and so are those the server says it cannot tell
 * about. ERR_CORRUPT: no such answer, one about something else, or one that lacks the resource asked
 * for; entries were handed out up to there.
 */
int multistatus_walk(const void *bytes, size_t len_bytes, const char *path, dav_entry_fn *each,
		     void *ctx, struct error *err);

/*
 * Appends the path of an href, absolute or not, decoded: "/dav/a b". Slashes that repeat are one, and
 * there is none at the end. False: not a path, or one that holds a NUL byte.
 */
bool href_path(const char *href, struct buf *out);

/* "bytes FIRST-LAST/TOTAL", of a 206 answer; TOTAL may be a star. False: it is none. */
bool content_range_parse(const char *text, uint64_t *first, uint64_t *last);

/* UNIX time of a date in a header or property; 0: it is none. */
int64_t http_date(const char *text);

#endif
