/*
 * The keys of one array, in guarded memory: the master key of every epoch, and the two keys
 * that last as long as the array (chunk ids, cutter). Everything is derived from the masters
 * by crypto_kdf per object type and purpose. Immutable once made: any thread may use it.
 * Randomness is randombytes_buf and nothing else.
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

/* Once per process before anything else of seal/: starts libsodium, forbids core dumps. */
int seal_start(struct error *err);

/* Random keys for a new array, at epoch 1. Caller: keys_free(). */
int keys_new(const struct id *array_id, struct keys **out, struct error *err);
void keys_free(struct keys *k); /* wipes; NULL is allowed */
uint32_t keys_epoch(const struct keys *k);
const struct id *keys_array_id(const struct keys *k);
/* The current master key, which slots wrap. Lent. */
const uint8_t *keys_master(const struct keys *k);

/* The ring object: every older master and the array-long keys, sealed under the current master. */
int ring_make(const struct keys *k, struct buf *out, struct error *err);
/* Opens a ring with the master key that a slot gave. ERR_CORRUPT when it is not that master's. */
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
