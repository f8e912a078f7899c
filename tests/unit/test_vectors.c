/* What a second implementation made (tests/vectors/seal.py) is read here, byte for byte. */
#include "block/block.h"
#include "chunk/cutter.h"
#include "seal/slot.h"

#include "tests/vectors/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct keys *keys;

static void the_ring_gives_the_keys_of_all_purposes(void **state)
{
	struct hash h, previous;

	(void)state;
	assert_int_equal(keys_epoch(keys), 2);
	for (uint8_t i = 0; i < HASH_BYTES; i++)
		previous.b[i] = i;
	h = chunk_id(keys, "a chunk", 7);
	assert_memory_equal(h.b, vector_chunk_id, HASH_BYTES);
	h = head_hash(keys, &previous, "records", 7);
	assert_memory_equal(h.b, vector_head, HASH_BYTES);
	h = marker_mac(keys, "a marker", 8);
	assert_memory_equal(h.b, vector_marker_mac, HASH_BYTES);
	assert_int_equal(cutter_entry(keys, 7), load_u64(vector_cutter_7));
}

static void a_box_with_extra_opens(void **state)
{
	const struct box_place place = {
		.header = vector_box,
		.kind = BOX_WRITER,
		.index = 513,
		.extra = "extra bytes",
		.extra_bytes = 11,
	};
	char plain[17];
	struct error err;

	(void)state;
	assert_int_equal(box_open(keys, &place, vector_box + HEADER_BYTES,
				  sizeof(vector_box) - HEADER_BYTES, plain, &err),
			 ERR_NONE);
	assert_memory_equal(plain, "sealed with extra", 17);
}

/* The plain bytes of a frame of the block must have the ids and lengths of its chunks. */
static void check_frame(struct framer *f, const struct contents *c, const struct id *uid,
			uint32_t epoch, uint32_t i)
{
	const struct contents_frame *frame = &c->frames[i];
	uint8_t packed[200], plain[200];
	struct error err;

	assert_int_equal(block_open_frame(keys, uid, epoch, i, vector_block + frame->offset_bytes,
					  frame->box_bytes, packed, &err),
			 ERR_NONE);
	assert_int_equal(framer_unpack(f, frame->method, packed,
				       frame->box_bytes - BOX_OVERHEAD_BYTES, plain,
				       frame->plain_bytes, &err),
			 ERR_NONE);
	for (uint32_t j = 0; j < frame->chunks; j++) {
		const struct contents_chunk *chunk = &c->chunks[frame->first_chunk + j];
		struct hash id = chunk_id(keys, plain + chunk->offset_bytes, chunk->len_bytes);

		assert_true(hash_equal(&id, &chunk->id));
	}
}

static void a_block_of_an_older_epoch_gives_its_chunks(void **state)
{
	struct framer *f = NULL;
	struct contents c;
	struct error err;
	uint32_t epoch;
	struct id uid;

	(void)state;
	assert_int_equal(framer_new(0, &f, &err), ERR_NONE);
	assert_int_equal(block_open_contents(keys, vector_block, sizeof(vector_block), &uid, &epoch,
					     &c, &err),
			 ERR_NONE);
	assert_int_equal(epoch, 1);
	assert_int_equal(uid.b[0], 0xe0);
	assert_int_equal(c.frame_count, 2);
	assert_int_equal(c.chunk_count, 3);
	assert_true(c.chunks[1].manifest);
	assert_int_equal(c.frames[1].method, FRAME_ZSTD);
	assert_int_equal(c.frames[1].plain_bytes, 200);
	check_frame(f, &c, &uid, epoch, 0);
	check_frame(f, &c, &uid, epoch, 1);
	contents_release(&c);
	framer_free(f);
}

static void open_slot(const char *json, const struct secret *s)
{
	uint8_t master[KEY_BYTES];
	struct slot slot;
	struct error err;

	assert_int_equal(slot_parse(json, strlen(json), &slot, &err), ERR_NONE);
	assert_int_equal(slot_open(&slot, s, KDF_MEMORY_LIMIT_BYTES, master, &err), ERR_NONE);
	assert_memory_equal(master, vector_master, KEY_BYTES);
}

static void slots_give_the_master(void **state)
{
	const struct secret passphrase = {SLOT_PASSPHRASE, "correct horse battery", 21};
	const struct secret key = {SLOT_KEY_FILE, vector_key, KEY_BYTES};

	(void)state;
	open_slot(vector_passphrase_slot, &passphrase);
	open_slot(vector_key_slot, &key);
}

static void a_recovery_key_reads_as_written(void **state)
{
	char text[RECOVERY_TEXT_BYTES];

	(void)state;
	recovery_text(vector_key, text);
	assert_string_equal(text, vector_recovery_text);
}

static void a_file_is_cut_at_the_same_places(void **state)
{
	const struct geometry g = {
		.chunk_min_bytes = 256,
		.chunk_avg_bytes = 512,
		.chunk_max_bytes = 1024,
		.frame_bytes = 1024,
		.block_bytes = 4096,
		.pad_step_bytes = 512,
		.pad_from_bytes = 2048,
		.pad_min_bytes = 512,
		.stretch_bytes = 1024,
		.segment_bytes = 65536,
	};
	uint8_t bytes[16384];
	struct cutter *cutter = NULL;
	struct error err;
	uint64_t v = 1;
	size_t at = 0, cuts = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		v = v * 6364136223846793005u + 1442695040888963407u;
		bytes[i] = (uint8_t)(v >> 56);
	}
	assert_int_equal(cutter_new(keys, &g, &cutter, &err), ERR_NONE);
	while (at < sizeof(bytes)) {
		at += cutter_cut(cutter, bytes + at, sizeof(bytes) - at);
		assert_int_equal(at, vector_cuts[cuts++]);
	}
	assert_int_equal(cuts, sizeof(vector_cuts) / sizeof(vector_cuts[0]));
	cutter_free(cutter);
}

static void padme_rounds_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vector_padme) / sizeof(vector_padme[0]); i += 2)
		assert_int_equal(padme(vector_padme[i]), vector_padme[i + 1]);
}

static int start(void **state)
{
	struct id array_id;
	struct error err;

	(void)state;
	if (seal_start(&err) != ERR_NONE)
		return -1;
	memcpy(array_id.b, vector_array_id, ID_BYTES);
	return ring_open(&array_id, 2, vector_master, vector_ring, sizeof(vector_ring), &keys,
			 &err);
}

static int stop(void **state)
{
	(void)state;
	keys_free(keys);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ring_gives_the_keys_of_all_purposes),
		cmocka_unit_test(a_box_with_extra_opens),
		cmocka_unit_test(a_block_of_an_older_epoch_gives_its_chunks),
		cmocka_unit_test(slots_give_the_master),
		cmocka_unit_test(a_recovery_key_reads_as_written),
		cmocka_unit_test(a_file_is_cut_at_the_same_places),
		cmocka_unit_test(padme_rounds_alike),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
