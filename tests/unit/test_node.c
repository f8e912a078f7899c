/* Nodes, pieces, extended attributes, names and paths. */
#include "table/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t attributes[] = "\x06user.a\x01x\x06user.b\x00"; /* and a NUL by C */
#define ATTRIBUTES_BYTES (sizeof(attributes) - 1)

/* A repeatable number: tests must not differ from run to run. */
static uint64_t next_number(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 20;
}

static struct node small_file(void)
{
	static const uint8_t content[] = { 0, 5 }; /* a hole of 5 bytes */
	struct node n = { .type = NODE_FILE, .mode = 0644, .uid = 1000, .gid = 100 };

	n.size_bytes = 5;
	n.mtime_ns = 1700000000123456789;
	n.ctime_ns = 1700000001123456789;
	n.inode = 1234567;
	n.device = 2049;
	n.links = 1;
	n.content = content;
	n.content_bytes = sizeof(content);
	return n;
}

static void assert_same_node(const struct node *a, const struct node *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->uid, b->uid);
	assert_int_equal(a->gid, b->gid);
	assert_int_equal(a->size_bytes, b->size_bytes);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->ctime_ns, b->ctime_ns);
	assert_int_equal(a->inode, b->inode);
	assert_int_equal(a->device, b->device);
	assert_int_equal(a->links, b->links);
	assert_int_equal(a->rdev, b->rdev);
	assert_int_equal(a->content_parts, b->content_parts);
	assert_int_equal(a->target_bytes, b->target_bytes);
	assert_int_equal(a->xattrs_bytes, b->xattrs_bytes);
	assert_int_equal(a->content_bytes, b->content_bytes);
	if (a->target_bytes)
		assert_memory_equal(a->target, b->target, a->target_bytes);
	if (a->xattrs_bytes)
		assert_memory_equal(a->xattrs, b->xattrs, a->xattrs_bytes);
	if (a->content_bytes)
		assert_memory_equal(a->content, b->content, a->content_bytes);
}

static void assert_round_trip(const struct node *n, const struct node *prev)
{
	struct buf out = { 0 };
	struct reader r;
	struct node back;
	struct error err;

	node_encode(n, prev, &out);
	assert_false(out.failed);
	r = reader_of(out.data, out.len_bytes);
	assert_int_equal(node_decode(&r, prev, &back, &err), ERR_NONE);
	assert_true(reader_done(&r));
	assert_same_node(n, &back);
	buf_release(&out);
}

static int decode(const void *bytes, size_t len_bytes)
{
	struct reader r = reader_of(bytes, len_bytes);
	struct node n;
	struct error err;

	return node_decode(&r, NULL, &n, &err);
}

static void a_node_of_every_type_comes_back_whole(void **state)
{
	struct node n = small_file(), prev = small_file();

	(void)state;
	assert_round_trip(&n, NULL);
	assert_round_trip(&n, &prev);
	n.links = 3;
	n.xattrs = attributes;
	n.xattrs_bytes = ATTRIBUTES_BYTES;
	assert_round_trip(&n, &prev);
	n.content_bytes = 0;
	assert_round_trip(&n, &prev);
	n.content_parts = 70000;
	assert_round_trip(&n, &prev);

	n = (struct node){ .type = NODE_FOLDER, .mode = 07777, .links = 2 };
	assert_round_trip(&n, &prev);
	n = (struct node){ .type = NODE_SYMLINK, .mode = 0777, .links = 1 };
	assert_round_trip(&n, &prev);
	n.target = (const uint8_t *)"../else where";
	n.target_bytes = strlen((const char *)n.target);
	assert_round_trip(&n, NULL);
	n = (struct node){ .type = NODE_FIFO, .links = 0 };
	assert_round_trip(&n, &prev);
	n = (struct node){ .type = NODE_CHAR_DEVICE, .rdev = UINT64_MAX, .links = 1 };
	assert_round_trip(&n, &prev);
	n.type = NODE_BLOCK_DEVICE;
	assert_round_trip(&n, &n);
}

