/*
 * Frames. This program puts itself between the framer and libzstd (a symbol of the program
 * goes before one of a shared library), so that the compressor can be made to lie.
 */
#include "chunk/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define FRAME_BYTES ((size_t)256 << 10)

static unsigned states_to_refuse;  /* so many next compressors cannot be had */
static unsigned version_pretended; /* 0: the true one */
static unsigned frames_to_spoil;   /* so many next compressed frames get a wrong byte */
static unsigned frames_to_swap;	   /* so many next ones are of slightly other bytes */
static size_t error_to_return;	   /* what compression returns instead, once */

unsigned ZSTD_versionNumber(void)
{
	return version_pretended ? version_pretended : ZSTD_VERSION_NUMBER;
}

size_t ZSTD_compress2(ZSTD_CCtx *c, void *to, size_t room_bytes, const void *from, size_t len_bytes)
{
	size_t (*real)(ZSTD_CCtx *, void *, size_t, const void *, size_t);
	void *symbol = dlsym(RTLD_NEXT, "ZSTD_compress2");
	size_t n = error_to_return;

	assert_non_null(symbol);
	memcpy(&real, &symbol, sizeof(real));
	error_to_return = 0;
	if (n)
		return n;
	if (frames_to_swap > 0) {
		uint8_t *other = malloc(len_bytes);

		assert_non_null(other);
		frames_to_swap--;
		memcpy(other, from, len_bytes);
		other[len_bytes - 1] ^= 1;
		n = real(c, to, room_bytes, other, len_bytes);
		free(other);
		return n;
	}
	n = real(c, to, room_bytes, from, len_bytes);
	if (!ZSTD_isError(n) && frames_to_spoil > 0) {
		frames_to_spoil--;
		((uint8_t *)to)[n / 2] ^= 0x10;
	}
	return n;
}

ZSTD_CCtx *ZSTD_createCCtx(void)
{
	ZSTD_CCtx *(*real)(void);
	void *symbol = dlsym(RTLD_NEXT, "ZSTD_createCCtx");

	assert_non_null(symbol);
	memcpy(&real, &symbol, sizeof(real));
	if (states_to_refuse == 0)
		return real();
	states_to_refuse--;
	return NULL;
}

static uint8_t *bytes_of(char kind, size_t len_bytes)
{
	static const char *const words[] = {"block", "drive", "parity", "chunk", "\n", "the", ";"};
	uint8_t *bytes = malloc(len_bytes + 16);
	uint64_t seed = 0x9e3779b97f4a7c15;
	size_t at = 0;

	assert_non_null(bytes);
	while (at < len_bytes) {
		seed ^= seed >> 12;
		seed ^= seed << 25;
		seed ^= seed >> 27;
		if (kind == 'r')
			bytes[at++] = (uint8_t)((seed * 0x2545f4914f6cdd1d) >> 56);
		else if (kind == 't')
			at += (size_t)snprintf((char *)bytes + at, 16, "%s ",
					       words[(seed * 0x2545f4914f6cdd1d >> 40) % 7]);
		else
			bytes[at++] = 0;
	}
	return bytes;
}

/* Packs and unpacks again; the method says whether it was worth it. */
static enum frame_method round_trip(struct framer *f, const uint8_t *plain, size_t len_bytes)
{
	enum frame_method method;
	uint8_t *packed, *back = malloc(len_bytes + 1);
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	assert_non_null(back);
	assert_int_equal(framer_pack(f, plain, len_bytes, &out, &out_bytes, &method, &err),
			 ERR_NONE);
	if (method == FRAME_RAW) {
		assert_ptr_equal(out, plain);
		assert_int_equal(out_bytes, len_bytes);
	} else {
		assert_true(out_bytes + len_bytes / 64 < len_bytes);
	}
	packed = malloc(out_bytes + 1);
	assert_non_null(packed);
	memcpy(packed, out, out_bytes);
	assert_int_equal(framer_unpack(f, method, packed, out_bytes, back, len_bytes, &err),
			 ERR_NONE);
	assert_memory_equal(back, plain, len_bytes);
	free(packed);
	free(back);
	return method;
}

static struct framer *framer_of(int level)
{
	struct framer *f = NULL;
	struct error err;

	assert_int_equal(framer_new(level, &f, &err), ERR_NONE);
	return f;
}

static void text_is_compressed_and_noise_is_kept_raw_at_every_level(void **state)
{
	static const int levels[] = {1, 3, 4, 5, 12, 19};
	uint8_t *text = bytes_of('t', FRAME_BYTES), *noise = bytes_of('r', FRAME_BYTES);
	uint8_t *mixed = bytes_of('r', FRAME_BYTES);

	(void)state;
	memcpy(mixed + FRAME_BYTES / 2, text, FRAME_BYTES / 8);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct framer *f = framer_of(levels[i]);

		assert_int_equal(round_trip(f, text, FRAME_BYTES), FRAME_ZSTD);
		assert_int_equal(round_trip(f, noise, FRAME_BYTES), FRAME_RAW);
		assert_int_equal(round_trip(f, mixed, FRAME_BYTES), FRAME_ZSTD);
		assert_int_equal(round_trip(f, text, 100), FRAME_ZSTD);
		framer_free(f);
	}
	free(text);
	free(noise);
	free(mixed);
}

