/*
 * Key slots from a drive, and every other text that a key may be read from. A slot for a
 * full-entropy key is also opened; Argon2 would be too slow here and reads no stored bytes.
 */
#include "seal/slot.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void try_slot(const uint8_t *data, size_t size)
{
	struct secret s = {.bytes = "thirty-two bytes of pure entropy", .len_bytes = KEY_BYTES};
	uint8_t master[KEY_BYTES];
	struct slot slot;
	struct error err;

	if (slot_parse(data, size, &slot, &err) != ERR_NONE)
		return;
	must_be(slot.epoch >= 1 && slot.epoch <= KEY_EPOCHS_MAX && slot.created_s >= 0);
	if (slot.kind == SLOT_PASSPHRASE) {
		must_be(slot.passes >= KDF_PASSES_MIN && slot.passes <= KDF_PASSES_MAX);
		must_be(slot.memory_bytes >= KDF_MEMORY_MIN_BYTES);
		return;
	}
	must_be(slot.passes == 0 && slot.memory_bytes == 0);
	s.kind = slot.kind;
	must_be(slot_open(&slot, &s, 0, master, &err) == ERR_KEY);
}

static void try_texts(const uint8_t *data, size_t size)
{
	char text[RECOVERY_TEXT_BYTES], *copy = malloc(size + 1);
	uint8_t key[KEY_BYTES], again[KEY_BYTES];
	struct buf line = {0};
	struct error err;
	struct hash sum;
	struct id id;

	must_be(copy != NULL);
	memcpy(copy, data, size);
	copy[size] = '\0';
	if (recovery_parse(copy, key, &err) == ERR_NONE) {
		recovery_text(key, text);
		must_be(recovery_parse(text, again, &err) == ERR_NONE);
		must_be(memcmp(key, again, KEY_BYTES) == 0);
	}
	if (key_file_parse(data, size, key, &err) == ERR_NONE) {
		key_file_text(key, &line);
		must_be(size + 1 >= line.len_bytes && memcmp(line.data, data, size) == 0);
	}
	slot_name_parse(copy, &id, &sum);
	ring_name_parse(copy, &sum);
	buf_release(&line);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct error err;

	if (!started)
		must_be(seal_start(&err) == ERR_NONE);
	started = true;
	try_slot(data, size);
	try_texts(data, size);
	return 0;
}
