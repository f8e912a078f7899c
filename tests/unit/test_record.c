/* Records: every type comes back as it was written, and nothing else is read. */
#include "table/record.h"

#include "tests/support/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct noise noise = { 7 };

static struct id some_id(void)
{
	struct id id;

	noise_fill(&noise, id.b, sizeof(id.b));
	return id;
}

static struct hash some_hash(void)
{
	struct hash h;

	noise_fill(&noise, h.b, sizeof(h.b));
	return h;
}

/* The body of the only record in out, which has this type. */
static struct reader body_of(const struct buf *out, uint64_t want_type)
{
	struct reader r = reader_of(out->data, out->len_bytes), body;
	uint64_t type;
	bool mandatory;

	assert_false(out->failed);
	assert_true(record_next(&r, &type, &mandatory, &body));
	assert_true(reader_done(&r));
	assert_int_equal(type, want_type);
	return body;
}

static int check(const struct buf *records)
{
	struct error err;

	return records_check(records->data, records->len_bytes, &err);
}

/* A body as given, under a type, is it taken? */
static int check_body(enum record_type type, const struct buf *body)
{
	struct buf out = { 0 };
	int code;

	record_add(&out, type, true, body);
	code = check(&out);
	buf_release(&out);
	return code;
}

/*
 * What holds for the one record in out, whatever its type: it is taken, but with no byte of
 * its body missing. A byte more is refused, but for types that end in bytes of any length.
 */
static void assert_strict(const struct buf *out, enum record_type type, bool open_end)
{
	struct reader r = body_of(out, type);
	struct buf body = { 0 };

	assert_int_equal(check(out), ERR_NONE);
	buf_add(&body, r.at, r.left_bytes);
	buf_add_u8(&body, 1);
	if (!open_end)
		assert_int_equal(check_body(type, &body), ERR_CORRUPT);
	for (size_t len = 0; len < r.left_bytes; len++) {
		body.len_bytes = len;
		assert_int_equal(check_body(type, &body), ERR_CORRUPT);
	}
	buf_release(&body);
}

/* ---- framing ---- */

static void unknown_records_are_skipped_unless_mandatory(void **state)
{
	struct buf out = { 0 }, body = { 0 };

	(void)state;
	buf_add_string(&body, "from the future");
	record_add(&out, (enum record_type)5000, false, &body);
	assert_int_equal(check(&out), ERR_NONE);
	record_add(&out, (enum record_type)5001, true, &body);
	assert_int_equal(check(&out), ERR_UNSUPPORTED);
	buf_release(&out);
	buf_release(&body);
}

static void a_record_has_a_type_and_all_of_its_body(void **state)
{
	static const uint8_t type_0[] = { 0, 0 }, cut[] = { 65, 3, 0, 0 }, no_length[] = { 65 };
	struct error err;

	(void)state;
	assert_int_equal(records_check("", 0, &err), ERR_NONE);
	assert_int_equal(records_check(type_0, sizeof(type_0), &err), ERR_CORRUPT);
	assert_int_equal(records_check(cut, sizeof(cut), &err), ERR_CORRUPT);
	assert_int_equal(records_check(no_length, sizeof(no_length), &err), ERR_CORRUPT);
}

static void records_are_split_between_whole_ones(void **state)
{
	struct buf out = { 0 };
	struct id id = some_id();
	const size_t each = 2 + ID_BYTES;

	(void)state;
	for (int i = 0; i < 10; i++)
		record_commit(&out, &id);
	assert_int_equal(out.len_bytes, 10 * each);
	assert_int_equal(records_split(out.data, out.len_bytes, SIZE_MAX), 10 * each);
	assert_int_equal(records_split(out.data, out.len_bytes, 10 * each), 10 * each);
	assert_int_equal(records_split(out.data, out.len_bytes, 10 * each - 1), 9 * each);
	assert_int_equal(records_split(out.data, out.len_bytes, each), each);
	assert_int_equal(records_split(out.data, out.len_bytes, each - 1), 0);
	assert_int_equal(records_split(out.data, out.len_bytes - 1, SIZE_MAX), 9 * each);
	assert_int_equal(records_split(NULL, 0, SIZE_MAX), 0);
	buf_release(&out);
}

static void a_failed_body_fails_the_records(void **state)
{
	struct buf out = { 0 }, body = { .failed = true };

	(void)state;
	record_add(&out, RECORD_COMMIT, true, &body);
	assert_true(out.failed);
	assert_int_equal(out.len_bytes, 0);
}

static void the_types_without_which_an_array_is_read_wrong_are_mandatory(void **state)
{
	struct buf out = { 0 };
	struct id id = some_id();
	struct scrub_record scrub = { 0 };
	struct reader r, body;
	uint64_t type;
	bool mandatory;

	(void)state;
	record_access(&out, &id, "file:/x", "{}");
	record_scrub(&out, &scrub);
	record_garbage(&out, &id, "blocks/x", false);
	record_id(&out, RECORD_FOSSIL, &id);
	r = reader_of(out.data, out.len_bytes);
	while (record_next(&r, &type, &mandatory, &body))
		assert_int_equal(mandatory, type == RECORD_FOSSIL);
	assert_true(reader_done(&r));
	buf_release(&out);
}

/* ---- the array ---- */

