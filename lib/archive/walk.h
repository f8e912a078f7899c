/*
 * Walk: everything below some roots, one folder at a time, depth first, and within a folder by the
 * bytes of the names: the order of table_children(), so that a caller merges the two.
 *
 *	for (;;) {
 *		if (!walk_next_folder(w, &folder, &err))
 *			break;
 *		table_children_open(t, base, folder.path, folder.path_bytes, &old, &err);
 *		have_old = table_children_next(old, &old_name, &old_name_bytes, &old_node, &err);
 *		have_new = walk_next_entry(w, &e, &err);
 *		while (have_old || have_new) {
 *			int order = !have_new ? -1 : !have_old ? 1 :
 *				name_compare(old_name, old_name_bytes, e.name, e.name_bytes);
 *
 *			if (order < 0)
 *				... removed since: folder_writer_remove(old_name)
 *			else if (order > 0)
 *				... new: source_open(folder.fd, e.name) and meta_read_*()
 *			else if (!node_unchanged(&old_node, &e.node))
 *				... changed: the same
 *			if (order <= 0)
 *				have_old = table_children_next(...);
 *			if (order >= 0)
 *				have_new = walk_next_entry(w, &e, &err);
 *		}
 *		table_children_close(old);
 *		... folder_writer_finish(folder.path)
 *	}
 *	... both loops end with err.code ERR_NONE, or failed
 *
 * Rules that callers may rely on:
 * - The first folder is "", the root of all; a parent of a root is a *bare* folder, which has only
 *   the entries that lead to roots. Symbolic links among these parents are followed.
 * - Every entry that is a folder is visited later, once, even when nothing is listed there (it
 *   could not be read, or is another file system under one_file_system): so what an older snapshot
 *   had below it is seen to be gone.
 * - A folder's own node is an entry of its parent.
 * - What is left out (excluded, sockets, unreadable) is no entry.
 * - A folder named .mrmr that holds a config.json (an archive's own drive) is always left out.
 *
 * Listing and stat run in a thread of the walk, ahead of the caller by a bounded number of
 * entries; notes come from walk_next_*(), in the caller's thread, before the entries around them.
 * Memory: the names of one folder, and of the subfolders yet to come of those above it. Folders are
 * opened relative to their parent and never through a symbolic link, however deep they are.
 */
#ifndef MRMR_ARCHIVE_WALK_H
#define MRMR_ARCHIVE_WALK_H

#include "archive/note.h"
#include "archive/pattern.h"
#include "archive/roots.h"
#include "table/node.h"

struct walk_options {
	const struct patterns *excludes; /* asked of all but bare folders; NULL: none */
	/* "NAME" or "NAME:HEADER": of a folder with a file NAME (that begins with HEADER) only
	 * that file is stored. */
	const char *const *exclude_if_present;
	size_t exclude_if_present_count;
	bool exclude_caches;	      /* the same for CACHEDIR.TAG with its signature */
	uint64_t exclude_above_bytes; /* larger files are left out; 0: none are */
	bool one_file_system;	      /* mount points below a root are stored as empty folders */
	note_fn *note;
	void *note_ctx;
};

struct walk_folder {
	const uint8_t *path; /* absolute, without its final slash: "" is the root of all */
	size_t path_bytes;
	int fd;		 /* to open its entries by; -1: nothing is listed here */
	bool bare;	 /* only what leads to roots, or the tag of an excluded folder */
	bool unreadable; /* it could not be opened or not be listed to its end (noted) */
};

struct walk_entry {
	const uint8_t *name; /* followed by a NUL; name_ok() */
	size_t name_bytes;
	struct node node; /* as lstat says: no target, no xattrs, no content (see meta.h) */
};

struct walk;

/* Options and roots must outlive the walk. ERR_NOT_FOUND: none of the roots is there; one of
 * several that is missing is noted. Caller: walk_close(). */
int walk_open(const struct walk_options *o, const struct roots *roots, struct walk **out,
	      struct error *err);
/* What remains of the folder before is passed over. out is lent until the next call of this.
 * False: the end (err->code is ERR_NONE), or failed. */
bool walk_next_folder(struct walk *w, struct walk_folder *out, struct error *err);
/* out is lent until the next call on w. False: the folder's end, or failed. */
bool walk_next_entry(struct walk *w, struct walk_entry *out, struct error *err);
/* The folder at hand and all below it are passed over: walk_next_folder() goes on after them. */
void walk_skip_folder(struct walk *w);
void walk_close(struct walk *w); /* NULL is allowed */

#endif
