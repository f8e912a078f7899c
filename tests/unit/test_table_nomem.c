/*
 * Records, segments and the writer when memory runs out: every allocation fails once, and each
 * time the call says so, leaks nothing and can be made again. This program has its own malloc;
 * under a sanitizer, which has its own too, the tests are skipped.
 */
#include "base/file.h"
#include "table/record.h"
#include "table/writer.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scarce.h"

static struct keys *keys;

static int start(void **state)
{
	struct id array_id;
	struct error err;

	(void)state;
	if (seal_start(&err) != ERR_NONE)
		return -1;
	array_id = id_random();
	return keys_new(&array_id, &keys, &err);
}

static int finish(void **state)
{
	(void)state;
	keys_free(keys);
	return 0;
}

static void add_array_records(struct buf *out)
{
	struct policy policy = { .parity = 1, .geometry = geometry_default() };
	struct drive_record drive = { .name = "d", .state = DRIVE_MEMBER };
	struct id id = { { 1 } };

	record_policy(out, &policy);
	record_drive(out, &drive);
	record_access(out, &id, "file:/d", "{}");
}

static void add_block_records(struct buf *out, const struct contents *c)
{
	static struct group_record group = { .member_count = 1, .row_count = 1 };
	struct block_record block = { .len_bytes = 400, .epoch = 1, .contents = *c };
	uint8_t data[400] = { 0 };
	struct id id = { { 1 } };

	record_block(out, &block);
	record_inline(out, &id, c, data, sizeof(data));
	record_group(out, &group);
}

static void add_snapshot_records(struct buf *out)
{
	struct series_record series = { .name = "n", .host = "h" };
	struct snapshot_record snapshot = { .host = "h", .tags = "" };
	struct folder_writer w = { .removed_count = 0 };
	struct node n = { .type = NODE_FIFO };
	struct id id = { { 1 } };

	record_series(out, &series);
	record_snapshot(out, &snapshot);
	folder_writer_remove(&w, "gone", 4);
	folder_writer_add(&w, "here", 4, &n);
	folder_writer_finish(&w, &id, "/a", 2, out);
	folder_writer_release(&w);
	record_commit(out, &id);
}

static int records_and_back(void *ctx)
{
	const struct contents_frame frame = { .offset_bytes = 64,
					      .box_bytes = 100,
					      .plain_bytes = 90 };
	struct contents c = { 0 };
	struct buf out = { 0 };
	struct hash h = { { 1 } };
	struct error err;
	int code = ERR_NOMEM;

	(void)ctx;
	if (contents_add_frame(&c, &frame) && contents_add_chunk(&c, &h, 90, false)) {
		add_array_records(&out);
		add_block_records(&out, &c);
		add_snapshot_records(&out);
		if (!out.failed)
			code = records_check(out.data, out.len_bytes, &err);
	}
	contents_release(&c);
	buf_release(&out);
	return code;
}

static void records_say_when_there_is_no_memory(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	fail_everywhere(records_and_back, NULL, 30);
}

static int clocks_and_back(void *ctx)
{
	struct clock from = { 0 }, to = { 0 };
	struct mark m = { .seq = 1 };
	int code = ERR_NONE;

	(void)ctx;
	if (!clock_set(&from, &m) || !clock_copy(&to, &from))
		code = ERR_NOMEM;
	if (code != ERR_NONE)
		assert_int_equal(to.count, 0);
	clock_release(&from);
	clock_release(&to);
	return code;
}

static void clocks_say_when_there_is_no_memory(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	fail_everywhere(clocks_and_back, NULL, 2);
}

/* A command of a writer that is there already. */
static int writer_command(void *ctx)
{
	struct id drive = { { 1 } };
	struct clock clock = { 0 };
	struct have have = { .drive_id = drive };
	enum writer_origin origin;
	const struct buf *bytes;
	struct segment s = { .kind = SEGMENT_PLAIN };
	struct writer *w;
	const char *name;
	struct error err;
	int code = writer_open(ctx, keys, "machine", &w, &origin, &err);

	if (code != ERR_NONE)
		return code;
	if (origin != WRITER_FOUND)
		code = ERR_UNSAFE; /* for want of memory nobody becomes another */
	if (code == ERR_NONE && writer_head(w)->seq > 0 && !clock_set(&clock, writer_head(w)))
		code = ERR_NOMEM;
	have.clock = clock;
	if (code == ERR_NONE)
		code = writer_set_have(w, &drive, &clock, &err);
	if (code == ERR_NONE)
		code = writer_sign(w, &clock, &have, 1, NULL, 0, &name, &bytes, &err);
	if (code == ERR_NONE)
		code = segment_open(keys, bytes->data, bytes->len_bytes, &s, &err);
	if (code == ERR_NONE)
		code = writer_save(w, &err);
	if (code == ERR_NONE)
		code = writer_sent(w, name, &err);
	segment_release(&s);
	clock_release(&clock);
	writer_close(w);
	return code;
}

static int no_segment(void *ctx, const char *name, const void *bytes, size_t len_bytes,
		      struct error *err)
{
	(void)ctx, (void)name, (void)bytes, (void)len_bytes, (void)err;
	return ERR_NONE;
}

static int outbox_walk(void *ctx)
{
	enum writer_origin origin;
	struct writer *w;
	struct error err;
	int code = writer_open(ctx, keys, "machine", &w, &origin, &err);

	if (code != ERR_NONE)
		return code;
	code = writer_outbox(w, no_segment, NULL, &err);
	writer_close(w);
	return code;
}

static int renewal(void *ctx)
{
	enum writer_origin origin;
	const struct buf *bytes;
	struct writer *w;
	const char *name;
	struct error err;
	int code = writer_open(ctx, keys, "machine", &w, &origin, &err);

	if (code != ERR_NONE)
		return code;
	code = writer_sign(w, NULL, NULL, 0, NULL, 0, &name, &bytes, &err);
	if (code == ERR_NONE)
		code = writer_renew(w, &err);
	writer_close(w);
	return code;
}

static void a_writer_says_when_there_is_no_memory(void **state)
{
	char *folder;
	enum writer_origin origin;
	struct writer *w;
	struct error err;

	(void)state;
	if (SANITIZED)
		skip();
	folder = temp_folder_in_memory();
	assert_int_equal(writer_open(folder, keys, "machine", &w, &origin, &err), ERR_NONE);
	writer_close(w);
	fail_everywhere(writer_command, folder, 40);
	fail_everywhere(outbox_walk, folder, 8);
	fail_everywhere(renewal, folder, 20);
	temp_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_say_when_there_is_no_memory),
		cmocka_unit_test(clocks_say_when_there_is_no_memory),
		cmocka_unit_test(a_writer_says_when_there_is_no_memory),
	};

	return cmocka_run_group_tests_name("no memory", tests, start, finish);
}