static void a_policy_comes_back_whole(void **state)
{
	struct policy p = { .parity = 3,
			    .copies = true,
			    .width = 12,
			    .geometry = geometry_default() },
		      back;
	struct buf out = { 0 };
	struct error err;

	(void)state;
	record_policy(&out, &p);
	assert_int_equal(parse_policy(body_of(&out, RECORD_POLICY), &back, &err), ERR_NONE);
	assert_int_equal(back.parity, 3);
	assert_true(back.copies);
	assert_int_equal(back.width, 12);
	assert_memory_equal(&p.geometry, &back.geometry, sizeof(p.geometry));
	assert_strict(&out, RECORD_POLICY, false);
	buf_release(&out);
}

static void a_policy_out_of_range_is_refused(void **state)
{
	struct policy good = { .parity = PARITY_MAX,
			       .width = WIDTH_MAX,
			       .geometry = geometry_default() };
	struct policy bad[3] = { good, good, good };
	struct buf out = { 0 };

	(void)state;
	bad[0].parity++;
	bad[1].width++;
	bad[2].geometry.chunk_avg_bytes++;
	record_policy(&out, &good);
	assert_int_equal(check(&out), ERR_NONE);
	for (size_t i = 0; i < 3; i++) {
		buf_clear(&out);
		record_policy(&out, &bad[i]);
		assert_int_equal(check(&out), ERR_CORRUPT);
	}
	buf_release(&out);
}

static struct drive_record some_drive(void)
{
	struct drive_record d = { .id = some_id(),
				  .name = "usb-disk.2",
				  .state = DRIVE_DRAINING,
				  .role = 2,
				  .removable = true,
				  .journal = true,
				  .reserve_bytes = 1 << 20,
				  .max_bytes = UINT64_MAX,
				  .domain = "shelf" };

	return d;
}

static void a_drive_comes_back_whole(void **state)
{
	struct drive_record d = some_drive(), back;
	struct buf out = { 0 };
	struct error err;

	(void)state;
	for (int i = 0; i < 4; i++) {
		d.removable = i & 1;
		d.journal = i & 2;
		buf_clear(&out);
		record_drive(&out, &d);
		assert_int_equal(parse_drive(body_of(&out, RECORD_DRIVE), &back, &err), ERR_NONE);
		assert_true(id_equal(&d.id, &back.id));
		assert_string_equal(d.name, back.name);
		assert_int_equal(d.state, back.state);
		assert_int_equal(d.role, back.role);
		assert_int_equal(d.removable, back.removable);
		assert_int_equal(d.journal, back.journal);
		assert_int_equal(d.reserve_bytes, back.reserve_bytes);
		assert_int_equal(d.max_bytes, back.max_bytes);
		assert_string_equal(d.domain, back.domain);
	}
	assert_strict(&out, RECORD_DRIVE, false);
	buf_release(&out);
}

static void a_drive_out_of_range_is_refused(void **state)
{
	struct drive_record good = some_drive(), bad[5];
	struct buf out = { 0 };
	struct reader body;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		bad[i] = good;
	bad[0].state = (enum drive_state)0;
	bad[1].state = (enum drive_state)(DRIVE_REMOVED + 1);
	bad[2].role = DRIVE_ROLES;
	bad[3].name[0] = '\0';
	bad[4].name[3] = '/';
	for (size_t i = 0; i < 5; i++) {
		buf_clear(&out);
		record_drive(&out, &bad[i]);
		assert_int_equal(check(&out), ERR_CORRUPT);
	}
	buf_clear(&out);
	record_drive(&out, &good);
	assert_int_equal(check(&out), ERR_NONE);
	/* An unknown flag: the byte after id, name, state and role. */
	body = body_of(&out, RECORD_DRIVE);
	out.data[(size_t)(body.at - out.data) + ID_BYTES + 1 + strlen(good.name) + 2] |= 4;
	assert_int_equal(check(&out), ERR_CORRUPT);
	buf_release(&out);
}

