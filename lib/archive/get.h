/*
 * Get: restores a snapshot, or parts of it, into a folder.
 */
#ifndef MRMR_ARCHIVE_GET_H
#define MRMR_ARCHIVE_GET_H

#include "archive/note.h"
#include "archive/pattern.h"
#include "archive/target.h"
#include "array/array.h"
#include "base/counters.h"

struct get_options {
	const struct table_snapshot *snapshot;
	const char *to; /* folder, made when missing */
	/* Path in the snapshot (absolute, without its final slash; "": all). A folder's children are
	 * restored into `to` itself, anything else under its own name. */
	const char *from;
	const char *const *paths; /* absolute; only these and what is below them. NULL: all */
	size_t path_count;
	const struct patterns *includes, *excludes; /* NULL: none */
	enum target_overwrite overwrite;
	bool delete_others; /* below `to`, where the snapshot has the whole folder */
	bool no_sparse, verify, unprivileged;
	bool partial; /* write what is readable of damaged files to NAME.mrmr-partial */
	bool dry_run;
	/* Of files: what is lost (NOTE_ERROR with the ranges), could not be written, ... */
	note_fn *note;
	void *note_ctx;
	struct counters *counters; /* or NULL */
};

struct get_result {
	uint64_t files, folders, others; /* restored */
	uint64_t kept;	    /* files that were there and stay as the policy says */
	uint64_t bytes;	    /* of restored files, holes not counted */
	uint64_t files_lost; /* not wholly readable: left out (or partial) */
	uint64_t errors;     /* could not be written, or their metadata not be set */
	uint64_t left_out;   /* devices that the caller may not make */
	uint64_t frames_reconstructed;
	struct target_counts target;
};

int get(struct array *a, const struct get_options *o, struct get_result *r, struct error *err);

#endif