static void any_two_values_have_a_delta_that_leads_back(void **state)
{
	static const uint64_t edges[] = { 0, 1, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX };
	const size_t edge_count = sizeof(edges) / sizeof(edges[0]);

	(void)state;
	for (size_t i = 0; i < edge_count; i++) {
		for (size_t j = 0; j < edge_count; j++) {
			struct node prev = small_file(), n = small_file();

			prev.mtime_ns = (int64_t)edges[i];
			prev.inode = edges[i];
			prev.device = edges[j];
			n.mtime_ns = (int64_t)edges[j];
			n.ctime_ns = (int64_t)edges[i];
			n.inode = edges[j];
			n.device = edges[i];
			assert_round_trip(&n, &prev);
		}
	}
}

static void random_nodes_come_back_whole_one_after_the_other(void **state)
{
	uint64_t seed = 1;
	struct node prev = small_file();

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct node n = small_file();

		n.mode = (uint32_t)next_number(&seed) & 07777;
		if (i % 3 == 0)
			n.uid = (uint32_t)next_number(&seed);
		n.gid = (uint32_t)next_number(&seed) % 3;
		n.size_bytes = next_number(&seed) >> (next_number(&seed) % 44);
		n.mtime_ns = (int64_t)(next_number(&seed) << 20);
		n.ctime_ns = i % 2 ? n.mtime_ns : (int64_t)next_number(&seed);
		n.inode = next_number(&seed);
		n.device = next_number(&seed) % 2;
		n.links = next_number(&seed) % 3;
		assert_round_trip(&n, &prev);
		prev = n;
	}
}

static void source_files_cost_less_than_30_bytes_each(void **state)
{
	struct node prev = { 0 };
	struct buf out = { 0 };
	uint64_t seed = 2;
	const size_t files = 100000;

	(void)state;
	/* As a checkout leaves them: times of one day to the nanosecond, inodes of one file
	 * system in no order, ctime after mtime. Content and its length are not counted. */
	for (size_t i = 0; i < files; i++) {
		struct node n = small_file();

		n.content_bytes = 0;
		n.mode = i % 10 == 0 ? 0755 : 0644;
		n.size_bytes = next_number(&seed) % 60000;
		n.mtime_ns += (int64_t)(next_number(&seed) % 86400000000000);
		n.ctime_ns = n.mtime_ns + (int64_t)(next_number(&seed) % 1000000000);
		n.inode = next_number(&seed) % 10000000;
		node_encode(&n, &prev, &out);
		prev = n;
	}
	assert_false(out.failed);
	assert_true(out.len_bytes < files * 30);
	buf_release(&out);
}

static void a_cut_node_is_refused(void **state)
{
	struct node n = small_file();
	struct buf out = { 0 };

	(void)state;
	n.xattrs = attributes;
	n.xattrs_bytes = ATTRIBUTES_BYTES;
	node_encode(&n, NULL, &out);
	for (size_t len = 0; len < out.len_bytes; len++)
		assert_int_equal(decode(out.data, len), ERR_CORRUPT);
	assert_int_equal(decode(out.data, out.len_bytes), ERR_NONE);
	buf_release(&out);
}

