/*
 * Target: the folder that a restore writes into.
 *
 * It may be hostile: everything is done relative to open folders, names are single components,
 * and no symbolic link below the target is ever followed. What is in the way of a restored
 * thing is replaced as the policy says, never written into: a file that exists already is whole
 * at every moment, the old one or the new one.
 *
 *	target_open("/restore", &options, &t, &err);
 *	folder = target_root(t);
 *	for each child of the snapshot's folder, in any order:
 *		target_keep(folder, name, ...);		matters to --delete alone
 *		a folder:
 *			target_enter(folder, name, ..., node, &sub, &err), the same for sub
 *		a file:
 *			target_begin(folder, name, ..., node, &file, &outcome, &err)
 *			if outcome is TARGET_WRITE: target_write() and target_hole(), in any
 *			order and by any threads, until each byte was given once;
 *			then target_commit() or target_abort()
 *		another:
 *			target_make(folder, name, ..., node, &outcome, &err)
 *	target_leave(folder, true);
 *	target_close(t);
 *
 * Threads. One thread, the driver, enters and leaves folders, in depth-first order. Every other
 * call may come from any thread, for a folder that the driver is in, or that is held: a
 * target_file holds its folder from begin to commit or abort; a worker that is to call
 * target_begin() or target_make() is given a folder held for it by target_hold(), and drops it.
 * A folder gets its own metadata (and loses what is not in the snapshot) when it was left and
 * nothing in it is under way any more, subfolders first. So memory and descriptors are
 * bounded by the folders the driver is in and the files under way; of a deep tree only the
 * lower part is kept open. (Hard links: an entry per file whose other names did not come up yet.)
 *
 * New files appear under their names at once, with mode 0600, and get their mode and modification
 * time last. Measured, a temporary name and a rename would cost 4 us more per small file (10 us in
 * all on tmpfs, 20 to 30 on ext4), a file without a name and a link 5 us. What a killed restore
 * leaves torn has another time than the node, so the next restore with the default policy writes
 * it anew. Nothing is synced; target_sync() does, once.
 */
#ifndef MRMR_ARCHIVE_TARGET_H
#define MRMR_ARCHIVE_TARGET_H

#include "archive/meta.h"
#include "archive/note.h"

enum target_overwrite {
	TARGET_IF_CHANGED, /* files whose size and modification time are the node's stay */
	TARGET_ALWAYS,
	TARGET_IF_NEWER, /* what is older than the node is replaced */
	TARGET_NEVER,	 /* what exists stays, and existing folders keep their metadata */
};

struct target_options {
	enum target_overwrite overwrite;
	bool no_sparse;	   /* holes are written as zeros */
	bool unprivileged; /* no setuid, setgid, capabilities and devices, whoever restores */
	/* target_delete_others(): whether this one may go; NULL: all may. path is relative to the
	 * target. Called like note. */
	bool (*may_delete)(void *ctx, const uint8_t *path, size_t path_bytes, bool is_folder);
	/* What could not be set or removed, and (as a detail) what was refused or deleted. paths
	 * are relative to the target. From any thread, but one at a time. NULL: not told. */
	note_fn *note;
	void *ctx; /* of both */
};

struct target_counts {
	uint64_t refused[META_KINDS]; /* the caller may not set it: no error, but to be told */
	uint64_t failed[META_KINDS];  /* an error */
	uint64_t deleted; /* entries removed by target_delete_others(), with all below */
	uint64_t errors;  /* folders lost to others, things that could not be deleted */
};

enum target_outcome {
	TARGET_WRITE,	 /* the caller now writes the content */
	TARGET_KEPT,	 /* what is there stays, as the policy says */
	TARGET_SAME,	 /* what is there is this; its metadata was set */
	TARGET_MADE,	 /* done: a hard link to a name restored before, or a special file */
	TARGET_LEFT_OUT, /* a device that the caller may not make: counted */
	TARGET_WAIT,	 /* its first name is being written: finish that, then call again */
};

struct target;
struct target_folder;
struct target_file;

/* Makes the folder and its parents as needed (mode 0700); links in this path are followed: it is
 * the caller's own word. Options are copied. */
int target_open(const char *path, const struct target_options *o, struct target **out,
		struct error *err);
/* Every folder has been left, the root too, and every file was ended. NULL is allowed. */
void target_close(struct target *t);
/* Makes all that was written durable, and finds late errors of the disk. */
int target_sync(struct target *t, struct error *err);
void target_counts(struct target *t, struct target_counts *out);

/* The folder DIR itself, entered by target_open() and to be left as others; it gets no metadata. */
struct target_folder *target_root(struct target *t);

/*
 * Enters a folder of the one the driver is in, made if missing. ERR_EXISTS: something else is there
 * that the policy keeps. ERR_CORRUPT: no good name.
 */
int target_enter(struct target_folder *parent, const void *name, size_t name_bytes,
		 const struct node *n, struct target_folder **out, struct error *err);
/* complete: every child was told by target_keep(), so that others may be deleted. */
void target_leave(struct target_folder *f, bool complete);

/* For a folder just entered: what is in it and is not told by target_keep() before it is left goes.
 * Only for folders that the snapshot has all of: never for a bare parent. */
int target_delete_others(struct target_folder *f, struct error *err);
/* From the driver. This name stays, whatever comes of its restore. */
void target_keep(struct target_folder *f, const void *name, size_t name_bytes);

void target_hold(struct target_folder *f);
void target_drop(struct target_folder *f);

/*
 * Begins a file. *out is NULL unless the outcome is TARGET_WRITE. A file with several links is
 * written once; its other names become hard links to the first (told by device, inode, size and
 * times of the node).
 */
int target_begin(struct target_folder *f, const void *name, size_t name_bytes, const struct node *n,
		 struct target_file **out, enum target_outcome *outcome, struct error *err);
/* Bytes beyond the node's size are ERR_CORRUPT. */
int target_write(struct target_file *f, uint64_t offset_bytes, const void *bytes, size_t len_bytes,
		 struct error *err);
int target_hole(struct target_file *f, uint64_t offset_bytes, uint64_t len_bytes,
		struct error *err);
/* Reads back what was written. */
int target_read(struct target_file *f, uint64_t offset_bytes, void *out, size_t len_bytes,
		struct error *err);
/* Puts the file in its place with all its metadata. ERR_CORRUPT: not every byte was given. After an
 * error nothing of it is left, and what was there before still is. Ends f. */
int target_commit(struct target_file *f, struct error *err);
/* Nothing of it is left. Ends f. NULL is allowed. */
void target_abort(struct target_file *f);
/* What was written so far becomes NAME.mrmr-partial (an older one is replaced), without setuid
 * bits. ERR_UNSUPPORTED: that name is too long. Ends f. */
int target_keep_partial(struct target_file *f, struct error *err);

/* Symbolic links, FIFOs and devices: in one step. Those of several names are linked likewise. */
int target_make(struct target_folder *f, const void *name, size_t name_bytes, const struct node *n,
		enum target_outcome *outcome, struct error *err);

#endif
