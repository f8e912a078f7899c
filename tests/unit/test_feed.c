/* The feed of a put: in order, whole, bounded, and silent after a failure. */
#include "archive/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What came out, as one text: a word per event. */
struct seen {
	struct buf text;
	size_t events, calls, most_events;
	size_t fail_at; /* the call that fails; 0: none */
	uint64_t sum;	/* of data bytes */
};

static const char *const words[] = { "folder", "remove", "node", "file",
				     "data",   "hole",	 "end",	 "drop" };

static int see(void *ctx, const struct feed_event *events, size_t count, struct error *err)
{
	struct seen *s = ctx;

	if (++s->calls == s->fail_at)
		return err_set(err, ERR_FULL, "no room");
	if (count > s->most_events)
		s->most_events = count;
	for (size_t i = 0; i < count; i++) {
		const struct feed_event *e = &events[i];
		char word[400];
		int n = snprintf(word, sizeof(word), "%s(%.*s,%llu,%d,%u,%.*s,%.*s) ",
				 words[e->kind], (int)e->name_bytes, (const char *)e->name,
				 (unsigned long long)e->data_bytes, e->last, e->node.mode,
				 (int)e->node.target_bytes, (const char *)e->node.target,
				 (int)e->node.xattrs_bytes, (const char *)e->node.xattrs);

		assert_in_range(n, 1, sizeof(word) - 1);
		buf_add(&s->text, word, (size_t)n);
		for (size_t at = 0; e->data && at < e->data_bytes; at++)
			s->sum += e->data[at];
	}
	s->events += count;
	return ERR_NONE;
}

static struct feed *begin(struct seen *s)
{
	struct feed *f;
	struct error err;

	assert_int_equal(feed_new(see, s, &f, &err), ERR_NONE);
	return f;
}

static void give(struct feed *f, size_t len_bytes, uint8_t value, bool ends)
{
	struct error err;

	while (len_bytes > 0) {
		uint8_t *room;
		size_t room_bytes;

		assert_int_equal(feed_room(f, len_bytes, &room, &room_bytes, &err), ERR_NONE);
		assert_in_range(room_bytes, 1, len_bytes);
		memset(room, value, room_bytes);
		len_bytes -= room_bytes;
		assert_int_equal(feed_data(f, room_bytes, ends && len_bytes == 0, &err), ERR_NONE);
	}
}

static void assert_seen(const struct seen *s, const char *text)
{
	assert_int_equal(s->text.len_bytes, strlen(text));
	assert_memory_equal(s->text.data, text, strlen(text));
}

static void events_come_out_as_they_went_in(void **state)
{
	struct seen s = { .calls = 0 };
	struct feed *f = begin(&s);
	struct error err;
	struct node n = { .mode = 7,
			  .target = (const uint8_t *)"to",
			  .target_bytes = 2,
			  .xattrs = (const uint8_t *)"xyz",
			  .xattrs_bytes = 3 };

	(void)state;
	assert_int_equal(feed_folder(f, "/a", 2, &err), ERR_NONE);
	assert_int_equal(feed_remove(f, "b", 1, &err), ERR_NONE);
	assert_int_equal(feed_node(f, "c", 1, &n, &err), ERR_NONE);
	assert_int_equal(feed_file(f, "d", 1, &err), ERR_NONE);
	give(f, 5, 1, false);
	assert_int_equal(feed_hole(f, 1ull << 40, &err), ERR_NONE);
	give(f, 6, 1, true);
	n.target_bytes = n.xattrs_bytes = 0;
	assert_int_equal(feed_file_end(f, &n, &err), ERR_NONE);
	assert_int_equal(feed_file(f, "e", 1, &err), ERR_NONE);
	assert_int_equal(feed_file_drop(f, &err), ERR_NONE);
	assert_int_equal(feed_end(f, &err), ERR_NONE);
	feed_free(f);
	assert_seen(&s, "folder(/a,0,0,0,,) remove(b,0,0,0,,) node(c,0,0,7,to,xyz) file(d,0,0,0,,) "
			"data(,5,0,0,,) hole(,1099511627776,0,0,,) data(,6,1,0,,) end(,0,0,7,,) "
			"file(e,0,0,0,,) drop(,0,0,0,,) ");
	assert_int_equal(s.sum, 11);
	buf_release(&s.text);
}

