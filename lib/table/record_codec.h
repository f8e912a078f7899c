/*
 * Small pieces that the records, segments and the writer's file are made of. Internal to
 * lib/table. Like all of bytes.h they keep failure inside the buffer or the reader.
 */
#ifndef MRMR_TABLE_RECORD_CODEC_H
#define MRMR_TABLE_RECORD_CODEC_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "table/record.h"

/* Zigzag varint: small numbers of either sign are short. All 64 bits, no overflow. */
void buf_add_signed(struct buf *b, int64_t v);
int64_t read_signed(struct reader *r);

/* One byte, 0 or 1; anything else fails the reader. */
void buf_add_bool(struct buf *b, bool v);
bool read_bool(struct reader *r);

/* Raw 16 or 32 bytes. */
void buf_add_id(struct buf *b, const struct id *id);
void buf_add_hash(struct buf *b, const struct hash *h);
struct id read_id(struct reader *r);
struct hash read_hash(struct reader *r);

/* A length-prefixed text of at most max_bytes without NUL. Lent; "" when failed. */
const uint8_t *read_text(struct reader *r, size_t max_bytes, size_t *len_bytes);
/* The same into out, which has room for max_bytes + 1, with a NUL behind it. */
void read_text_into(struct reader *r, char *out, size_t max_bytes);

/* Appends the record of body (mandatory as said) and releases body. */
void record_finish(struct buf *out, enum record_type type, bool mandatory, struct buf *body);

/* The end of every parse_*(): ERR_NONE when all of body was read and nothing failed. */
int parse_end(const struct reader *body, const char *what, struct error *err);
int parse_refuse(const char *what, const char *why, struct error *err);

#endif
