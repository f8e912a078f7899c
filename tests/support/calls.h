/*
 * Short calls of any drive for tests. Objects are texts. Each returns the err_code and checks that
 * a failure fills its error: code and message.
 */
#ifndef MRMR_TESTS_CALLS_H
#define MRMR_TESTS_CALLS_H

#include "drivers/driver.h"

extern _Thread_local struct error call_err; /* of the last call that failed */

/* ERR_NONE and what "mem:..." means here, or driver_for_url() of any other URL. */
int call_driver_for(const char *url, const struct mrmr_driver **out, struct error *err);
/* The options of drives opened from now on, as in the config; NULL: none. */
void call_options(const char *json);
/* By the URL's driver. */
int call_open_with(const char *url, const struct drive_options *how, struct drive **d);
/* The same with temp tag "tag". call_open() aborts when it fails. The caller closes. */
int call_try_open(const char *url, bool make_root, struct drive **d);
/* Opens it as a drive that joins an array: what is learned is added to the options. */
int call_join(const char *url, struct drive **d);
struct drive *call_open(const char *url);
/* The same as arrays open it: what fails across a network with ERR_TRANSIENT is tried again. */
struct drive *call_open_patient(const char *url);
void call_close(struct drive *d);

int call_put(struct drive *d, const char *name, const char *text);
int call_put_bytes(struct drive *d, const char *name, const void *bytes, size_t len_bytes);
int call_store(struct drive *d, const char *name, const char *text); /* put and sync */
int call_sync(struct drive *d);
int call_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out, size_t len_bytes);
int call_stat(struct drive *d, const char *name, uint64_t *len_bytes);
/* Stat and get: ERR_CORRUPT when the object is there and another text. */
int call_check(struct drive *d, const char *name, const char *text);
int call_move(struct drive *d, const char *from, const char *to);
int call_remove(struct drive *d, const char *name);
int call_about(struct drive *d, struct drive_about *out);

int call_count(struct drive *d, const char *prefix); /* objects; -1: the listing failed */

/* In the main thread: where a call returns something else, the driver's words tell why. */
#define assert_call(call, expected)                                                                \
	do {                                                                                       \
		int call_returned = (call);                                                        \
                                                                                                   \
		if (call_returned != (int)(expected))                                              \
			fail_msg("%s: %d, not %d: %s", #call, call_returned, (int)(expected),      \
				 call_err.message);                                                \
	} while (0)

/* Entries of a folder of this host; -1: there is none. */
int count_entries(const char *path);

#endif