static void every_small_length_comes_back(void **state)
{
	struct framer *f = framer_of(3);
	uint8_t *text = bytes_of('t', 2048), *zeros = bytes_of('z', 2048);

	(void)state;
	for (size_t len = 0; len <= 2048; len++) {
		round_trip(f, text, len);
		round_trip(f, zeros, len);
	}
	assert_int_equal(round_trip(f, zeros, 0), FRAME_RAW);
	assert_int_equal(round_trip(f, zeros, 1), FRAME_RAW);
	free(text);
	free(zeros);
	framer_free(f);
}

static void level_0_stores_everything_raw(void **state)
{
	struct framer *f = framer_of(0);
	uint8_t *zeros = bytes_of('z', 4096);

	(void)state;
	assert_int_equal(round_trip(f, zeros, 4096), FRAME_RAW);
	free(zeros);
	framer_free(f);
}

static void a_frame_compressed_anywhere_opens_at_any_level(void **state)
{
	struct framer *strong = framer_of(19), *none = framer_of(0);
	uint8_t *text = bytes_of('t', FRAME_BYTES), *back = bytes_of('z', FRAME_BYTES);
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	assert_int_equal(framer_pack(strong, text, FRAME_BYTES, &out, &out_bytes, &method, &err),
			 ERR_NONE);
	assert_int_equal(method, FRAME_ZSTD);
	assert_int_equal(framer_unpack(none, method, out, out_bytes, back, FRAME_BYTES, &err),
			 ERR_NONE);
	assert_memory_equal(back, text, FRAME_BYTES);
	free(text);
	free(back);
	framer_free(strong);
	framer_free(none);
}

static void a_frame_unpacks_to_its_stated_length_and_to_no_other(void **state)
{
	struct framer *f = framer_of(3);
	uint8_t *text = bytes_of('t', 4096), back[8192];
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	assert_int_equal(framer_pack(f, text, 4096, &out, &out_bytes, &method, &err), ERR_NONE);
	assert_int_equal(framer_unpack(f, method, out, out_bytes, back, 4095, &err), ERR_CORRUPT);
	assert_int_equal(framer_unpack(f, method, out, out_bytes, back, 0, &err), ERR_CORRUPT);
	assert_int_equal(framer_unpack(f, method, out, out_bytes, back, 4097, &err), ERR_CORRUPT);
	for (size_t len = 0; len < out_bytes; len++)
		assert_int_equal(framer_unpack(f, method, out, len, back, 4096, &err), ERR_CORRUPT);
	assert_int_equal(framer_unpack(f, FRAME_RAW, text, 100, back, 99, &err), ERR_CORRUPT);
	assert_int_equal(framer_unpack(f, FRAME_RAW, text, 100, back, 101, &err), ERR_CORRUPT);
	assert_int_equal(framer_unpack(f, (enum frame_method)2, text, 100, back, 100, &err),
			 ERR_CORRUPT);
	free(text);
	framer_free(f);
}

static void a_bomb_stops_at_the_stated_length(void **state)
{
	uint8_t *zeros = bytes_of('z', FRAME_PLAIN_MAX), back[100];
	struct framer *f = framer_of(3);
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	assert_int_equal(framer_pack(f, zeros, FRAME_PLAIN_MAX, &out, &out_bytes, &method, &err),
			 ERR_NONE);
	assert_true(out_bytes < 16384);
	assert_int_equal(framer_unpack(f, method, out, out_bytes, back, sizeof(back), &err),
			 ERR_CORRUPT);
	free(zeros);
	framer_free(f);
}

static void more_than_a_frame_can_hold_is_refused(void **state)
{
	struct framer *f = framer_of(3);
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	assert_int_equal(framer_pack(f, "", FRAME_PLAIN_MAX + 1, &out, &out_bytes, &method, &err),
			 ERR_USAGE);
	framer_free(f);
}

/* */
static void a_frame_spoilt_once_is_compressed_again(void **state)
{
	struct framer *f = framer_of(3);
	uint8_t *text = bytes_of('t', FRAME_BYTES);

	(void)state;
	frames_to_spoil = 1;
	assert_int_equal(round_trip(f, text, FRAME_BYTES), FRAME_ZSTD);
	assert_int_equal(frames_to_spoil, 0);
	free(text);
	framer_free(f);
}

static void a_frame_spoilt_twice_is_never_handed_out(void **state)
{
	uint8_t *text = bytes_of('t', FRAME_BYTES);
	struct framer *f = framer_of(3);
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	frames_to_spoil = 2;
	assert_int_equal(framer_pack(f, text, FRAME_BYTES, &out, &out_bytes, &method, &err),
			 ERR_CORRUPT);
	assert_int_equal(frames_to_spoil, 0);
	assert_int_equal(round_trip(f, text, FRAME_BYTES), FRAME_ZSTD); /* usable afterwards */
	free(text);
	framer_free(f);
}