static void a_drive_name_is_short_and_plain(void **state)
{
	(void)state;
	assert_true(drive_name_ok("d1"));
	assert_true(drive_name_ok("0"));
	assert_true(drive_name_ok("Z._-z"));
	assert_true(drive_name_ok("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(drive_name_ok("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(drive_name_ok(""));
	assert_false(drive_name_ok(".a"));
	assert_false(drive_name_ok("-a"));
	assert_false(drive_name_ok("_a"));
	assert_false(drive_name_ok("a b"));
	assert_false(drive_name_ok("a/b"));
	assert_false(drive_name_ok("a=b"));
	assert_false(drive_name_ok("\xc3\xa4"));
}

static void an_access_comes_back_whole(void **state)
{
	struct id id = some_id(), back;
	struct buf out = { 0 };
	char *url, *options;
	struct error err;

	(void)state;
	record_access(&out, &id, "sftp://host/x", "{\"connections\": 4}");
	assert_int_equal(parse_access(body_of(&out, RECORD_ACCESS), &back, &url, &options, &err),
			 ERR_NONE);
	assert_true(id_equal(&id, &back));
	assert_string_equal(url, "sftp://host/x");
	assert_string_equal(options, "{\"connections\": 4}");
	free(url);
	free(options);
	assert_strict(&out, RECORD_ACCESS, false);
	buf_clear(&out);
	record_access(&out, &id, "", "{}");
	assert_int_equal(check(&out), ERR_CORRUPT);
	buf_release(&out);
}

static void a_since_comes_back_whole(void **state)
{
	struct since_record s = { .drive_id = some_id(),
				  .state = DRIVE_MEMBER,
				  .returning = true,
				  .time_s = 1700000000 },
			    back;
	struct buf out = { 0 };
	struct error err;

	(void)state;
	record_since(&out, &s);
	assert_int_equal(parse_since(body_of(&out, RECORD_SINCE), &back, &err), ERR_NONE);
	assert_true(id_equal(&s.drive_id, &back.drive_id));
	assert_int_equal(back.state, DRIVE_MEMBER);
	assert_true(back.returning);
	assert_int_equal(back.time_s, 1700000000);
	assert_strict(&out, RECORD_SINCE, false);
	buf_clear(&out);
	s.state = (enum drive_state)(DRIVE_REMOVED + 1);
	record_since(&out, &s);
	assert_int_equal(check(&out), ERR_CORRUPT);
	buf_release(&out);
}

static void an_extra_comes_back_whole(void **state)
{
	struct buf out = { 0 };
	struct error err;
	bool back = false;

	(void)state;
	record_extra(&out, true);
	assert_int_equal(parse_extra(body_of(&out, RECORD_EXTRA), &back, &err), ERR_NONE);
	assert_true(back);
	assert_strict(&out, RECORD_EXTRA, false);
	buf_release(&out);
}

static void texts_have_no_nul_inside_and_a_limit(void **state)
{
	struct buf body = { 0 };
	struct id id = some_id();
	char *long_url = malloc(URL_MAX + 1);

	(void)state;
	assert_non_null(long_url);
	memset(long_url, 'u', URL_MAX + 1);
	buf_add(&body, id.b, ID_BYTES);
	buf_add_block(&body, long_url, URL_MAX);
	buf_add_string(&body, "");
	assert_int_equal(check_body(RECORD_ACCESS, &body), ERR_NONE);
	body.len_bytes = ID_BYTES;
	buf_add_block(&body, long_url, URL_MAX + 1);
	buf_add_string(&body, "");
	assert_int_equal(check_body(RECORD_ACCESS, &body), ERR_CORRUPT);
	body.len_bytes = ID_BYTES;
	buf_add_block(&body, "a\0b", 3);
	buf_add_string(&body, "");
	assert_int_equal(check_body(RECORD_ACCESS, &body), ERR_CORRUPT);
	free(long_url);
	buf_release(&body);
}

static void scrub_slot_garbage_and_retire_come_back_whole(void **state)
{
	struct scrub_record s = { .drive_id = some_id(),
				  .time_s = -1,
				  .objects = 1,
				  .bytes = UINT64_MAX,
				  .damaged = 3,
				  .repaired = 2,
				  .complete = true },
			    s2;
	struct id id = some_id(), id2;
	struct hash writer = some_hash(), writer2;
	char name[GARBAGE_NAME_BYTES];
	struct buf out = { 0 };
	struct error err;
	bool flag;

	(void)state;
	memset(&s2, 0, sizeof(s2));
	record_scrub(&out, &s);
	assert_int_equal(parse_scrub(body_of(&out, RECORD_SCRUB), &s2, &err), ERR_NONE);
	assert_true(id_equal(&s.drive_id, &s2.drive_id));
	assert_int_equal(s2.time_s, -1);
	assert_int_equal(s2.objects, 1);
	assert_true(s2.bytes == UINT64_MAX);
	assert_int_equal(s2.damaged, 3);
	assert_int_equal(s2.repaired, 2);
	assert_true(s2.complete);
	assert_strict(&out, RECORD_SCRUB, false);

	buf_clear(&out);
	record_slot(&out, &id, true);
	assert_int_equal(parse_slot(body_of(&out, RECORD_SLOT), &id2, &flag, &err), ERR_NONE);
	assert_true(id_equal(&id, &id2) && flag);
	assert_strict(&out, RECORD_SLOT, false);
	out.data[out.len_bytes - 1] = 2; /* neither false nor true */
	assert_int_equal(check(&out), ERR_CORRUPT);

	buf_clear(&out);
	record_garbage(&out, &id, "parity/ab/abcd.blob", true);
	assert_int_equal(parse_garbage(body_of(&out, RECORD_GARBAGE), &id2, name, &flag, &err),
			 ERR_NONE);
	assert_true(id_equal(&id, &id2) && flag);
	assert_string_equal(name, "parity/ab/abcd.blob");
	assert_strict(&out, RECORD_GARBAGE, false);

	buf_clear(&out);
	record_retire(&out, &writer);
	assert_int_equal(parse_retire(body_of(&out, RECORD_RETIRE), &writer2, &err), ERR_NONE);
	assert_true(hash_equal(&writer, &writer2));
	assert_strict(&out, RECORD_RETIRE, false);
	buf_release(&out);
}

static void garbage_names_nothing_but_objects(void **state)
{
	static const char *const bad[] = {
		"",	     "config.json", "..",	   "/",		"/blocks/x", "blocks/",
		"blocks//x", "../x",	    "blocks/../x", "blocks/..", "./x",	     "blocks/./x",
	};
	struct id id = some_id();
	struct buf out = { 0 };
	char longest[GARBAGE_NAME_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_clear(&out);
		record_garbage(&out, &id, bad[i], false);
		assert_int_equal(check(&out), ERR_CORRUPT);
	}
	memset(longest, 'x', sizeof(longest));
	longest[1] = '/';
	longest[GARBAGE_NAME_BYTES] = '\0'; /* 256 bytes */
	buf_clear(&out);
	record_garbage(&out, &id, longest, false);
	assert_int_equal(check(&out), ERR_CORRUPT);
	longest[GARBAGE_NAME_BYTES - 1] = '\0';
	buf_clear(&out);
	record_garbage(&out, &id, longest, false);
	assert_int_equal(check(&out), ERR_NONE);
	buf_release(&out);
}

static void single_ids_come_back(void **state)
{
	static const enum record_type types[] = { RECORD_FOSSIL, RECORD_ACK, RECORD_LOST,
						  RECORD_COMMIT, RECORD_INTENT_END };
	struct id id = some_id(), back;
	struct buf out = { 0 };
	struct error err;
	int64_t time_s;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		buf_clear(&out);
		record_id(&out, types[i], &id);
		assert_int_equal(parse_id(body_of(&out, types[i]), &back, &err), ERR_NONE);
		assert_true(id_equal(&id, &back));
		assert_strict(&out, types[i], false);
	}
	buf_clear(&out);
	record_commit(&out, &id);
	assert_int_equal(parse_commit(body_of(&out, RECORD_COMMIT), &back, &err), ERR_NONE);
	assert_true(id_equal(&id, &back));
	buf_clear(&out);
	record_intent_end(&out, &id);
	assert_int_equal(parse_id(body_of(&out, RECORD_INTENT_END), &back, &err), ERR_NONE);
	assert_true(id_equal(&id, &back));
	buf_clear(&out);
	record_intent(&out, &id, INT64_MIN);
	assert_int_equal(parse_intent(body_of(&out, RECORD_INTENT), &back, &time_s, &err),
			 ERR_NONE);
	assert_true(id_equal(&id, &back));
	assert_true(time_s == INT64_MIN);
	assert_strict(&out, RECORD_INTENT, false);
	buf_release(&out);
}

/* ---- blocks and groups ---- */

/* Two frames: one of two chunks, one of a manifest chunk; they end at byte 300. */
static struct contents some_contents(void)
{
	struct contents_frame first = {
		.offset_bytes = 64, .box_bytes = 100, .plain_bytes = 90, .method = FRAME_ZSTD
	};
	struct contents_frame second = {
		.offset_bytes = 200, .box_bytes = 100, .plain_bytes = 60, .method = FRAME_RAW
	};
	struct contents c = { 0 };
	struct hash h[3] = { some_hash(), some_hash(), some_hash() };

	assert_true(contents_add_frame(&c, &first));
	assert_true(contents_add_chunk(&c, &h[0], 50, false));
	assert_true(contents_add_chunk(&c, &h[1], 40, false));
	assert_true(contents_add_frame(&c, &second));
	assert_true(contents_add_chunk(&c, &h[2], 60, true));
	return c;
}

static void assert_same_contents(const struct contents *a, const struct contents *b)
{
	assert_int_equal(a->frame_count, b->frame_count);
	assert_int_equal(a->chunk_count, b->chunk_count);
	assert_memory_equal(a->frames, b->frames, a->frame_count * sizeof(*a->frames));
	for (size_t i = 0; i < a->chunk_count; i++) {
		assert_true(hash_equal(&a->chunks[i].id, &b->chunks[i].id));
		assert_int_equal(a->chunks[i].len_bytes, b->chunks[i].len_bytes);
		assert_int_equal(a->chunks[i].manifest, b->chunks[i].manifest);
	}
}

static void a_block_comes_back_whole(void **state)
{
	struct block_record b = { .uid = some_id(),
				  .name = some_hash(),
				  .len_bytes = 300,
				  .epoch = UINT32_MAX,
				  .drive_id = some_id(),
				  .contents = some_contents() },
			    back;
	struct buf out = { 0 };
	struct error err;

	(void)state;
	record_block(&out, &b);
	assert_int_equal(parse_block(body_of(&out, RECORD_BLOCK), &back, &err), ERR_NONE);
	assert_true(id_equal(&b.uid, &back.uid));
	assert_true(hash_equal(&b.name, &back.name));
	assert_int_equal(back.len_bytes, 300);
	assert_true(back.epoch == UINT32_MAX);
	assert_true(id_equal(&b.drive_id, &back.drive_id));
	assert_same_contents(&b.contents, &back.contents);
	assert_strict(&out, RECORD_BLOCK, false);
	contents_release(&b.contents);
	contents_release(&back.contents);
	buf_release(&out);
}

static void a_block_shorter_than_its_frames_or_without_epoch_is_refused(void **state)
{
	struct block_record b = { .len_bytes = 299, .epoch = 1, .contents = some_contents() };
	struct buf out = { 0 };

	(void)state;
	record_block(&out, &b);
	assert_int_equal(check(&out), ERR_CORRUPT);
	b.len_bytes = 300;
	buf_clear(&out);
	record_block(&out, &b);
	assert_int_equal(check(&out), ERR_NONE);
	b.epoch = 0;
	buf_clear(&out);
	record_block(&out, &b);
	assert_int_equal(check(&out), ERR_CORRUPT);
	b.epoch = 1;
	b.len_bytes = (uint64_t)UINT32_MAX + 1;
	buf_clear(&out);
	record_block(&out, &b);
	assert_int_equal(check(&out), ERR_CORRUPT);
	contents_release(&b.contents);
	buf_release(&out);
}

static void an_inline_block_comes_back_whole(void **state)
{
	struct contents c = some_contents(), back;
	struct id uid = some_id(), uid2;
	uint8_t data[300];
	struct buf out = { 0 };
	const uint8_t *data2;
	size_t data2_bytes;
	struct error err;

	(void)state;
	noise_fill(&noise, data, sizeof(data));
	record_inline(&out, &uid, &c, data, sizeof(data));
	assert_int_equal(parse_inline(body_of(&out, RECORD_INLINE), &uid2, &back, &data2,
				      &data2_bytes, &err),
			 ERR_NONE);
	assert_true(id_equal(&uid, &uid2));
	assert_same_contents(&c, &back);
	assert_int_equal(data2_bytes, sizeof(data));
	assert_memory_equal(data2, data, sizeof(data));
	contents_release(&back);
	assert_strict(&out, RECORD_INLINE, true);
	buf_clear(&out);
	record_inline(&out, &uid, &c, data, sizeof(data) - 1); /* the last frame is cut */
	assert_int_equal(check(&out), ERR_CORRUPT);
	contents_release(&c);
	buf_release(&out);
}

static struct group_record *some_group(unsigned members, unsigned rows, unsigned supersedes)
{
	struct group_record *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->id = some_id();
	g->member_count = members;
	for (unsigned i = 0; i < members && i < GROUP_MEMBERS_MAX; i++) {
		g->members[i].block_uid = some_id();
		g->members[i].name = some_hash();
		g->members[i].len_bytes = noise_u64(&noise);
		g->members[i].slot = (uint8_t)(GROUP_MEMBERS_MAX - 1 - i);
	}
	g->row_count = rows;
	for (unsigned i = 0; i < rows && i < GROUP_ROWS_MAX; i++) {
		g->rows[i].row = (uint8_t)i;
		g->rows[i].name = some_hash();
		g->rows[i].len_bytes = noise_u64(&noise);
		g->rows[i].drive_id = some_id();
	}
	g->supersedes_count = supersedes;
	for (unsigned i = 0; i < supersedes && i < GROUP_SUPERSEDES_MAX; i++)
		g->supersedes[i] = some_id();
	return g;
}

static void assert_same_row(const struct group_row_record *a, const struct group_row_record *b)
{
	assert_int_equal(a->row, b->row);
	assert_true(hash_equal(&a->name, &b->name));
	assert_true(a->len_bytes == b->len_bytes);
	assert_true(id_equal(&a->drive_id, &b->drive_id));
}

static void a_group_comes_back_whole(void **state)
{
	static const unsigned sizes[][3] = {
		{ 1, 0, 0 },
		{ 1, 1, 1 },
		{ 6, 2, 0 },
		{ GROUP_MEMBERS_MAX, GROUP_ROWS_MAX, GROUP_SUPERSEDES_MAX },
	};
	struct group_record *back = calloc(1, sizeof(*back));
	struct buf out = { 0 };
	struct error err;

	(void)state;
	assert_non_null(back);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct group_record *g = some_group(sizes[i][0], sizes[i][1], sizes[i][2]);

		buf_clear(&out);
		record_group(&out, g);
		assert_int_equal(parse_group(body_of(&out, RECORD_GROUP), back, &err), ERR_NONE);
		assert_true(id_equal(&g->id, &back->id));
		assert_int_equal(g->member_count, back->member_count);
		assert_int_equal(g->row_count, back->row_count);
		assert_int_equal(g->supersedes_count, back->supersedes_count);
		for (unsigned j = 0; j < g->member_count; j++) {
			const struct group_member_record *a = &g->members[j],
							 *b = &back->members[j];

			assert_true(id_equal(&a->block_uid, &b->block_uid));
			assert_true(hash_equal(&a->name, &b->name));
			assert_true(a->len_bytes == b->len_bytes);
			assert_int_equal(a->slot, b->slot);
		}
		for (unsigned j = 0; j < g->row_count; j++)
			assert_same_row(&g->rows[j], &back->rows[j]);
		for (unsigned j = 0; j < g->supersedes_count; j++)
			assert_true(id_equal(&g->supersedes[j], &back->supersedes[j]));
		if (g->member_count < 10)
			assert_strict(&out, RECORD_GROUP, false);
		free(g);
	}
	free(back);
	buf_release(&out);
}

