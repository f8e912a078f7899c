/*
 * Journal segments. Format: mrmr-format(5), "Journal segment":
 *
 *   header (64, clear) | writer public key (32) | first seq (8) | last seq (8) |
 *   head before first (32) | kind (1) | zero (7) | one box
 *
 * The box (kind BOX_RECORDS, index 0) has those 88 bytes between header and box as its extra.
 * Its plain bytes are: packed length (4) | body length (4) | method (4) | zero (4) | packed
 * body | zeros up to the padded length. Method: enum frame_method. Stored lengths are Padme,
 * 512 at least. The body, SEGMENT_BODY_MAX at most:
 *
 *   signature (64): Ed25519 (RFC 8032) by the writer, over header, the 88 bytes and all of the
 *      body after the signature
 *   head after last (32)
 *   clock: varint marks, each: writer (32), varint seq (at least 1), head (32); by strictly
 *      rising writer, WRITERS_MAX at most
 *   have: varint drives (HAVES_MAX at most), each: drive id (16), then marks as in the clock;
 *      no drive twice
 *   heads: varint count, that many times 16 bytes; 0 in a plain segment, else last - first + 1
 *   records, to the end of the body
 *
 * head(seq) = head_hash(head(seq - 1), records of seq); head(0) is zero. A plain segment is one
 * seq, and its head follows from its records. A compacted segment covers several, keeps the
 * first 16 bytes of the head of each (the last of them begins the head after last), and is a
 * checkpoint when its records say all that its clock covers. Integers are little-endian.
 *
 * Its name is "journal/<writer>/<first>-<last>-<sha256>": 64 hex digits of the writer, decimal
 * numbers without leading zeros, 64 hex digits of the SHA-256 of all stored bytes.
 *
 * Nothing here keeps state: all functions are thread-safe.
 */
#ifndef MRMR_TABLE_SEGMENT_H
#define MRMR_TABLE_SEGMENT_H

#include "base/bytes.h"
#include "seal/keys.h"

#define SEGMENT_NAME_BYTES 256
#define SEGMENT_BODY_MAX ((size_t)64 << 20) /* refused above, before anything is allocated */
#define SEGMENT_STORED_MAX ((size_t)72 << 20) /* what padding can make of that */
#define SECRET_KEY_BYTES 64		    /* Ed25519 */
#define WRITERS_MAX 4096
#define HAVES_MAX 1024

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
uint64_t clock_seq(const struct clock *c, const struct hash *writer); /* 0: unknown */
bool clock_set(struct clock *c, const struct mark *m); /* adds or replaces; false: no memory */
/* to is released and made equal; false: no memory, to is empty. */
bool clock_copy(struct clock *to, const struct clock *from);
/* Whether known stands at or after wanted for every writer of wanted. (Heads are not looked at.) */
bool clock_covers(const struct clock *known, const struct clock *wanted);
/* As in a segment. Marks of seq 0 say nothing and are left out. */
void clock_encode(const struct clock *c, struct buf *out);
/* Fills out, which is empty before. ERR_CORRUPT, or ERR_NOMEM; out is then empty. */
int clock_decode(struct reader *r, struct clock *out, struct error *err);

/* What a drive was last seen to hold, of every writer. */
struct have {
	struct id drive_id;
	struct clock clock;
};
void haves_release(struct have *have, size_t count); /* and frees the array */
void haves_encode(const struct have *have, size_t count, struct buf *out);
/* The array is the caller's: haves_release(). */
int haves_decode(struct reader *r, struct have **have, size_t *count, struct error *err);

struct segment {
	enum segment_kind kind;
	struct hash writer;
	uint64_t first, last;
	struct hash previous; /* head(first - 1) */
	struct hash head;     /* head(last) */
	struct clock clock;   /* what the writer had pulled before its first decision */
	struct have *have;
	size_t have_count;
	uint8_t (*heads)[16]; /* of first..last; NULL in a plain segment */
	struct buf records;   /* owned */
};
void segment_release(struct segment *s);

/*
 * Signs, packs, pads and seals s. The head of a plain segment is computed and set; that of any
 * other is the caller's, since its records are not those that were signed. Appends the stored
 * object to out and writes its name to name. ERR_USAGE: what segment_open() would refuse.
 * ERR_FULL: the body exceeds SEGMENT_BODY_MAX.
 */
int segment_seal(const struct keys *k, struct segment *s,
		 const uint8_t secret_key[SECRET_KEY_BYTES], struct buf *out,
		 char name[SEGMENT_NAME_BYTES], struct error *err);

/* Opens a stored object: box, signature, head and every list are checked; the records are not
 * parsed. The chain (previous equals the head known of first - 1) is the caller's, and so is the
 * name. Caller: segment_release(); after an error out is empty. */
int segment_open(const struct keys *k, const void *bytes, size_t len_bytes, struct segment *out,
		 struct error *err);

/* The parts of a segment's name; false: no such name. */
struct segment_name {
	struct hash writer, sha256;
	uint64_t first, last;
};
bool segment_name_parse(const char *name, struct segment_name *out);

#endif
