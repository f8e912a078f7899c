/*
 * What driver.h promises, tried on every kind of drive: list, remove, move, threads.
 */
#include "tests/support/calls.h"
#include "tests/support/place.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LISTED 2500 /* at most: MRMR_PLACE_LISTED */
#define THREAD_OBJECTS 24

/* ---- list ---- */

struct listed {
	unsigned char seen[LISTED];
	unsigned count;
};

static unsigned listed_count(void)
{
	const char *s = getenv("MRMR_PLACE_LISTED");
	unsigned long count = s ? strtoul(s, NULL, 10) : LISTED;

	return count > 0 && count < LISTED ? (unsigned)count : LISTED;
}

static void name_of(unsigned i, char *out, size_t size)
{
	static const char *const tops[] = {"blocks", "blocks2", "block", "journal", "b"};

	snprintf(out, size, "%s/%02x/%u", tops[i % 5], (i / 5) % 19, i);
}

static int mark_listed(void *ctx, const char *name, uint64_t len_bytes)
{
	struct listed *l = ctx;
	const char *last = strrchr(name, '/');
	char expected[40];
	unsigned long i;

	assert_non_null(last);
	i = strtoul(last + 1, NULL, 10);
	assert_in_range(i, 0, LISTED - 1);
	name_of((unsigned)i, expected, sizeof(expected));
	assert_string_equal(name, expected);
	assert_int_equal(len_bytes, i % 50);
	assert_int_equal(l->seen[i]++, 0);
	l->count++;
	return 0;
}

struct storing {
	struct drive *d;
	unsigned first, step, count;
	int failures; /* cmocka's asserts are for the main thread */
	struct error err; /* of the last failure */
};

static void *store_share(void *arg)
{
	struct storing *s = arg;
	struct error err;
	char name[40], fifty[50];

	memset(fifty, 'x', sizeof(fifty));
	for (unsigned i = s->first; i < s->count; i += s->step) {
		name_of(i, name, sizeof(name));
		if (s->d->driver->put(s->d, name, fifty, i % 50, &err) != ERR_NONE) {
			s->failures++;
			s->err = err;
		}
	}
	return NULL;
}

/* As many at once as the drive allows: servers take their time for each. */
static void store_all(struct drive *d)
{
	unsigned n = d->driver->connections_max;
	struct storing *all = calloc(n, sizeof(*all));
	pthread_t *threads = calloc(n, sizeof(*threads));

	assert_true(all && threads);
	for (unsigned i = 0; i < n; i++) {
		all[i] = (struct storing){
			.d = d, .first = i, .step = n, .count = listed_count()};
		assert_int_equal(pthread_create(&threads[i], NULL, store_share, &all[i]), 0);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		if (all[i].failures > 0)
			fail_msg("%d of them: %s", all[i].failures, all[i].err.message);
	}
	assert_call(call_sync(d), ERR_NONE);
	free(all);
	free(threads);
}

static void a_list_names_every_object_of_its_prefix_once(void **state)
{
	static const char *const prefixes[] = {
		"",	    "b",	 "block",      "blocks",      "blocks/",
		"blocks/0", "blocks/0f", "blocks/0f/", "blocks/0f/1", "journal/1",
		"c",	    "blocks//",	 "b/00/0",     "blocks3/",    "blocks/zz/"};
	struct drive *d = place_open_patient(state);
	struct error err;
	char name[40];

	store_all(d);
	for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
		struct listed l = {.count = 0};
		unsigned expected = 0;
		bool bad = strstr(prefixes[p], "//") != NULL;

		for (unsigned i = 0; i < listed_count(); i++) {
			name_of(i, name, sizeof(name));
			expected += strncmp(name, prefixes[p], strlen(prefixes[p])) == 0;
		}
		assert_int_equal(d->driver->list(d, prefixes[p], mark_listed, &l, &err),
				 bad ? ERR_USAGE : ERR_NONE);
		assert_int_equal(l.count, expected);
	}
	call_close(d);
}

static int count_one(void *ctx, const char *name, uint64_t len_bytes)
{
	(void)name;
	(void)len_bytes;
	++*(unsigned *)ctx;
	return 0;
}