static int check_group(struct group_record *g)
{
	struct buf out = { 0 };
	int code;

	record_group(&out, g);
	code = check(&out);
	buf_release(&out);
	free(g);
	return code;
}

static void slots_and_rows_of_a_group_are_distinct_and_in_range(void **state)
{
	struct group_record *g;

	(void)state;
	assert_int_equal(check_group(some_group(0, 1, 0)), ERR_CORRUPT);
	g = some_group(4, 3, 0);
	g->members[2].slot = g->members[0].slot;
	assert_int_equal(check_group(g), ERR_CORRUPT);
	g = some_group(4, 3, 0);
	g->members[3].slot = GROUP_MEMBERS_MAX;
	assert_int_equal(check_group(g), ERR_CORRUPT);
	g = some_group(4, 3, 0);
	g->rows[1].row = 2;
	assert_int_equal(check_group(g), ERR_CORRUPT);
	g = some_group(4, 3, 0);
	g->rows[1].row = GROUP_ROWS_MAX;
	assert_int_equal(check_group(g), ERR_CORRUPT);
	g = some_group(4, 3, 2);
	g->supersedes[1] = g->id;
	assert_int_equal(check_group(g), ERR_CORRUPT);
}

static void a_group_that_promises_too_much_is_refused(void **state)
{
	static const unsigned counts[3] = { GROUP_MEMBERS_MAX, GROUP_ROWS_MAX,
					    GROUP_SUPERSEDES_MAX };
	struct buf body = { 0 };

	(void)state;
	/* For each list: one more than allowed, with all the bytes it needs and more; then as
	 * many as allowed, with none. */
	for (size_t list = 0; list < 3; list++) {
		for (unsigned more = 0; more < 2; more++) {
			struct group_record *g = some_group(1, 0, 0);
			struct buf whole = { 0 };
			struct reader r;

			record_group(&whole, g);
			r = body_of(&whole, RECORD_GROUP);
			buf_clear(&body);
			/* up to the counts: id; id, one member; those, no row */
			buf_add(&body, r.at,
				list == 0 ? ID_BYTES : r.left_bytes - (list == 1 ? 2 : 1));
			buf_add_varint(&body, counts[list] + more);
			if (more)
				buf_add_zeros(&body, 100000);
			assert_int_equal(check_body(RECORD_GROUP, &body), ERR_CORRUPT);
			buf_release(&whole);
			free(g);
		}
	}
	buf_release(&body);
}

