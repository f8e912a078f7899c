/*
 * Key slots. This program puts itself before libsodium's Argon2 (a symbol of
 * the program goes before one of a shared library), to see what is asked of it and to be quick.
 */
#include "seal/slot.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned derivations;
static bool no_memory, real_argon2;

int crypto_pwhash_argon2id(unsigned char *const out, unsigned long long outlen,
			   const char *const passwd, unsigned long long passwdlen,
			   const unsigned char *const salt, unsigned long long opslimit,
			   size_t memlimit, int alg)
{
	int (*real)(unsigned char *, unsigned long long, const char *, unsigned long long,
		    const unsigned char *, unsigned long long, size_t, int);
	void *symbol = dlsym(RTLD_NEXT, "crypto_pwhash_argon2id");
	uint8_t costs[16];

	assert_int_equal(alg, crypto_pwhash_argon2id_ALG_ARGON2ID13);
	assert_non_null(symbol);
	memcpy(&real, &symbol, sizeof(real));
	derivations++;
	if (no_memory)
		return -1;
	if (real_argon2)
		return real(out, outlen, passwd, passwdlen, salt, opslimit, memlimit, alg);
	store_u64(costs, opslimit);
	store_u64(costs + 8, memlimit);
	return crypto_generichash_blake2b_salt_personal(
		out, (size_t)outlen, (const uint8_t *)passwd, passwdlen, NULL, 0, salt, costs);
}

static struct keys *keys;
static const uint8_t key_bytes[KEY_BYTES] = "thirty-two bytes of pure entropy";

static struct secret secret_of(enum slot_kind kind)
{
	struct secret s = {.kind = kind, .bytes = key_bytes, .len_bytes = KEY_BYTES};

	if (kind == SLOT_PASSPHRASE) {
		s.bytes = "correct horse";
		s.len_bytes = strlen(s.bytes);
	}
	return s;
}

static struct slot make(enum slot_kind kind, struct buf *json)
{
	struct secret s = secret_of(kind);
	struct slot slot = {0};
	struct error err;
	struct id id;

	assert_int_equal(slot_make(keys, &s, KDF_DEFAULT, false, json, &id, &err), ERR_NONE);
	assert_int_equal(slot_parse(json->data, json->len_bytes, &slot, &err), ERR_NONE);
	assert_true(id_equal(&slot.id, &id));
	return slot;
}

/* What opening says; the master must come out right, or zeros and nothing else. */
static int open_with(const struct slot *slot, const struct secret *s)
{
	static const uint8_t zeros[KEY_BYTES];
	uint8_t master[KEY_BYTES];
	struct error err;
	int code = slot_open(slot, s, KDF_MEMORY_LIMIT_BYTES, master, &err);

	assert_memory_equal(master, code == ERR_NONE ? keys_master(keys) : zeros, KEY_BYTES);
	if (code == ERR_KEY)
		assert_string_equal(err.message, "wrong passphrase or key");
	return code;
}

static void a_slot_of_each_kind_opens_with_its_secret(void **state)
{
	(void)state;
	for (enum slot_kind kind = SLOT_PASSPHRASE; kind <= SLOT_RECOVERY; kind++) {
		struct secret s = secret_of(kind);
		struct buf json = {0};
		struct slot slot = make(kind, &json);

		assert_int_equal(slot.kind, kind);
		assert_int_equal(slot.epoch, keys_epoch(keys));
		assert_true(id_equal(&slot.array_id, keys_array_id(keys)));
		assert_true(slot.created_s > 1700000000);
		assert_true(json.len_bytes < SLOT_BYTES_MAX);
		assert_int_equal(open_with(&slot, &s), ERR_NONE);
		buf_release(&json);
	}
}