static void a_bad_prefix_is_refused(void **state)
{
	static const char *const prefixes[] = {"/", "../", "./", "a/../b", "a b", "~", "a//"};
	struct drive *d = place_open(state);

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		unsigned count = 0;
		struct error err;

		assert_int_equal(d->driver->list(d, prefixes[i], count_one, &count, &err),
				 ERR_USAGE);
	}
	call_close(d);
}

static int stop_at_third(void *ctx, const char *name, uint64_t len_bytes)
{
	count_one(ctx, name, len_bytes);
	return *(unsigned *)ctx == 3 ? -77 : 0;
}

static void a_listing_stops_with_the_value_of_its_caller(void **state)
{
	struct drive *d = place_open(state);
	unsigned count = 0;
	struct error err;
	char name[20];

	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "a/%u/x", i);
		assert_call(call_put(d, name, "x"), ERR_NONE);
	}
	assert_call(call_sync(d), ERR_NONE);
	assert_int_equal(d->driver->list(d, "a/", stop_at_third, &count, &err), -77);
	assert_int_equal(count, 3);
	call_close(d);
}

static int remove_listed(void *ctx, const char *name, uint64_t len_bytes)
{
	assert_call(call_check(ctx, name, name), ERR_NONE);
	assert_int_equal(len_bytes, strlen(name));
	return call_remove(ctx, name);
}

static void objects_may_be_read_and_removed_while_they_are_listed(void **state)
{
	struct drive *d = place_open(state);
	struct error err;
	char name[20];

	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "a/%u/%u", i % 3, i);
		assert_call(call_put(d, name, name), ERR_NONE);
	}
	assert_call(call_sync(d), ERR_NONE);
	assert_int_equal(d->driver->list(d, "a/", remove_listed, d, &err), ERR_NONE);
	assert_call(call_count(d, ""), 0);
	call_close(d);
}

/* ---- remove, move ---- */

static void a_removed_object_is_gone_and_its_name_free(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_store(d, "a/b", "old"), ERR_NONE);
	assert_call(call_store(d, "a/c", "stays"), ERR_NONE);
	assert_call(call_remove(d, "a/b"), ERR_NONE);
	assert_call(call_check(d, "a/b", ""), ERR_NOT_FOUND);
	assert_call(call_remove(d, "a/b"), ERR_NONE);
	assert_call(call_store(d, "a/b", "new"), ERR_NONE);
	assert_call(call_check(d, "a/b", "new"), ERR_NONE);
	assert_call(call_remove(d, "a/b"), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	call_close(d);
	d = place_open(state);
	assert_call(call_check(d, "a/b", ""), ERR_NOT_FOUND);
	assert_call(call_check(d, "a/c", "stays"), ERR_NONE);
	call_close(d);
}

static void an_object_removed_before_its_sync_is_never_stored(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_put(d, "a/b", "x"), ERR_NONE);
	assert_call(call_put(d, "a/c", "y"), ERR_NONE);
	assert_call(call_remove(d, "a/b"), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	assert_call(call_check(d, "a/b", ""), ERR_NOT_FOUND);
	assert_call(call_check(d, "a/c", "y"), ERR_NONE);
	call_close(d);
}

static void a_moved_object_has_its_new_name_only(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_store(d, "blocks/ab/x", "bytes"), ERR_NONE);
	assert_call(call_move(d, "blocks/ab/x", "quarantine/deep/er/x"), ERR_NONE);
	assert_call(call_sync(d), ERR_NONE);
	call_close(d);
	d = place_open(state);
	assert_call(call_check(d, "blocks/ab/x", ""), ERR_NOT_FOUND);
	assert_call(call_check(d, "quarantine/deep/er/x", "bytes"), ERR_NONE);
	assert_call(call_count(d, ""), 1);
	assert_call(call_store(d, "blocks/ab/x", "good bytes"), ERR_NONE);
	assert_call(call_check(d, "blocks/ab/x", "good bytes"), ERR_NONE);
	call_close(d);
}

static void a_move_onto_a_taken_name_changes_nothing(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_store(d, "a", "one"), ERR_NONE);
	assert_call(call_store(d, "b", "two"), ERR_NONE);
	assert_call(call_put(d, "c", "three"), ERR_NONE);
	assert_call(call_move(d, "a", "b"), ERR_EXISTS);
	assert_call(call_move(d, "a", "c"), ERR_EXISTS);
	assert_call(call_move(d, "a", "a"), ERR_EXISTS);
	assert_call(call_sync(d), ERR_NONE);
	assert_call(call_check(d, "a", "one"), ERR_NONE);
	assert_call(call_check(d, "b", "two"), ERR_NONE);
	assert_call(call_check(d, "c", "three"), ERR_NONE);
	call_close(d);
}

