/*
 * Writers of journals for tests of the table: segments in memory, neither signed nor sealed.
 * All of it asserts.
 */
#ifndef MRMR_TESTS_SCRIBE_H
#define MRMR_TESTS_SCRIBE_H

#include "table/table.h"

struct scribe {
	struct hash id;
	uint64_t seq;
	struct clock seen;  /* what it has pulled */
	struct buf records; /* to be added to; the next segment takes them */
};

void scribe_init(struct scribe *s, uint8_t number); /* ids rise with the numbers */
void scribe_release(struct scribe *s);
/* It pulls all that other wrote and had seen. */
void scribe_pull(struct scribe *s, const struct scribe *other);
/* Makes a segment of the records. The caller: segment_release(). */
struct segment scribe_write(struct scribe *s);
/* The same, applied to the table at once. */
void scribe_apply(struct scribe *s, struct table *t);

/* Ids and hashes told by a letter and a number. */
struct id test_id(char kind, uint32_t number);
struct hash test_hash(char kind, uint32_t number);

/* A fresh table in a folder of temp_folder_in_memory(). */
struct table *test_table(const char *folder, const char *name);
struct hash test_fingerprint(struct table *t);

/* A sealed block (uid 'b' number, on drive 'd' drive) of these chunks ('c' numbers), one frame
 * each. */
void test_record_block(struct buf *out, uint32_t number, uint32_t drive, const uint32_t *chunks,
		       size_t chunk_count);
void test_record_inline(struct buf *out, uint32_t number, const uint32_t *chunks,
			size_t chunk_count);
/* A group ('g' number) of blocks on slots 0..., with one row on each drive given. */
void test_record_group(struct buf *out, uint32_t number, const uint32_t *blocks, size_t block_count,
		       const uint32_t *row_drives, size_t row_count, const uint32_t *supersedes,
		       size_t supersedes_count);
void test_record_drive(struct buf *out, uint32_t number, const char *name);
/* The head of snapshot 'n' number of series 's' series on snapshot base (0: none). */
void test_record_snapshot(struct buf *out, uint32_t number, uint32_t series, uint32_t base,
			  uint32_t put);
struct node test_node(enum node_type type, uint64_t size_bytes);

#endif
