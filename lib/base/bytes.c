#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define VARINT_BYTES_MAX 10

void store_u16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

void store_u32(void *p, uint32_t v)
{
	uint8_t *b = p;

	store_u16(b, (uint16_t)v);
	store_u16(b + 2, (uint16_t)(v >> 16));
}

void store_u64(void *p, uint64_t v)
{
	uint8_t *b = p;

	store_u32(b, (uint32_t)v);
	store_u32(b + 4, (uint32_t)(v >> 32));
}

uint16_t load_u16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t load_u32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)load_u16(b) | (uint32_t)load_u16(b + 2) << 16;
}

uint64_t load_u64(const void *p)
{
	const uint8_t *b = p;

	return (uint64_t)load_u32(b) | (uint64_t)load_u32(b + 4) << 32;
}

bool grow(void *array_ptr, size_t *cap, size_t want, size_t size_bytes)
{
	size_t new_cap = *cap ? *cap : 8;
	void *old, *bigger;

	if (want <= *cap)
		return true;
	/* No object is larger than PTRDIFF_MAX; the bound also ends the doubling. */
	if (want > PTRDIFF_MAX / size_bytes)
		return false;
	while (new_cap < want)
		new_cap *= 2;
	if (new_cap > PTRDIFF_MAX / size_bytes)
		return false;
	memcpy(&old, array_ptr, sizeof(old));
	bigger = realloc(old, new_cap * size_bytes);
	if (!bigger)
		return false;
	memcpy(array_ptr, &bigger, sizeof(bigger));
	*cap = new_cap;
	return true;
}

void buf_release(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

void buf_clear(struct buf *b)
{
	b->len_bytes = 0;
	b->failed = false;
}

bool buf_reserve(struct buf *b, size_t more_bytes)
{
	if (b->failed)
		return false;
	if (more_bytes > SIZE_MAX - b->len_bytes ||
	    !grow(&b->data, &b->cap_bytes, b->len_bytes + more_bytes, 1))
		b->failed = true;
	return !b->failed;
}

void buf_add(struct buf *b, const void *bytes, size_t len_bytes)
{
	if (len_bytes == 0 || !buf_reserve(b, len_bytes))
		return;
	memcpy(b->data + b->len_bytes, bytes, len_bytes);
	b->len_bytes += len_bytes;
}

void buf_add_zeros(struct buf *b, size_t len_bytes)
{
	if (len_bytes == 0 || !buf_reserve(b, len_bytes))
		return;
	memset(b->data + b->len_bytes, 0, len_bytes);
	b->len_bytes += len_bytes;
}

void buf_add_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
	uint8_t raw[2];

	store_u16(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_u32(struct buf *b, uint32_t v)
{
	uint8_t raw[4];

	store_u32(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	store_u64(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_varint(struct buf *b, uint64_t v)
{
	uint8_t raw[VARINT_BYTES_MAX];
	size_t n = 0;

	while (v >= 0x80) {
		raw[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	raw[n++] = (uint8_t)v;
	buf_add(b, raw, n);
}

void buf_add_block(struct buf *b, const void *bytes, size_t len_bytes)
{
	buf_add_varint(b, len_bytes);
	buf_add(b, bytes, len_bytes);
}

void buf_add_string(struct buf *b, const char *s)
{
	buf_add_block(b, s, strlen(s));
}

struct reader reader_of(const void *bytes, size_t len_bytes)
{
	return (struct reader){ .at = bytes, .left_bytes = len_bytes };
}

const uint8_t *read_bytes(struct reader *r, size_t len_bytes)
{
	const uint8_t *found = r->at;

	if (r->failed || len_bytes > r->left_bytes) {
		r->failed = true;
		return NULL;
	}
	if (len_bytes > 0)
		r->at += len_bytes;
	r->left_bytes -= len_bytes;
	return found;
}

void read_into(struct reader *r, void *out, size_t len_bytes)
{
	const uint8_t *found = read_bytes(r, len_bytes);

	if (len_bytes == 0)
		return;
	if (found)
		memcpy(out, found, len_bytes);
	else
		memset(out, 0, len_bytes);
}

uint8_t read_u8(struct reader *r)
{
	uint8_t v;

	read_into(r, &v, 1);
	return v;
}

uint16_t read_u16(struct reader *r)
{
	uint8_t raw[2];

	read_into(r, raw, sizeof(raw));
	return load_u16(raw);
}

uint32_t read_u32(struct reader *r)
{
	uint8_t raw[4];

	read_into(r, raw, sizeof(raw));
	return load_u32(raw);
}

uint64_t read_u64(struct reader *r)
{
	uint8_t raw[8];

	read_into(r, raw, sizeof(raw));
	return load_u64(raw);
}

uint64_t read_varint(struct reader *r)
{
	uint64_t v = 0;
	unsigned shift = 0;

	for (unsigned i = 0; i < VARINT_BYTES_MAX; i++, shift += 7) {
		uint8_t b = read_u8(r);

		if (r->failed)
			return 0;
		if ((shift == 63 && b > 1) || (b == 0 && i > 0))
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	r->failed = true;
	return 0;
}

uint64_t read_varint_max(struct reader *r, uint64_t max)
{
	uint64_t v = read_varint(r);

	if (v > max) {
		r->failed = true;
		return 0;
	}
	return v;
}

const uint8_t *read_block(struct reader *r, size_t max_bytes, size_t *len_bytes)
{
	size_t len = (size_t)read_varint_max(r, max_bytes);
	const uint8_t *found = read_bytes(r, len);

	*len_bytes = found ? len : 0;
	return found;
}

struct reader read_sub(struct reader *r, size_t max_bytes)
{
	size_t len = 0;
	const uint8_t *found = read_block(r, max_bytes, &len);
	struct reader sub = reader_of(found, len);

	sub.failed = r->failed;
	return sub;
}

bool reader_done(const struct reader *r)
{
	return !r->failed && r->left_bytes == 0;
}
