/*
 * Key slots: each wraps the current master key under one secret. A slot is a small JSON
 * object, the same on every drive, named keys/<slot id>-<sha256 of the bytes>.json. Format:
 * mrmr-format(5), "Key slot". Members, all needed, no others allowed; hex is lower-case:
 *
 *   format        1; a larger number is a newer format
 *   slot_id       16 random bytes in hex
 *   array_id      16 bytes in hex
 *   kind          "passphrase", "key-file" or "recovery"
 *   kdf           only with a passphrase: { "alg": "argon2id13", "passes", "memory_bytes" (a
 *                 multiple of 1024), "salt": 16 bytes in hex }
 *   mandatory     feature bits, 0: a reader that does not know one refuses the slot
 *   optional      feature bits, 0: a reader may ignore them
 *   epoch         of the master key inside
 *   created_s     UNIX time
 *   commitment    32 bytes in hex
 *   wrapped       72 bytes in hex: nonce (24) | ciphertext of the master (32) | tag (16)
 *
 * KEK = the 32 bytes of a key file or recovery key; for a passphrase, Argon2id 1.3 (RFC 9106)
 * of its bytes as typed, one lane, 32 bytes. With kdf() and blake2b() of seal/keys.h:
 *
 *   commitment = blake2b(kdf(KEK, "mrmrslot", 1), "mrmr slot", slot id | array id)
 *   wrapped    = XChaCha20-Poly1305-IETF under kdf(KEK, "mrmrslot", 2), random nonce, with
 *                additional data = "MRMRSLOT" | format (2) | kind (1: passphrase 1, key-file 2,
 *                recovery 3) | kdf (1: none 0, argon2id13 1) | epoch (4) | created_s (8) |
 *                passes (8) | memory_bytes (8) | slot id (16) | array id (16) | salt (16) |
 *                commitment (32) | mandatory (4) | optional (4); little-endian, zeros where
 *                there is no kdf
 *
 * so that no member can be edited. The commitment is checked first: a ciphertext that opens
 * under two keys is of no use to whoever makes it.
 *
 * Recovery key on paper: 32 key bytes and 3 check bytes (the first of BLAKE2b-256, no key,
 * personalisation "mrmr recovery", of the key bytes), 5 bits a letter from the first byte's
 * high bit on, in Crockford's base32 (0-9, A-Z without I L O U), in 14 groups of 4 with dashes
 * between. Key file: the line "mrmr-key-1 <64 hex digits>".
 */
#ifndef MRMR_SEAL_SLOT_H
#define MRMR_SEAL_SLOT_H

#include "seal/keys.h"

#define SLOT_BYTES_MAX 4096
#define SLOTS_MAX 16
#define RECOVERY_TEXT_BYTES 96 /* printed recovery key with its NUL */

enum slot_kind {
	SLOT_PASSPHRASE = 1, /* Argon2id */
	SLOT_KEY_FILE = 2,   /* 32 random bytes in a file */
	SLOT_RECOVERY = 3,   /* 32 random bytes on paper */
};

enum kdf_cost {
	KDF_DEFAULT,   /* 3 passes, 128 MiB */
	KDF_SENSITIVE, /* 4 passes, 1 GiB */
};
#define KDF_PASSES_MIN 2
#define KDF_PASSES_MAX 64 /* nobody's slot asks for hours of work */
#define KDF_MEMORY_MIN_BYTES ((uint64_t)64 << 20)
#define KDF_MEMORY_MAX_BYTES ((uint64_t)1 << 40)   /* refused whatever is requested */
#define KDF_MEMORY_LIMIT_BYTES ((uint64_t)1 << 30) /* above only on request */

/* What a user can show. bytes: a passphrase as typed (no NUL needed), or 32 key bytes. Lent. */
struct secret {
	enum slot_kind kind; /* SLOT_KEY_FILE and SLOT_RECOVERY fit each other's kind only */
	const void *bytes;
	size_t len_bytes;
};

/* One wording for a wrong secret and for an edited slot: it tells a guesser nothing. */
#define WRONG_SECRET "wrong passphrase or key"

struct slot {
	struct id id, array_id;
	enum slot_kind kind;
	uint32_t mandatory, optional; /* feature bits */
	uint32_t epoch;
	uint64_t passes, memory_bytes; /* 0 for full-entropy keys */
	uint8_t salt[16];
	uint8_t commitment[32];
	uint8_t wrapped[24 + KEY_BYTES + 16];
	int64_t created_s; /* UNIX time */
};

/* Appends the JSON of a new slot for the current master. *id_out names it. An empty
 * passphrase is refused (ERR_USAGE) unless allow_empty; so is a key that has not 32 bytes.
 * ERR_NOMEM when Argon2 does not get its memory. */
int slot_make(const struct keys *k, const struct secret *s, enum kdf_cost cost, bool allow_empty,
	      struct buf *json, struct id *id_out, struct error *err);

/* Parses a stored slot; refuses unknown members, odd sizes and parameters below the floor with
 * ERR_CORRUPT, a newer format, an unknown kind, algorithm or mandatory feature with
 * ERR_UNSUPPORTED. What it fills
 * in is authentic only after slot_open(). */
int slot_parse(const void *bytes, size_t len_bytes, struct slot *out, struct error *err);

/*
 * Opens the slot: commitment first, then the wrapped master, which is written to master
 * (guarded memory of the caller; zeros on an error). ERR_KEY in constant wording when the
 * secret is not this slot's or the slot was edited; ERR_UNSUPPORTED when it asks for more than
 * memory_limit_bytes, before anything is derived. Argon2's memory is unmapped before it
 * returns. Thread-safe.
 */
int slot_open(const struct slot *slot, const struct secret *s, uint64_t memory_limit_bytes,
	      uint8_t master[KEY_BYTES], struct error *err);

/* The slot's passphrase is derived more cheaply than a new slot's of that cost would be: time to
 * replace it. False for full-entropy keys. */
bool slot_is_cheaper(const struct slot *slot, enum kdf_cost cost);

/* Names of key objects on a drive, from their stored bytes, and back. A name that is not
 * exactly of that form: false. */
#define SLOT_NAME_BYTES (5 + 32 + 1 + 64 + 5 + 1) /* with the NUL */
#define RING_NAME_BYTES (5 + 5 + 64 + 1)
void slot_object_name(const struct id *slot_id, const void *bytes, size_t len_bytes,
		      char out[SLOT_NAME_BYTES]);
void ring_object_name(const void *bytes, size_t len_bytes, char out[RING_NAME_BYTES]);
bool slot_name_parse(const char *name, struct id *slot_id, struct hash *sha256_out);
bool ring_name_parse(const char *name, struct hash *sha256_out);

/* Recovery key as text to print: groups of base32 with a checksum; reading is case-blind,
 * ignores spaces and dashes, and takes I and L for 1, O for 0. ERR_KEY when a letter was
 * mistyped, missing or too much. key then holds zeros. */
void recovery_text(const uint8_t key[KEY_BYTES], char out[RECOVERY_TEXT_BYTES]);
int recovery_parse(const char *text, uint8_t key[KEY_BYTES], struct error *err);

/* Key file: one line "mrmr-key-1 <64 hex>", its end optional when read. ERR_KEY: not that. */
void key_file_text(const uint8_t key[KEY_BYTES], struct buf *out);
int key_file_parse(const void *bytes, size_t len_bytes, uint8_t key[KEY_BYTES], struct error *err);

#endif
