/*
 * Key slots: each wraps the current master key under one secret. A slot is a small JSON
 * object, the same on every drive. Format: mrmr-format(5), "Key slot".
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
#define KDF_MEMORY_MIN_BYTES ((uint64_t)64 << 20)
#define KDF_MEMORY_LIMIT_BYTES ((uint64_t)1 << 30) /* above only on request */

/* What a user can show. bytes: a passphrase as typed (no NUL needed), or 32 key bytes. Lent. */
struct secret {
	enum slot_kind kind; /* SLOT_KEY_FILE and SLOT_RECOVERY fit each other's kind only */
	const void *bytes;
	size_t len_bytes;
};

struct slot {
	struct id id, array_id;
	enum slot_kind kind;
	uint32_t epoch;
	uint64_t passes, memory_bytes; /* 0 for full-entropy keys */
	uint8_t salt[16];
	uint8_t commitment[32];
	uint8_t wrapped[24 + KEY_BYTES + 16];
	int64_t created_s; /* UNIX time */
};

/* Appends the JSON of a new slot for the current master. *id_out names it. An empty
 * passphrase is refused (ERR_USAGE) unless allow_empty. */
int slot_make(const struct keys *k, const struct secret *s, enum kdf_cost cost, bool allow_empty,
	      struct buf *json, struct id *id_out, struct error *err);

/* Parses a stored slot; refuses unknown members, odd sizes and parameters below the floor. */
int slot_parse(const void *bytes, size_t len_bytes, struct slot *out, struct error *err);

/*
 * Opens the slot: commitment first, then the wrapped master, which is written to master
 * (guarded memory of the caller). ERR_KEY in constant wording when the secret is not this
 * slot's or the slot was edited; ERR_UNSUPPORTED when it asks for more than
 * memory_limit_bytes. Argon2's memory is unmapped before it returns.
 */
int slot_open(const struct slot *slot, const struct secret *s, uint64_t memory_limit_bytes,
	      uint8_t master[KEY_BYTES], struct error *err);

/* Recovery key as text to print: groups of base32 with a checksum; reading is case-blind and
 * ignores spaces and dashes. ERR_KEY when a letter was mistyped. */
void recovery_text(const uint8_t key[KEY_BYTES], char out[RECOVERY_TEXT_BYTES]);
int recovery_parse(const char *text, uint8_t key[KEY_BYTES], struct error *err);

/* Key file: one line "mrmr-key-1 <64 hex>". */
void key_file_text(const uint8_t key[KEY_BYTES], struct buf *out);
int key_file_parse(const void *bytes, size_t len_bytes, uint8_t key[KEY_BYTES], struct error *err);

#endif