static void a_row_and_a_move_come_back_whole(void **state)
{
	struct group_record *g = some_group(2, 2, 0);
	struct group_row_record row;
	struct id a = some_id(), b = some_id(), a2, b2;
	struct buf out = { 0 };
	struct error err;
	bool present;

	(void)state;
	record_rows(&out, &g->id, &g->rows[1], true);
	assert_int_equal(parse_rows(body_of(&out, RECORD_ROWS), &a2, &row, &present, &err),
			 ERR_NONE);
	assert_true(id_equal(&a2, &g->id) && present);
	assert_same_row(&g->rows[1], &row);
	assert_strict(&out, RECORD_ROWS, false);
	g->rows[1].row = GROUP_ROWS_MAX;
	buf_clear(&out);
	record_rows(&out, &g->id, &g->rows[1], false);
	assert_int_equal(check(&out), ERR_CORRUPT);

	buf_clear(&out);
	record_move(&out, &a, &b);
	assert_int_equal(parse_move(body_of(&out, RECORD_MOVE), &a2, &b2, &err), ERR_NONE);
	assert_true(id_equal(&a, &a2) && id_equal(&b, &b2));
	assert_strict(&out, RECORD_MOVE, false);
	free(g);
	buf_release(&out);
}

/* ---- series and snapshots ---- */

