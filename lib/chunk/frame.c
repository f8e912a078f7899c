#include "chunk/frame.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

/*
 * libzstd's block splitter, used from level 13 on, could corrupt data (facebook/zstd #3517,
 * fixed in 1.5.5). Debian's 1.5.4+dfsg2-4 and later carry the fix but report 1.5.4, so that
 * this version cannot be refused; the round trip catches an unfixed one.
 */
#define ZSTD_FIRST_BAD 10500
#define ZSTD_LAST_BAD 10503
#define LEVEL_FIRST_BAD 13

/* The strongest level that races through random bytes (10 GB/s measured; level 5: 0.5). */
#define PROBE_LEVEL 3

struct framer {
	int level;
	ZSTD_CCtx *pack, *probe;
	ZSTD_DCtx *unpack;
	struct buf packed, check;
};

static ZSTD_CCtx *compressor_new(int level)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	if (c && ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level))) {
		ZSTD_freeCCtx(c);
		return NULL;
	}
	return c;
}

int framer_new(int level, struct framer **out, struct error *err)
{
	unsigned version = ZSTD_versionNumber();
	struct framer *f;

	if (level < 0 || level > FRAME_LEVEL_MAX)
		return err_set(err, ERR_USAGE, "compression level %d: not 0 to %d", level,
			       FRAME_LEVEL_MAX);
	if (level >= LEVEL_FIRST_BAD && version >= ZSTD_FIRST_BAD && version <= ZSTD_LAST_BAD)
		return err_set(
			err, ERR_UNSUPPORTED,
			"libzstd %s may corrupt data at compression level %d: use at most %d",
			ZSTD_versionString(), level, LEVEL_FIRST_BAD - 1);
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_nomem(err);
	f->level = level;
	f->unpack = ZSTD_createDCtx();
	if (level > 0)
		f->pack = compressor_new(level);
	if (level > PROBE_LEVEL)
		f->probe = compressor_new(PROBE_LEVEL);
	if (!f->unpack || (level > 0 && !f->pack) || (level > PROBE_LEVEL && !f->probe)) {
		framer_free(f);
		return err_nomem(err);
	}
	*out = f;
	return ERR_NONE;
}

void framer_free(struct framer *f)
{
	if (!f)
		return;
	ZSTD_freeCCtx(f->pack);
	ZSTD_freeCCtx(f->probe);
	ZSTD_freeDCtx(f->unpack);
	buf_release(&f->packed);
	buf_release(&f->check);
	free(f);
}

/*
 * Compresses into f->packed. *out_bytes is 0 when that takes more than room_bytes, which
 * zstd finds out as it goes and then stops.
 */
static int compress(struct framer *f, ZSTD_CCtx *c, const void *plain, size_t len_bytes,
		    size_t room_bytes, size_t *out_bytes, struct error *err)
{
	size_t n;

	buf_clear(&f->packed);
	if (!buf_reserve(&f->packed, room_bytes))
		return err_nomem(err);
	n = ZSTD_compress2(c, f->packed.data, room_bytes, plain, len_bytes);
	*out_bytes = ZSTD_isError(n) ? 0 : n;
	if (!ZSTD_isError(n) || ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall)
		return ERR_NONE;
	if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_nomem(err);
	return err_set(err, ERR_IO, "compress: %s", ZSTD_getErrorName(n));
}

/* The framer's own copy, so that the caller's bytes are compared with and never overwritten. */
static int round_trip(struct framer *f, const void *plain, size_t len_bytes, size_t packed_bytes,
		      struct error *err)
{
	int code;

	buf_clear(&f->check);
	if (!buf_reserve(&f->check, len_bytes))
		return err_nomem(err);
	code = framer_unpack(f, FRAME_ZSTD, f->packed.data, packed_bytes, f->check.data, len_bytes,
			     err);
	if (code != ERR_NONE)
		return code;
	if (memcmp(f->check.data, plain, len_bytes) != 0)
		return err_set(err, ERR_CORRUPT, "decompressed bytes differ");
	return ERR_NONE;
}

/* *out_bytes: of the checked frame in f->packed; 0 when it is not worth it. */
static int compress_checked(struct framer *f, const void *plain, size_t len_bytes,
			    size_t *out_bytes, struct error *err)
{
	const size_t room_bytes = len_bytes - (len_bytes / 64 + 1);
	int code = ERR_NONE;

	if (f->probe) {
		code = compress(f, f->probe, plain, len_bytes, len_bytes, out_bytes, err);
		if (code != ERR_NONE || *out_bytes == 0)
			return code;
	}
	for (unsigned tries = 0; tries < 2; tries++) {
		code = compress(f, f->pack, plain, len_bytes, room_bytes, out_bytes, err);
		if (code != ERR_NONE || *out_bytes == 0)
			return code;
		code = round_trip(f, plain, len_bytes, *out_bytes, err);
		if (code != ERR_CORRUPT)
			return code;
	}
	return err_wrap(err, "compression of %zu bytes failed twice, is the memory faulty?",
			len_bytes);
}

int framer_pack(struct framer *f, const void *plain, size_t len_bytes, const uint8_t **out,
		size_t *out_bytes, enum frame_method *method, struct error *err)
{
	size_t packed_bytes = 0;
	int code;

	if (len_bytes > FRAME_PLAIN_MAX)
		return err_set(err, ERR_USAGE, "a frame of %zu bytes, above %zu", len_bytes,
			       FRAME_PLAIN_MAX);
	if (f->level > 0 && len_bytes > 0) {
		code = compress_checked(f, plain, len_bytes, &packed_bytes, err);
		if (code != ERR_NONE)
			return code;
	}
	*method = packed_bytes > 0 ? FRAME_ZSTD : FRAME_RAW;
	*out = packed_bytes > 0 ? f->packed.data : plain;
	*out_bytes = packed_bytes > 0 ? packed_bytes : len_bytes;
	return ERR_NONE;
}

int framer_unpack(struct framer *f, enum frame_method method, const void *packed,
		  size_t packed_bytes, void *plain, size_t plain_bytes, struct error *err)
{
	size_t n;

	if (method == FRAME_RAW) {
		if (packed_bytes != plain_bytes)
			return err_set(err, ERR_CORRUPT, "a raw frame of %zu bytes, not %zu",
				       packed_bytes, plain_bytes);
		if (plain_bytes > 0)
			memcpy(plain, packed, plain_bytes);
		return ERR_NONE;
	}
	if (method != FRAME_ZSTD)
		return err_set(err, ERR_CORRUPT, "unknown frame method %d", (int)method);
	n = ZSTD_decompressDCtx(f->unpack, plain, plain_bytes, packed, packed_bytes);
	if (ZSTD_isError(n))
		return err_set(err, ERR_CORRUPT, "decompress: %s", ZSTD_getErrorName(n));
	if (n != plain_bytes)
		return err_set(err, ERR_CORRUPT, "a frame of %zu bytes, not %zu", n, plain_bytes);
	return ERR_NONE;
}