static void a_move_of_an_absent_object_is_not_found(void **state)
{
	struct drive *d = place_open(state);

	assert_call(call_store(d, "b", "two"), ERR_NONE);
	assert_call(call_move(d, "a", "c"), ERR_NOT_FOUND);
	assert_call(call_move(d, "x/y", "c/d"), ERR_NOT_FOUND);
	assert_call(call_count(d, ""), 1);
	call_close(d);
}

/* ---- threads ---- */

struct worker {
	pthread_t thread;
	struct drive *d;
	unsigned number;
	char failure[100 + ERR_MESSAGE_BYTES]; /* the first; cmocka's asserts are for the main thread */
};

static void note(struct worker *w, const char *call, const char *name, int code,
		 const struct error *err)
{
	if (code != ERR_NONE && !w->failure[0])
		snprintf(w->failure, sizeof(w->failure), "%s %s: %s", call, name, err->message);
}

static void work_once(struct worker *w, unsigned i)
{
	const struct mrmr_driver *driver = w->d->driver;
	char name[40], moved[40], got[40] = "";
	struct object_stat st = { 0 };
	unsigned count = 0;
	struct error err = { 0 };
	int code;

	snprintf(name, sizeof(name), "blocks/%02x/%u-%u", i % 3, w->number, i);
	snprintf(moved, sizeof(moved), "quarantine/%u-%u", w->number, i);
	note(w, "put", name, driver->put(w->d, name, name, strlen(name), &err), &err);
	note(w, "sync after", name, driver->sync(w->d, &err), &err);
	code = driver->stat(w->d, name, &st, &err);
	if (code == ERR_NONE && st.len_bytes != strlen(name))
		code = err_set(&err, ERR_CORRUPT, "another length");
	note(w, "stat", name, code, &err);
	code = driver->get(w->d, name, 0, got, strlen(name), &err);
	if (code == ERR_NONE && strcmp(got, name) != 0)
		code = err_set(&err, ERR_CORRUPT, "other bytes");
	note(w, "get", name, code, &err);
	if (i % 3 == 0)
		note(w, "move", name, driver->move(w->d, name, moved, &err), &err);
	if (i % 3 == 1)
		note(w, "remove", name, driver->remove(w->d, name, &err), &err);
	if (i % 8 == 0)
		note(w, "list beside", name, driver->list(w->d, "", count_one, &count, &err), &err);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < THREAD_OBJECTS; i++)
		work_once(w, i);
	return NULL;
}

static void as_many_threads_as_it_says_may_use_a_drive(void **state)
{
	struct drive *d = place_open_patient(state);
	unsigned n = d->driver->connections_max;
	struct worker *workers = calloc(n, sizeof(*workers));

	assert_true(n >= 1);
	assert_non_null(workers);
	for (unsigned i = 0; i < n; i++) {
		workers[i].d = d;
		workers[i].number = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_string_equal(workers[i].failure, "");
	}
	assert_call(call_sync(d), ERR_NONE);
	call_close(d);
	d = place_open(state);
	assert_call(call_count(d, "blocks/"), n * THREAD_OBJECTS / 3);
	assert_call(call_count(d, "quarantine/"), n * THREAD_OBJECTS / 3);
	call_close(d);
	free(workers);
}

/* ---- hosts ---- */

#define HOSTS 8
#define ROUNDS 3

struct host {
	pthread_t thread;
	struct drive *d;
	pthread_barrier_t *start;
	char name[40], text[40];
	int put, sync;
	struct error err;
};

static void *put_once(void *arg)
{
	struct host *h = arg;

	pthread_barrier_wait(h->start);
	h->put = h->d->driver->put(h->d, h->name, h->text, strlen(h->text), &h->err);
	h->sync = ERR_EXISTS;
	if (h->put == ERR_NONE || h->put == ERR_EXISTS)
		h->sync = h->d->driver->sync(h->d, &h->err);
	return NULL;
}

