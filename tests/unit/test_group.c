#include "base/stop.h"
#include "group/group.h"
#include "tests/support/noise.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define K_MAX GROUP_SLOTS_MAX
#define M_MAX GROUP_ROWS_MAX
#define OBJECTS_MAX (K_MAX + M_MAX)

/* An object in memory that counts what is read of it and fails when told to. */
struct stored {
	uint8_t *bytes;
	uint64_t len_bytes;
	unsigned reads;
	uint64_t read_bytes;
	uint64_t fails_from_bytes; /* a read that reaches beyond fails */
	enum err_code fails_with;
};

static int stored_read(void *ctx, uint64_t offset_bytes, void *out, size_t len_bytes,
		       struct error *err)
{
	struct stored *s = ctx;

	assert_true(offset_bytes <= s->len_bytes && len_bytes <= s->len_bytes - offset_bytes);
	assert_true(len_bytes > 0);
	s->reads++;
	if (offset_bytes + len_bytes > s->fails_from_bytes)
		return err_set(err, s->fails_with, "bad sector");
	s->read_bytes += len_bytes;
	memcpy(out, s->bytes + offset_bytes, len_bytes);
	return ERR_NONE;
}

/* k members and m rows; objects[0..k-1] are the members, then the rows. */
struct group {
	unsigned k, m;
	uint8_t slots[K_MAX];
	struct stored stored[OBJECTS_MAX];
	struct group_object objects[OBJECTS_MAX];
};

static void group_make(struct group *g, unsigned k, unsigned m, const uint64_t *len_bytes,
		       uint64_t seed)
{
	struct code_input members[K_MAX];
	struct noise noise = {seed};
	uint8_t rows[M_MAX], *outs[M_MAX];
	uint64_t longest = 0;
	struct error err;

	memset(g, 0, sizeof(*g));
	g->k = k;
	g->m = m;
	noise_pick(&noise, g->slots, k, GROUP_SLOTS_MAX);
	for (unsigned i = 0; i < k; i++)
		longest = len_bytes[i] > longest ? len_bytes[i] : longest;
	for (unsigned i = 0; i < k + m; i++) {
		struct stored *s = &g->stored[i];

		s->len_bytes = i < k ? len_bytes[i] : longest;
		s->bytes = malloc(s->len_bytes + 1);
		assert_non_null(s->bytes);
		noise_fill(&noise, s->bytes, s->len_bytes);
		s->fails_from_bytes = UINT64_MAX;
		s->fails_with = ERR_IO;
		g->objects[i] = (struct group_object){
			.ref = {i >= k, i < k ? g->slots[i] : (uint8_t)(i - k)},
			.len_bytes = s->len_bytes,
			.read = stored_read,
			.ctx = s,
		};
		if (i < k) {
			members[i] = (struct code_input){g->objects[i].ref, s->bytes, s->len_bytes};
		} else {
			rows[i - k] = (uint8_t)(i - k);
			outs[i - k] = s->bytes;
		}
	}
	assert_int_equal(code_encode(members, k, rows, m, outs, longest, &err), ERR_NONE);
}

static void group_release(struct group *g)
{
	for (unsigned i = 0; i < g->k + g->m; i++)
		free(g->stored[i].bytes);
}

/* The objects without the wanted one. */
static unsigned others(const struct group *g, unsigned wanted, struct group_object *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < g->k + g->m; i++)
		if (i != wanted)
			out[count++] = g->objects[i];
	return count;
}

static int read_range(struct group *g, struct group_object *objects, unsigned count,
		      unsigned wanted, uint64_t offset, uint8_t *out, size_t len, struct error *err)
{
	return group_read_range(g->slots, g->k, objects, count, g->objects[wanted].ref,
				g->objects[wanted].len_bytes, offset, out, len, err);
}

