/*
 * Journal segments. Format: mrmr-format(5), "Journal segment":
 *
 *   header (64, clear) | writer public key (32) | first seq (8) | last seq (8) |
 *   head before first (32) | kind (1) | zero (7) | one box
 *
 * The box's extra is those 88 bytes between header and box. Its plain bytes are: packed length
 * (4) | body length (4) | method (4) | zero (4) | packed body | zeros up to the padded length.
 * The body: signature (64, Ed25519 over header, the 88 bytes and the rest of the body) | head
 * after last (32) | clock | have | heads | records. Stored lengths are Padme, 512 at least.
 *
 * head(seq) = head_hash(head(seq - 1), records of seq). A compacted segment covers several
 * seqs, keeps the first 16 bytes of every head it covers, and is a checkpoint when its records
 * say all that its clock covers.
 */
#ifndef MRMR_TABLE_SEGMENT_H
#define MRMR_TABLE_SEGMENT_H

#include "base/bytes.h"
#include "seal/keys.h"

#define SEGMENT_NAME_BYTES 256
#define SEGMENT_BODY_MAX ((size_t)64 << 20) /* refused above, before anything is allocated */
#define SECRET_KEY_BYTES 64		    /* Ed25519 */
#define WRITERS_MAX 4096

enum segment_kind { SEGMENT_PLAIN = 1, SEGMENT_COMPACTED = 2, SEGMENT_CHECKPOINT = 3 };

/* Where one writer's journal stands. */
struct mark {
	struct hash writer; /* public key */
	uint64_t seq;	    /* 0: nothing yet */
	struct hash head;   /* zero for seq 0 */
};

/* Marks by rising writer. All zero is empty; clock_release(). */
struct clock {
	struct mark *marks;
	size_t count, cap;
};
void clock_release(struct clock *c);
const struct mark *clock_find(const struct clock *c, const struct hash *writer); /* or NULL */
uint64_t clock_seq(const struct clock *c, const struct hash *writer);		 /* 0: unknown */
bool clock_set(struct clock *c, const struct mark *m); /* adds or replaces; false: no memory */
bool clock_copy(struct clock *to, const struct clock *from);

/* What a drive was last seen to hold, of every writer. */
struct have {
	struct id drive_id;
	struct clock clock;
};

struct segment {
	enum segment_kind kind;
	struct hash writer;
	uint64_t first, last;
	struct hash previous; /* head(first - 1) */
	struct hash head;     /* head(last) */
	struct clock clock;   /* what the writer had pulled before its first decision */
	struct have *have;
	size_t have_count;
	uint8_t (*heads)[16]; /* of first..last, compacted only */
	struct buf records;   /* owned */
};
void segment_release(struct segment *s);

/* Signs, packs, pads and seals s (head is computed and set). Appends the stored object to out
 * and writes its name, "journal/<writer>/<first>-<last>-<sha256>", to name. */
int segment_seal(const struct keys *k, struct segment *s, const uint8_t secret_key[SECRET_KEY_BYTES],
		 struct buf *out, char name[SEGMENT_NAME_BYTES], struct error *err);

/* Opens a stored object: box, signature, head and every list are checked. The chain (previous
 * equals the head known of first - 1) is the caller's. Caller: segment_release(). */
int segment_open(const struct keys *k, const void *bytes, size_t len_bytes, struct segment *out,
		 struct error *err);

/* The parts of a segment's name; false: no such name. */
struct segment_name {
	struct hash writer, sha256;
	uint64_t first, last;
};
bool segment_name_parse(const char *name, struct segment_name *out);

#endif