/* All hosts put under one name at the same moment. How many were told that it is theirs. */
static unsigned put_at_once(struct host *hosts, unsigned round, bool same_bytes)
{
	pthread_barrier_t start;
	unsigned winners = 0;

	assert_int_equal(pthread_barrier_init(&start, NULL, HOSTS), 0);
	for (unsigned i = 0; i < HOSTS; i++) {
		struct host *h = &hosts[i];

		h->start = &start;
		snprintf(h->name, sizeof(h->name), "blocks/%02x/race", round);
		snprintf(h->text, sizeof(h->text), "round %u, host %u", round, same_bytes ? 0 : i);
		assert_int_equal(pthread_create(&h->thread, NULL, put_once, h), 0);
	}
	for (unsigned i = 0; i < HOSTS; i++) {
		struct host *h = &hosts[i];

		pthread_join(h->thread, NULL);
		if ((h->put != ERR_NONE && h->put != ERR_EXISTS) ||
		    (h->sync != ERR_NONE && h->sync != ERR_EXISTS))
			fail_msg("host %u: %s", i, h->err.message);
		winners += h->put == ERR_NONE && h->sync == ERR_NONE;
	}
	pthread_barrier_destroy(&start);
	return winners;
}

static void each_host(void **state, struct host *hosts, bool opens)
{
	memset(hosts, 0, opens ? HOSTS * sizeof(*hosts) : 0);
	for (unsigned i = 0; i < HOSTS; i++) {
		if (opens)
			hosts[i].d = place_open_patient(state);
		else
			call_close(hosts[i].d);
	}
}

static void of_hosts_that_put_other_bytes_at_once_one_wins(void **state)
{
	struct host hosts[HOSTS];

	each_host(state, hosts, true);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned winners = put_at_once(hosts, round, false), theirs = 0;
		bool races = hosts[0].d->driver->flags & DRIVER_RACES;

		if (winners != 1 && !(races && winners > 1))
			fail_msg("%u of %d were told that the name is theirs", winners, HOSTS);
		for (unsigned i = 0; i < HOSTS; i++) {
			struct host *h = &hosts[i];

			if (call_check(h->d, h->name, h->text) != ERR_NONE)
				continue;
			assert_int_equal(h->put, ERR_NONE);
			assert_int_equal(h->sync, ERR_NONE);
			theirs++;
		}
		assert_int_equal(theirs, 1);
	}
	assert_call(call_count(hosts[0].d, ""), ROUNDS);
	each_host(state, hosts, false);
}

/* A place without exclusive create may take a name away for a moment, to give it anew. */
static int find_soon(struct host *h)
{
	unsigned tries = h->d->driver->flags & DRIVER_RACES ? 50 : 1;
	int code = ERR_NOT_FOUND;

	for (unsigned i = 0; i < tries && code == ERR_NOT_FOUND; i++) {
		if (i > 0)
			usleep(100000);
		code = call_check(h->d, h->name, h->text);
	}
	return code;
}

static void hosts_that_put_the_same_bytes_at_once_all_find_them(void **state)
{
	struct host hosts[HOSTS];

	each_host(state, hosts, true);
	for (unsigned round = 0; round < ROUNDS; round++) {
		assert_true(put_at_once(hosts, round, true) >= 1);
		for (unsigned i = 0; i < HOSTS; i++)
			assert_int_equal(find_soon(&hosts[i]), ERR_NONE);
	}
	assert_call(call_count(hosts[0].d, ""), ROUNDS);
	each_host(state, hosts, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_PLACE(a_list_names_every_object_of_its_prefix_once),
		ON_A_PLACE(a_bad_prefix_is_refused),
		ON_A_PLACE(a_listing_stops_with_the_value_of_its_caller),
		ON_A_PLACE(objects_may_be_read_and_removed_while_they_are_listed),
		ON_A_PLACE(a_removed_object_is_gone_and_its_name_free),
		ON_A_PLACE(an_object_removed_before_its_sync_is_never_stored),
		ON_A_PLACE(a_moved_object_has_its_new_name_only),
		ON_A_PLACE(a_move_onto_a_taken_name_changes_nothing),
		ON_A_PLACE(a_move_of_an_absent_object_is_not_found),
		ON_A_PLACE(as_many_threads_as_it_says_may_use_a_drive),
		ON_A_PLACE(of_hosts_that_put_other_bytes_at_once_one_wins),
		ON_A_PLACE(hosts_that_put_the_same_bytes_at_once_all_find_them),
	};

	return place_run_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