static void any_range_of_any_object_is_read_without_it(void **state)
{
	static const uint64_t lens[] = {3000000, 70000, 0, 2900001, 1};
	struct noise noise = {1};
	uint8_t *out = malloc(3000000);
	struct group g;

	(void)state;
	assert_non_null(out);
	group_make(&g, 5, 2, lens, 11);
	for (unsigned t = 0; t < 60; t++) {
		unsigned wanted = (unsigned)noise_below(&noise, 7);
		uint64_t length = g.objects[wanted].len_bytes;
		uint64_t offset = noise_below(&noise, length + 1);
		size_t len = (size_t)noise_below(&noise, length - offset + 1);
		struct group_object objects[OBJECTS_MAX];
		unsigned count = others(&g, wanted, objects);
		struct error err;

		assert_int_equal(read_range(&g, objects, count, wanted, offset, out, len, &err),
				 ERR_NONE);
		assert_memory_equal(out, g.stored[wanted].bytes + offset, len);
	}
	group_release(&g);
	free(out);
}

/* */
static void small_ranges_anywhere_are_exact_whatever_is_lost(void **state)
{
	static const uint64_t lens[] = {30011, 7000, 0, 29001, 1};
	struct noise noise = {22};
	uint8_t out[128];
	struct group g;

	(void)state;
	group_make(&g, 5, 3, lens, 13);
	for (unsigned t = 0; t < 300000; t++) {
		unsigned wanted = (unsigned)noise_below(&noise, 8), count;
		unsigned drop = (unsigned)noise_below(&noise, 3);
		uint64_t length = g.objects[wanted].len_bytes;
		size_t len = (size_t)noise_below(&noise, (length < 128 ? length : 128) + 1);
		uint64_t offset = noise_below(&noise, length - len + 1);
		struct group_object objects[OBJECTS_MAX];
		struct error err;

		count = others(&g, wanted, objects);
		for (; drop > 0; drop--) {
			count--;
			objects[noise_below(&noise, count + 1)] = objects[count];
		}
		if (read_range(&g, objects, count, wanted, offset, out, len, &err) != ERR_NONE ||
		    memcmp(out, g.stored[wanted].bytes + offset, len) != 0)
			fail_msg("%zu bytes from %llu on of object %u", len,
				 (unsigned long long)offset, wanted);
	}
	group_release(&g);
}

static void objects_are_read_in_the_order_given_and_no_more_than_k(void **state)
{
	static const uint64_t lens[] = {1000, 1000, 1000, 1000};
	struct group_object objects[OBJECTS_MAX];
	struct error err;
	uint8_t out[100];
	struct group g;

	(void)state;
	group_make(&g, 4, 3, lens, 12);
	assert_int_equal(others(&g, 2, objects), 6);
	objects[5] = g.objects[0];
	objects[0] = g.objects[6]; /* a row that is nearer than any member */
	assert_int_equal(read_range(&g, objects, 6, 2, 50, out, 100, &err), ERR_NONE);
	assert_memory_equal(out, g.stored[2].bytes + 50, 100);
	for (unsigned i = 0; i < 7; i++) {
		bool needed = i == 6 || i == 1 || i == 3 || i == 4;

		assert_int_equal(g.stored[i].reads, needed);
		assert_int_equal(g.stored[i].read_bytes, needed ? 100 : 0);
	}
	group_release(&g);
}

static void a_read_that_fails_is_replaced_and_the_object_marked(void **state)
{
	static const uint64_t lens[] = {5000000, 5000000, 5000000};
	struct group_object objects[OBJECTS_MAX];
	uint8_t *out = malloc(5000000);
	struct error err;
	struct group g;

	(void)state;
	assert_non_null(out);
	group_make(&g, 3, 2, lens, 13);
	assert_int_equal(others(&g, 0, objects), 4);
	g.stored[2].fails_from_bytes = 2500000; /* in the middle of the range */
	assert_int_equal(read_range(&g, objects, 4, 0, 0, out, 5000000, &err), ERR_NONE);
	assert_memory_equal(out, g.stored[0].bytes, 5000000);
	assert_false(objects[0].bad);
	assert_true(objects[1].bad);
	assert_false(objects[2].bad);
	assert_false(objects[3].bad);
	g.stored[2].reads = 0;
	assert_int_equal(read_range(&g, objects, 4, 0, 0, out, 1000, &err), ERR_NONE);
	assert_int_equal(g.stored[2].reads, 0);
	group_release(&g);
	free(out);
}

