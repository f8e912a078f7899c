/*
 * Copies a tree as put and get do together, without an archive between: walk, source and
 * metadata on one side, target on the other.
 */
#ifndef MRMR_TESTS_COPY_H
#define MRMR_TESTS_COPY_H

#include "archive/target.h"

struct copy_result {
	unsigned long entries, errors;
	struct target_counts counts;
};

/* The content of from becomes the content of to. Files are written by so many threads, or (0) by
 * the one that walks. */
void copy_tree(const char *from, const char *to, unsigned threads, struct copy_result *result);

/* Whether both hold the same names, contents, metadata and links; says on stderr what differs. */
bool trees_equal(const char *a, const char *b);

#endif
