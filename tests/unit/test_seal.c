/*
 * Keys and boxes: what is sealed opens where it belongs and nowhere else. Two calls of
 * libsodium can be made to fail (a symbol of the program goes before one of a shared library).
 */
#include "seal/box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static bool no_memory, no_protection;

void *sodium_malloc(const size_t size)
{
	void *(*real)(size_t);
	void *symbol = dlsym(RTLD_NEXT, "sodium_malloc");

	assert_non_null(symbol);
	memcpy(&real, &symbol, sizeof(real));
	return no_memory ? NULL : real(size);
}

int sodium_mprotect_readonly(void *ptr)
{
	int (*real)(void *);
	void *symbol = dlsym(RTLD_NEXT, "sodium_mprotect_readonly");

	assert_non_null(symbol);
	memcpy(&real, &symbol, sizeof(real));
	errno = ENOMEM;
	return no_protection ? -1 : real(ptr);
}

static struct keys *fresh_keys(void)
{
	struct id array_id = id_random();
	struct keys *k = NULL;
	struct error err;

	assert_int_equal(keys_new(&array_id, &k, &err), ERR_NONE);
	return k;
}

static struct object_header header_of(const struct keys *k, enum object_type type)
{
	struct object_header h = {
		.type = type,
		.epoch = keys_epoch(k),
		.array_id = *keys_array_id(k),
		.uid = id_random(),
	};

	return h;
}

static void starting_forbids_core_dumps(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	assert_int_equal(limit.rlim_cur, 0);
	assert_int_equal(limit.rlim_max, 0);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

/* A sealed box with all that is needed to present it elsewhere. */
struct sealed {
	uint8_t header[HEADER_BYTES];
	enum box_kind kind;
	uint64_t index;
	uint8_t box[8 + BOX_OVERHEAD_BYTES];
};

static struct box_place place_of(const struct sealed *s)
{
	struct box_place place = {.header = s->header, .kind = s->kind, .index = s->index};

	return place;
}

static void seal_word(const struct keys *k, struct sealed *s)
{
	struct box_place place = place_of(s);
	struct error err;

	assert_int_equal(box_seal(k, &place, "the word", 8, s->box, &err), ERR_NONE);
}

/* What opening s's box at that place says; a success must give back the word. */
static int open_at(const struct keys *k, const struct sealed *s, const struct box_place *place)
{
	static const uint8_t zeros[8];
	uint8_t plain[8];
	struct error err;
	int code = box_open(k, place, s->box, sizeof(s->box), plain, &err);

	assert_memory_equal(plain, code == ERR_NONE ? (const uint8_t *)"the word" : zeros, 8);
	return code;
}

/* every type, kind, index and uid against every other. */
static void a_box_opens_at_its_own_place_and_at_no_other(void **state)
{
	static const uint64_t indexes[] = {0, 1, 255, 256, UINT64_MAX};
	static struct sealed all[2 * OBJECT_WRITER * BOX_WRITER * 5];
	struct keys *k = fresh_keys();
	size_t count = 0;

	(void)state;
	for (size_t copies = 0; copies < 2; copies++) { /* the second: another uid */
		for (enum object_type type = OBJECT_BLOCK; type <= OBJECT_WRITER; type++) {
			struct object_header h = header_of(k, type);

			for (enum box_kind kind = BOX_FRAME; kind <= BOX_WRITER; kind++) {
				for (size_t i = 0; i < 5; i++) {
					struct sealed *s = &all[count++];

					header_encode(&h, s->header);
					s->kind = kind;
					s->index = indexes[i];
					seal_word(k, s);
				}
			}
		}
	}
	assert_int_equal(count, sizeof(all) / sizeof(all[0]));
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			struct box_place place = place_of(&all[j]);

			assert_int_equal(open_at(k, &all[i], &place),
					 i == j ? ERR_NONE : ERR_CORRUPT);
		}
	}
	keys_free(k);
}