static void a_series_comes_back_whole(void **state)
{
	static const uint8_t paths[] = "/etc\0/home/a\0/home/b"; /* and the last NUL by C */
	struct series_record s = { .id = some_id(),
				   .name = "",
				   .host = "box",
				   .paths = paths,
				   .paths_bytes = sizeof(paths) },
			     back;
	struct buf out = { 0 }, scratch = { 0 };
	struct error err;

	(void)state;
	buf_add_string(&scratch, "left from before");
	record_series(&out, &s);
	assert_int_equal(parse_series(body_of(&out, RECORD_SERIES), &back, &scratch, &err),
			 ERR_NONE);
	assert_true(id_equal(&s.id, &back.id));
	assert_string_equal(back.name, "");
	assert_string_equal(back.host, "box");
	assert_int_equal(back.paths_bytes, sizeof(paths));
	assert_memory_equal(back.paths, paths, sizeof(paths));
	assert_strict(&out, RECORD_SERIES, false);
	buf_release(&out);
	buf_release(&scratch);
}

static int check_series_paths(const char *paths, size_t paths_bytes)
{
	struct series_record s = { .name = "n",
				   .host = "h",
				   .paths = (const uint8_t *)paths,
				   .paths_bytes = paths_bytes };
	struct buf out = { 0 };
	int code;

	record_series(&out, &s);
	code = check(&out);
	buf_release(&out);
	return code;
}

static void paths_of_a_series_are_ended_and_rise_strictly(void **state)
{
	(void)state;
	assert_int_equal(check_series_paths("", 0), ERR_NONE);
	assert_int_equal(check_series_paths("/a", 3), ERR_NONE);
	assert_int_equal(check_series_paths("/a\0/b", 6), ERR_NONE);
	assert_int_equal(check_series_paths("/a", 2), ERR_CORRUPT);
	assert_int_equal(check_series_paths("/b\0/a", 6), ERR_CORRUPT);
	assert_int_equal(check_series_paths("/a\0/a", 6), ERR_CORRUPT);
}

