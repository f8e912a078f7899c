#include "group/row.h"

#include <assert.h>
#include <string.h>

#define DESCRIPTOR_MAGIC "MRMRROWD"
#define TRAILER_MAGIC "MRMRROWT"
#define MAGIC_BYTES 8
#define FORMAT 1
#define CODE_EXTENDED_CAUCHY 1

uint64_t row_coded_bytes(const struct row_descriptor *d)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < d->member_count; i++)
		if (d->members[i].len_bytes > longest)
			longest = d->members[i].len_bytes;
	return longest;
}

static size_t descriptor_bytes_of(unsigned members)
{
	return ROW_HEADER_BYTES + (size_t)members * ROW_MEMBER_BYTES;
}

size_t row_tail_bytes(const struct row_descriptor *d)
{
	return descriptor_bytes_of(d->member_count) + ROW_TRAILER_BYTES;
}

uint64_t row_object_bytes(const struct row_descriptor *d)
{
	return row_coded_bytes(d) + row_tail_bytes(d);
}

/* What makes a descriptor impossible; NULL: nothing. */
static const char *fault_of(const struct row_descriptor *d)
{
	if (d->row >= GROUP_ROWS_MAX)
		return "row number out of range";
	if (d->member_count < ROW_MEMBERS_MIN || d->member_count > GROUP_SLOTS_MAX)
		return "count of members out of range";
	for (unsigned i = 0; i < d->member_count; i++) {
		if (d->members[i].slot >= GROUP_SLOTS_MAX)
			return "slot out of range";
		if (i > 0 && d->members[i].slot <= d->members[i - 1].slot)
			return "slots do not rise";
		if (d->members[i].len_bytes > ROW_MEMBER_LEN_MAX)
			return "length of a member out of range";
	}
	return NULL;
}

void row_tail_encode(const struct row_descriptor *d, struct buf *out)
{
	assert(!fault_of(d));
	buf_add(out, DESCRIPTOR_MAGIC, MAGIC_BYTES);
	buf_add_u16(out, FORMAT);
	buf_add_u8(out, CODE_EXTENDED_CAUCHY);
	buf_add_u8(out, d->row);
	buf_add_u16(out, d->member_count);
	buf_add_zeros(out, 2);
	buf_add_u32(out, 0);
	buf_add_u32(out, d->optional_features);
	buf_add_zeros(out, 8);
	buf_add(out, d->array_id.b, ID_BYTES);
	buf_add(out, d->group_id.b, ID_BYTES);
	for (unsigned i = 0; i < d->member_count; i++) {
		buf_add(out, d->members[i].name.b, HASH_BYTES);
		buf_add_u64(out, d->members[i].len_bytes);
		buf_add_u16(out, d->members[i].slot);
		buf_add_zeros(out, 6);
	}
	buf_add(out, TRAILER_MAGIC, MAGIC_BYTES);
	buf_add_u64(out, row_coded_bytes(d));
	buf_add_u64(out, descriptor_bytes_of(d->member_count));
	buf_add_zeros(out, 8);
}

static bool read_magic(struct reader *r, const char *magic)
{
	const uint8_t *bytes = read_bytes(r, MAGIC_BYTES);

	return bytes && memcmp(bytes, magic, MAGIC_BYTES) == 0;
}

/* At most 8 bytes that must all be zero. */
static bool read_zeros(struct reader *r, size_t len_bytes)
{
	static const uint8_t zeros[8];
	const uint8_t *bytes = read_bytes(r, len_bytes);

	return bytes && memcmp(bytes, zeros, len_bytes) == 0;
}

int row_trailer_decode(const void *bytes, uint64_t object_bytes, uint64_t *descriptor_offset,
		       size_t *descriptor_bytes, struct error *err)
{
	struct reader r = reader_of(bytes, ROW_TRAILER_BYTES);
	uint64_t coded, len, before;

	if (object_bytes < descriptor_bytes_of(ROW_MEMBERS_MIN) + ROW_TRAILER_BYTES)
		return err_set(err, ERR_CORRUPT, "row object: shorter than any row");
	if (!read_magic(&r, TRAILER_MAGIC))
		return err_set(err, ERR_CORRUPT, "row object: no trailer");
	coded = read_u64(&r);
	len = read_u64(&r);
	if (!read_zeros(&r, 8))
		return err_set(err, ERR_CORRUPT, "row object: trailer not canonical");
	before = object_bytes - ROW_TRAILER_BYTES;
	if (coded > before || len != before - coded)
		return err_set(err, ERR_CORRUPT, "row object: trailer does not fit its length");
	if (len < descriptor_bytes_of(ROW_MEMBERS_MIN) ||
	    len > descriptor_bytes_of(GROUP_SLOTS_MAX) ||
	    (len - ROW_HEADER_BYTES) % ROW_MEMBER_BYTES != 0)
		return err_set(err, ERR_CORRUPT,
			       "row object: length of the descriptor out of range");
	*descriptor_offset = coded;
	*descriptor_bytes = (size_t)len;
	return ERR_NONE;
}

