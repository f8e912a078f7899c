/*
 * Bytes: a growing buffer to write formats into, and a bounded reader to parse them.
 *
 * Both keep failure inside: after the first one (out of memory, or input too short)
 * every further call does nothing, and the caller asks once at the end. Integers are
 * little-endian; a varint is LEB128, at most 10 bytes. Not thread-safe.
 */
#ifndef MRMR_BASE_BYTES_H
#define MRMR_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty buffer. The owner calls buf_release(). */
struct buf {
	uint8_t *data;
	size_t len_bytes;
	size_t cap_bytes;
	bool failed; /* an allocation failed; the contents are then not to be used */
};

void buf_release(struct buf *b);	      /* frees; b is empty again */
void buf_clear(struct buf *b);		      /* length 0, keeps the memory */
bool buf_reserve(struct buf *b, size_t more_bytes); /* room for more_bytes beyond the length */
void buf_add(struct buf *b, const void *bytes, size_t len_bytes);
void buf_add_zeros(struct buf *b, size_t len_bytes);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_varint(struct buf *b, uint64_t v);
void buf_add_block(struct buf *b, const void *bytes, size_t len_bytes); /* varint length, bytes */
void buf_add_string(struct buf *b, const char *s);			 /* the same, without NUL */

/* Walks bytes that somebody else owns and that must outlive it. */
struct reader {
	const uint8_t *at;
	size_t left_bytes;
	bool failed; /* something did not fit: every value read since is zero or empty */
};

struct reader reader_of(const void *bytes, size_t len_bytes);
const uint8_t *read_bytes(struct reader *r, size_t len_bytes); /* lent; NULL when too short */
void read_into(struct reader *r, void *out, size_t len_bytes); /* zeros when too short */
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* Only the shortest form of a number is taken, so that a value has one encoding. */
uint64_t read_varint(struct reader *r);
/* A varint that must not exceed max; above it the reader fails. */
uint64_t read_varint_max(struct reader *r, uint64_t max);
/* Length-prefixed bytes; lent. The length must not exceed max_bytes. */
const uint8_t *read_block(struct reader *r, size_t max_bytes, size_t *len_bytes);
struct reader read_sub(struct reader *r, size_t max_bytes); /* the same as a reader of its own */
bool reader_done(const struct reader *r);		     /* nothing failed, nothing left */

/* Grows *array (elements of size_bytes) to hold at least want elements. False: out of memory. */
bool grow(void *array_ptr, size_t *cap, size_t want, size_t size_bytes);

uint16_t load_u16(const void *p);
uint32_t load_u32(const void *p);
uint64_t load_u64(const void *p);
void store_u16(void *p, uint16_t v);
void store_u32(void *p, uint32_t v);
void store_u64(void *p, uint64_t v);

#endif
