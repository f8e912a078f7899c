/*
 * Patterns: rules that choose paths, as in gitignore(5).
 *
 *   *.o        a name at any depth           /tmp or a/b   only there below the base
 *   build/     folders only                  !keep.o       takes an earlier match back
 *   *  ?  [a-z]  stay within a component;    a / ** / b (without the spaces), ** / b, a / **
 *   [!a-z] [[:alpha:]] \* as in a shell      cross any number of folders
 *
 * The last rule that matches a path decides. A rule speaks of the path itself only: whoever
 * walks a tree does not enter an excluded folder, so that nothing below it is asked for
 * (gitignore's "cannot be re-included if a parent is excluded"); whoever meets paths
 * without having walked to them asks patterns_covers().
 *
 * Bytes are compared as bytes; ignoring case folds the 26 ASCII letters only. Once filled, a
 * list may be asked by several threads.
 */
#ifndef MRMR_ARCHIVE_PATTERN_H
#define MRMR_ARCHIVE_PATTERN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct patterns;

enum pattern_verdict {
	PATTERN_NO_RULE,  /* no rule speaks of this path */
	PATTERN_MATCH,	  /* the last one that does matches */
	PATTERN_RETURNED, /* the last one that does has a `!` */
};

struct patterns *patterns_new(void);	/* NULL: out of memory */
void patterns_free(struct patterns *p); /* NULL is allowed */

/*
 * Appends one rule. It speaks of paths below base only (an absolute path; NULL, "" and "/" are the
 * root of all), and a slash at its beginning or in its middle anchors it there. The same rule may
 * be added for several bases. ERR_USAGE: empty, "[" without "]", a lone "\" at the end.
 */
int patterns_add(struct patterns *p, const char *base, const char *rule, bool ignore_case,
		 struct error *err);

/* Appends the lines of a rule file: blank lines and those that begin with "#" say nothing, spaces
 * at the end of a line count only after a "\". The line number is in the message of an error. */
int patterns_add_lines(struct patterns *p, const char *base, const void *bytes, size_t len_bytes,
		       bool ignore_case, struct error *err);

bool patterns_empty(const struct patterns *p); /* NULL is empty */

/* What the rules say of this path (absolute; without its first slash is the same). */
enum pattern_verdict patterns_match(const struct patterns *p, const void *path, size_t path_bytes,
				    bool is_folder);

/* Whether the path or a folder above it is matched, decided from the top down. */
bool patterns_covers(const struct patterns *p, const void *path, size_t path_bytes, bool is_folder);

#endif
