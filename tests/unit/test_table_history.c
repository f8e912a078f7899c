/* Snapshots: what is seen at each is what was stored, whatever came later. */
#include "tests/support/noise.h"
#include "tests/support/scribe.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	char *folder;
	struct table *t;
	struct scribe s;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->folder = temp_folder_in_memory();
	f->t = test_table(f->folder, "table");
	scribe_init(&f->s, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	table_close(f->t);
	scribe_release(&f->s);
	temp_folder_remove(f->folder);
	free(f);
	return 0;
}

/* ---- one snapshot at a time ---- */

static struct table_snapshot latest(struct fixture *f)
{
	struct id series = test_id('s', 1);
	struct table_snapshot s;

	assert_int_equal(table_latest(f->t, &series, &s, &f->err), ERR_NONE);
	return s;
}

static void add_entry(struct fixture *f, uint32_t snapshot, const char *folder, const char *name,
		      struct node n)
{
	struct folder_writer w = { 0 };
	struct id id = test_id('n', snapshot);

	folder_writer_add(&w, name, strlen(name), &n);
	folder_writer_finish(&w, &id, folder, strlen(folder), &f->s.records);
	folder_writer_release(&w);
}

static void add_removal(struct fixture *f, uint32_t snapshot, const char *folder, const char *name)
{
	struct folder_writer w = { 0 };
	struct id id = test_id('n', snapshot);

	folder_writer_remove(&w, name, strlen(name));
	folder_writer_finish(&w, &id, folder, strlen(folder), &f->s.records);
	folder_writer_release(&w);
}

static void add_commit(struct fixture *f, uint32_t snapshot)
{
	struct id id = test_id('n', snapshot);

	record_commit(&f->s.records, &id);
}

static void assert_size(struct fixture *f, const struct table_snapshot *s, const char *path,
			uint64_t size_bytes)
{
	struct node n;

	assert_int_equal(table_node(f->t, s, path, strlen(path), &n, &f->err), ERR_NONE);
	assert_int_equal(n.size_bytes, size_bytes);
}

static void assert_absent(struct fixture *f, const struct table_snapshot *s, const char *path)
{
	struct node n;

	assert_int_equal(table_node(f->t, s, path, strlen(path), &n, &f->err), ERR_NOT_FOUND);
}

static void a_snapshot_exists_only_once_it_is_committed(void **state)
{
	struct fixture *f = *state;
	struct id series = test_id('s', 1);
	struct table_snapshot s;

	test_record_snapshot(&f->s.records, 1, 1, 0, 0);
	add_entry(f, 1, "", "home", test_node(NODE_FOLDER, 0));
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_latest(f->t, &series, &s, &f->err), ERR_NOT_FOUND);
	add_entry(f, 1, "/home", "file", test_node(NODE_FILE, 11));
	scribe_apply(&f->s, f->t);
	add_commit(f, 1);
	scribe_apply(&f->s, f->t);
	s = latest(f);
	assert_string_equal(s.host, "host");
	assert_string_equal(s.tags, "one,two");
	assert_string_equal(s.series_name, "");
	assert_int_equal(s.paths_bytes, 6);
	assert_size(f, &s, "/home/file", 11);
	assert_absent(f, &s, "/home/other");
	assert_absent(f, &s, "/other/file");
	assert_absent(f, &s, "");
	assert_absent(f, &s, "home/file");
	table_snapshot_release(&s);
}

