#include "table/segment.h"

#include "chunk/frame.h"
#include "chunk/geometry.h"
#include "seal/box.h"
#include "table/record_codec.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTRA_BYTES 88
#define CLEAR_BYTES (HEADER_BYTES + EXTRA_BYTES)
#define LENGTHS_BYTES 16
#define SIGNATURE_BYTES crypto_sign_BYTES
#define BODY_BYTES_MIN (SIGNATURE_BYTES + HASH_BYTES + 3) /* three empty lists, no record */
#define STORED_BYTES_MIN 512
#define ZSTD_LEVEL 3
#define HEAD_KEPT_BYTES 16

_Static_assert(SECRET_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "Ed25519 secret key");
_Static_assert(HASH_BYTES == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key");
_Static_assert(SEGMENT_BODY_MAX <= FRAME_PLAIN_MAX, "a body is packed as one frame");

/*
 * A body in memory has the clear bytes in front of it, so that what is signed lies in one
 * piece: first CLEAR_BYTES and then all of the body but its signature. The signature is
 * written over the end of the clear bytes, once these were signed or instead of verifying:
 *
 *   | clear bytes ... | rest of the body |
 *            | signature | rest          |   the same memory: the body as it is packed
 */
#define BODY_AT (CLEAR_BYTES - SIGNATURE_BYTES)

void segment_release(struct segment *s)
{
	clock_release(&s->clock);
	haves_release(s->have, s->have_count);
	free(s->heads);
	buf_release(&s->records);
	memset(s, 0, sizeof(*s));
}

/* What must hold between the parts of any segment; NULL, or what does not. */
static const char *wrong_shape(const struct segment *s)
{
	if (s->kind < SEGMENT_PLAIN || s->kind > SEGMENT_CHECKPOINT)
		return "no such kind of segment";
	if (s->first == 0 || s->last < s->first)
		return "an impossible range of sequence numbers";
	if (s->first == 1 && !hash_is_zero(&s->previous))
		return "a head before the first segment";
	if (s->kind == SEGMENT_PLAIN)
		return s->first != s->last ? "a plain segment of several numbers" : NULL;
	if (!s->heads || memcmp(s->heads[s->last - s->first], s->head.b, HEAD_KEPT_BYTES) != 0)
		return "the list of heads does not end in the head";
	return NULL;
}

static void encode_clear(const struct keys *k, const struct segment *s, uint8_t out[CLEAR_BYTES])
{
	struct object_header h = { .type = OBJECT_SEGMENT,
				   .epoch = keys_epoch(k),
				   .array_id = *keys_array_id(k),
				   .uid = id_random() };
	uint8_t *extra = out + HEADER_BYTES;

	header_encode(&h, out);
	memset(extra, 0, EXTRA_BYTES);
	memcpy(extra, s->writer.b, HASH_BYTES);
	store_u64(extra + 32, s->first);
	store_u64(extra + 40, s->last);
	memcpy(extra + 48, s->previous.b, HASH_BYTES);
	extra[80] = (uint8_t)s->kind;
}

static struct box_place place_of(const uint8_t clear[CLEAR_BYTES])
{
	return (struct box_place){ .header = clear,
				   .kind = BOX_RECORDS,
				   .extra = clear + HEADER_BYTES,
				   .extra_bytes = EXTRA_BYTES };
}

/* The clear bytes and, from BODY_AT, the signed body. */
static int encode_body(const struct segment *s, const uint8_t clear[CLEAR_BYTES],
		       const uint8_t secret_key[SECRET_KEY_BYTES], struct buf *out,
		       struct error *err)
{
	size_t heads = s->kind == SEGMENT_PLAIN ? 0 : (size_t)(s->last - s->first + 1);
	uint8_t signature[SIGNATURE_BYTES];

	buf_add(out, clear, CLEAR_BYTES);
	buf_add_hash(out, &s->head);
	clock_encode(&s->clock, out);
	haves_encode(s->have, s->have_count, out);
	buf_add_varint(out, heads);
	if (heads > 0)
		buf_add(out, s->heads, heads * HEAD_KEPT_BYTES);
	buf_add(out, s->records.data, s->records.len_bytes);
	if (out->failed)
		return err_nomem(err);
	if (out->len_bytes - BODY_AT > SEGMENT_BODY_MAX)
		return err_set(err, ERR_FULL, "segment: %zu bytes are too many for one",
			       out->len_bytes - BODY_AT);
	crypto_sign_detached(signature, NULL, out->data, out->len_bytes, secret_key);
	memcpy(out->data + BODY_AT, signature, SIGNATURE_BYTES);
	return ERR_NONE;
}

/* Packs the body into the plain bytes of the box, padded. */
static int pack_body(const struct buf *body, struct buf *plain, struct error *err)
{
	const uint8_t *packed;
	size_t packed_bytes, need, stored;
	enum frame_method method;
	struct framer *f = NULL;
	int code = framer_new(ZSTD_LEVEL, &f, err);

	if (code != ERR_NONE)
		return code;
	code = framer_pack(f, body->data + BODY_AT, body->len_bytes - BODY_AT, &packed,
			   &packed_bytes, &method, err);
	if (code != ERR_NONE)
		goto out;
	need = CLEAR_BYTES + BOX_OVERHEAD_BYTES + LENGTHS_BYTES + packed_bytes;
	stored = (size_t)padme(need);
	if (stored < STORED_BYTES_MIN)
		stored = STORED_BYTES_MIN;
	buf_reserve(plain, stored); /* once, not by doubling */
	buf_add_u32(plain, (uint32_t)packed_bytes);
	buf_add_u32(plain, (uint32_t)(body->len_bytes - BODY_AT));
	buf_add_u32(plain, (uint32_t)method);
	buf_add_u32(plain, 0);
	buf_add(plain, packed, packed_bytes);
	buf_add_zeros(plain, stored - need);
	if (plain->failed)
		code = err_nomem(err);
out:
	framer_free(f);
	return code;
}

static void format_name(const struct segment *s, const void *bytes, size_t len_bytes,
			char name[SEGMENT_NAME_BYTES])
{
	struct hash h = sha256(bytes, len_bytes);
	char writer[HASH_HEX_BYTES], hash[HASH_HEX_BYTES];

	hex_encode(s->writer.b, HASH_BYTES, writer);
	hex_encode(h.b, HASH_BYTES, hash);
	snprintf(name, SEGMENT_NAME_BYTES, "journal/%s/%" PRIu64 "-%" PRIu64 "-%s", writer,
		 s->first, s->last, hash);
}

int segment_seal(const struct keys *k, struct segment *s,
		 const uint8_t secret_key[SECRET_KEY_BYTES], struct buf *out,
		 char name[SEGMENT_NAME_BYTES], struct error *err)
{
	struct buf body = { 0 }, plain = { 0 };
	uint8_t clear[CLEAR_BYTES] = { 0 }, *at;
	struct box_place place = place_of(clear);
	const char *wrong;
	int code;

	if (s->kind == SEGMENT_PLAIN)
		s->head = head_hash(k, &s->previous, s->records.data, s->records.len_bytes);
	wrong = wrong_shape(s);
	if (!wrong && memcmp(secret_key + HASH_BYTES, s->writer.b, HASH_BYTES) != 0)
		wrong = "not the key of its writer";
	if (wrong)
		return err_set(err, ERR_USAGE, "segment: %s", wrong);
	encode_clear(k, s, clear);
	code = encode_body(s, clear, secret_key, &body, err);
	if (code == ERR_NONE)
		code = pack_body(&body, &plain, err);
	if (code != ERR_NONE)
		goto out;
	if (!buf_reserve(out, CLEAR_BYTES + BOX_OVERHEAD_BYTES + plain.len_bytes)) {
		code = err_nomem(err);
		goto out;
	}
	at = out->data + out->len_bytes;
	memcpy(at, clear, CLEAR_BYTES);
	code = box_seal(k, &place, plain.data, plain.len_bytes, at + CLEAR_BYTES, err);
	if (code != ERR_NONE)
		goto out;
	out->len_bytes += CLEAR_BYTES + BOX_OVERHEAD_BYTES + plain.len_bytes;
	format_name(s, at, (size_t)(out->data + out->len_bytes - at), name);
out:
	buf_release(&plain);
	buf_release(&body);
	return code;
}

/* Reads header and extra; the kind is known to be one. */
static int decode_clear(const struct keys *k, const uint8_t *bytes, size_t len_bytes,
			struct segment *s, struct error *err)
{
	static const uint8_t zeros[EXTRA_BYTES - 81];
	const uint8_t *extra;
	struct object_header h;
	int code;

	if (len_bytes < STORED_BYTES_MIN || len_bytes > SEGMENT_STORED_MAX)
		return err_set(err, ERR_CORRUPT, "%zu bytes are no segment", len_bytes);
	extra = bytes + HEADER_BYTES;
	code = header_decode(bytes, len_bytes, OBJECT_SEGMENT, keys_array_id(k), &h, err);
	if (code != ERR_NONE)
		return code;
	memcpy(s->writer.b, extra, HASH_BYTES);
	s->first = load_u64(extra + 32);
	s->last = load_u64(extra + 40);
	memcpy(s->previous.b, extra + 48, HASH_BYTES);
	if (extra[80] < SEGMENT_PLAIN || extra[80] > SEGMENT_CHECKPOINT ||
	    memcmp(extra + 81, zeros, sizeof(zeros)) != 0)
		return err_set(err, ERR_CORRUPT, "no such kind of segment");
	s->kind = (enum segment_kind)extra[80];
	return ERR_NONE;
}

static bool all_zero(const uint8_t *bytes, size_t len_bytes)
{
	return len_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len_bytes - 1) == 0);
}