static void fewer_than_k_readable_objects_are_lost_with_the_cause(void **state)
{
	static const uint64_t lens[] = {1000, 1000, 1000};
	struct group_object objects[OBJECTS_MAX];
	struct error err;
	uint8_t out[100];
	struct group g;

	(void)state;
	group_make(&g, 3, 1, lens, 14);
	others(&g, 0, objects);
	assert_int_equal(read_range(&g, objects, 2, 0, 0, out, 100, &err), ERR_LOST);
	assert_non_null(strstr(err.message, "2 of the 3 objects needed"));
	g.stored[3].fails_from_bytes = 0;
	assert_int_equal(read_range(&g, objects, 3, 0, 0, out, 100, &err), ERR_LOST);
	assert_int_equal(err.code, ERR_LOST);
	assert_non_null(strstr(err.message, "bad sector"));
	group_release(&g);
}

static void a_bad_object_counts_beyond_its_end(void **state)
{
	static const uint64_t lens[] = {1000, 600, 1000};
	struct group_object objects[OBJECTS_MAX];
	struct error err;
	uint8_t out[400];
	struct group g;

	(void)state;
	group_make(&g, 3, 1, lens, 15);
	others(&g, 0, objects);
	objects[0].bad = true;
	objects[0].read = NULL;
	assert_int_equal(read_range(&g, objects, 3, 0, 600, out, 400, &err), ERR_NONE);
	assert_memory_equal(out, g.stored[0].bytes + 600, 400);
	assert_int_equal(read_range(&g, objects, 3, 0, 599, out, 400, &err), ERR_LOST);
	group_release(&g);
}

static void an_object_at_two_places_counts_once_and_is_read_from_the_other(void **state)
{
	static const uint64_t lens[] = {1000, 1000, 1000};
	struct group_object objects[OBJECTS_MAX];
	struct stored elsewhere;
	struct error err;
	uint8_t out[100];
	struct group g;

	(void)state;
	group_make(&g, 3, 1, lens, 16);
	assert_int_equal(others(&g, 0, objects), 3);
	elsewhere = g.stored[1];
	objects[3] = objects[0];
	objects[3].ctx = &elsewhere;
	assert_int_equal(read_range(&g, objects, 4, 0, 0, out, 100, &err), ERR_NONE);
	assert_int_equal(elsewhere.reads, 0);
	g.stored[1].fails_from_bytes = 0;
	assert_int_equal(read_range(&g, objects, 4, 0, 0, out, 100, &err), ERR_NONE);
	assert_memory_equal(out, g.stored[0].bytes, 100);
	assert_int_equal(elsewhere.reads, 1);
	group_release(&g);
}

static void any_copy_of_a_mirrored_block_is_the_answer(void **state)
{
	static const uint64_t lens[] = {1000};
	struct error err;
	uint8_t out[100];
	struct group g;

	(void)state;
	group_make(&g, 1, 3, lens, 17);
	assert_memory_equal(g.stored[3].bytes, g.stored[0].bytes, 1000);
	g.stored[1].fails_from_bytes = 0;
	assert_int_equal(read_range(&g, g.objects + 1, 3, 0, 900, out, 100, &err), ERR_NONE);
	assert_memory_equal(out, g.stored[0].bytes + 900, 100);
	group_release(&g);
}

static void an_interrupted_read_ends_the_call_and_marks_nothing(void **state)
{
	static const uint64_t lens[] = {1000, 1000};
	static const enum err_code codes[] = {ERR_INTERRUPTED, ERR_NOMEM};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct group_object objects[OBJECTS_MAX];
		struct error err;
		uint8_t out[100];
		struct group g;

		group_make(&g, 2, 2, lens, 18);
		g.stored[1].fails_from_bytes = 0;
		g.stored[1].fails_with = codes[i];
		others(&g, 0, objects);
		assert_int_equal(read_range(&g, objects, 3, 0, 0, out, 100, &err), codes[i]);
		assert_int_equal(err.code, codes[i]);
		assert_false(objects[0].bad);
		group_release(&g);
	}
}

