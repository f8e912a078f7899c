/*
 * Put: stores the state of some paths as a snapshot.
 *
 * Steps, each durable before the next (DESIGN promise 2): intent, blocks and rows on the drives,
 * the journal segments that name them, last the segment with the commit record. Before that the
 * array is as it was, and what was stored is reused by the next put; after it the snapshot exists.
 */
#ifndef MRMR_ARCHIVE_PUT_H
#define MRMR_ARCHIVE_PUT_H

#include "archive/note.h"
#include "archive/pattern.h"
#include "array/array.h"
#include "base/counters.h"

struct put_options {
	const char *const *paths; /* as the user gave them */
	size_t path_count;
	const char *series; /* NULL: told by host and paths */
	const char *host;
	const char *tags;		 /* comma-separated; NULL: none */
	const struct patterns *excludes; /* NULL: none */
	bool exclude_caches, one_file_system;
	bool force;   /* read every file, whatever its times say */
	bool dry_run; /* say what would be stored; write nothing */
	int level;    /* of compression */
	int64_t time_ns;
	note_fn *note; /* of files: skipped, unreadable, changed */
	void *note_ctx;
	struct counters *counters; /* or NULL */
	bool sizing;		   /* somebody watches them: find out how much there is, too */
};

struct put_result {
	struct id snapshot;
	struct hash head; /* fingerprint for --expect-head */
	uint64_t files_new, files_changed, files_unmodified, files_removed;
	uint64_t files, bytes;	     /* in all of the snapshot */
	uint64_t bytes_read;	     /* of files that were opened */
	uint64_t bytes_added;	     /* of chunks that the array did not have, plain */
	uint64_t bytes_stored;	     /* written to drives for them, parity and copies included */
	uint64_t files_failed;	     /* could not be read: exit code 3 */
	bool thin; /* something just stored has fewer rows than the policy asks */
};

/* The array must be open for writing. ERR_LOCKED: another put of this series runs. */
int put(struct array *a, const struct put_options *o, struct put_result *result,
	struct error *err);

#endif