static void a_removed_folder_takes_along_what_is_below(void **state)
{
	struct fixture *f = *state;
	struct table_snapshot first, second;

	test_record_snapshot(&f->s.records, 1, 1, 0, 0);
	add_entry(f, 1, "", "a", test_node(NODE_FOLDER, 0));
	add_entry(f, 1, "/a", "b", test_node(NODE_FOLDER, 0));
	add_entry(f, 1, "/a/b", "file", test_node(NODE_FILE, 5));
	add_entry(f, 1, "", "ab", test_node(NODE_FOLDER, 0));
	add_entry(f, 1, "/ab", "file", test_node(NODE_FILE, 6));
	add_commit(f, 1);
	scribe_apply(&f->s, f->t);
	first = latest(f);
	test_record_snapshot(&f->s.records, 2, 1, 1, 0);
	add_removal(f, 2, "", "a");
	add_commit(f, 2);
	scribe_apply(&f->s, f->t);
	second = latest(f);
	assert_size(f, &first, "/a/b/file", 5);
	assert_absent(f, &second, "/a");
	assert_absent(f, &second, "/a/b");
	assert_absent(f, &second, "/a/b/file");
	assert_size(f, &second, "/ab/file", 6);
	assert_int_equal(first.line, second.line); /* nothing is copied for a successor */
	table_snapshot_release(&first);
	table_snapshot_release(&second);
}

static void a_changed_folder_keeps_what_is_below(void **state)
{
	struct fixture *f = *state;
	struct node folder = test_node(NODE_FOLDER, 0);
	struct table_snapshot second;

	test_record_snapshot(&f->s.records, 1, 1, 0, 0);
	add_entry(f, 1, "", "a", folder);
	add_entry(f, 1, "/a", "file", test_node(NODE_FILE, 5));
	add_commit(f, 1);
	test_record_snapshot(&f->s.records, 2, 1, 1, 0);
	folder.mode = 0700;
	add_entry(f, 2, "", "a", folder);
	add_commit(f, 2);
	scribe_apply(&f->s, f->t);
	second = latest(f);
	assert_size(f, &second, "/a/file", 5);
	table_snapshot_release(&second);
}

static void long_contents_come_in_parts_of_their_version(void **state)
{
	struct fixture *f = *state;
	struct node n = test_node(NODE_FILE, 5);
	struct piece_state ps = { 0 };
	struct piece p = { .hole = true, .hole_bytes = 9 };
	struct buf pieces = { 0 }, out = { 0 };
	struct table_snapshot first, second;
	struct content_record c = { .path = (const uint8_t *)"", .name = (const uint8_t *)"f" };

	piece_add(&ps, &pieces, &p);
	c.name_bytes = 1;
	c.pieces = pieces.data;
	c.pieces_bytes = pieces.len_bytes;
	n.content_parts = 2;
	for (uint32_t i = 1; i <= 2; i++) {
		test_record_snapshot(&f->s.records, i, 1, i - 1, 0);
		c.snapshot = test_id('n', i);
		for (c.part = 0; c.part < 2 && i == 1; c.part++)
			record_content(&f->s.records, &c);
		add_entry(f, i, "", i == 1 ? "f" : "g", n);
		add_commit(f, i);
	}
	scribe_apply(&f->s, f->t);
	second = latest(f);
	assert_int_equal(table_content_part(f->t, &second, "/f", 2, 1, &out, &f->err), ERR_NONE);
	assert_int_equal(out.len_bytes, pieces.len_bytes);
	assert_memory_equal(out.data, pieces.data, out.len_bytes);
	assert_int_equal(table_content_part(f->t, &second, "/f", 2, 2, &out, &f->err),
			 ERR_NOT_FOUND);
	assert_int_equal(table_content_part(f->t, &second, "/g", 2, 0, &out, &f->err),
			 ERR_NOT_FOUND);
	/* A fork of the first snapshot has them too. */
	test_record_snapshot(&f->s.records, 3, 1, 1, 0);
	add_commit(f, 3);
	scribe_apply(&f->s, f->t);
	first = latest(f);
	buf_clear(&out);
	assert_int_equal(table_content_part(f->t, &first, "/f", 2, 0, &out, &f->err), ERR_NONE);
	assert_memory_equal(out.data, pieces.data, out.len_bytes);
	table_snapshot_release(&first);
	table_snapshot_release(&second);
	buf_release(&pieces);
	buf_release(&out);
}