static void nothing_given_is_nothing_run(void **state)
{
	struct seen s = { .calls = 0 };
	struct feed *f = begin(&s);
	struct error err;

	(void)state;
	assert_int_equal(feed_end(f, &err), ERR_NONE);
	feed_free(f);
	feed_free(NULL);
	assert_int_equal(s.calls, 0);
}

static void a_long_file_travels_in_pieces_of_which_one_is_the_last(void **state)
{
	struct seen s = { .calls = 0 };
	struct feed *f = begin(&s);
	struct error err;
	const char *last;

	(void)state;
	give(f, (5 << 20) + 3, 1, true);
	assert_int_equal(feed_end(f, &err), ERR_NONE);
	feed_free(f);
	buf_add_u8(&s.text, 0);
	last = strstr((const char *)s.text.data, ",1,0");
	assert_non_null(last);
	assert_null(strstr(last + 1, ",1,0"));
	assert_null(strstr(last, "data("));
	assert_int_equal(s.sum, (5 << 20) + 3);
	assert_true(s.calls >= 5); /* a parcel at a time: its memory bounds it */
	buf_release(&s.text);
}

static void many_small_files_share_parcels(void **state)
{
	struct seen s = { .calls = 0 };
	struct feed *f = begin(&s);
	struct error err;
	char name[300];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		int n = snprintf(name, sizeof(name), "%0250u", i);

		assert_int_equal(feed_remove(f, name, (size_t)n, &err), ERR_NONE);
	}
	assert_int_equal(feed_end(f, &err), ERR_NONE);
	feed_free(f);
	assert_int_equal(s.events, 5000);
	assert_in_range(s.calls, 2, 500);
	for (unsigned i = 0; i < 5000; i++) {
		const char *at = (const char *)s.text.data + i * (250 + strlen("remove(,0,0,0,,) "));

		snprintf(name, sizeof(name), "remove(%0250u,", i);
		assert_memory_equal(at, name, strlen(name));
	}
	buf_release(&s.text);
}

static void after_a_failure_nothing_more_is_run_and_it_is_told(void **state)
{
	struct seen s = { .fail_at = 2 };
	struct feed *f = begin(&s);
	struct error err = { .code = ERR_NONE };
	int code = ERR_NONE;

	(void)state;
	for (unsigned i = 0; i < 100000 && code == ERR_NONE; i++)
		code = feed_remove(f, "name", 4, &err);
	assert_int_equal(code, ERR_FULL);
	assert_string_equal(err.message, "no room");
	assert_int_equal(feed_end(f, &err), ERR_FULL);
	feed_free(f);
	assert_int_equal(s.calls, 2);
	buf_release(&s.text);
}

static void the_last_parcel_may_fail_too(void **state)
{
	struct seen s = { .fail_at = 1 };
	struct feed *f = begin(&s);
	struct error err;

	(void)state;
	assert_int_equal(feed_remove(f, "name", 4, &err), ERR_NONE);
	assert_int_equal(feed_end(f, &err), ERR_FULL);
	feed_free(f);
	buf_release(&s.text);
}

static void a_feed_given_up_drops_what_was_not_run(void **state)
{
	struct seen s = { .calls = 0 };
	struct feed *f = begin(&s);
	struct error err;

	(void)state;
	assert_int_equal(feed_remove(f, "name", 4, &err), ERR_NONE);
	feed_free(f);
	assert_int_equal(s.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_as_they_went_in),
		cmocka_unit_test(nothing_given_is_nothing_run),
		cmocka_unit_test(a_long_file_travels_in_pieces_of_which_one_is_the_last),
		cmocka_unit_test(many_small_files_share_parcels),
		cmocka_unit_test(after_a_failure_nothing_more_is_run_and_it_is_told),
		cmocka_unit_test(the_last_parcel_may_fail_too),
		cmocka_unit_test(a_feed_given_up_drops_what_was_not_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