/* ---- row objects whole ---- */

#define ROW_MEMBERS 5
#define ROW_LEN 3000

struct row_group {
	struct row_descriptor d;
	struct code_input members[ROW_MEMBERS];
	uint8_t slots[ROW_MEMBERS];
	uint8_t bytes[ROW_MEMBERS][ROW_LEN];
};

/* Members of unequal lengths in slots far apart. */
static struct row_group *row_group_new(void)
{
	static const size_t lens[ROW_MEMBERS] = {700, ROW_LEN, 0, 2999, 64};
	static const uint8_t slots[ROW_MEMBERS] = {0, 3, 4, 100, 238};
	struct row_group *g = calloc(1, sizeof(*g));
	struct noise noise = {77};

	assert_non_null(g);
	g->d.member_count = ROW_MEMBERS;
	for (unsigned i = 0; i < ROW_MEMBERS; i++) {
		noise_fill(&noise, g->bytes[i], lens[i]);
		g->slots[i] = slots[i];
		g->d.members[i] = (struct row_member){sha256(g->bytes[i], lens[i]), lens[i],
						      slots[i]};
		/* The order in which they are given does not matter. */
		g->members[ROW_MEMBERS - 1 - i] =
			(struct code_input){{false, slots[i]}, g->bytes[i], lens[i]};
	}
	return g;
}

static void more_rows_leave_the_first_ones_as_they_are(void **state)
{
	struct row_group *g = row_group_new();
	struct buf few[2] = {{0}}, many[GROUP_ROWS_MAX] = {{0}};
	struct error err;

	(void)state;
	assert_int_equal(group_encode_rows(&g->d, g->members, 2, few, &err), ERR_NONE);
	assert_int_equal(group_encode_rows(&g->d, g->members, GROUP_ROWS_MAX, many, &err),
			 ERR_NONE);
	for (unsigned j = 0; j < 2; j++) {
		assert_int_equal(few[j].len_bytes, row_object_bytes(&g->d));
		assert_int_equal(few[j].len_bytes, many[j].len_bytes);
		assert_memory_equal(few[j].data, many[j].data, many[j].len_bytes);
		buf_release(&few[j]);
	}
	for (unsigned j = 0; j < GROUP_ROWS_MAX; j++)
		buf_release(&many[j]);
	free(g);
}

/* A row is a pure function of its members: made from any k others it is the same object. */
static void a_row_object_made_from_other_objects_is_the_same_file(void **state)
{
	struct row_group *g = row_group_new();
	struct buf rows[GROUP_ROWS_MAX] = {{0}};
	struct code_input have[ROW_MEMBERS];
	struct error err;

	(void)state;
	assert_int_equal(group_encode_rows(&g->d, g->members, GROUP_ROWS_MAX, rows, &err),
			 ERR_NONE);
	for (unsigned j = 0; j < GROUP_ROWS_MAX; j++) {
		struct code_ref want = {true, (uint8_t)j};
		struct buf again = {0};

		/* From other rows alone. */
		for (unsigned i = 0; i < ROW_MEMBERS; i++) {
			unsigned row = (j + 1 + 3 * i) % GROUP_ROWS_MAX;

			have[i] = (struct code_input){{true, (uint8_t)row}, rows[row].data,
						      ROW_LEN};
		}
		assert_true(buf_reserve(&again, ROW_LEN));
		assert_int_equal(code_rebuild(g->slots, ROW_MEMBERS, have, ROW_MEMBERS, &want, 1,
					      &again.data, ROW_LEN, &err),
				 ERR_NONE);
		again.len_bytes = ROW_LEN;
		g->d.row = (uint8_t)j;
		row_tail_encode(&g->d, &again);
		assert_int_equal(again.len_bytes, rows[j].len_bytes);
		assert_memory_equal(again.data, rows[j].data, again.len_bytes);
		buf_release(&again);
	}
	for (unsigned j = 0; j < GROUP_ROWS_MAX; j++)
		buf_release(&rows[j]);
	free(g);
}

