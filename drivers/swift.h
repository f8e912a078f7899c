/*
 * Drives in OpenStack Swift, inside: what swift.c and swift_list.c share.
 */
#ifndef MRMR_DRIVERS_SWIFT_H
#define MRMR_DRIVERS_SWIFT_H

#include "base/bytes.h"
#include "drivers/driver.h"
#include "drivers/swift_auth.h"

#define SWIFT_CONNECTIONS_MAX 8
/* Of one page. Names of 1024 bytes, each of them written as \u0001, still fit into a document. */
#define SWIFT_PAGE_ENTRIES 2000
/* More objects than this in one container: the listing has no end. */
#define SWIFT_LISTED_MAX ((uint64_t)1 << 30)

struct swift_drive {
	struct drive base;
	struct swift_session *session;
	char *container; /* "https://host/v1/AUTH_account/container", encoded */
	char *top;	 /* before each object's name, as the container has it: "prefix/.mrmr/" */
	bool conditional_put; /* "If-None-Match: *" is known to be honoured here */
};

/* The error of a status that a step on an object (or NULL) was not to have. */
int swift_status_error(const struct http_answer *a, const char *step, const char *name,
		       struct error *err);
bool swift_number(const char *text, uint64_t *out); /* false: that is more than digits, or too long */

/* A request on an object, with the token: its answer, whatever its status. */
int swift_object_do(struct swift_drive *w, const char *name, struct http_request *r,
		    const char *const *headers, struct http_answer *a, struct error *err);

struct swift_head {
	uint64_t len_bytes;
	char etag[HTTP_HEADER_BYTES_MAX];
};

/* Of all copies that the server keeps, the newest is asked. */
int swift_head(struct swift_drive *w, const char *name, struct swift_head *out, struct error *err);

/* ERR_NOT_FOUND: the container is not there. */
int swift_container_check(struct swift_drive *w, struct error *err);
/* Whether a put with "If-None-Match: *" is refused when the name is taken. Beside the objects. */
int swift_probe(struct swift_drive *w, const char *temp_tag, bool *conditional_put,
		struct error *err);

int swift_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	      struct error *err);
int swift_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out, size_t len_bytes,
	      struct error *err);
int swift_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err);
int swift_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err);
int swift_move(struct drive *d, const char *from, const char *to, struct error *err);
int swift_remove(struct drive *d, const char *name, struct error *err);
int swift_sync(struct drive *d, struct error *err);

/* A listing, page by page. */
struct swift_listing {
	const char *top, *prefix; /* names asked for begin with the one and then the other */
	object_fn *each;
	void *ctx;
	char *marker;	 /* the last name so far, whole; "" at first. Heap */
	uint64_t listed; /* entries so far */
	int stopped;	 /* what each() returned, if it was not 0 */
};

/* Hands the objects of a page (JSON) to each(), and moves the marker on; *entries of them were there,
 * foreign ones too. ERR_CORRUPT: that is no page, or not one that goes on where the last one ended. */
int swift_listing_page(struct swift_listing *l, const void *json, size_t len_bytes, size_t *entries,
		       struct error *err);

#endif
