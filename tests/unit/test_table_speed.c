/*
 * How fast the table is where a put waits for it. The numbers are printed, not judged: machines
 * differ. MRMR_TEST_SCALE=10 makes a million of each.
 */
#include "tests/support/noise.h"
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define CHUNKS_PER_BLOCK 64
#define FILES_PER_FOLDER 50

struct fixture {
	char *folder;
	struct table *t;
	struct error err;
	uint32_t count; /* chunks, files */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *scale = getenv("MRMR_TEST_SCALE");

	assert_non_null(f);
	f->folder = temp_folder();
	f->t = test_table(f->folder, "table");
	f->count = 100000 * (scale ? (uint32_t)strtoul(scale, NULL, 10) : 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_close(f->t);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void report(struct fixture *f, const char *what, uint32_t count, double seconds)
{
	struct stat st = { .st_size = 0 };

	assert_int_equal(stat(temp_path(f->folder, "table"), &st), 0);
	print_message(
		"%-28s %8u in %7.3f s: %9.0f/s, %6.2f us each; file %.1f MB, SQLite %.1f MB\n",
		what, count, seconds, count / seconds, seconds * 1e6 / count,
		(double)st.st_size / 1e6, (double)sqlite3_memory_highwater(1) / 1e6);
}

static void chunks_are_found_fast(void **state)
{
	struct fixture *f = *state;
	struct noise noise = { .state = 1 };
	struct scribe s;
	uint32_t found = 0, lookups = f->count;
	double start = now_s();

	scribe_init(&s, 1);
	for (uint32_t at = 0; at < f->count; at += CHUNKS_PER_BLOCK) {
		uint32_t chunks[CHUNKS_PER_BLOCK];

		for (uint32_t i = 0; i < CHUNKS_PER_BLOCK; i++)
			chunks[i] = at + i;
		test_record_block(&s.records, 1 + at, 1, chunks, CHUNKS_PER_BLOCK);
		if (s.records.len_bytes > 6 << 20)
			scribe_apply(&s, f->t);
	}
	scribe_apply(&s, f->t);
	report(f, "chunks indexed", f->count, now_s() - start);

	for (int in_transaction = 0; in_transaction < 2; in_transaction++) {
		if (in_transaction)
			assert_int_equal(table_begin(f->t, &f->err), ERR_NONE);
		start = now_s();
		found = 0;
		for (uint32_t i = 0; i < lookups; i++) {
			struct chunk_place place;
			struct hash id = test_hash(
				'c', (uint32_t)noise_below(&noise, 2 * (uint64_t)f->count));

			found += table_find_chunk(f->t, &id, 0, &place, &f->err) == ERR_NONE;
		}
		report(f, in_transaction ? "looked up in a transaction" : "chunks looked up",
		       lookups, now_s() - start);
		assert_true(found > lookups / 3 && found < lookups * 2 / 3);
	}
	table_rollback(f->t);
	scribe_release(&s);
}

static void add_folder(struct scribe *s, const struct id *snapshot, const char *path,
		       uint32_t first)
{
	struct folder_writer w = { 0 };
	struct piece p = { .block_uid = test_id('b', first), .first = first, .count = 1 };

	for (uint32_t i = 0; i < FILES_PER_FOLDER; i++) {
		struct node n = test_node(NODE_FILE, first + i);
		struct piece_state state = { 0 };
		struct buf pieces = { 0 };
		char name[32];

		piece_add(&state, &pieces, &p);
		n.content = pieces.data;
		n.content_bytes = pieces.len_bytes;
		n.mtime_ns = n.ctime_ns = 1700000000000000000 + first * 7919 + i;
		n.inode = 100000 + first + i;
		n.device = 2049;
		snprintf(name, sizeof(name), "some-file-name-%04u.txt", (unsigned)i);
		folder_writer_add(&w, name, strlen(name), &n);
		buf_release(&pieces);
	}
	folder_writer_finish(&w, snapshot, path, strlen(path), &s->records);
	folder_writer_release(&w);
}

static void folder_path(char path[64], uint32_t first)
{
	snprintf(path, 64, "/home/user/%03u/%03u/data", (unsigned)(first / 50000),
		 (unsigned)(first / FILES_PER_FOLDER % 1000));
}

static uint32_t list_all(struct fixture *f, const struct table_snapshot *s)
{
	uint32_t seen = 0;

	for (uint32_t at = 0; at < f->count; at += FILES_PER_FOLDER) {
		struct table_children *c;
		const uint8_t *name;
		size_t name_bytes;
		struct node n;
		char path[64];

		folder_path(path, at);
		assert_int_equal(table_children_open(f->t, s, path, strlen(path), &c, &f->err),
				 ERR_NONE);
		while (table_children_next(c, &name, &name_bytes, &n, &f->err))
			seen++;
		assert_int_equal(f->err.code, ERR_NONE);
		table_children_close(c);
	}
	return seen;
}

static void trees_are_stored_and_listed_fast(void **state)
{
	struct fixture *f = *state;
	struct id id = test_id('n', 1), series = test_id('s', 1);
	struct table_snapshot snapshot;
	struct buf dump = { 0 };
	struct hash fingerprint;
	struct scribe s;
	double start = now_s();

	scribe_init(&s, 1);
	test_record_snapshot(&s.records, 1, 1, 0, 0);
	for (uint32_t at = 0; at < f->count; at += FILES_PER_FOLDER) {
		char path[64];

		folder_path(path, at);
		add_folder(&s, &id, path, at);
		if (s.records.len_bytes > 6 << 20)
			scribe_apply(&s, f->t);
	}
	record_commit(&s.records, &id);
	scribe_apply(&s, f->t);
	report(f, "files stored", f->count, now_s() - start);
	assert_int_equal(table_latest(f->t, &series, &snapshot, &f->err), ERR_NONE);
	for (int i = 0; i < 2; i++) {
		start = now_s();
		assert_int_equal(list_all(f, &snapshot), f->count);
		report(f, i ? "files listed again" : "files listed", f->count, now_s() - start);
	}
	start = now_s();
	assert_int_equal(table_fingerprint(f->t, &fingerprint, &f->err), ERR_NONE);
	report(f, "fingerprint", f->count, now_s() - start);
	start = now_s();
	assert_int_equal(table_dump(f->t, &dump, &f->err), ERR_NONE);
	report(f, "dump", f->count, now_s() - start);
	buf_release(&dump);

	start = now_s();
	test_record_snapshot(&s.records, 2, 1, 1, 0);
	id = test_id('n', 2);
	for (uint32_t at = 0; at < f->count; at += 10 * FILES_PER_FOLDER) {
		char path[64];

		folder_path(path, at);
		add_folder(&s, &id, path, at);
	}
	record_commit(&s.records, &id);
	scribe_apply(&s, f->t);
	report(f, "files changed", f->count / 10, now_s() - start);
	start = now_s();
	test_record_snapshot(&s.records, 3, 1, 1, 0);
	id = test_id('n', 3);
	record_commit(&s.records, &id);
	scribe_apply(&s, f->t);
	report(f, "files of a line copied", f->count, now_s() - start);
	table_snapshot_release(&snapshot);
	scribe_release(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(chunks_are_found_fast),
		TEST(trees_are_stored_and_listed_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
