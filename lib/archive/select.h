/*
 * Selecting: from what a user writes to a snapshot, and to a path in it.
 *
 *	SNAPSHOT[:PATH]    SNAPSHOT: a unique prefix of an id, latest, or latest~N (N before it)
 *
 * `latest` is the newest snapshot of this host over all its series, or of the array if this host
 * has none. Filters come first: what they leave out does not exist for any of this.
 */
#ifndef MRMR_ARCHIVE_SELECT_H
#define MRMR_ARCHIVE_SELECT_H

#include "table/table.h"

/* All zero lets everything pass. Everything is lent. */
struct select_filter {
	const char *host, *series; /* NULL: any */
	const char *const *tags;   /* a snapshot must have all of them */
	size_t tag_count;
	int64_t before_ns;     /* 0: any */
	const char *this_host; /* whose snapshots `latest` prefers; NULL: nobody's */
};

struct snapshot_list {
	struct table_snapshot *items;
	size_t count;
};

/* Oldest first, in the order of the journals. Caller: snapshot_list_release(). */
int select_list(struct table *t, const struct select_filter *f, struct snapshot_list *out,
		struct error *err);
void snapshot_list_release(struct snapshot_list *l);

/*
 * The one snapshot that word names. ERR_NOT_FOUND; ERR_USAGE when several ids begin so, or word is
 * none of the forms above. Caller: table_snapshot_release().
 */
int select_snapshot(struct table *t, const struct select_filter *f, const char *word,
		    struct table_snapshot *out, struct error *err);

/* A snapshot and a place in it; all zero is empty. */
struct selection {
	struct table_snapshot snapshot;
	char *path;	  /* owned; as the table takes it: absolute, "" is the root of all */
	bool has_path;	  /* false: there was no colon, or nothing behind it */
	struct node node; /* what is there, unless path is ""; lent until the next call on t */
};

/*
 * Takes SNAPSHOT[:PATH] apart and finds it. No SNAPSHOT: latest. A PATH without a slash in front is
 * meant from the current folder, as put takes it; if the snapshot has no such thing, from the root.
 * ERR_NOT_FOUND when it is not in the snapshot. Caller: selection_release(), not after an error.
 */
int select_target(struct table *t, const struct select_filter *f, const char *arg,
		  struct selection *out, struct error *err);
void selection_release(struct selection *target);

/*
 * A path to or below that place: *out is absolute, free() it. One without a slash in front is meant
 * from the current folder; if nothing there is of that place, from the place. ERR_NOT_FOUND.
 */
int select_below(struct table *t, const struct selection *place, const char *path, char **out,
		 struct error *err);

#endif