/* Unpacks the opened box to body, from BODY_AT. */
static int unpack_body(const uint8_t *plain, size_t plain_bytes, struct buf *body,
		       struct error *err)
{
	uint32_t packed_bytes = load_u32(plain), body_bytes = load_u32(plain + 4);
	uint32_t method = load_u32(plain + 8);
	size_t room = plain_bytes - LENGTHS_BYTES;
	struct framer *f = NULL;
	int code;

	if (packed_bytes > room || body_bytes < BODY_BYTES_MIN || body_bytes > SEGMENT_BODY_MAX ||
	    (method != FRAME_RAW && method != FRAME_ZSTD) || load_u32(plain + 12) != 0 ||
	    !all_zero(plain + LENGTHS_BYTES + packed_bytes, room - packed_bytes))
		return err_set(err, ERR_CORRUPT, "impossible lengths or padding");
	buf_add_zeros(body, BODY_AT + body_bytes);
	if (body->failed)
		return err_nomem(err);
	code = framer_new(0, &f, err); /* it unpacks only */
	if (code != ERR_NONE)
		return code;
	code = framer_unpack(f, (enum frame_method)method, plain + LENGTHS_BYTES, packed_bytes,
			     body->data + BODY_AT, body_bytes, err);
	framer_free(f);
	return code;
}