static void a_frame_of_other_bytes_is_never_handed_out(void **state)
{
	uint8_t *text = bytes_of('t', FRAME_BYTES);
	struct framer *f = framer_of(3);
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	frames_to_swap = 1;
	assert_int_equal(round_trip(f, text, FRAME_BYTES), FRAME_ZSTD);
	frames_to_swap = 2;
	assert_int_equal(framer_pack(f, text, FRAME_BYTES, &out, &out_bytes, &method, &err),
			 ERR_CORRUPT);
	assert_int_equal(frames_to_swap, 0);
	free(text);
	framer_free(f);
}

static void what_saves_less_than_a_64th_is_kept_raw(void **state)
{
	uint8_t *noise = bytes_of('r', FRAME_BYTES);
	struct framer *f = framer_of(3);

	(void)state;
	memset(noise + 1000, 0, 3000); /* zstd's own least gain is a 64th of 128 KiB */
	assert_int_equal(round_trip(f, noise, FRAME_BYTES), FRAME_RAW);
	memset(noise + 1000, 0, FRAME_BYTES / 32);
	assert_int_equal(round_trip(f, noise, FRAME_BYTES), FRAME_ZSTD);
	free(noise);
	framer_free(f);
}

static void failures_of_the_compressor_are_errors_and_not_raw_frames(void **state)
{
	uint8_t *text = bytes_of('t', 4096);
	struct framer *f = framer_of(3);
	enum frame_method method;
	const uint8_t *out;
	size_t out_bytes;
	struct error err;

	(void)state;
	error_to_return = (size_t)-64; /* ZSTD_error_memory_allocation */
	assert_int_equal(framer_pack(f, text, 4096, &out, &out_bytes, &method, &err), ERR_NOMEM);
	error_to_return = (size_t)-1; /* ZSTD_error_GENERIC */
	assert_int_equal(framer_pack(f, text, 4096, &out, &out_bytes, &method, &err), ERR_IO);
	free(text);
	framer_free(f);
}

static void levels_beyond_the_limits_are_refused(void **state)
{
	struct framer *f = NULL;
	struct error err;

	(void)state;
	assert_int_equal(framer_new(-1, &f, &err), ERR_USAGE);
	assert_int_equal(framer_new(FRAME_LEVEL_MAX + 1, &f, &err), ERR_USAGE);
	assert_null(f);
}

static void a_libzstd_known_to_corrupt_is_refused_at_strong_levels_only(void **state)
{
	static const unsigned bad[] = {10500, 10501, 10502, 10503}, good[] = {10499, 10504, 10505};
	struct framer *f = NULL;
	struct error err;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		version_pretended = bad[i];
		assert_int_equal(framer_new(13, &f, &err), ERR_UNSUPPORTED);
		assert_int_equal(framer_new(19, &f, &err), ERR_UNSUPPORTED);
		assert_null(f);
		assert_int_equal(framer_new(12, &f, &err), ERR_NONE);
		framer_free(f);
		f = NULL;
	}
	for (size_t i = 0; i < 3; i++) {
		version_pretended = good[i];
		assert_int_equal(framer_new(19, &f, &err), ERR_NONE);
		framer_free(f);
		f = NULL;
	}
	version_pretended = 0;
}

static void a_framer_without_memory_is_not_made(void **state)
{
	struct framer *f = NULL;
	struct error err;

	(void)state;
	for (int level = 1; level <= 5; level += 4) {
		states_to_refuse = 1;
		assert_int_equal(framer_new(level, &f, &err), ERR_NOMEM);
		assert_null(f);
	}
	states_to_refuse = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_compressed_and_noise_is_kept_raw_at_every_level),
		cmocka_unit_test(every_small_length_comes_back),
		cmocka_unit_test(level_0_stores_everything_raw),
		cmocka_unit_test(a_frame_compressed_anywhere_opens_at_any_level),
		cmocka_unit_test(a_frame_unpacks_to_its_stated_length_and_to_no_other),
		cmocka_unit_test(a_bomb_stops_at_the_stated_length),
		cmocka_unit_test(more_than_a_frame_can_hold_is_refused),
		cmocka_unit_test(a_frame_spoilt_once_is_compressed_again),
		cmocka_unit_test(a_frame_spoilt_twice_is_never_handed_out),
		cmocka_unit_test(a_frame_of_other_bytes_is_never_handed_out),
		cmocka_unit_test(what_saves_less_than_a_64th_is_kept_raw),
		cmocka_unit_test(failures_of_the_compressor_are_errors_and_not_raw_frames),
		cmocka_unit_test(a_framer_without_memory_is_not_made),
		cmocka_unit_test(levels_beyond_the_limits_are_refused),
		cmocka_unit_test(a_libzstd_known_to_corrupt_is_refused_at_strong_levels_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