/* Collects what a rebuild gives. */
struct sink {
	uint8_t *bytes[OBJECTS_MAX];
	uint64_t len_bytes[OBJECTS_MAX];
	unsigned fails_at; /* the call that fails; 0: none */
	unsigned calls;
};

static int sink_write(void *ctx, unsigned want_index, const void *bytes, size_t len_bytes,
		      struct error *err)
{
	struct sink *s = ctx;

	assert_true(len_bytes > 0);
	if (++s->calls == s->fails_at)
		return err_set(err, ERR_FULL, "disk full");
	memcpy(s->bytes[want_index] + s->len_bytes[want_index], bytes, len_bytes);
	s->len_bytes[want_index] += len_bytes;
	return ERR_NONE;
}

static void whole_objects_are_made_anew_in_slices(void **state)
{
	static const uint64_t lens[] = {2500000, 1, 2499999, 0, 1048576};
	struct noise noise = {2};

	(void)state;
	for (unsigned t = 0; t < 20; t++) {
		struct group_object inputs[OBJECTS_MAX];
		uint64_t want_len[OBJECTS_MAX];
		struct code_ref want[OBJECTS_MAX];
		uint8_t order[OBJECTS_MAX];
		struct sink sink = {0};
		struct error err;
		struct group g;

		group_make(&g, 5, 3, lens, 100 + t);
		noise_pick(&noise, order, 8, 8);
		for (unsigned i = 0; i < 5; i++)
			inputs[i] = g.objects[order[i]];
		for (unsigned i = 0; i < 3; i++) {
			want[i] = g.objects[order[5 + i]].ref;
			want_len[i] = g.objects[order[5 + i]].len_bytes;
			sink.bytes[i] = malloc(want_len[i] + 1);
			assert_non_null(sink.bytes[i]);
		}
		assert_int_equal(group_rebuild(g.slots, 5, inputs, want, want_len, 3, sink_write,
					       &sink, &err),
				 ERR_NONE);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(sink.len_bytes[i], want_len[i]);
			assert_memory_equal(sink.bytes[i], g.stored[order[5 + i]].bytes,
					    want_len[i]);
			free(sink.bytes[i]);
		}
		group_release(&g);
	}
}

/* All rows are wanted too, so that there are more buffers than slices of 64 KiB in 16 MiB. */
static void the_widest_group_is_rebuilt(void **state)
{
	static struct group g;
	uint64_t lens[K_MAX], want_len[2 * M_MAX];
	struct code_ref want[2 * M_MAX];
	struct sink sink = {0};
	struct error err;

	(void)state;
	for (unsigned i = 0; i < K_MAX; i++)
		lens[i] = 70000 - i;
	group_make(&g, K_MAX, M_MAX, lens, 22);
	for (unsigned i = 0; i < 2 * M_MAX; i++) {
		unsigned object = i < M_MAX ? i : K_MAX + i - M_MAX;

		want[i] = g.objects[object].ref;
		want_len[i] = g.objects[object].len_bytes;
		sink.bytes[i] = malloc(want_len[i]);
		assert_non_null(sink.bytes[i]);
	}
	assert_int_equal(group_rebuild(g.slots, K_MAX, g.objects + M_MAX, want, want_len, 2 * M_MAX,
				       sink_write, &sink, &err),
			 ERR_NONE);
	for (unsigned i = 0; i < 2 * M_MAX; i++) {
		unsigned object = i < M_MAX ? i : K_MAX + i - M_MAX;

		assert_int_equal(sink.len_bytes[i], want_len[i]);
		assert_memory_equal(sink.bytes[i], g.stored[object].bytes, want_len[i]);
		free(sink.bytes[i]);
	}
	group_release(&g);
}