static int open_body(const struct keys *k, const uint8_t *bytes, size_t len_bytes, struct buf *body,
		     struct error *err)
{
	struct box_place place = place_of(bytes);
	size_t plain_bytes = len_bytes - CLEAR_BYTES - BOX_OVERHEAD_BYTES;
	uint8_t *plain = malloc(plain_bytes);
	int code;

	if (!plain)
		return err_nomem(err);
	code = box_open(k, &place, bytes + CLEAR_BYTES, len_bytes - CLEAR_BYTES, plain, err);
	if (code == ERR_NONE)
		code = unpack_body(plain, plain_bytes, body, err);
	free(plain);
	return code;
}

/* Verifies the signature, which leaves clear bytes and the rest of the body in one piece. */
static int verify_body(const uint8_t *clear, const struct hash *writer, struct buf *body,
		       struct error *err)
{
	uint8_t signature[SIGNATURE_BYTES];

	assert(body->data && body->len_bytes >= BODY_AT + BODY_BYTES_MIN);
	memcpy(signature, body->data + BODY_AT, SIGNATURE_BYTES);
	memcpy(body->data, clear, CLEAR_BYTES);
	if (crypto_sign_verify_detached(signature, body->data, body->len_bytes, writer->b) < 0)
		return err_set(err, ERR_CORRUPT, "not signed by its writer");
	return ERR_NONE;
}