static void argon2_has_the_promised_cost_and_keys_need_none(void **state)
{
	static const struct {
		enum kdf_cost cost;
		uint64_t passes, memory_bytes;
	} promised[] = {
		{KDF_DEFAULT, 3, (uint64_t)128 << 20},
		{KDF_SENSITIVE, 4, (uint64_t)1 << 30},
	};
	struct secret s = secret_of(SLOT_PASSPHRASE);
	struct buf json = {0};
	struct slot slot;
	struct error err;
	struct id id;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&json);
		assert_int_equal(slot_make(keys, &s, promised[i].cost, false, &json, &id, &err),
				 ERR_NONE);
		assert_int_equal(slot_parse(json.data, json.len_bytes, &slot, &err), ERR_NONE);
		assert_int_equal(slot.passes, promised[i].passes);
		assert_int_equal(slot.memory_bytes, promised[i].memory_bytes);
		assert_int_equal(open_with(&slot, &s), ERR_NONE);
	}
	derivations = 0;
	buf_clear(&json);
	s = secret_of(SLOT_KEY_FILE);
	slot = make(SLOT_KEY_FILE, &json);
	assert_int_equal(open_with(&slot, &s), ERR_NONE);
	assert_int_equal(derivations, 0);
	buf_release(&json);
}

/* */
static void a_slot_below_todays_cost_is_told(void **state)
{
	struct slot slot = {.kind = SLOT_PASSPHRASE, .passes = 3, .memory_bytes = 128u << 20};

	(void)state;
	assert_false(slot_is_cheaper(&slot, KDF_DEFAULT));
	assert_true(slot_is_cheaper(&slot, KDF_SENSITIVE));
	slot.passes = 2;
	assert_true(slot_is_cheaper(&slot, KDF_DEFAULT));
	slot.passes = 4;
	slot.memory_bytes = 64u << 20;
	assert_true(slot_is_cheaper(&slot, KDF_DEFAULT));
	slot.kind = SLOT_RECOVERY;
	assert_false(slot_is_cheaper(&slot, KDF_SENSITIVE));
}

static void another_secret_or_kind_does_not_open_a_slot(void **state)
{
	(void)state;
	for (enum slot_kind kind = SLOT_PASSPHRASE; kind <= SLOT_RECOVERY; kind++) {
		struct buf json = {0};
		struct slot slot = make(kind, &json);
		struct secret s = secret_of(kind);

		for (enum slot_kind as = SLOT_PASSPHRASE; as <= SLOT_RECOVERY; as++) {
			struct secret other = secret_of(as);

			if (as != kind)
				assert_int_equal(open_with(&slot, &other), ERR_KEY);
		}
		s.len_bytes--;
		assert_int_equal(open_with(&slot, &s), ERR_KEY);
		s.bytes = (const uint8_t *)s.bytes + 1;
		assert_int_equal(open_with(&slot, &s), ERR_KEY);
		s.bytes = "Thirty-two bytes of pure entropy";
		s.len_bytes = 32;
		assert_int_equal(open_with(&slot, &s), ERR_KEY);
		s.len_bytes = 0;
		assert_int_equal(open_with(&slot, &s), ERR_KEY);
		buf_release(&json);
	}
}

/* every member is bound to the master inside. */
static void an_edited_slot_is_refused_with_the_same_words(void **state)
{
	struct secret s = secret_of(SLOT_PASSPHRASE), key = secret_of(SLOT_RECOVERY);
	struct buf json = {0};
	struct slot slot = make(SLOT_PASSPHRASE, &json), edited;

	(void)state;
#define EDIT(statement)                                                                            \
	edited = slot;                                                                             \
	statement;                                                                                 \
	assert_int_equal(open_with(&edited, &s), ERR_KEY)
	EDIT(edited.id.b[15] ^= 1);
	EDIT(edited.array_id.b[0] ^= 1);
	EDIT(edited.mandatory ^= 1);
	EDIT(edited.optional ^= 1);
	EDIT(edited.epoch++);
	EDIT(edited.created_s--);
	EDIT(edited.passes--);
	EDIT(edited.memory_bytes -= 1024);
	EDIT(edited.salt[3] ^= 0x80);
	EDIT(edited.commitment[31] ^= 1);
	for (size_t i = 0; i < sizeof(edited.wrapped); i++) {
		EDIT(edited.wrapped[i] ^= 4);
	}
	s = key;
	buf_clear(&json);
	slot = make(SLOT_RECOVERY, &json);
	EDIT(edited.epoch++);
	EDIT(edited.created_s++);
	s.kind = SLOT_KEY_FILE;
	EDIT(edited.kind = SLOT_KEY_FILE);
	buf_release(&json);
}