static void a_snapshot_comes_back_whole(void **state)
{
	static const uint8_t paths[] = "/srv\0/etc";
	struct snapshot_record s = { .id = some_id(),
				     .series = some_id(),
				     .base = some_id(),
				     .put_id = some_id(),
				     .time_ns = -5,
				     .host = "box",
				     .tags = "one,two",
				     .paths = paths,
				     .paths_bytes = sizeof(paths),
				     .files = 3,
				     .bytes = UINT64_MAX,
				     .added_bytes = 9 },
			       back;
	struct buf out = { 0 }, scratch = { 0 };
	struct error err;

	(void)state;
	record_snapshot(&out, &s);
	assert_int_equal(parse_snapshot(body_of(&out, RECORD_SNAPSHOT), &back, &scratch, &err),
			 ERR_NONE);
	assert_true(id_equal(&s.id, &back.id) && id_equal(&s.series, &back.series));
	assert_true(id_equal(&s.base, &back.base) && id_equal(&s.put_id, &back.put_id));
	assert_int_equal(back.time_ns, -5);
	assert_string_equal(back.host, "box");
	assert_string_equal(back.tags, "one,two");
	assert_int_equal(back.paths_bytes, sizeof(paths));
	assert_memory_equal(back.paths, paths, sizeof(paths));
	assert_int_equal(back.files, 3);
	assert_true(back.bytes == UINT64_MAX);
	assert_int_equal(back.added_bytes, 9);
	assert_strict(&out, RECORD_SNAPSHOT, false);
	s.paths_bytes--;
	buf_clear(&out);
	record_snapshot(&out, &s);
	assert_int_equal(check(&out), ERR_CORRUPT);
	buf_release(&out);
	buf_release(&scratch);
}

/* ---- folders ---- */

struct seen {
	struct buf removed, entries; /* names with NULs behind; for entries a size between */
	int stop_at_entry;	     /* counts down */
};

static int see_removed(void *ctx, const uint8_t *name, size_t name_bytes, struct error *err)
{
	struct seen *seen = ctx;

	(void)err;
	buf_add(&seen->removed, name, name_bytes);
	buf_add_u8(&seen->removed, 0);
	return ERR_NONE;
}

static int see_entry(void *ctx, const uint8_t *name, size_t name_bytes, const struct node *n,
		     struct error *err)
{
	struct seen *seen = ctx;
	char line[300];

	if (--seen->stop_at_entry == 0)
		return err_set(err, ERR_INTERRUPTED, "enough");
	snprintf(line, sizeof(line), "%.*s:%llu,", (int)name_bytes, (const char *)name,
		 (unsigned long long)n->inode);
	buf_add(&seen->entries, line, strlen(line));
	return ERR_NONE;
}

static int see_folder(const struct buf *out, struct seen *seen)
{
	const struct folder_reader f = { see_removed, see_entry, seen };
	struct reader body = body_of(out, RECORD_FOLDER);
	struct id snapshot;
	const uint8_t *path;
	size_t path_bytes;
	struct error err;
	int code = parse_folder_head(&body, &snapshot, &path, &path_bytes, &err);

	return code == ERR_NONE ? parse_folder_changes(&body, &f, &err) : code;
}

static struct node node_of_inode(uint64_t inode)
{
	struct node n = { .type = NODE_FIFO, .inode = inode, .mtime_ns = (int64_t)inode * 7 };

	return n;
}

static void write_folder(struct folder_writer *w, const char *path, struct buf *out)
{
	struct node first = node_of_inode(77), second = node_of_inode(5);
	struct id snapshot = some_id();

	folder_writer_remove(w, "gone", 4);
	folder_writer_remove(w, "too", 3);
	folder_writer_add(w, "a", 1, &first);
	folder_writer_add(w, "b c", 3, &second);
	folder_writer_finish(w, &snapshot, path, strlen(path), out);
}

static void a_folder_tells_what_went_and_what_is_there(void **state)
{
	struct folder_writer w = { 0 };
	struct buf out = { 0 }, again = { 0 };
	struct seen seen = { 0 };

	(void)state;
	write_folder(&w, "/home/a", &out);
	assert_int_equal(see_folder(&out, &seen), ERR_NONE);
	assert_int_equal(seen.removed.len_bytes, 9);
	assert_memory_equal(seen.removed.data, "gone\0too\0", 9);
	assert_int_equal(seen.entries.len_bytes, 11);
	assert_memory_equal(seen.entries.data, "a:77,b c:5,", 11);
	assert_strict(&out, RECORD_FOLDER, false);
	/* Emptied, it writes the next record as a new one would. */
	noise = (struct noise){ 7 };
	buf_clear(&out);
	write_folder(&w, "", &out);
	folder_writer_release(&w);
	noise = (struct noise){ 7 };
	write_folder(&w, "", &again);
	assert_int_equal(out.len_bytes, again.len_bytes);
	assert_memory_equal(out.data, again.data, out.len_bytes);
	folder_writer_release(&w);
	buf_release(&seen.removed);
	buf_release(&seen.entries);
	buf_release(&out);
	buf_release(&again);
}

static void a_folder_without_changes_is_no_record(void **state)
{
	struct folder_writer w = { 0 };
	struct id snapshot = some_id();
	struct buf out = { 0 };

	(void)state;
	folder_writer_finish(&w, &snapshot, "/a", 2, &out);
	assert_int_equal(out.len_bytes, 0);
	folder_writer_release(&w);
	buf_release(&out);
}

static void what_a_folder_reader_says_stops_the_walk(void **state)
{
	struct folder_writer w = { 0 };
	struct buf out = { 0 };
	struct seen seen = { .stop_at_entry = 2 };

	(void)state;
	write_folder(&w, "/home/a", &out);
	assert_int_equal(see_folder(&out, &seen), ERR_INTERRUPTED);
	assert_int_equal(seen.entries.len_bytes, 5);
	folder_writer_release(&w);
	buf_release(&seen.removed);
	buf_release(&seen.entries);
	buf_release(&out);
}