/* A rebuild of member 0 from the others, in a group of four. */
static int rebuild_first(struct group *g, struct sink *sink, struct group_object *inputs,
			 struct error *err)
{
	uint64_t len = g->objects[0].len_bytes;
	int code;

	others(g, 0, inputs);
	sink->bytes[0] = malloc(len);
	assert_non_null(sink->bytes[0]);
	code = group_rebuild(g->slots, g->k, inputs, &g->objects[0].ref, &len, 1, sink_write, sink,
			     err);
	free(sink->bytes[0]);
	return code;
}

static void a_rebuild_ends_at_the_first_input_that_fails_and_names_it(void **state)
{
	static const uint64_t lens[] = {3000000, 3000000, 3000000};
	struct group_object inputs[OBJECTS_MAX];
	struct sink sink = {0};
	struct error err;
	struct group g;

	(void)state;
	group_make(&g, 3, 1, lens, 19);
	g.stored[3].fails_from_bytes = 2000000;
	assert_int_equal(rebuild_first(&g, &sink, inputs, &err), ERR_IO);
	assert_string_equal(err.message, "row 0: bad sector");
	assert_true(inputs[2].bad);
	assert_false(inputs[0].bad || inputs[1].bad);
	assert_true(sink.len_bytes[0] > 0 && sink.len_bytes[0] < 3000000);
	g.stored[3].fails_with = ERR_INTERRUPTED;
	assert_int_equal(rebuild_first(&g, &sink, inputs, &err), ERR_INTERRUPTED);
	assert_false(inputs[2].bad);
	group_release(&g);
}

static void a_rebuild_ends_when_its_output_cannot_be_written(void **state)
{
	static const uint64_t lens[] = {3000000, 3000000};
	struct group_object inputs[OBJECTS_MAX];
	struct sink sink = {.fails_at = 2};
	struct error err;
	struct group g;

	(void)state;
	group_make(&g, 2, 1, lens, 20);
	assert_int_equal(rebuild_first(&g, &sink, inputs, &err), ERR_FULL);
	assert_int_equal(sink.calls, 2);
	assert_false(inputs[0].bad || inputs[1].bad);
	group_release(&g);
}

/* The last test: a wish to stop stays. */
static void a_rebuild_stops_when_asked_to(void **state)
{
	static const uint64_t lens[] = {3000000, 3000000};
	struct group_object inputs[OBJECTS_MAX];
	struct sink sink = {0};
	struct error err;
	struct group g;

	(void)state;
	group_make(&g, 2, 1, lens, 21);
	stop_request(SIGINT);
	assert_int_equal(rebuild_first(&g, &sink, inputs, &err), ERR_INTERRUPTED);
	assert_int_equal(sink.calls, 0);
	group_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_range_of_any_object_is_read_without_it),
		cmocka_unit_test(small_ranges_anywhere_are_exact_whatever_is_lost),
		cmocka_unit_test(objects_are_read_in_the_order_given_and_no_more_than_k),
		cmocka_unit_test(a_read_that_fails_is_replaced_and_the_object_marked),
		cmocka_unit_test(fewer_than_k_readable_objects_are_lost_with_the_cause),
		cmocka_unit_test(a_bad_object_counts_beyond_its_end),
		cmocka_unit_test(an_object_at_two_places_counts_once_and_is_read_from_the_other),
		cmocka_unit_test(any_copy_of_a_mirrored_block_is_the_answer),
		cmocka_unit_test(an_interrupted_read_ends_the_call_and_marks_nothing),
		cmocka_unit_test(more_rows_leave_the_first_ones_as_they_are),
		cmocka_unit_test(a_row_object_made_from_other_objects_is_the_same_file),
		cmocka_unit_test(whole_objects_are_made_anew_in_slices),
		cmocka_unit_test(the_widest_group_is_rebuilt),
		cmocka_unit_test(a_rebuild_ends_at_the_first_input_that_fails_and_names_it),
		cmocka_unit_test(a_rebuild_ends_when_its_output_cannot_be_written),
		cmocka_unit_test(a_rebuild_stops_when_asked_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