/* A slot that opens under this key but for its commitment, as whoever has two keys could make. */
static void a_slot_that_is_not_committed_to_its_secret_is_refused(void **state)
{
	struct secret s = secret_of(SLOT_KEY_FILE);
	struct buf json = {0};
	struct slot slot = make(SLOT_KEY_FILE, &json);
	uint8_t wrap[KEY_BYTES], fields[128] = "MRMRSLOT";

	(void)state;
	for (uint8_t spoilt = 0; spoilt < 2; spoilt++) {
		slot.commitment[0] ^= spoilt;
		store_u16(fields + 8, 1);
		fields[10] = SLOT_KEY_FILE;
		store_u32(fields + 12, slot.epoch);
		store_u64(fields + 16, (uint64_t)slot.created_s);
		memcpy(fields + 40, slot.id.b, ID_BYTES);
		memcpy(fields + 56, slot.array_id.b, ID_BYTES);
		memcpy(fields + 88, slot.commitment, sizeof(slot.commitment));
		crypto_kdf_derive_from_key(wrap, KEY_BYTES, 2, "mrmrslot", key_bytes);
		crypto_aead_xchacha20poly1305_ietf_encrypt(
			slot.wrapped + 24, NULL, keys_master(keys), KEY_BYTES, fields,
			sizeof(fields), NULL, slot.wrapped, wrap);
		assert_int_equal(open_with(&slot, &s), spoilt ? ERR_KEY : ERR_NONE);
	}
	buf_release(&json);
}

static void a_slot_above_the_memory_limit_is_refused_before_any_work(void **state)
{
	struct secret s = secret_of(SLOT_PASSPHRASE);
	struct buf json = {0};
	struct slot slot = make(SLOT_PASSPHRASE, &json);
	uint8_t master[KEY_BYTES];
	struct error err;

	(void)state;
	derivations = 0;
	assert_int_equal(slot_open(&slot, &s, slot.memory_bytes - 1, master, &err),
			 ERR_UNSUPPORTED);
	assert_int_equal(derivations, 0);
	assert_int_equal(slot_open(&slot, &s, slot.memory_bytes, master, &err), ERR_NONE);
	buf_release(&json);
}

static void argon2_without_its_memory_is_out_of_memory(void **state)
{
	struct secret s = secret_of(SLOT_PASSPHRASE);
	struct buf json = {0}, none = {0};
	struct slot slot = make(SLOT_PASSPHRASE, &json);
	struct error err;
	struct id id;

	(void)state;
	no_memory = true;
	assert_int_equal(open_with(&slot, &s), ERR_NOMEM);
	assert_int_equal(slot_make(keys, &s, KDF_DEFAULT, false, &none, &id, &err), ERR_NOMEM);
	no_memory = false;
	assert_int_equal(none.len_bytes, 0);
	buf_release(&json);
}

/* */
static void an_empty_passphrase_needs_an_explicit_wish(void **state)
{
	struct secret s = {.kind = SLOT_PASSPHRASE};
	struct buf json = {0};
	struct slot slot;
	struct error err;
	struct id id;

	(void)state;
	assert_int_equal(slot_make(keys, &s, KDF_DEFAULT, false, &json, &id, &err), ERR_USAGE);
	assert_int_equal(json.len_bytes, 0);
	assert_int_equal(slot_make(keys, &s, KDF_DEFAULT, true, &json, &id, &err), ERR_NONE);
	assert_int_equal(slot_parse(json.data, json.len_bytes, &slot, &err), ERR_NONE);
	assert_int_equal(open_with(&slot, &s), ERR_NONE);
	buf_release(&json);
}

static void a_key_of_another_length_makes_no_slot(void **state)
{
	struct secret s = secret_of(SLOT_KEY_FILE);
	struct buf json = {0};
	struct error err;
	struct id id;

	(void)state;
	s.len_bytes = 31;
	assert_int_equal(slot_make(keys, &s, KDF_DEFAULT, true, &json, &id, &err), ERR_USAGE);
	s.len_bytes = 0;
	assert_int_equal(slot_make(keys, &s, KDF_DEFAULT, true, &json, &id, &err), ERR_USAGE);
	assert_int_equal(json.len_bytes, 0);
}