static void a_node_that_decodes_encodes_to_the_same_bytes(void **state)
{
	struct node n = small_file(), back;
	struct buf out = { 0 }, again = { 0 };
	struct error err;
	size_t accepted = 0;

	(void)state;
	n.xattrs = attributes;
	n.xattrs_bytes = ATTRIBUTES_BYTES;
	node_encode(&n, NULL, &out);
	for (size_t bit = 0; bit < out.len_bytes * 8; bit++) {
		struct reader r = reader_of(out.data, out.len_bytes);

		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (node_decode(&r, NULL, &back, &err) == ERR_NONE) {
			buf_clear(&again);
			node_encode(&back, NULL, &again);
			assert_int_equal(again.len_bytes, out.len_bytes - r.left_bytes);
			assert_memory_equal(again.data, out.data, again.len_bytes);
			accepted++;
		}
		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(accepted > 0);
	buf_release(&out);
	buf_release(&again);
}

static void unknown_types_flags_and_modes_are_refused(void **state)
{
	/* type, flags (all that can be left out is), deltas of mtime and inode */
	uint8_t fifo[] = { NODE_FIFO, 1 + 2 + 4 + 8 + 16, 0, 0 };
	const uint8_t mode_too_large[] = { NODE_FIFO, 1 + 4 + 8 + 16, 0x80, 0x20, 0, 0 };
	const uint8_t no_attributes[] = { NODE_FIFO, 63, 0, 0, 0 };
	const uint8_t fifo_in_parts[] = { NODE_FIFO, 31 + 64, 0, 0 };
	const uint8_t no_parts[] = { NODE_FILE, 31 + 64, 0, 0, 9, 0 };
	const uint8_t target_with_nul[] = { NODE_SYMLINK, 31, 0, 0, 2, 'a', 0 };

	(void)state;
	assert_int_equal(decode(fifo, sizeof(fifo)), ERR_NONE);
	fifo[1] |= 128;
	assert_int_equal(decode(fifo, sizeof(fifo)), ERR_CORRUPT);
	fifo[1] &= 31 - 16; /* ctime follows, though it is mtime */
	assert_int_equal(decode(fifo, sizeof(fifo)), ERR_CORRUPT);
	fifo[1] = 31;
	fifo[0] = 0;
	assert_int_equal(decode(fifo, sizeof(fifo)), ERR_CORRUPT);
	fifo[0] = NODE_BLOCK_DEVICE + 1;
	assert_int_equal(decode(fifo, sizeof(fifo)), ERR_CORRUPT);
	assert_int_equal(decode(mode_too_large, sizeof(mode_too_large)), ERR_CORRUPT);
	assert_int_equal(decode(no_attributes, sizeof(no_attributes)), ERR_CORRUPT);
	assert_int_equal(decode(fifo_in_parts, sizeof(fifo_in_parts)), ERR_CORRUPT);
	assert_int_equal(decode(no_parts, sizeof(no_parts)), ERR_CORRUPT);
	assert_int_equal(decode(target_with_nul, sizeof(target_with_nul)), ERR_CORRUPT);
}

static void contents_and_targets_above_their_limit_are_refused(void **state)
{
	struct node n = small_file();
	struct buf out = { 0 }, pieces = { 0 };
	struct piece_state s = { .any = false };
	const struct piece hole = { .hole = true, .hole_bytes = 1 };

	(void)state;
	while (pieces.len_bytes < CONTENT_PART_BYTES)
		piece_add(&s, &pieces, &hole);
	n.content = pieces.data;
	n.content_bytes = pieces.len_bytes;
	node_encode(&n, NULL, &out);
	assert_int_equal(decode(out.data, out.len_bytes), ERR_NONE);
	piece_add(&s, &pieces, &hole);
	n.content = pieces.data;
	n.content_bytes = pieces.len_bytes;
	buf_clear(&out);
	node_encode(&n, NULL, &out);
	assert_int_equal(decode(out.data, out.len_bytes), ERR_CORRUPT);

	n = (struct node){ .type = NODE_SYMLINK, .target_bytes = LINK_BYTES_MAX + 1 };
	n.target = memset(realloc(NULL, n.target_bytes), 'a', n.target_bytes);
	buf_clear(&out);
	node_encode(&n, NULL, &out);
	assert_int_equal(decode(out.data, out.len_bytes), ERR_CORRUPT);
	free((void *)(uintptr_t)n.target);
	buf_release(&pieces);
	buf_release(&out);
}

static void pieces_come_back_in_order(void **state)
{
	struct piece p[6] = { { .first = 7, .count = 3 },
			      { .first = 0, .count = UINT32_MAX },
			      { .hole = true, .hole_bytes = UINT64_MAX },
			      { .first = UINT32_MAX - 1, .count = 1 },
			      { .first = 1, .count = 2 },
			      { .hole = true, .hole_bytes = 1 } };
	struct piece_state s = { .any = false };
	struct buf out = { 0 };
	struct reader r;
	struct piece back;

	(void)state;
	p[4].block_uid.b[3] = 9;
	for (size_t i = 0; i < 6; i++)
		piece_add(&s, &out, &p[i]);
	assert_true(pieces_ok(out.data, out.len_bytes));
	r = reader_of(out.data, out.len_bytes);
	s = (struct piece_state){ .any = false };
	for (size_t i = 0; i < 6; i++) {
		assert_true(piece_next(&s, &r, &back));
		assert_int_equal(back.hole, p[i].hole);
		assert_int_equal(back.hole_bytes, p[i].hole_bytes);
		assert_int_equal(back.first, p[i].first);
		assert_int_equal(back.count, p[i].count);
		assert_true(id_equal(&back.block_uid, &p[i].block_uid));
	}
	assert_false(piece_next(&s, &r, &back));
	assert_true(reader_done(&r));
	buf_release(&out);
}

static void a_uid_is_written_once_for_pieces_of_one_block(void **state)
{
	const struct piece first = { .first = 0, .count = 1 }, second = { .first = 9, .count = 1 };
	const struct piece hole = { .hole = true, .hole_bytes = 1 };
	struct piece_state s = { .any = false };
	struct buf out = { 0 };

	(void)state;
	piece_add(&s, &out, &first);
	assert_int_equal(out.len_bytes, 2 + ID_BYTES);
	piece_add(&s, &out, &hole);
	piece_add(&s, &out, &second);
	assert_int_equal(out.len_bytes, 2 + ID_BYTES + 2 + 2);
	buf_release(&out);
}

static void malformed_pieces_are_refused(void **state)
{
	uint8_t repeated[2 * (2 + ID_BYTES)] = { 2, 0 };
	const uint8_t empty_hole[] = { 0, 0 }, no_uid_before[] = { 3, 0 };
	uint8_t no_chunks[2 + ID_BYTES] = { 2, 0, [2 + ID_BYTES - 1] = 1 };
	uint8_t beyond[6 + ID_BYTES] = { 2, 0xff, 0xff, 0xff, 0xff, 0x0f };

	(void)state;
	assert_false(pieces_ok("", 0));
	assert_false(pieces_ok(empty_hole, 2));
	assert_false(pieces_ok(no_uid_before, 2));
	assert_true(pieces_ok(no_chunks, sizeof(no_chunks)));
	no_chunks[0] = 1; /* count 0, same */
	assert_false(pieces_ok(no_chunks, 2));
	/* The first chunk UINT32_MAX and one of them: one too many to count. */
	assert_false(pieces_ok(beyond, sizeof(beyond)));
	beyond[1] = 0xfe;
	assert_true(pieces_ok(beyond, sizeof(beyond)));
	/* The uid of before must not be spelt out again. */
	repeated[2 + ID_BYTES] = 2;
	assert_false(pieces_ok(repeated, sizeof(repeated)));
	repeated[sizeof(repeated) - 1] = 1;
	assert_true(pieces_ok(repeated, sizeof(repeated)));
	for (size_t len = 1; len < sizeof(repeated); len++)
		assert_int_equal(pieces_ok(repeated, len), len == 2 + ID_BYTES);
}

static void attributes_rise_strictly_by_name(void **state)
{
	(void)state;
	assert_true(xattrs_ok(attributes, ATTRIBUTES_BYTES));
	assert_true(xattrs_ok("\1a\0\2aa\0\1b\0", 10));
	assert_false(xattrs_ok("", 0));
	assert_false(xattrs_ok("\1b\0\1a\0", 6));
	assert_false(xattrs_ok("\1a\0\1a\0", 6));
	assert_false(xattrs_ok("\2aa\0\1a\0", 7));
	assert_false(xattrs_ok("\0\0", 2));   /* no name */
	assert_false(xattrs_ok("\1\0\0", 3)); /* NUL in a name */
	assert_false(xattrs_ok("\1a\2x", 4)); /* cut */
	assert_false(xattrs_ok(attributes, ATTRIBUTES_BYTES - 1));
}

static void attributes_above_their_limit_are_refused(void **state)
{
	struct buf b = { 0 };
	uint8_t *zeros = calloc(1, XATTRS_BYTES_MAX);

	(void)state;
	assert_non_null(zeros);
	buf_add_string(&b, "n");
	buf_add_block(&b, zeros, XATTRS_BYTES_MAX - 5);
	assert_int_equal(b.len_bytes, XATTRS_BYTES_MAX);
	assert_true(xattrs_ok(b.data, b.len_bytes));
	buf_clear(&b);
	buf_add_string(&b, "n");
	buf_add_block(&b, zeros, XATTRS_BYTES_MAX - 4);
	assert_false(xattrs_ok(b.data, b.len_bytes));
	free(zeros);
	buf_release(&b);
}

static void a_name_is_a_single_component(void **state)
{
	char longest[NAME_BYTES_MAX + 1];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(name_ok(longest, NAME_BYTES_MAX));
	assert_false(name_ok(longest, NAME_BYTES_MAX + 1));
	assert_true(name_ok("...", 3));
	assert_true(name_ok(".x", 2));
	assert_true(name_ok("..x", 3));
	assert_true(name_ok("\xff\n \\", 4));
	assert_false(name_ok("", 0));
	assert_false(name_ok(".", 1));
	assert_false(name_ok("..", 2));
	assert_false(name_ok("a/b", 3));
	assert_false(name_ok("/", 1));
	assert_false(name_ok("a\0b", 3));
}

static void a_path_is_made_of_names(void **state)
{
	(void)state;
	assert_true(path_ok("", 0));
	assert_true(path_ok("/a", 2));
	assert_true(path_ok("/a/.b/...", 9));
	assert_false(path_ok("/", 1));
	assert_false(path_ok("a", 1));
	assert_false(path_ok("/a/", 3));
	assert_false(path_ok("//a", 3));
	assert_false(path_ok("/a/../b", 7));
	assert_false(path_ok("/.", 2));
	assert_false(path_ok("/a\0", 3));
}

static void a_path_above_its_limit_is_refused(void **state)
{
	char *path = malloc(PATH_BYTES_MAX + 2);

	(void)state;
	assert_non_null(path);
	for (size_t i = 0; i < PATH_BYTES_MAX + 2; i++)
		path[i] = i % 2 ? 'x' : '/';
	assert_true(path_ok(path, PATH_BYTES_MAX));
	assert_false(path_ok(path, PATH_BYTES_MAX + 2));
	free(path);
}

static void a_file_is_unchanged_when_nothing_but_its_device_differs(void **state)
{
	struct node then = small_file(), now = small_file();

	(void)state;
	now.device++;
	assert_true(node_unchanged(&then, &now));
	now.size_bytes++;
	assert_false(node_unchanged(&then, &now));
	now = then;
	now.mtime_ns++;
	assert_false(node_unchanged(&then, &now));
	now = then;
	now.ctime_ns--;
	assert_false(node_unchanged(&then, &now));
	now = then;
	now.inode++;
	assert_false(node_unchanged(&then, &now));
	now = then;
	now.type = NODE_SYMLINK;
	assert_false(node_unchanged(&then, &now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_of_every_type_comes_back_whole),
		cmocka_unit_test(any_two_values_have_a_delta_that_leads_back),
		cmocka_unit_test(random_nodes_come_back_whole_one_after_the_other),
		cmocka_unit_test(source_files_cost_less_than_30_bytes_each),
		cmocka_unit_test(a_cut_node_is_refused),
		cmocka_unit_test(a_node_that_decodes_encodes_to_the_same_bytes),
		cmocka_unit_test(unknown_types_flags_and_modes_are_refused),
		cmocka_unit_test(contents_and_targets_above_their_limit_are_refused),
		cmocka_unit_test(pieces_come_back_in_order),
		cmocka_unit_test(a_uid_is_written_once_for_pieces_of_one_block),
		cmocka_unit_test(malformed_pieces_are_refused),
		cmocka_unit_test(attributes_rise_strictly_by_name),
		cmocka_unit_test(attributes_above_their_limit_are_refused),
		cmocka_unit_test(a_name_is_a_single_component),
		cmocka_unit_test(a_path_is_made_of_names),
		cmocka_unit_test(a_path_above_its_limit_is_refused),
		cmocka_unit_test(a_file_is_unchanged_when_nothing_but_its_device_differs),
	};

	return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