static int decode_heads(struct reader *r, struct segment *s, struct error *err)
{
	uint64_t want = s->kind == SEGMENT_PLAIN ? 0 : s->last - s->first + 1;
	uint64_t count = read_varint(r);
	const uint8_t *stored;

	if (r->failed || count != want || count > r->left_bytes / HEAD_KEPT_BYTES)
		return err_set(err, ERR_CORRUPT, "the list of heads is malformed");
	if (count == 0)
		return ERR_NONE;
	stored = read_bytes(r, (size_t)count * HEAD_KEPT_BYTES);
	s->heads = malloc((size_t)count * HEAD_KEPT_BYTES);
	if (!s->heads || !stored)
		return err_nomem(err);
	memcpy(s->heads, stored, (size_t)count * HEAD_KEPT_BYTES);
	return ERR_NONE;
}

/* Takes the lists off the verified body and moves the records to its beginning: the memory of
 * body becomes theirs. */
static int decode_body(const struct keys *k, struct buf *body, struct segment *s, struct error *err)
{
	struct reader r = reader_of(body->data + CLEAR_BYTES, body->len_bytes - CLEAR_BYTES);
	const char *wrong;
	struct hash head;
	int code;

	s->head = read_hash(&r);
	code = clock_decode(&r, &s->clock, err);
	if (code == ERR_NONE)
		code = haves_decode(&r, &s->have, &s->have_count, err);
	if (code == ERR_NONE)
		code = decode_heads(&r, s, err);
	if (code != ERR_NONE)
		return code;
	wrong = wrong_shape(s);
	if (wrong)
		return err_set(err, ERR_CORRUPT, "%s", wrong);
	if (s->kind == SEGMENT_PLAIN) {
		head = head_hash(k, &s->previous, r.at, r.left_bytes);
		if (!hash_equal(&head, &s->head))
			return err_set(err, ERR_CORRUPT, "its head is not that of its records");
	}
	memmove(body->data, r.at, r.left_bytes);
	body->len_bytes = r.left_bytes;
	s->records = *body;
	memset(body, 0, sizeof(*body));
	return ERR_NONE;
}

int segment_open(const struct keys *k, const void *bytes, size_t len_bytes, struct segment *out,
		 struct error *err)
{
	struct buf body = { 0 };
	int code;

	memset(out, 0, sizeof(*out));
	code = decode_clear(k, bytes, len_bytes, out, err);
	if (code == ERR_NONE)
		code = open_body(k, bytes, len_bytes, &body, err);
	if (code == ERR_NONE)
		code = verify_body(bytes, &out->writer, &body, err);
	if (code == ERR_NONE)
		code = decode_body(k, &body, out, err);
	if (code != ERR_NONE) {
		err_wrap(err, "segment");
		segment_release(out);
	}
	buf_release(&body);
	return code;
}

/* A decimal number without leading zeros, at least 1, then the character end. */
static bool parse_seq(const char **at, char end, uint64_t *out)
{
	const char *p = *at;
	uint64_t v = 0;

	if (*p < '1' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (*p != end)
		return false;
	*at = p + 1;
	*out = v;
	return true;
}

bool segment_name_parse(const char *name, struct segment_name *out)
{
	static const char prefix[] = "journal/";
	char writer[HASH_HEX_BYTES];
	const char *at = name;

	if (strncmp(at, prefix, sizeof(prefix) - 1) != 0)
		return false;
	at += sizeof(prefix) - 1;
	if (strnlen(at, HASH_HEX_BYTES) < HASH_HEX_BYTES || at[HASH_HEX_BYTES - 1] != '/')
		return false;
	memcpy(writer, at, HASH_HEX_BYTES - 1);
	writer[HASH_HEX_BYTES - 1] = '\0';
	at += HASH_HEX_BYTES;
	return hex_decode(writer, out->writer.b, HASH_BYTES) && parse_seq(&at, '-', &out->first) &&
	       parse_seq(&at, '-', &out->last) && out->last >= out->first &&
	       hex_decode(at, out->sha256.b, HASH_BYTES);
}
