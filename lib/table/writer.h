/*
 * The writer: this host's identity in one array, a file beside the table, sealed under the
 * array's keys and fsynced before a segment leaves the machine, so that a sequence number is
 * signed once. With it: the outbox (segments not yet on enough drives) and the marks (what
 * each drive once confirmed).
 *
 * <folder>/writer            the identity; rewritten whole
 * <folder>/outbox/<name>     sealed segments, in order of their first seq
 */
#ifndef MRMR_TABLE_WRITER_H
#define MRMR_TABLE_WRITER_H

#include "table/segment.h"

struct writer;

enum writer_origin {
	WRITER_FOUND,	/* the identity of before */
	WRITER_CREATED, /* none was there */
	WRITER_COPIED,	/* there was one, of another machine or folder: a new one was made */
};

/* Opens or makes the identity in folder (which exists). Copied: the machine id
 * (/etc/machine-id, or machine_id when not NULL, for tests), the device or the inode of the
 * folder differ from those recorded. */
int writer_open(const char *folder, const struct keys *k, const char *machine_id,
		struct writer **out, enum writer_origin *origin, struct error *err);
void writer_close(struct writer *w); /* NULL is allowed */
/* Gives the identity up for a new one (a fork, a restored backup, retired): the old file is kept
 * as writer.<hex>. */
int writer_renew(struct writer *w, struct error *err);

const struct hash *writer_id(const struct writer *w);
const struct mark *writer_head(const struct writer *w); /* last signed seq and its head */

/*
 * Makes the next segment of these records: seals it, stores it in the outbox and the identity
 * with its new seq, durable both, then lends name and bytes until the next call. clock and have
 * may be NULL.
 */
int writer_sign(struct writer *w, const struct clock *clock, const struct have *have,
		size_t have_count, const void *records, size_t records_bytes, const char **name,
		const struct buf **bytes, struct error *err);
/* Replaces seqs first..last (all signed before) by one segment of these records. */
int writer_sign_compacted(struct writer *w, enum segment_kind kind, uint64_t first, uint64_t last,
			  const struct hash *previous, const struct hash *head,
			  uint8_t (*heads)[16], const struct clock *clock, const void *records,
			  size_t records_bytes, const char **name, const struct buf **bytes,
			  struct error *err);

/* Calls each(ctx, name, bytes, len) per segment of the outbox, oldest first. */
typedef int outbox_fn(void *ctx, const char *name, const void *bytes, size_t len_bytes,
		      struct error *err);
int writer_outbox(struct writer *w, outbox_fn *each, void *ctx, struct error *err);
/* The segment is on enough drives. */
int writer_sent(struct writer *w, const char *name, struct error *err);

/* Marks: what a drive once confirmed. Durable with writer_save(). */
const struct have *writer_have(const struct writer *w, size_t *count);
int writer_set_have(struct writer *w, const struct id *drive_id, const struct clock *clock,
		    struct error *err);
int writer_save(struct writer *w, struct error *err);

#endif
