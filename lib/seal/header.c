#include "seal/header.h"

#include "base/bytes.h"

#include <assert.h>
#include <string.h>

#define MAGIC_BYTES 8
#define AEAD_XCHACHA20_POLY1305 1
#define IDS_BLAKE2B 1
#define COMPRESSION_ZSTD 1

/* Features this code knows. One that changes how bytes are read gets a bit here. */
#define MANDATORY_KNOWN 0u

static const char magics[][MAGIC_BYTES + 1] = {
	[OBJECT_BLOCK] = "MRMRBLOK",
	[OBJECT_SEGMENT] = "MRMRSEGM",
	[OBJECT_RING] = "MRMRRING",
	[OBJECT_WRITER] = "MRMRWRIT",
};

static bool has_header(enum object_type type)
{
	return type >= OBJECT_BLOCK && type <= OBJECT_WRITER;
}

void header_encode(const struct object_header *h, uint8_t out[HEADER_BYTES])
{
	assert(has_header(h->type));
	assert(h->epoch > 0);
	memset(out, 0, HEADER_BYTES);
	memcpy(out, magics[h->type], MAGIC_BYTES);
	store_u16(out + 8, FORMAT_NUMBER);
	out[10] = (uint8_t)h->type;
	out[11] = AEAD_XCHACHA20_POLY1305;
	out[12] = IDS_BLAKE2B;
	out[13] = COMPRESSION_ZSTD;
	store_u32(out + 16, h->mandatory);
	store_u32(out + 20, h->optional);
	store_u32(out + 24, h->epoch);
	memcpy(out + 32, h->array_id.b, ID_BYTES);
	memcpy(out + 48, h->uid.b, ID_BYTES);
}

/* What a newer mrmr may have written in good faith. */
static int check_known(const uint8_t *in, struct error *err)
{
	unsigned format = load_u16(in + 8);
	uint32_t unknown = load_u32(in + 16) & ~MANDATORY_KNOWN;

	if (format > FORMAT_NUMBER)
		return err_set(err, ERR_UNSUPPORTED, "format %u is newer than this mrmr", format);
	if (in[11] != AEAD_XCHACHA20_POLY1305 || in[12] != IDS_BLAKE2B ||
	    in[13] != COMPRESSION_ZSTD)
		return err_set(err, ERR_UNSUPPORTED, "unknown algorithms %u, %u, %u", in[11],
			       in[12], in[13]);
	if (unknown)
		return err_set(err, ERR_UNSUPPORTED, "unknown mandatory features 0x%x", unknown);
	return ERR_NONE;
}

int header_decode(const void *bytes, size_t len_bytes, enum object_type type,
		  const struct id *array_id, struct object_header *out, struct error *err)
{
	const uint8_t *in = bytes;
	struct object_header h = {.type = type};
	int code;

	assert(has_header(type));
	if (len_bytes < HEADER_BYTES)
		return err_set(err, ERR_CORRUPT, "%zu bytes are too short for a header", len_bytes);
	if (memcmp(in, magics[type], MAGIC_BYTES) != 0)
		return err_set(err, ERR_CORRUPT, "does not begin with %s", magics[type]);
	code = check_known(in, err);
	if (code != ERR_NONE)
		return code;
	h.mandatory = load_u32(in + 16);
	h.optional = load_u32(in + 20);
	h.epoch = load_u32(in + 24);
	memcpy(h.array_id.b, in + 32, ID_BYTES);
	memcpy(h.uid.b, in + 48, ID_BYTES);
	if (load_u16(in + 8) == 0 || in[10] != (uint8_t)type || load_u16(in + 14) != 0 ||
	    load_u32(in + 28) != 0 || h.epoch == 0)
		return err_set(err, ERR_CORRUPT, "the header is damaged");
	if (array_id && !id_equal(&h.array_id, array_id))
		return err_set(err, ERR_CORRUPT, "belongs to another array");
	*out = h;
	return ERR_NONE;
}
