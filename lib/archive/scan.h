/*
 * Scan: makes a new journal from the blocks and rows alone, when every journal is gone. Names,
 * metadata and contents come from the manifests that puts stored in their blocks.
 */
#ifndef MRMR_ARCHIVE_SCAN_H
#define MRMR_ARCHIVE_SCAN_H

#include "array/array.h"
#include "base/counters.h"

struct scan_result {
	uint64_t blocks, groups;     /* found */
	uint64_t reconstructed;	     /* blocks that were on no drive given, made from their groups */
	uint64_t unreadable;	     /* objects that are damaged, or open under no key at hand */
	uint64_t missing;	     /* blocks that files refer to, neither found nor made: lost */
	uint64_t snapshots;	     /* complete ones */
	uint64_t snapshots_cut_off;  /* of which manifests were found, but no end */
	unsigned parity;	     /* guessed: the most rows of any group */
};

/*
 * The array was opened with array_options.without_journal. What is found is committed as this
 * host's journal; afterwards it is an ordinary array. Blocks that had to be reconstructed are
 * stored again.
 */
int scan(struct array *a, struct counters *counters, struct scan_result *r, struct error *err);

#endif