static void a_snapshot_waits_for_its_base(void **state)
{
	struct fixture *f = *state;
	struct id series = test_id('s', 1);
	struct segment base, derived;
	struct table_snapshot s;
	struct scribe other;

	scribe_init(&other, 2);
	test_record_snapshot(&f->s.records, 1, 1, 0, 0);
	add_entry(f, 1, "", "old", test_node(NODE_FILE, 1));
	add_commit(f, 1);
	base = scribe_write(&f->s);
	test_record_snapshot(&f->s.records, 2, 1, 1, 0);
	add_entry(f, 2, "", "new", test_node(NODE_FILE, 2));
	add_commit(f, 2);
	other.records = f->s.records;
	memset(&f->s.records, 0, sizeof(f->s.records));
	derived = scribe_write(&other);
	assert_int_equal(table_apply(f->t, &derived, &f->err), ERR_NONE);
	assert_int_equal(table_latest(f->t, &series, &s, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_apply(f->t, &base, &f->err), ERR_NONE);
	s = latest(f);
	assert_size(f, &s, "/old", 1);
	s.ordinal = 2;
	assert_size(f, &s, "/new", 2);
	table_snapshot_release(&s);
	segment_release(&base);
	segment_release(&derived);
	scribe_release(&other);
}

static void a_base_that_never_comes_is_taken_as_empty_when_settling(void **state)
{
	struct fixture *f = *state;
	struct table_snapshot s, *all;
	size_t count;

	for (uint32_t i = 3; i >= 2; i--) { /* the later one first */
		test_record_snapshot(&f->s.records, i, 1, i - 1, 0);
		add_entry(f, i, "", i == 2 ? "two" : "three", test_node(NODE_FILE, i));
		add_commit(f, i);
	}
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_snapshots(f->t, NULL, &all, &count, &f->err), ERR_NONE);
	assert_int_equal(count, 0);
	free(all);
	assert_int_equal(table_settle(f->t, &f->err), ERR_NONE);
	assert_int_equal(table_snapshots(f->t, NULL, &all, &count, &f->err), ERR_NONE);
	assert_int_equal(count, 2);
	s = latest(f);
	assert_size(f, &s, "/three", 3);
	assert_size(f, &s, "/two", 2);
	table_snapshot_release(&s);
	for (size_t i = 0; i < count; i++)
		table_snapshot_release(&all[i]);
	free(all);
}

/* ---- a put's life ---- */

static int count_id(void *ctx, const struct id *id, struct error *err)
{
	unsigned *count = ctx;

	(void)id, (void)err;
	(*count)++;
	return ERR_NONE;
}

static unsigned open_intents(struct fixture *f)
{
	unsigned count = 0;

	assert_int_equal(table_open_intents(f->t, count_id, &count, &f->err), ERR_NONE);
	return count;
}

static void an_intent_is_open_until_its_put_commits_or_ends(void **state)
{
	struct fixture *f = *state;
	struct id one = test_id('p', 1), two = test_id('p', 2), first = test_id('n', 1);
	struct table_snapshot s;

	record_intent(&f->s.records, &one, 100);
	record_intent(&f->s.records, &two, 100);
	scribe_apply(&f->s, f->t);
	assert_int_equal(open_intents(f), 2);
	test_record_snapshot(&f->s.records, 1, 1, 0, 1);
	add_commit(f, 1);
	scribe_apply(&f->s, f->t);
	assert_int_equal(open_intents(f), 1);
	test_record_snapshot(&f->s.records, 2, 1, 1, 2);
	record_intent_end(&f->s.records, &two);
	scribe_apply(&f->s, f->t);
	assert_int_equal(open_intents(f), 0);
	/* What was begun is forgotten: a late commit makes nothing. */
	add_commit(f, 2);
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_settle(f->t, &f->err), ERR_NONE);
	s = latest(f);
	assert_true(id_equal(&s.id, &first));
	table_snapshot_release(&s);
}

/* ---- series and filters ---- */

