/*
 * Secrets a user shows: passphrases and key files. Never from argv. They live in sodium_malloc
 * memory; the environment variables they come in are overwritten and unset at the start.
 *
 * A passphrase comes from MRMR_PASSPHRASE, else _FILE (its first line), else _COMMAND (words
 * split as a shell would, run without one; first line of its output), else _FD, else the
 * terminal. A new one of `key add` and `key passwd` from MRMR_NEW_PASSPHRASE and its like.
 */
#ifndef MRMR_CMD_SECRET_H
#define MRMR_CMD_SECRET_H

#include "base/error.h"
#include "seal/keys.h"
#include "seal/slot.h"

#include <stdbool.h>

#define PASSPHRASE_BYTES_MAX 4096

/* Once, early in main, before any thread or child: takes the variables out of the environment.
 * After seal_start(). ERR_NOMEM. */
int secrets_take_environment(struct error *err);
void secrets_forget(void); /* frees what was taken */

struct held_secret {
	struct secret secret; /* what lib/seal takes; its bytes lie in memory */
	void *memory;	      /* sodium_malloc */
};
void held_secret_release(struct held_secret *s); /* wipes; all zero is allowed */

/*
 * All fail with ERR_KEY when there is no secret to be had, ERR_USAGE when it is empty and
 * !allow_empty, ERR_INTERRUPTED. With allow_empty and no variable set it is empty: nobody is
 * asked.
 *
 * To open an array: the key file named by MRMR_KEY_FILE if set, else the passphrase. The text
 * of a recovery key in its place is recognised (SLOT_RECOVERY).
 */
int secret_to_unlock(bool allow_empty, struct held_secret *out, struct error *err);
/* For the first slot of `init`: the same passphrase sources, the terminal asks twice. */
int secret_for_init(bool allow_empty, struct held_secret *out, struct error *err);
/* For `key add` and `key passwd`: MRMR_NEW_PASSPHRASE*; the terminal asks twice. */
int secret_for_new_slot(bool allow_empty, struct held_secret *out, struct error *err);
/* Reads a key file: refused (ERR_KEY) unless it is a regular file of this user, mode 0600 or
 * 0400. */
int secret_from_key_file(const char *path, struct held_secret *out, struct error *err);
/* Makes one with a fresh random key, mode 0600, never over an existing file (ERR_EXISTS). */
int secret_make_key_file(const char *path, struct held_secret *out, struct error *err);

#endif
