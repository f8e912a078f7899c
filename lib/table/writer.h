/*
 * The writer: this host's identity in one array, a file beside the table, sealed under the
 * array's keys, so that a sequence number is signed once. With it: the outbox (segments not
 * yet on enough drives) and the marks (what each drive once confirmed).
 *
 * <folder>/writer                 the identity; rewritten whole
 * <folder>/writer.lock            held while identity or outbox are read to be changed
 * <folder>/outbox/<file>          sealed segments; file is the last part of the segment's name
 * <folder>/writer.<16 hex>        identities given up: the first 16 digits of the public key, or
 *                                 of the file's SHA-256 when it could not be opened
 * <folder>/outbox.<16 hex>/       what their outboxes held, if anything; never read again
 *
 * A sequence number is used up by whichever of two files says so, each durable before the
 * other may go: the segment in the outbox is durable before writer_sign() lends it, and the
 * identity says its number, durable, before writer_sent() removes it. The last number is the
 * highest of both, and writer_open() adopts what the outbox has beyond the identity: a power
 * cut between signing and storing the identity costs no number and signs none twice. So a
 * segment costs two syncs to sign (file, folder) and two once for writer_save() or the first
 * writer_sent() after it. A file of the outbox that is lost or damaged while its number is in
 * no identity makes writer_open() begin a new writer.
 *
 * Several handles, in several processes too, may be open on one folder: every call that signs
 * or stores takes the lock, reads what the others stored, and merges. One handle is for one
 * thread.
 *
 * Format of the identity: mrmr-format(5), "Writer identity": header (64, clear) | one box (kind
 * BOX_WRITER, index 0, no extra). Its plain bytes: public key (32) | secret key (64, libsodium's
 * order: seed, public key) | last seq (8) | its head (32) | machine (32: BLAKE2b-256 of the
 * machine id) | st_dev (8) and st_ino (8) of the folder | have, as in a segment, by rising drive
 * id. Integers are little-endian.
 */
#ifndef MRMR_TABLE_WRITER_H
#define MRMR_TABLE_WRITER_H

#include "table/segment.h"

struct writer;

enum writer_origin {
	WRITER_FOUND,	/* the identity of before */
	WRITER_CREATED, /* none was there, or none that opens */
	WRITER_COPIED,	/* there was one, of another machine or folder: a new one was made */
};

/*
 * Opens or makes the identity in folder (which exists). Copied: the machine id
 * (/etc/machine-id, or machine_id when not NULL, for tests), the device or the inode of the
 * folder differ from those recorded. k is lent until writer_close(). An identity that cannot be
 * read (ERR_IO, ERR_DENIED) or is of a newer mrmr (ERR_UNSUPPORTED) is an error, not a reason
 * for a new one.
 */
int writer_open(const char *folder, const struct keys *k, const char *machine_id,
		struct writer **out, enum writer_origin *origin, struct error *err);
void writer_close(struct writer *w); /* NULL is allowed */
/* Gives the identity up for a new one (a fork, a restored backup, retired): the old file is kept
 * as writer.<hex>, its outbox as outbox.<hex>; the marks stay. After an error the handle signs
 * nothing more. */
int writer_renew(struct writer *w, struct error *err);

const struct hash *writer_id(const struct writer *w);
const struct mark *writer_head(const struct writer *w); /* last signed seq and its head */

/*
 * Makes the next segment of these records: checks them (records_check()), seals and signs them,
 * stores the segment durably in the outbox, then lends name and bytes until the next call. clock
 * and have may be NULL; have may be what writer_have() lent. The caller keeps records within the
 * array's segment_bytes (records_split()). ERR_LOCKED: another process began a new identity in
 * this folder meanwhile.
 * When storing fails the number may be used up or not: the handle signs nothing more, the next
 * writer_open() finds out.
 */
int writer_sign(struct writer *w, const struct clock *clock, const struct have *have,
		size_t have_count, const void *records, size_t records_bytes, const char **name,
		const struct buf **bytes, struct error *err);
/* Replaces seqs first..last (all signed before) by one segment of these records, in the outbox
 * likewise. heads: of first..last; head: the head of last. ERR_USAGE when they do not fit. */
int writer_sign_compacted(struct writer *w, enum segment_kind kind, uint64_t first, uint64_t last,
			  const struct hash *previous, const struct hash *head,
			  uint8_t (*heads)[16], const struct clock *clock, const void *records,
			  size_t records_bytes, const char **name, const struct buf **bytes,
			  struct error *err);

/* Calls each(ctx, name, bytes, len) per segment of the outbox, oldest first; a value other than
 * ERR_NONE stops and is returned. each may call writer_sent(). ERR_CORRUPT: one does not have
 * the hash it is named by. */
typedef int outbox_fn(void *ctx, const char *name, const void *bytes, size_t len_bytes,
		      struct error *err);
int writer_outbox(struct writer *w, outbox_fn *each, void *ctx, struct error *err);
/* The segment is on enough drives: it leaves the outbox (if it was there), after the identity
 * has its number. Costs no sync when writer_save() came after signing. */
int writer_sent(struct writer *w, const char *name, struct error *err);

/* Marks: what a drive once confirmed, by rising drive id; lent until the next call. They only
 * grow: writer_set_have() takes over marks of a higher seq than known. Durable with
 * writer_save(), which writes nothing when nothing changed. */
const struct have *writer_have(const struct writer *w, size_t *count);
int writer_set_have(struct writer *w, const struct id *drive_id, const struct clock *clock,
		    struct error *err);
int writer_save(struct writer *w, struct error *err);

#endif
