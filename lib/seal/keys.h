/*
 * The keys of one array, in guarded memory: the master key of every epoch, and the two keys
 * that last as long as the array. Immutable once made (the pages are read-only): any thread
 * may use them. Randomness is randombytes_buf and nothing else.
 *
 *   master of epoch e   32 random bytes; e = 1 for a new array, one more per rotation
 *   id key, cutter key  32 random bytes each, for the life of the array
 *
 *   box key (type, e) = kdf(master of e, "mrmr-box", object type)       see seal/box.h
 *   chunk id(bytes)   = blake2b(id key, "mrmr chunk id", bytes)
 *   head(prev, recs)  = blake2b(id key, "mrmr head", prev (32) | recs)
 *   marker mac(bytes) = blake2b(id key, "mrmr marker", bytes)
 *   cutter entry(i)   = first 8 bytes, LE, of blake2b(cutter key, "mrmr cutter", byte i)
 *
 * kdf(key, context, n) is libsodium's crypto_kdf: BLAKE2b-256 of the empty message, keyed
 * with key, salt = n (8, LE) and 8 zeros, personalisation = the 8 bytes of context and 8
 * zeros. blake2b(key, p, bytes) is BLAKE2b-256 (RFC 7693) keyed with key, salt zero,
 * personalisation = the letters of p filled up to 16 bytes with zeros: no value of one
 * purpose is ever one of another.
 *
 * Ring object: header (64, type ring, epoch e of the current master, fresh uid) | one box
 * (BOX_KEYS, index 0, no extra) under the current master's box key for rings. Its plain
 * bytes: id key (32) | cutter key (32) | masters of epochs 1 .. e - 1 (32 each). Its length
 * follows from e; any other is refused.
 */
#ifndef MRMR_SEAL_KEYS_H
#define MRMR_SEAL_KEYS_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "seal/header.h"

#define KEY_BYTES 32
#define KEY_EPOCHS_MAX 64

struct keys;

/* Once per process before anything else of seal/: starts libsodium, forbids core dumps and
 * ptrace by this user's other processes. */
int seal_start(struct error *err);

/* Random keys for a new array, at epoch 1. Caller: keys_free(). */
int keys_new(const struct id *array_id, struct keys **out, struct error *err);
/* The same keys with a new random master as the current one, at the next epoch. Caller:
 * keys_free(), of k too. ERR_FULL after KEY_EPOCHS_MAX epochs. */
int keys_rotate(const struct keys *k, struct keys **out, struct error *err);
void keys_free(struct keys *k); /* wipes; NULL is allowed */
uint32_t keys_epoch(const struct keys *k);
const struct id *keys_array_id(const struct keys *k);
/* The current master key, which slots wrap. Lent. */
const uint8_t *keys_master(const struct keys *k);

/* Appends the ring object: every older master and the array-long keys, sealed under the current
 * master. Two rings of the same keys differ (nonce, uid). */
int ring_make(const struct keys *k, struct buf *out, struct error *err);
/* Opens a ring with the master key that a slot gave. ERR_CORRUPT when it is not that master's,
 * not of that epoch or not of that array. Caller: keys_free(). */
int ring_open(const struct id *array_id, uint32_t epoch, const uint8_t master[KEY_BYTES],
	      const void *bytes, size_t len_bytes, struct keys **out, struct error *err);

struct id id_random(void);

/* Keyed BLAKE2b-256 of a chunk's plain bytes under the array's id key. */
struct hash chunk_id(const struct keys *k, const void *bytes, size_t len_bytes);

/* Keyed BLAKE2b-256 over two parts, for chain heads (previous head, records) under the id key
 * with its own personalisation, so that no head is ever a chunk id. */
struct hash head_hash(const struct keys *k, const struct hash *previous, const void *bytes,
		      size_t len_bytes);

/* Keyed BLAKE2b of one byte value: entry i of the cutter's table. */
uint64_t cutter_entry(const struct keys *k, uint8_t i);

/* MAC of a drive's marker, over its canonical bytes. */
struct hash marker_mac(const struct keys *k, const void *bytes, size_t len_bytes);

#endif
