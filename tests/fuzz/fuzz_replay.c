/*
 * Replay of any records: an error that leaves no trace, or a table that answers every question
 * and whose dump replays to the same table. The first byte tells how many segments the records
 * are spread over.
 */
#include "tests/support/temp.h"
#include "tests/support/whole_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 3

static struct table *one, *two;

static void stop(const char *what, const struct error *err)
{
	fprintf(stderr, "%s: %s\n", what, err->message);
	abort();
}

static void open_tables(void)
{
	char *folder = temp_folder_in_memory();

	one = test_table(folder, "one");
	two = test_table(folder, "two");
	temp_folder_remove(folder); /* both stay open */
}

/* Two writers in turns; the second has seen what the first one did. */
static bool apply_all(struct table *t, const uint8_t *bytes, size_t len_bytes, unsigned segments,
		      struct error *err)
{
	struct scribe writers[2];
	bool fine = true;

	scribe_init(&writers[0], 1);
	scribe_init(&writers[1], 2);
	for (unsigned i = 0; fine && i < segments; i++) {
		struct scribe *s = &writers[i % 2];
		size_t part = i + 1 == segments
				      ? len_bytes
				      : records_split(bytes, len_bytes, len_bytes / segments);
		struct segment made;

		scribe_pull(s, &writers[(i + 1) % 2]);
		buf_add(&s->records, bytes, part);
		made = scribe_write(s);
		fine = table_apply(t, &made, err) == ERR_NONE;
		segment_release(&made);
		bytes += part;
		len_bytes -= part;
	}
	scribe_release(&writers[0]);
	scribe_release(&writers[1]);
	return fine;
}

/* What one says as a checkpoint makes two the same. */
static void check_dump(struct error *err)
{
	struct segment dump = {
		.kind = SEGMENT_CHECKPOINT, .writer = { { 9 } }, .first = 1, .last = 1
	};
	struct hash a, b;

	if (table_dump(one, &dump.records, err) != ERR_NONE ||
	    table_clock(one, &dump.clock, err) != ERR_NONE)
		stop("dump", err);
	if (records_check(dump.records.data, dump.records.len_bytes, err) != ERR_NONE)
		stop("check of the dump", err);
	if (table_begin(two, err) != ERR_NONE || table_apply(two, &dump, err) != ERR_NONE)
		stop("replay of the dump", err);
	a = test_fingerprint(one);
	b = test_fingerprint(two);
	if (!hash_equal(&a, &b))
		abort();
	table_rollback(two);
	segment_release(&dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	struct error err = { .message = "" };

	if (!one)
		open_tables();
	if (len_bytes == 0)
		return 0;
	if (table_begin(one, &err) != ERR_NONE)
		stop("begin", &err);
	if (apply_all(one, bytes + 1, len_bytes - 1, 1 + bytes[0] % SEGMENTS_MAX, &err)) {
		if (whole_table_ask(one, &err) != ERR_NONE)
			stop("ask", &err);
		check_dump(&err);
	} else if (err.code != ERR_CORRUPT && err.code != ERR_UNSUPPORTED) {
		stop("replay", &err);
	}
	table_rollback(one);
	return 0;
}
