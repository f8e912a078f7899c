/*
 * Sift: which names of a folder become entries of a walk, and which subfolders are visited.
 */
#ifndef MRMR_ARCHIVE_SIFT_H
#define MRMR_ARCHIVE_SIFT_H

#include "archive/crawl.h"

enum choice { CHOICE_OUT, CHOICE_IN, CHOICE_NOMEM };

/* Fills the listing with the names of the folder at hand that may count. False: out of memory. */
bool sift_list(struct crawl *c, bool *unreadable);

/* Decides about one of them. In: n is its node, and a folder is noted down to be visited. Out:
 * a note says why, unless it was asked for. */
enum choice sift_choose(struct crawl *c, const struct listed *e, struct node *n);

#endif
