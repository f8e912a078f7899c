/*
 * Fetching: frames of blocks, from where they are or reconstructed, opened, unpacked, every
 * chunk id recomputed. Several threads may fetch at once; frames are cached up to a bound.
 */
#ifndef MRMR_ARRAY_FETCH_H
#define MRMR_ARRAY_FETCH_H

#include "array/array.h"

struct fetcher;

/* A frame's plain bytes; shared, read-only until fetch_release(). */
struct frame {
	const uint8_t *bytes;
	size_t len_bytes;
};

/* A block's list; shared, read-only, valid as long as the fetcher. */
struct block_list {
	struct table_block block;
	struct contents contents;
};

/* How many threads are to fetch at once: one per processor; more where drives are across a network,
 * since that is mostly waiting. */
unsigned fetch_threads(const struct array *a);

/* cache_bytes: of plain frames kept beyond those in use. */
int fetcher_new(struct array *a, size_t cache_bytes, struct fetcher **out, struct error *err);
void fetcher_free(struct fetcher *f); /* NULL is allowed */

/* The list of a block. Release with fetch_list_release(). ERR_NOT_FOUND. */
int fetch_list(struct fetcher *f, const struct id *block_uid, struct block_list **out,
	       struct error *err);
void fetch_list_release(struct fetcher *f, struct block_list *list);

/* Frame number index of the block. ERR_LOST when it is beyond reconstruction. */
int fetch_frame(struct fetcher *f, struct block_list *list, uint32_t index, struct frame **out,
		struct error *err);
void fetch_release(struct fetcher *f, struct frame *frame);
/* That frame will be fetched soon: another thread may load it meanwhile. index is one that the list
 * has. False: enough is on its way, or waits to be fetched. */
bool fetch_ahead(struct fetcher *f, struct block_list *list, uint32_t index);
/* How far ahead is far enough, of one file; and of how long a file at all. */
unsigned fetch_ahead_frames(const struct fetcher *f);
uint64_t fetch_ahead_bytes(const struct fetcher *f);

/* One chunk of a list into out (its len_bytes): from the block itself, else from any other block
 * that has the same chunk. ERR_LOST. */
int fetch_chunk(struct fetcher *f, struct block_list *list, uint32_t index, uint8_t *out,
		struct error *err);

/* How many frames had to be reconstructed so far. */
unsigned long long fetch_reconstructed(const struct fetcher *f);

#endif
