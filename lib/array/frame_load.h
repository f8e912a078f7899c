/*
 * Loading one frame of a block: its bytes from where they are or reconstructed, opened, unpacked,
 * every chunk id recomputed. Several threads may load at once.
 */
#ifndef MRMR_ARRAY_FRAME_LOAD_H
#define MRMR_ARRAY_FRAME_LOAD_H

#include "array/fetch.h"

struct frame_loader;

int frame_loader_new(struct array *a, struct frame_loader **out, struct error *err);
void frame_loader_free(struct frame_loader *l); /* NULL is allowed */

/* Frame number index of the list into plain (its plain_bytes). ERR_LOST when it is beyond
 * reconstruction. */
int frame_load(struct frame_loader *l, const struct block_list *list, uint32_t index,
	       uint8_t *plain, struct error *err);

/* The same of a box that the caller has read: its box_bytes. ERR_CORRUPT unless it opens, unpacks and
 * holds the chunks that the list names. */
int frame_open(struct frame_loader *l, const struct block_list *list, uint32_t index,
	       const uint8_t *box, uint8_t *plain, struct error *err);

/*
 * The same in two steps, where its own place is as near as any: what is read there is judged on a
 * thread of the drive, and done is called there when it is right and plain is filled.
 * NULL: nothing was begun; frame_load() it is. frame_load_end() waits for it, and goes the other ways
 * when it is late or wrong. list and plain are lent until done, frame_load_end() or
 * frame_load_leave().
 */
struct frame_loading;
struct frame_loading *frame_load_begin(struct frame_loader *l, const struct block_list *list,
				       uint32_t index, uint8_t *plain, void (*done)(void *ctx),
				       void *ctx);
int frame_load_end(struct frame_loading *loading, struct error *err);
void frame_load_leave(struct frame_loading *loading); /* NULL is allowed */

/* How many frames had to be reconstructed so far. */
unsigned long long frame_loader_reconstructed(const struct frame_loader *l);

#endif