static void a_series_is_found_by_name_or_by_host_and_paths(void **state)
{
	struct fixture *f = *state;
	struct series_record named = { .id = test_id('s', 1), .name = "photos", .host = "h" };
	struct series_record plain = { .id = test_id('s', 2), .name = "", .host = "h" };
	struct id found;

	plain.paths = (const uint8_t *)"/a\0/b";
	plain.paths_bytes = 6;
	record_series(&f->s.records, &named);
	record_series(&f->s.records, &plain);
	scribe_apply(&f->s, f->t);
	assert_int_equal(table_series_find(f->t, "photos", "elsewhere", "", 0, &found, &f->err),
			 ERR_NONE);
	assert_true(id_equal(&found, &named.id));
	assert_int_equal(table_series_find(f->t, "", "h", "/a\0/b", 6, &found, &f->err), ERR_NONE);
	assert_true(id_equal(&found, &plain.id));
	assert_int_equal(table_series_find(f->t, "", "h", "/a", 3, &found, &f->err), ERR_NOT_FOUND);
	assert_int_equal(table_series_find(f->t, "", "g", "/a\0/b", 6, &found, &f->err),
			 ERR_NOT_FOUND);
}

static size_t count_snapshots(struct fixture *f, const struct snapshot_filter *filter)
{
	struct table_snapshot *all;
	size_t count;

	assert_int_equal(table_snapshots(f->t, filter, &all, &count, &f->err), ERR_NONE);
	for (size_t i = 0; i < count; i++)
		table_snapshot_release(&all[i]);
	free(all);
	return count;
}

static void snapshots_are_listed_by_filter(void **state)
{
	struct fixture *f = *state;
	struct series_record named = { .id = test_id('s', 1), .name = "photos", .host = "h" };

	record_series(&f->s.records, &named);
	for (uint32_t i = 1; i <= 4; i++) {
		test_record_snapshot(&f->s.records, i, 1 + i / 4, 0, 0);
		add_commit(f, i);
	}
	scribe_apply(&f->s, f->t);
	assert_int_equal(count_snapshots(f, NULL), 4);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .host = "host" }), 4);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .host = "hos" }), 0);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .tag = "two" }), 4);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .tag = "one,two" }), 0);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .tag = "tw" }), 0);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .series = "photos" }), 3);
	assert_int_equal(count_snapshots(f, &(struct snapshot_filter){ .before_ns = 3 }), 2);
}

/* ---- a random history against a model ---- */

#define MODEL_NODES_MAX 400
#define STEPS 250
#define PATH_BYTES 64

struct model_node {
	char path[PATH_BYTES];
	uint32_t value; /* its inode: tells versions apart */
	enum node_type type;
};

struct model {
	struct model_node nodes[MODEL_NODES_MAX];
	size_t count;
};

static void path_set(char out[PATH_BYTES], const char *folder, const char *name)
{
	int len = snprintf(out, PATH_BYTES, "%s%s", folder, name);

	assert_true(len >= 0 && len < PATH_BYTES);
}

static struct model_node *model_find(struct model *m, const char *path)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->nodes[i].path, path) == 0)
			return &m->nodes[i];
	return NULL;
}

static void model_remove(struct model *m, const char *path)
{
	size_t len = strlen(path), kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		const char *p = m->nodes[i].path;
		bool below = strncmp(p, path, len) == 0 && (p[len] == '/' || p[len] == '\0');

		if (!below)
			m->nodes[kept++] = m->nodes[i];
	}
	m->count = kept;
}

static void model_set(struct model *m, const char *path, enum node_type type, uint32_t value)
{
	struct model_node *n = model_find(m, path);

	if (n && (n->type != NODE_FOLDER || type != NODE_FOLDER)) {
		model_remove(m, path);
		n = NULL;
	}
	if (!n) {
		assert_true(m->count < MODEL_NODES_MAX);
		n = &m->nodes[m->count++];
		path_set(n->path, path, "");
	}
	n->type = type;
	n->value = value;
}

static size_t table_count_below(struct fixture *f, const struct table_snapshot *s, const char *path,
				struct model *m)
{
	struct table_children *c;
	const uint8_t *name;
	size_t name_bytes, count = 0;
	struct node n;
	char last[PATH_BYTES] = "";

