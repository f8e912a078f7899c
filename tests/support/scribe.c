#include "tests/support/scribe.h"

#include "tests/support/temp.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scribe_init(struct scribe *s, uint8_t number)
{
	memset(s, 0, sizeof(*s));
	memset(s->id.b, number, HASH_BYTES);
}

void scribe_release(struct scribe *s)
{
	clock_release(&s->seen);
	buf_release(&s->records);
}

static void see(struct clock *c, const struct hash *writer, uint64_t seq)
{
	struct mark m = { .writer = *writer, .seq = seq };
	bool ok = true;

	memset(m.head.b, (int)seq, HASH_BYTES);
	if (clock_seq(c, writer) < seq)
		ok = clock_set(c, &m);
	assert(ok);
	(void)ok;
}

void scribe_pull(struct scribe *s, const struct scribe *other)
{
	for (size_t i = 0; i < other->seen.count; i++)
		see(&s->seen, &other->seen.marks[i].writer, other->seen.marks[i].seq);
	see(&s->seen, &other->id, other->seq);
}

struct segment scribe_write(struct scribe *s)
{
	struct segment out = { .kind = SEGMENT_PLAIN, .writer = s->id };
	bool ok = clock_copy(&out.clock, &s->seen);

	assert(ok && !s->records.failed);
	(void)ok;
	s->seq++;
	out.first = out.last = s->seq;
	memset(out.previous.b, (int)(s->seq - 1), HASH_BYTES);
	memset(out.head.b, (int)s->seq, HASH_BYTES);
	out.records = s->records;
	memset(&s->records, 0, sizeof(s->records));
	see(&s->seen, &s->id, s->seq);
	return out;
}

void scribe_apply(struct scribe *s, struct table *t)
{
	struct segment made = scribe_write(s);
	struct error err = { .message = "" };
	int code = table_apply(t, &made, &err);

	if (code != ERR_NONE) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
	segment_release(&made);
}

struct id test_id(char kind, uint32_t number)
{
	struct id id = { { (uint8_t)kind } };

	store_u32(id.b + 4, number);
	id.b[ID_BYTES - 1] = 1;
	return id;
}

struct hash test_hash(char kind, uint32_t number)
{
	struct id id = test_id(kind, number);

	return sha256(id.b, ID_BYTES);
}

struct table *test_table(const char *folder, const char *name)
{
	struct id array = test_id('a', 1);
	struct error err;
	struct table *t;
	bool fresh;
	int code = table_open(temp_path(folder, name), &array, &t, &fresh, &err);

	if (code != ERR_NONE || !fresh)
		abort();
	return t;
}

static void fill_contents(struct contents *c, const uint32_t *chunks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct contents_frame frame = { .offset_bytes = (uint32_t)(64 + 100 * i),
						.box_bytes = 100,
						.plain_bytes = 60,
						.method = FRAME_RAW };
		struct hash id = test_hash('c', chunks[i]);

		if (!contents_add_frame(c, &frame) || !contents_add_chunk(c, &id, 60, false))
			abort();
	}
}

void test_record_block(struct buf *out, uint32_t number, uint32_t drive, const uint32_t *chunks,
		       size_t chunk_count)
{
	struct block_record b = { .uid = test_id('b', number),
				  .name = test_hash('b', number),
				  .len_bytes = 4096 + 100 * chunk_count,
				  .epoch = 1,
				  .drive_id = test_id('d', drive) };

	fill_contents(&b.contents, chunks, chunk_count);
	record_block(out, &b);
	contents_release(&b.contents);
}

void test_record_inline(struct buf *out, uint32_t number, const uint32_t *chunks,
			size_t chunk_count)
{
	struct contents c = { 0 };
	struct buf data = { 0 };
	struct id uid = test_id('b', number);

	fill_contents(&c, chunks, chunk_count);
	for (size_t i = 0; i < 64 + 100 * chunk_count; i++)
		buf_add_u8(&data, (uint8_t)(number + i));
	record_inline(out, &uid, &c, data.data, data.len_bytes);
	buf_release(&data);
	contents_release(&c);
}

void test_record_group(struct buf *out, uint32_t number, const uint32_t *blocks, size_t block_count,
		       const uint32_t *row_drives, size_t row_count, const uint32_t *supersedes,
		       size_t supersedes_count)
{
	struct group_record *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->id = test_id('g', number);
	g->member_count = (unsigned)block_count;
	for (size_t i = 0; i < block_count; i++)
		g->members[i] = (struct group_member_record){ .block_uid = test_id('b', blocks[i]),
							      .name = test_hash('b', blocks[i]),
							      .len_bytes = 4096,
							      .slot = (uint8_t)i };
	g->row_count = (unsigned)row_count;
	for (size_t i = 0; i < row_count; i++)
		g->rows[i] = (struct group_row_record){
			.row = (uint8_t)i,
			.name = test_hash('r', number * 32 + (uint32_t)i),
			.len_bytes = 5000,
			.drive_id = test_id('d', row_drives[i]),
		};
	g->supersedes_count = (unsigned)supersedes_count;
	for (size_t i = 0; i < supersedes_count; i++)
		g->supersedes[i] = test_id('g', supersedes[i]);
	record_group(out, g);
	free(g);
}

void test_record_drive(struct buf *out, uint32_t number, const char *name)
{
	struct drive_record d = { .id = test_id('d', number),
				  .state = DRIVE_MEMBER,
				  .journal = true };

	memcpy(d.name, name, strnlen(name, DRIVE_NAME_MAX));
	record_drive(out, &d);
}

void test_record_snapshot(struct buf *out, uint32_t number, uint32_t series, uint32_t base,
			  uint32_t put)
{
	struct snapshot_record s = { .id = test_id('n', number),
				     .series = test_id('s', series),
				     .time_ns = number,
				     .host = "host",
				     .tags = "one,two",
				     .paths = (const uint8_t *)"/home",
				     .paths_bytes = 6 };

	if (base)
		s.base = test_id('n', base);
	if (put)
		s.put_id = test_id('p', put);
	record_snapshot(out, &s);
}

struct node test_node(enum node_type type, uint64_t size_bytes)
{
	return (struct node){ .type = type,
			      .mode = 0644,
			      .size_bytes = size_bytes,
			      .mtime_ns = 1000,
			      .ctime_ns = 1000,
			      .inode = 7,
			      .links = 1 };
}

struct hash test_fingerprint(struct table *t)
{
	struct hash out;
	struct error err;

	if (table_check(t, &err) != ERR_NONE || table_fingerprint(t, &out, &err) != ERR_NONE) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
	return out;
}