static int read_header(struct reader *r, struct row_descriptor *d, struct error *err)
{
	uint16_t format;
	uint8_t code;
	bool zeros;

	if (!read_magic(r, DESCRIPTOR_MAGIC))
		return err_set(err, ERR_CORRUPT, "row descriptor: no magic");
	format = read_u16(r);
	code = read_u8(r);
	d->row = read_u8(r);
	d->member_count = read_u16(r);
	zeros = read_zeros(r, 2);
	if (r->failed)
		return err_set(err, ERR_CORRUPT, "row descriptor: cut short");
	if (format != FORMAT || code != CODE_EXTENDED_CAUCHY)
		return err_set(err, ERR_UNSUPPORTED, "row descriptor: format %u, code %u", format,
			       code);
	if (read_u32(r) != 0)
		return err_set(err, ERR_UNSUPPORTED, "row descriptor: needs a later version");
	d->optional_features = read_u32(r);
	if (!read_zeros(r, 8) || !zeros)
		return err_set(err, ERR_CORRUPT, "row descriptor: not canonical");
	read_into(r, d->array_id.b, ID_BYTES);
	read_into(r, d->group_id.b, ID_BYTES);
	return ERR_NONE;
}

int row_descriptor_decode(const void *bytes, size_t len_bytes, struct row_descriptor *out,
			  struct error *err)
{
	struct reader r = reader_of(bytes, len_bytes);
	const char *fault;
	bool zeros = true;
	int code;

	memset(out, 0, sizeof(*out));
	code = read_header(&r, out, err);
	if (code != ERR_NONE)
		return code;
	if (out->member_count > GROUP_SLOTS_MAX)
		return err_set(err, ERR_CORRUPT, "row descriptor: %u members", out->member_count);
	for (unsigned i = 0; i < out->member_count; i++) {
		struct row_member *m = &out->members[i];
		uint16_t slot;

		read_into(&r, m->name.b, HASH_BYTES);
		m->len_bytes = read_u64(&r);
		slot = read_u16(&r);
		m->slot = slot < GROUP_SLOTS_MAX ? (uint8_t)slot : GROUP_SLOTS_MAX;
		zeros = read_zeros(&r, 6) && zeros;
	}
	if (!reader_done(&r))
		return err_set(err, ERR_CORRUPT, "row descriptor: length does not fit its members");
	fault = fault_of(out);
	if (!fault && !zeros)
		fault = "not canonical";
	if (fault)
		return err_set(err, ERR_CORRUPT, "row descriptor: %s", fault);
	return ERR_NONE;
}

int row_tail_decode(const void *bytes, size_t len_bytes, uint64_t object_bytes,
		    struct row_descriptor *out, struct error *err)
{
	const uint8_t *end = (const uint8_t *)bytes + len_bytes;
	size_t descriptor_bytes = 0;
	uint64_t offset = 0;
	int code;

	if (len_bytes < ROW_TRAILER_BYTES || len_bytes > object_bytes)
		return err_set(err, ERR_CORRUPT, "row object: shorter than any row");
	code = row_trailer_decode(end - ROW_TRAILER_BYTES, object_bytes, &offset, &descriptor_bytes,
				  err);
	if (code != ERR_NONE)
		return code;
	if (descriptor_bytes > len_bytes - ROW_TRAILER_BYTES)
		return err_set(err, ERR_CORRUPT, "row object: too little of it was read");
	code = row_descriptor_decode(end - ROW_TRAILER_BYTES - descriptor_bytes, descriptor_bytes,
				     out, err);
	if (code != ERR_NONE)
		return code;
	if (row_coded_bytes(out) != offset)
		return err_set(err, ERR_CORRUPT, "row object: coded bytes do not fit its members");
	return ERR_NONE;
}