	assert_int_equal(table_children_open(f->t, s, path, strlen(path), &c, &f->err), ERR_NONE);
	while (table_children_next(c, &name, &name_bytes, &n, &f->err)) {
		char child[PATH_BYTES], slashed[8];
		struct model_node *expected;

		snprintf(slashed, sizeof(slashed), "/%.*s", (int)name_bytes, name);
		path_set(child, path, slashed);
		assert_true(strcmp(last, child) < 0);
		path_set(last, child, "");
		expected = model_find(m, child);
		assert_non_null(expected);
		assert_int_equal(n.inode, expected->value);
		assert_int_equal(n.type, expected->type);
		count++;
		if (n.type == NODE_FOLDER)
			count += table_count_below(f, s, child, m);
	}
	assert_int_equal(f->err.code, ERR_NONE);
	table_children_close(c);
	return count;
}

/* Some folder of the model, by chance; "" too. */
static const char *some_folder(struct model *m, struct noise *noise)
{
	for (int tries = 0; tries < 10 && m->count > 0; tries++) {
		struct model_node *n = &m->nodes[noise_below(noise, m->count)];

		if (n->type == NODE_FOLDER && strlen(n->path) < 16)
			return n->path;
	}
	return "";
}

static void random_change(struct fixture *f, struct model *m, struct noise *noise, uint32_t number)
{
	const char slashed[] = { '/', (char)('a' + noise_below(noise, 6)), '\0' };
	const char *name = slashed + 1;
	char folder[PATH_BYTES], path[PATH_BYTES];
	struct node n;

	path_set(folder, some_folder(m, noise), "");
	path_set(path, folder, slashed);
	if (noise_below(noise, 4) == 0) {
		if (!model_find(m, path))
			return;
		add_removal(f, number, folder, name);
		model_remove(m, path);
		return;
	}
	n = test_node(noise_below(noise, 3) ? NODE_FILE : NODE_FOLDER, 0);
	n.inode = noise_below(noise, 1 << 30);
	add_entry(f, number, folder, name, n);
	model_set(m, path, n.type, (uint32_t)n.inode);
}

/* Each snapshot changes a few names at random, on top of one chosen at random among the last
 * ones, so that lines fork, and folders replace files and the reverse. */
static void every_snapshot_of_a_random_history_shows_what_was_stored(void **state)
{
	struct fixture *f = *state;
	struct model *models = calloc(STEPS + 1, sizeof(*models));
	struct table_snapshot *all;
	struct noise noise = { .state = 5 };
	size_t count, forks = 0;

	assert_non_null(models);
	for (uint32_t i = 1; i <= STEPS; i++) {
		uint32_t base = i - 1;

		if (i > 4 && noise_below(&noise, 8) == 0) {
			base = i - 1 - (uint32_t)noise_below(&noise, 4);
			forks++;
		}
		test_record_snapshot(&f->s.records, i, 1, base, 0);
		models[i] = models[base];
		for (uint64_t k = noise_below(&noise, 12); k > 0; k--)
			random_change(f, &models[i], &noise, i);
		add_commit(f, i);
		if (i % 7 == 0)
			scribe_apply(&f->s, f->t);
	}
	scribe_apply(&f->s, f->t);
	assert_true(forks > 5);
	assert_int_equal(table_snapshots(f->t, NULL, &all, &count, &f->err), ERR_NONE);
	assert_int_equal(count, STEPS);
	for (size_t i = 0; i < count; i++) {
		struct model *m = &models[all[i].time_ns];

		assert_int_equal(table_count_below(f, &all[i], "", m), m->count);
		for (size_t k = 0; k < m->count; k++) {
			struct node n;
			const char *path = m->nodes[k].path;

			assert_int_equal(table_node(f->t, &all[i], path, strlen(path), &n, &f->err),
					 ERR_NONE);
			assert_int_equal(n.inode, m->nodes[k].value);
		}
		table_snapshot_release(&all[i]);
	}
	free(all);
	free(models);
}

