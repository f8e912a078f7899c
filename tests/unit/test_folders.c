/* Reading many folders at once. */
#include "drivers/folders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AT_ONCE 4

/* A tree: "" has the folders "a" to "p", each of these as many, and an object in each. */
struct tree {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned inside, most, reads;
	const char *bad;  /* a folder that cannot be read */
	bool endless;	  /* each folder has folders */
	unsigned expected; /* so many readers wait for each other, once */
};

struct listed {
	pthread_t thread;
	unsigned objects, stop_at;
	uint64_t bytes;
	bool elsewhere;
};

static struct error err;

/* Until as many are inside as there shall be; not for ever. */
static void meet(struct tree *t)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&t->lock);
	t->reads++;
	t->inside++;
	if (t->inside > t->most)
		t->most = t->inside;
	pthread_cond_broadcast(&t->changed);
	while (t->reads > 1 && t->most < t->expected) {
		if (pthread_cond_timedwait(&t->changed, &t->lock, &until) != 0)
			t->expected = 0;
	}
	t->inside--;
	pthread_mutex_unlock(&t->lock);
}

static int read_folder(void *ctx, const char *folder, struct folder_found *f, struct error *why)
{
	struct tree *t = ctx;
	char name[OBJECT_NAME_MAX + 1];

	meet(t);
	snprintf(name, sizeof(name), "%s/object", folder);
	folder_has_object(f, name, 7);
	for (char c = 'a'; c <= 'p' && (t->endless || strlen(folder) < 3); c++) {
		snprintf(name, sizeof(name), "%.200s%s%c", folder, folder[0] ? "/" : "", c);
		folder_has_folder(f, name);
	}
	if (t->bad && strcmp(folder, t->bad) == 0)
		return err_set(why, ERR_DENIED, "no way into %s", folder);
	return ERR_NONE;
}

static int note(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listed *l = ctx;

	assert_non_null(strstr(name, "/object"));
	l->elsewhere |= !pthread_equal(l->thread, pthread_self());
	l->bytes += len_bytes;
	return ++l->objects == l->stop_at ? 77 : 0;
}

static int list(struct tree *t, unsigned at_once, struct listed *l)
{
	int code;

	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	l->thread = pthread_self();
	code = folders_list("", at_once, read_folder, t, note, l, &err);
	assert_int_equal(t->inside, 0);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->changed);
	return code;
}

static void many_are_read_at_once_and_all_are_handed_out_where_it_was_asked(void **state)
{
	struct tree t = { .expected = AT_ONCE };
	struct listed l = { .objects = 0 };

	(void)state;
	assert_int_equal(list(&t, AT_ONCE, &l), ERR_NONE);
	assert_int_equal(t.reads, 1 + 16 + 256);
	assert_int_equal(l.objects, t.reads);
	assert_int_equal(l.bytes, 7 * t.reads);
	assert_int_equal(t.most, AT_ONCE);
	assert_false(l.elsewhere);
}

static void one_at_a_time_and_more_than_there_may_be(void **state)
{
	static const unsigned at_once[] = { 1, 100 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct tree t = { .expected = 0 };
		struct listed l = { .objects = 0 };

		assert_int_equal(list(&t, at_once[i], &l), ERR_NONE);
		assert_int_equal(l.objects, 273);
		assert_true(t.most <= (i == 0 ? 1 : FOLDERS_AT_ONCE));
	}
}

static void a_folder_that_cannot_be_read_ends_it_and_nothing_of_it_is_used(void **state)
{
	static const char *const bad[] = { "", "c", "p/p" };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct tree t = { .bad = bad[i] };
		struct listed l = { .objects = 0 };

		assert_int_equal(list(&t, AT_ONCE, &l), ERR_DENIED);
		assert_non_null(strstr(err.message, "no way into"));
		assert_true(l.objects < 273);
		assert_true(i > 0 || l.objects == 0);
	}
}

static void it_ends_where_no_more_is_wanted(void **state)
{
	static const unsigned stops[] = { 1, 2, 20, 200 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct tree t = { .expected = 0 };
		struct listed l = { .stop_at = stops[i] };

		assert_int_equal(list(&t, AT_ONCE, &l), 77);
		assert_int_equal(l.objects, stops[i]);
		assert_true(t.reads < 273 || i == 3);
	}
}

static void folders_without_end_are_not_followed(void **state)
{
	struct tree t = { .endless = true };
	struct listed l = { .objects = 0 };

	(void)state;
	assert_int_equal(list(&t, AT_ONCE, &l), ERR_CORRUPT);
	assert_non_null(strstr(err.message, "without end"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_are_read_at_once_and_all_are_handed_out_where_it_was_asked),
		cmocka_unit_test(one_at_a_time_and_more_than_there_may_be),
		cmocka_unit_test(a_folder_that_cannot_be_read_ends_it_and_nothing_of_it_is_used),
		cmocka_unit_test(it_ends_where_no_more_is_wanted),
		cmocka_unit_test(folders_without_end_are_not_followed),
	};

	return cmocka_run_group_tests_name("folders", tests, NULL, NULL);
}