static void no_slot_is_like_another(void **state)
{
	struct buf a = {0}, b = {0};
	struct slot x = make(SLOT_PASSPHRASE, &a), y = make(SLOT_PASSPHRASE, &b);

	(void)state;
	assert_false(id_equal(&x.id, &y.id));
	assert_memory_not_equal(x.salt, y.salt, sizeof(x.salt));
	assert_memory_not_equal(x.commitment, y.commitment, sizeof(x.commitment));
	assert_memory_not_equal(x.wrapped, y.wrapped, 24);
	assert_memory_not_equal(x.wrapped + 24, y.wrapped + 24, KEY_BYTES);
	buf_release(&a);
	buf_release(&b);
}

/* ---- the JSON ---- */

/* Parses the slot of that kind after an edit at path ("kdf" or NULL) . */
static int parse_with(enum slot_kind kind, const char *path, const char *member, json_t *value)
{
	struct buf json = {0}, edited = {0};
	struct slot out;
	struct error err;
	json_t *o = NULL, *at;
	int code;

	make(kind, &json);
	assert_int_equal(json_parse_object(json.data, json.len_bytes, "slot", &o, &err), ERR_NONE);
	at = path ? json_object_get(o, path) : o;
	if (value)
		json_object_set_new(at, member, value);
	else
		json_object_del(at, member);
	assert_int_equal(json_print(o, &edited, &err), ERR_NONE);
	code = slot_parse(edited.data, edited.len_bytes, &out, &err);
	json_decref(o);
	buf_release(&json);
	buf_release(&edited);
	return code;
}

static void every_member_is_needed_and_no_other_allowed(void **state)
{
	static const char *const needed[] = {"format",	   "slot_id",  "array_id", "kind",
					     "mandatory",  "optional", "kdf",	   "epoch",
					     "created_s",  "commitment", "wrapped"};
	static const char *const kdf_needed[] = {"alg", "passes", "memory_bytes", "salt"};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, needed[i], NULL), ERR_CORRUPT);
		assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, needed[i], json_true()),
				 ERR_CORRUPT);
	}
	for (size_t i = 0; i < sizeof(kdf_needed) / sizeof(kdf_needed[0]); i++) {
		assert_int_equal(parse_with(SLOT_PASSPHRASE, "kdf", kdf_needed[i], NULL),
				 ERR_CORRUPT);
		assert_int_equal(parse_with(SLOT_PASSPHRASE, "kdf", kdf_needed[i], json_null()),
				 ERR_CORRUPT);
	}
	assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, "note", json_true()), ERR_CORRUPT);
	assert_int_equal(parse_with(SLOT_PASSPHRASE, "kdf", "lanes", json_true()), ERR_CORRUPT);
	assert_int_equal(parse_with(SLOT_KEY_FILE, NULL, "kdf", json_object()), ERR_CORRUPT);
	assert_int_equal(parse_with(SLOT_RECOVERY, NULL, "epoch", json_integer(2)), ERR_NONE);
	assert_int_equal(parse_with(SLOT_RECOVERY, NULL, "optional", json_integer(2)), ERR_NONE);
}

static void numbers_and_hex_keep_their_limits(void **state)
{
	const enum slot_kind kind = SLOT_PASSPHRASE;

	(void)state;
	assert_int_equal(parse_with(kind, NULL, "epoch", json_integer(0)), ERR_CORRUPT);
	assert_int_equal(parse_with(kind, NULL, "epoch", json_integer(KEY_EPOCHS_MAX + 1)),
			 ERR_CORRUPT);
	assert_int_equal(parse_with(kind, NULL, "epoch", json_integer(KEY_EPOCHS_MAX)), ERR_NONE);
	assert_int_equal(parse_with(kind, NULL, "created_s", json_integer(-1)), ERR_CORRUPT);
	assert_int_equal(parse_with(kind, NULL, "format", json_integer(0)), ERR_CORRUPT);
	assert_int_equal(parse_with(kind, "kdf", "passes", json_integer(1)), ERR_CORRUPT);
	assert_int_equal(parse_with(kind, "kdf", "passes", json_integer(2)), ERR_NONE);
	assert_int_equal(parse_with(kind, "kdf", "passes", json_integer(KDF_PASSES_MAX + 1)),
			 ERR_CORRUPT);
	assert_int_equal(parse_with(kind, "kdf", "memory_bytes", json_integer((64 << 20) - 1024)),
			 ERR_CORRUPT);
	assert_int_equal(parse_with(kind, "kdf", "memory_bytes", json_integer(64 << 20)), ERR_NONE);
	assert_int_equal(parse_with(kind, "kdf", "memory_bytes", json_integer((64 << 20) + 1)),
			 ERR_CORRUPT);
	assert_int_equal(parse_with(kind, "kdf", "memory_bytes", json_integer((1LL << 40) + 1024)),
			 ERR_CORRUPT);
	assert_int_equal(parse_with(kind, "kdf", "salt", json_string("00")), ERR_CORRUPT);
	assert_int_equal(
		parse_with(kind, NULL, "slot_id", json_string("0123456789ABCDEF0123456789abcdef")),
		ERR_CORRUPT);
}