/* ---- several at once ---- */

static void add_many(struct fixture *f, uint32_t snapshot, uint32_t base, unsigned count)
{
	test_record_snapshot(&f->s.records, snapshot, 1, base, 0);
	for (unsigned i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%05u", i);
		add_entry(f, snapshot, "", name, test_node(NODE_FILE, i));
	}
	add_commit(f, snapshot);
}

static void children_of_a_large_folder_come_in_order_and_each_once(void **state)
{
	struct fixture *f = *state;
	struct table_children *c;
	struct table_snapshot s;
	const uint8_t *name;
	size_t name_bytes;
	struct node n;
	unsigned count = 0;

	add_many(f, 1, 0, 1000);
	scribe_apply(&f->s, f->t);
	s = latest(f);
	assert_int_equal(table_children_open(f->t, &s, "", 0, &c, &f->err), ERR_NONE);
	while (table_children_next(c, &name, &name_bytes, &n, &f->err)) {
		char expected[32];

		snprintf(expected, sizeof(expected), "%05u", count);
		assert_int_equal(name_bytes, strlen(expected));
		assert_memory_equal(name, expected, name_bytes);
		assert_int_equal(n.size_bytes, count++);
	}
	assert_int_equal(f->err.code, ERR_NONE);
	assert_int_equal(count, 1000);
	table_children_close(c);
	table_snapshot_release(&s);
}

static struct table *open_again(struct fixture *f)
{
	struct id array = test_id('a', 1);
	struct table *t;
	bool fresh;

	assert_int_equal(table_open(temp_path(f->folder, "table"), &array, &t, &fresh, &f->err),
			 ERR_NONE);
	assert_false(fresh);
	return t;
}

/* Two processes have one table open; one is in the middle of a folder, or of many lookups. */
static void what_is_read_keeps_nobody_from_writing_not_even_after_others_wrote(void **state)
{
	struct fixture *f = *state;
	struct table *other;
	struct table_children *c;
	struct table_snapshot s;
	const uint8_t *name;
	size_t name_bytes;
	struct node n;

	other = open_again(f);
	add_many(f, 1, 0, 500);
	scribe_apply(&f->s, f->t);
	s = latest(f);
	assert_int_equal(table_view(f->t, &f->err), ERR_NONE);
	assert_int_equal(table_children_open(f->t, &s, "", 0, &c, &f->err), ERR_NONE);
	assert_true(table_children_next(c, &name, &name_bytes, &n, &f->err));
	add_many(f, 2, 1, 3);
	scribe_apply(&f->s, other);
	add_many(f, 3, 2, 3);
	scribe_apply(&f->s, f->t);
	for (unsigned i = 1; i < 500; i++)
		assert_true(table_children_next(c, &name, &name_bytes, &n, &f->err));
	assert_false(table_children_next(c, &name, &name_bytes, &n, &f->err));
	assert_int_equal(f->err.code, ERR_NONE);
	table_view_end(f->t);
	table_children_close(c);
	table_snapshot_release(&s);
	s = latest(f);
	assert_int_equal(s.time_ns, 3);
	table_snapshot_release(&s);
	table_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_snapshot_exists_only_once_it_is_committed),
		TEST(a_removed_folder_takes_along_what_is_below),
		TEST(a_changed_folder_keeps_what_is_below),
		TEST(long_contents_come_in_parts_of_their_version),
		TEST(a_snapshot_waits_for_its_base),
		TEST(a_base_that_never_comes_is_taken_as_empty_when_settling),
		TEST(an_intent_is_open_until_its_put_commits_or_ends),
		TEST(a_series_is_found_by_name_or_by_host_and_paths),
		TEST(snapshots_are_listed_by_filter),
		TEST(every_snapshot_of_a_random_history_shows_what_was_stored),
		TEST(children_of_a_large_folder_come_in_order_and_each_once),
		TEST(what_is_read_keeps_nobody_from_writing_not_even_after_others_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
