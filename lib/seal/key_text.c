/* Keys as people and files keep them, and the names of key objects. */
#include "seal/slot.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define CHECK_BYTES 3
#define CODE_BYTES (KEY_BYTES + CHECK_BYTES) /* 280 bits: 56 letters without a remainder */
#define LETTERS (CODE_BYTES * 8 / 5)
#define GROUP_LETTERS 4
_Static_assert(CODE_BYTES * 8 % 5 == 0, "no letter is half used");
_Static_assert(LETTERS + LETTERS / GROUP_LETTERS <= RECOVERY_TEXT_BYTES, "the text fits");

static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const char key_file_word[] = "mrmr-key-1 ";

static void recovery_check(const uint8_t key[KEY_BYTES], uint8_t out[CHECK_BYTES])
{
	static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "mrmr recovery";
	uint8_t hash[HASH_BYTES];

	crypto_generichash_blake2b_salt_personal(hash, sizeof(hash), key, KEY_BYTES, NULL, 0, NULL,
						 personal);
	memcpy(out, hash, CHECK_BYTES);
	sodium_memzero(hash, sizeof(hash));
}

/* 5 bits of code from its bit_at-th bit on, high bits first. */
static unsigned five_bits(const uint8_t *code, unsigned bit_at)
{
	unsigned v = 0;

	for (unsigned i = bit_at; i < bit_at + 5; i++)
		v = v << 1 | (code[i / 8] >> (7 - i % 8) & 1u);
	return v;
}

void recovery_text(const uint8_t key[KEY_BYTES], char out[RECOVERY_TEXT_BYTES])
{
	uint8_t code[CODE_BYTES];
	char *at = out;

	memcpy(code, key, KEY_BYTES);
	recovery_check(key, code + KEY_BYTES);
	for (unsigned i = 0; i < LETTERS; i++) {
		if (i > 0 && i % GROUP_LETTERS == 0)
			*at++ = '-';
		*at++ = letters[five_bits(code, 5 * i)];
	}
	*at = '\0';
	sodium_memzero(code, sizeof(code));
}

/* What a letter stands for; -1: none of the alphabet. */
static int letter_value(char letter)
{
	/* Not toupper(): what a locale makes of letters is none of a key's business. */
	const char upper = letter >= 'a' && letter <= 'z' ? (char)(letter - 'a' + 'A') : letter;
	const char *at;

	if (upper == 'I' || upper == 'L')
		return 1;
	if (upper == 'O')
		return 0;
	at = upper ? strchr(letters, upper) : NULL;
	return at ? (int)(at - letters) : -1;
}

/* False: a foreign letter, or not exactly LETTERS of them. */
static bool read_letters(const char *text, uint8_t code[CODE_BYTES])
{
	unsigned count = 0;

	memset(code, 0, CODE_BYTES);
	for (; *text; text++) {
		int v;

		if (strchr("- \t\r\n", *text))
			continue;
		v = letter_value(*text);
		if (v < 0 || count == LETTERS)
			return false;
		for (unsigned i = 0; i < 5; i++) {
			unsigned bit = count * 5 + i;

			code[bit / 8] |= (uint8_t)((v >> (4 - i) & 1) << (7 - bit % 8));
		}
		count++;
	}
	return count == LETTERS;
}

int recovery_parse(const char *text, uint8_t key[KEY_BYTES], struct error *err)
{
	uint8_t code[CODE_BYTES], check[CHECK_BYTES];
	bool good = read_letters(text, code);

	recovery_check(code, check);
	good = good && memcmp(check, code + KEY_BYTES, CHECK_BYTES) == 0;
	if (good)
		memcpy(key, code, KEY_BYTES);
	else
		memset(key, 0, KEY_BYTES);
	sodium_memzero(code, sizeof(code));
	return good ? ERR_NONE : err_set(err, ERR_KEY, "not a recovery key, or a letter is wrong");
}

void key_file_text(const uint8_t key[KEY_BYTES], struct buf *out)
{
	char hex[2 * KEY_BYTES + 1];

	hex_encode(key, KEY_BYTES, hex);
	buf_add(out, key_file_word, strlen(key_file_word));
	buf_add(out, hex, 2 * KEY_BYTES);
	buf_add_u8(out, '\n');
	sodium_memzero(hex, sizeof(hex));
}

int key_file_parse(const void *bytes, size_t len_bytes, uint8_t key[KEY_BYTES], struct error *err)
{
	const size_t word_bytes = strlen(key_file_word);
	const size_t line_bytes = word_bytes + 2 * KEY_BYTES;
	const char *text = bytes;
	char hex[2 * KEY_BYTES + 1] = {0};
	bool good = len_bytes == line_bytes ||
		    (len_bytes == line_bytes + 1 && text[line_bytes] == '\n');

	good = good && memcmp(text, key_file_word, word_bytes) == 0;
	if (good)
		memcpy(hex, text + word_bytes, 2 * KEY_BYTES);
	memset(key, 0, KEY_BYTES);
	good = good && hex_decode(hex, key, KEY_BYTES);
	sodium_memzero(hex, sizeof(hex));
	if (good)
		return ERR_NONE;
	memset(key, 0, KEY_BYTES);
	return err_set(err, ERR_KEY, "not a key file");
}

void slot_object_name(const struct id *slot_id, const void *bytes, size_t len_bytes,
		      char out[SLOT_NAME_BYTES])
{
	struct hash sum = sha256(bytes, len_bytes);
	char id_hex[ID_HEX_BYTES], sum_hex[HASH_HEX_BYTES];

	hex_encode(slot_id->b, ID_BYTES, id_hex);
	hex_encode(sum.b, HASH_BYTES, sum_hex);
	snprintf(out, SLOT_NAME_BYTES, "keys/%s-%s.json", id_hex, sum_hex);
}

void ring_object_name(const void *bytes, size_t len_bytes, char out[RING_NAME_BYTES])
{
	struct hash sum = sha256(bytes, len_bytes);
	char sum_hex[HASH_HEX_BYTES];

	hex_encode(sum.b, HASH_BYTES, sum_hex);
	snprintf(out, RING_NAME_BYTES, "keys/ring-%s", sum_hex);
}

/* Takes len_bytes in hex off *at. False: not that. */
static bool take_hex(const char **at, void *out, size_t len_bytes)
{
	char hex[2 * HASH_BYTES + 1];
	const size_t digits = 2 * len_bytes;

	if (strnlen(*at, digits) < digits)
		return false;
	memcpy(hex, *at, digits);
	hex[digits] = '\0';
	*at += digits;
	return hex_decode(hex, out, len_bytes);
}

static bool take_word(const char **at, const char *word)
{
	const size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

bool slot_name_parse(const char *name, struct id *slot_id, struct hash *sha256_out)
{
	return take_word(&name, "keys/") && take_hex(&name, slot_id->b, ID_BYTES) &&
	       take_word(&name, "-") && take_hex(&name, sha256_out->b, HASH_BYTES) &&
	       strcmp(name, ".json") == 0;
}

bool ring_name_parse(const char *name, struct hash *sha256_out)
{
	return take_word(&name, "keys/ring-") && take_hex(&name, sha256_out->b, HASH_BYTES) &&
	       *name == '\0';
}