static void a_box_does_not_open_with_any_bit_of_it_or_of_its_place_changed(void **state)
{
	struct keys *k = fresh_keys();
	struct object_header h = header_of(k, OBJECT_SEGMENT);
	struct sealed s = {.kind = BOX_RECORDS};
	struct box_place place = place_of(&s);

	(void)state;
	header_encode(&h, s.header);
	seal_word(k, &s);
	for (size_t bit = 0; bit < 8 * sizeof(s.box); bit++) {
		s.box[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(open_at(k, &s, &place), ERR_CORRUPT);
		s.box[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * sizeof(s.header); bit++) {
		s.header[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(open_at(k, &s, &place), ERR_CORRUPT);
		s.header[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(open_at(k, &s, &place), ERR_NONE);
	keys_free(k);
}

static void a_box_cut_at_any_length_is_refused(void **state)
{
	struct keys *k = fresh_keys();
	struct object_header h = header_of(k, OBJECT_BLOCK);
	struct sealed s = {.kind = BOX_FRAME};
	struct box_place place = place_of(&s);
	uint8_t plain[sizeof(s.box)];
	struct error err;

	(void)state;
	header_encode(&h, s.header);
	seal_word(k, &s);
	for (size_t len = 0; len < sizeof(s.box); len++)
		assert_int_equal(box_open(k, &place, s.box, len, plain, &err), ERR_CORRUPT);
	keys_free(k);
}

static void the_extra_is_bound_to_the_box(void **state)
{
	struct keys *k = fresh_keys();
	struct object_header h = header_of(k, OBJECT_SEGMENT);
	struct sealed s = {.kind = BOX_RECORDS};
	uint8_t extra[BOX_EXTRA_MAX] = {7};
	struct box_place with, without;
	struct error err;

	(void)state;
	header_encode(&h, s.header);
	with = without = place_of(&s);
	with.extra = extra;
	with.extra_bytes = sizeof(extra);
	assert_int_equal(box_seal(k, &with, "the word", 8, s.box, &err), ERR_NONE);
	assert_int_equal(open_at(k, &s, &with), ERR_NONE);
	assert_int_equal(open_at(k, &s, &without), ERR_CORRUPT);
	with.extra_bytes--;
	assert_int_equal(open_at(k, &s, &with), ERR_CORRUPT);
	with.extra_bytes++;
	extra[BOX_EXTRA_MAX - 1] ^= 1;
	assert_int_equal(open_at(k, &s, &with), ERR_CORRUPT);
	keys_free(k);
}

static void a_box_may_be_empty(void **state)
{
	struct keys *k = fresh_keys();
	struct object_header h = header_of(k, OBJECT_BLOCK);
	struct sealed s = {.kind = BOX_FRAME};
	struct box_place place = place_of(&s);
	uint8_t nothing[1];
	struct error err;

	(void)state;
	header_encode(&h, s.header);
	assert_int_equal(box_seal(k, &place, "", 0, s.box, &err), ERR_NONE);
	assert_int_equal(box_open(k, &place, s.box, BOX_OVERHEAD_BYTES, nothing, &err), ERR_NONE);
	keys_free(k);
}

static void nothing_is_sealed_under_the_header_of_another_array_or_epoch(void **state)
{
	struct keys *k = fresh_keys();
	struct object_header h = header_of(k, OBJECT_BLOCK);
	struct sealed s = {.kind = BOX_FRAME};
	struct box_place place = place_of(&s);
	struct error err;

	(void)state;
	h.epoch = 2;
	header_encode(&h, s.header);
	assert_int_equal(box_seal(k, &place, "the word", 8, s.box, &err), ERR_CORRUPT);
	h.epoch = 1;
	h.array_id = id_random();
	header_encode(&h, s.header);
	assert_int_equal(box_seal(k, &place, "the word", 8, s.box, &err), ERR_CORRUPT);
	keys_free(k);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* The first 8 bytes of each nonce stand for it: among 10^6 random ones two equal are
 * expected once in 37 million runs. */
static void a_million_boxes_of_one_plaintext_share_no_nonce_and_no_ciphertext(void **state)
{
	const size_t count = 1000000;
	struct keys *k = fresh_keys();
	struct object_header h = header_of(k, OBJECT_BLOCK);
	struct sealed s = {.kind = BOX_FRAME};
	uint64_t *nonces = calloc(count, sizeof(*nonces));
	uint64_t *texts = calloc(count, sizeof(*texts));

	(void)state;
	assert_non_null(nonces);
	assert_non_null(texts);
	header_encode(&h, s.header);
	for (size_t i = 0; i < count; i++) {
		seal_word(k, &s);
		memcpy(&nonces[i], s.box, 8);
		memcpy(&texts[i], s.box + 24, 8);
	}
	qsort(nonces, count, sizeof(*nonces), compare_u64);
	qsort(texts, count, sizeof(*texts), compare_u64);
	for (size_t i = 1; i < count; i++) {
		assert_int_not_equal(nonces[i], nonces[i - 1]);
		assert_int_not_equal(texts[i], texts[i - 1]);
	}
	free(nonces);
	free(texts);
	keys_free(k);
}

static struct keys *through_a_ring(const struct keys *k)
{
	struct buf ring = {0};
	struct keys *back = NULL;
	struct error err;

	assert_int_equal(ring_make(k, &ring, &err), ERR_NONE);
	assert_int_equal(ring_open(keys_array_id(k), keys_epoch(k), keys_master(k), ring.data,
				   ring.len_bytes, &back, &err),
			 ERR_NONE);
	buf_release(&ring);
	return back;
}

static void assert_same_hashes(const struct keys *a, const struct keys *b)
{
	struct hash zero = {{0}};
	struct hash x = chunk_id(a, "abc", 3), y = chunk_id(b, "abc", 3);

	assert_true(hash_equal(&x, &y));
	x = head_hash(a, &zero, "abc", 3);
	y = head_hash(b, &zero, "abc", 3);
	assert_true(hash_equal(&x, &y));
	x = marker_mac(a, "abc", 3);
	y = marker_mac(b, "abc", 3);
	assert_true(hash_equal(&x, &y));
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(cutter_entry(a, (uint8_t)i), cutter_entry(b, (uint8_t)i));
}

static void after_every_rotation_a_ring_opens_all_that_was_ever_sealed(void **state)
{
	static struct sealed all[KEY_EPOCHS_MAX];
	struct keys *k = fresh_keys(), *first = through_a_ring(k), *next;
	struct error err;

	(void)state;
	for (size_t i = 0; i < KEY_EPOCHS_MAX; i++) {
		struct object_header h = header_of(k, OBJECT_BLOCK);

		assert_int_equal(keys_epoch(k), i + 1);
		all[i].kind = BOX_FRAME;
		header_encode(&h, all[i].header);
		seal_word(k, &all[i]);
		next = through_a_ring(k);
		for (size_t j = 0; j <= i; j++) {
			struct box_place place = place_of(&all[j]);

			assert_int_equal(open_at(next, &all[j], &place), ERR_NONE);
		}
		assert_same_hashes(first, next);
		keys_free(k);
		k = next;
		if (i + 1 < KEY_EPOCHS_MAX) {
			assert_int_equal(keys_rotate(k, &next, &err), ERR_NONE);
			assert_memory_not_equal(keys_master(k), keys_master(next), KEY_BYTES);
			keys_free(k);
			k = next;
		}
	}
	assert_int_equal(keys_rotate(k, &next, &err), ERR_FULL);
	keys_free(first);
	keys_free(k);
}

static void a_ring_does_not_open_for_another_master_epoch_or_array(void **state)
{
	struct keys *old = fresh_keys(), *k = NULL, *back = NULL;
	struct id other = id_random();
	struct buf ring = {0};
	struct error err;

	(void)state;
	assert_int_equal(keys_rotate(old, &k, &err), ERR_NONE);
	assert_int_equal(ring_make(k, &ring, &err), ERR_NONE);
	assert_int_equal(ring_open(keys_array_id(k), 2, keys_master(old), ring.data, ring.len_bytes,
				   &back, &err),
			 ERR_CORRUPT);
	assert_int_equal(ring_open(keys_array_id(k), 1, keys_master(k), ring.data, ring.len_bytes,
				   &back, &err),
			 ERR_CORRUPT);
	assert_int_equal(
		ring_open(&other, 2, keys_master(k), ring.data, ring.len_bytes, &back, &err),
		ERR_CORRUPT);
	assert_null(back);
	buf_release(&ring);
	keys_free(old);
	keys_free(k);
}

static void a_ring_with_any_bit_changed_or_cut_or_longer_is_refused(void **state)
{
	struct keys *k = fresh_keys(), *back = NULL;
	struct buf ring = {0};
	struct error err;

	(void)state;
	assert_int_equal(ring_make(k, &ring, &err), ERR_NONE);
	for (size_t bit = 0; bit < 8 * ring.len_bytes; bit++) {
		ring.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(ring_open(keys_array_id(k), 1, keys_master(k), ring.data,
					       ring.len_bytes, &back, &err),
				     ERR_NONE);
		ring.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	buf_add_zeros(&ring, KEY_BYTES);
	for (size_t len = 0; len <= ring.len_bytes; len++) {
		if (len != ring.len_bytes - KEY_BYTES)
			assert_int_equal(ring_open(keys_array_id(k), 1, keys_master(k), ring.data,
						   len, &back, &err),
					 ERR_CORRUPT);
	}
	assert_null(back);
	buf_release(&ring);
	keys_free(k);
}

static void a_ring_of_an_epoch_beyond_the_limit_is_refused(void **state)
{
	struct keys *k = fresh_keys(), *back = NULL;
	struct object_header h = header_of(k, OBJECT_RING);
	uint8_t ring[HEADER_BYTES + (2 + KEY_EPOCHS_MAX) * KEY_BYTES + BOX_OVERHEAD_BYTES] = {0};
	struct error err;

	(void)state;
	h.epoch = KEY_EPOCHS_MAX + 1;
	header_encode(&h, ring);
	assert_int_equal(ring_open(keys_array_id(k), h.epoch, keys_master(k), ring, sizeof(ring),
				   &back, &err),
			 ERR_CORRUPT);
	assert_null(back);
	keys_free(k);
}

static void hashes_of_one_purpose_or_array_are_never_those_of_another(void **state)
{
	struct keys *k = fresh_keys(), *other = fresh_keys();
	struct hash zero = {{0}}, all[6];
	uint8_t joined[HASH_BYTES + 3] = {0};

	(void)state;
	memcpy(joined + HASH_BYTES, "abc", 3);
	all[0] = chunk_id(k, joined, sizeof(joined));
	all[1] = head_hash(k, &zero, "abc", 3);
	all[2] = marker_mac(k, joined, sizeof(joined));
	all[3] = chunk_id(other, joined, sizeof(joined));
	all[4] = head_hash(other, &zero, "abc", 3);
	all[5] = marker_mac(other, joined, sizeof(joined));
	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < i; j++)
			assert_false(hash_equal(&all[i], &all[j]));
	}
	assert_int_not_equal(cutter_entry(k, 0), cutter_entry(other, 0));
	assert_int_not_equal(cutter_entry(k, 0), cutter_entry(k, 1));
	keys_free(k);
	keys_free(other);
}

static void keys_cannot_be_overwritten_by_a_stray_pointer(void **state)
{
	struct keys *k = fresh_keys();
	uint8_t *master = (uint8_t *)(uintptr_t)keys_master(k);
	int status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); /* not cmocka's handler */
		*(volatile uint8_t *)master = 0;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	keys_free(k);
}

static int make_each_way(const struct keys *old, const struct buf *ring)
{
	struct keys *k = NULL;
	struct error err;
	int code = keys_new(keys_array_id(old), &k, &err);

	assert_int_equal(keys_rotate(old, &k, &err), code);
	assert_int_equal(ring_open(keys_array_id(old), 1, keys_master(old), ring->data,
				   ring->len_bytes, &k, &err),
			 code);
	assert_null(k);
	return code;
}

static void keys_without_guarded_memory_are_not_made(void **state)
{
	struct keys *old = fresh_keys();
	struct buf ring = {0};
	struct error err;

	(void)state;
	assert_int_equal(ring_make(old, &ring, &err), ERR_NONE);
	no_memory = true;
	assert_int_equal(make_each_way(old, &ring), ERR_NOMEM);
	no_memory = false;
	no_protection = true;
	assert_int_equal(make_each_way(old, &ring), ERR_NOMEM);
	no_protection = false;
	buf_release(&ring);
	keys_free(old);
}

static int start(void **state)
{
	struct error err;

	(void)state;
	return seal_start(&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starting_forbids_core_dumps),
		cmocka_unit_test(a_box_opens_at_its_own_place_and_at_no_other),
		cmocka_unit_test(a_box_does_not_open_with_any_bit_of_it_or_of_its_place_changed),
		cmocka_unit_test(a_box_cut_at_any_length_is_refused),
		cmocka_unit_test(the_extra_is_bound_to_the_box),
		cmocka_unit_test(a_box_may_be_empty),
		cmocka_unit_test(nothing_is_sealed_under_the_header_of_another_array_or_epoch),
		cmocka_unit_test(a_million_boxes_of_one_plaintext_share_no_nonce_and_no_ciphertext),
		cmocka_unit_test(after_every_rotation_a_ring_opens_all_that_was_ever_sealed),
		cmocka_unit_test(a_ring_does_not_open_for_another_master_epoch_or_array),
		cmocka_unit_test(a_ring_with_any_bit_changed_or_cut_or_longer_is_refused),
		cmocka_unit_test(a_ring_of_an_epoch_beyond_the_limit_is_refused),
		cmocka_unit_test(hashes_of_one_purpose_or_array_are_never_those_of_another),
		cmocka_unit_test(keys_cannot_be_overwritten_by_a_stray_pointer),
		cmocka_unit_test(keys_without_guarded_memory_are_not_made),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