static void folder_paths_and_names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const paths[] = { "a", "/", "/a/", "/../a", "/a/..", "//a" };
	static const char *const names[] = { "", ".", "..", "a/b", "/" };
	struct node n = node_of_inode(1);
	struct folder_writer w = { 0 };
	struct id snapshot = some_id();
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		buf_clear(&out);
		write_folder(&w, paths[i], &out);
		assert_int_equal(check(&out), ERR_CORRUPT);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_clear(&out);
		folder_writer_remove(&w, names[i], strlen(names[i]));
		folder_writer_finish(&w, &snapshot, "/a", 2, &out);
		assert_int_equal(check(&out), ERR_CORRUPT);
		buf_clear(&out);
		folder_writer_add(&w, names[i], strlen(names[i]), &n);
		folder_writer_finish(&w, &snapshot, "/a", 2, &out);
		assert_int_equal(check(&out), ERR_CORRUPT);
	}
	folder_writer_release(&w);
	buf_release(&out);
}

static void a_content_comes_back_whole(void **state)
{
	static const uint8_t hole[] = { 0, 1 };
	struct content_record c = { .snapshot = some_id(),
				    .path = (const uint8_t *)"/a",
				    .path_bytes = 2,
				    .name = (const uint8_t *)"disk.img",
				    .name_bytes = 8,
				    .pieces = hole,
				    .pieces_bytes = sizeof(hole),
				    .part = 1234567 },
			      back;
	struct buf out = { 0 };
	struct error err;

	(void)state;
	record_content(&out, &c);
	assert_int_equal(parse_content(body_of(&out, RECORD_CONTENT), &back, &err), ERR_NONE);
	assert_true(id_equal(&c.snapshot, &back.snapshot));
	assert_int_equal(back.path_bytes, 2);
	assert_memory_equal(back.path, "/a", 2);
	assert_int_equal(back.name_bytes, 8);
	assert_memory_equal(back.name, "disk.img", 8);
	assert_int_equal(back.pieces_bytes, 2);
	assert_memory_equal(back.pieces, hole, 2);
	assert_int_equal(back.part, 1234567);
	assert_strict(&out, RECORD_CONTENT, false);

	c.pieces_bytes = 0;
	buf_clear(&out);
	record_content(&out, &c);
	assert_int_equal(check(&out), ERR_CORRUPT);
	c.pieces_bytes = 2;
	c.name_bytes = 0;
	buf_clear(&out);
	record_content(&out, &c);
	assert_int_equal(check(&out), ERR_CORRUPT);
	c.name_bytes = 8;
	c.path_bytes = 1;
	buf_clear(&out);
	record_content(&out, &c);
	assert_int_equal(check(&out), ERR_CORRUPT);
	buf_release(&out);
}

static void noise_is_refused_or_harmless(void **state)
{
	struct error err;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[200];
		size_t len = noise_below(&noise, sizeof(bytes));

		noise_fill(&noise, bytes, sizeof(bytes));
		bytes[0] = (uint8_t)(2 * noise_below(&noise, 24));
		if (len > 2)
			bytes[1] = (uint8_t)(len - 2);
		(void)records_check(bytes, len, &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_records_are_skipped_unless_mandatory),
		cmocka_unit_test(a_record_has_a_type_and_all_of_its_body),
		cmocka_unit_test(records_are_split_between_whole_ones),
		cmocka_unit_test(a_failed_body_fails_the_records),
		cmocka_unit_test(the_types_without_which_an_array_is_read_wrong_are_mandatory),
		cmocka_unit_test(a_policy_comes_back_whole),
		cmocka_unit_test(a_policy_out_of_range_is_refused),
		cmocka_unit_test(a_drive_comes_back_whole),
		cmocka_unit_test(a_drive_out_of_range_is_refused),
		cmocka_unit_test(a_drive_name_is_short_and_plain),
		cmocka_unit_test(an_access_comes_back_whole),
		cmocka_unit_test(a_since_comes_back_whole),
		cmocka_unit_test(an_extra_comes_back_whole),
		cmocka_unit_test(texts_have_no_nul_inside_and_a_limit),
		cmocka_unit_test(scrub_slot_garbage_and_retire_come_back_whole),
		cmocka_unit_test(garbage_names_nothing_but_objects),
		cmocka_unit_test(single_ids_come_back),
		cmocka_unit_test(a_block_comes_back_whole),
		cmocka_unit_test(a_block_shorter_than_its_frames_or_without_epoch_is_refused),
		cmocka_unit_test(an_inline_block_comes_back_whole),
		cmocka_unit_test(a_group_comes_back_whole),
		cmocka_unit_test(slots_and_rows_of_a_group_are_distinct_and_in_range),
		cmocka_unit_test(a_group_that_promises_too_much_is_refused),
		cmocka_unit_test(a_row_and_a_move_come_back_whole),
		cmocka_unit_test(a_series_comes_back_whole),
		cmocka_unit_test(paths_of_a_series_are_ended_and_rise_strictly),
		cmocka_unit_test(a_snapshot_comes_back_whole),
		cmocka_unit_test(a_folder_tells_what_went_and_what_is_there),
		cmocka_unit_test(a_folder_without_changes_is_no_record),
		cmocka_unit_test(what_a_folder_reader_says_stops_the_walk),
		cmocka_unit_test(folder_paths_and_names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(a_content_comes_back_whole),
		cmocka_unit_test(noise_is_refused_or_harmless),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
