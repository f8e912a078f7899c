/*
 * From the command line to an open array: where config and state lie, how drives are opened,
 * which secret opens the keys, and how the library's remarks reach the user.
 */
#ifndef MRMR_CMD_OPEN_H
#define MRMR_CMD_OPEN_H

#include "array/array.h"
#include "care/debts.h"
#include "cmd/options.h"
#include "cmd/secret.h"

enum open_flags {
	OPEN_READ = 0,
	OPEN_WRITE = 1,	     /* the command changes something: safety brakes apply */
	OPEN_MENDS = 2,	     /* it may go on with a drive that was rolled back */
	OPEN_HEALS = 8,	     /* it ends forks, and looks through the local table */
	OPEN_LOCKED = 4,     /* no key is asked for: see array_options.locked */
	OPEN_REPAIRS = 16,   /* what returned drives lack is put back at once, not only told */
	OPEN_NO_LOOK = 32,   /* returned drives are not looked through, or by open_look() later */
};

/* What array_options need for as long as the array is open. */
struct opened {
	struct invocation *inv;
	struct array_options options;
	struct held_secret secret;
	uint8_t recovery_key[KEY_BYTES]; /* when a passphrase turned out to be one */
	char *config_path, *state_root;
};

/* Fills o->options (paths, callbacks); opens nothing. For init and recover. */
int open_prepare(struct invocation *inv, struct opened *o, struct error *err);
/* The whole of it, --expect-head included. *a: array_close(), then opened_release(o). */
int open_array(struct invocation *inv, unsigned flags, struct opened *o, struct array **a,
	       struct error *err);
/* Looks through the drives that were away and are back, and tells what is wrong with them. One that
 * cannot be looked through now is told, and no failure of the command. ERR_INTERRUPTED, ERR_NOMEM. */
int open_look(struct invocation *inv, struct array *a, bool repair, struct error *err);
/* The last that a command does which wrote something else than data: it pays what is owed. That it
 * cannot is told, and no failure of the command. ERR_INTERRUPTED, ERR_NOMEM. */
int open_pay_debts(struct invocation *inv, struct array *a, enum debts_scope scope,
		   struct error *err);
void opened_release(struct opened *o);

#endif