static void what_is_newer_is_unsupported(void **state)
{
	(void)state;
	assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, "format", json_integer(2)),
			 ERR_UNSUPPORTED);
	assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, "kind", json_string("token")),
			 ERR_UNSUPPORTED);
	assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, "mandatory", json_integer(1)),
			 ERR_UNSUPPORTED);
	assert_int_equal(parse_with(SLOT_PASSPHRASE, NULL, "mandatory", json_integer(1LL << 32)),
			 ERR_CORRUPT);
	assert_int_equal(parse_with(SLOT_PASSPHRASE, "kdf", "alg", json_string("argon2id14")),
			 ERR_UNSUPPORTED);
}

static void a_slot_that_is_no_json_or_too_long_is_refused(void **state)
{
	struct buf json = {0};
	struct slot slot = make(SLOT_PASSPHRASE, &json);
	struct error err;

	(void)state;
	for (size_t len = 0; len + 2 <= json.len_bytes; len++)
		assert_int_equal(slot_parse(json.data, len, &slot, &err), ERR_CORRUPT);
	while (json.len_bytes <= SLOT_BYTES_MAX)
		buf_add_u8(&json, ' ');
	assert_int_equal(slot_parse(json.data, json.len_bytes - 1, &slot, &err), ERR_NONE);
	assert_int_equal(slot_parse(json.data, json.len_bytes, &slot, &err), ERR_CORRUPT);
	buf_release(&json);
}

/* ---- memory ---- */

static size_t mapped_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

/* Far less than the 128 MiB of one derivation; valgrind itself maps some as it goes. */
#define MAPPED_SLACK_BYTES ((size_t)32 << 20)

static void the_memory_of_argon2_goes_back_to_the_system(void **state)
{
	struct secret s = secret_of(SLOT_PASSPHRASE);
	struct buf json = {0};
	struct slot slot;
	size_t before;

	(void)state;
	real_argon2 = true;
	slot = make(SLOT_PASSPHRASE, &json);
	before = mapped_bytes();
	assert_int_equal(open_with(&slot, &s), ERR_NONE);
	assert_true(mapped_bytes() < before + MAPPED_SLACK_BYTES);
	s.bytes = "incorrect horse";
	assert_int_equal(open_with(&slot, &s), ERR_KEY);
	assert_true(mapped_bytes() < before + MAPPED_SLACK_BYTES);
	real_argon2 = false;
	buf_release(&json);
}

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

static int stop(void **state)
{
	(void)state;
	keys_free(keys);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slot_of_each_kind_opens_with_its_secret),
		cmocka_unit_test(argon2_has_the_promised_cost_and_keys_need_none),
		cmocka_unit_test(a_slot_below_todays_cost_is_told),
		cmocka_unit_test(another_secret_or_kind_does_not_open_a_slot),
		cmocka_unit_test(an_edited_slot_is_refused_with_the_same_words),
		cmocka_unit_test(a_slot_that_is_not_committed_to_its_secret_is_refused),
		cmocka_unit_test(a_slot_above_the_memory_limit_is_refused_before_any_work),
		cmocka_unit_test(argon2_without_its_memory_is_out_of_memory),
		cmocka_unit_test(an_empty_passphrase_needs_an_explicit_wish),
		cmocka_unit_test(a_key_of_another_length_makes_no_slot),
		cmocka_unit_test(no_slot_is_like_another),
		cmocka_unit_test(every_member_is_needed_and_no_other_allowed),
		cmocka_unit_test(numbers_and_hex_keep_their_limits),
		cmocka_unit_test(what_is_newer_is_unsupported),
		cmocka_unit_test(a_slot_that_is_no_json_or_too_long_is_refused),
		cmocka_unit_test(the_memory_of_argon2_goes_back_to_the_system),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
