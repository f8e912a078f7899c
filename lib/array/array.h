/*
 * An open array: its config, keys, table, and drives with what is known of each.
 *
 * array_open() reads the config, opens every drive in parallel, checks the markers, unlocks the
 * keys, and replays what the journals say that the table does not know yet. After it, drives are
 * either DRIVE_PRESENT (open, ours, not behind its own past) or left out with a reason.
 *
 * One thread uses the array at a time, except where a function says otherwise. Several
 * processes may have the same array open: a lock in the state folder is held for the moments
 * of replay and commit only.
 */
#ifndef MRMR_ARRAY_ARRAY_H
#define MRMR_ARRAY_ARRAY_H

#include "array/alloc.h"
#include "array/config.h"
#include "array/pace.h"
#include "base/counters.h"
#include "drivers/driver.h"
#include "seal/slot.h"
#include "table/table.h"
#include "table/writer.h"

#include <pthread.h>
#include <stdatomic.h>

enum drive_presence {
	DRIVE_PRESENT,
	DRIVE_ABSENT,	   /* not there, or nothing of ours there (an empty mount point) */
	DRIVE_FOREIGN,	   /* another array's, another drive's, or a forged marker */
	DRIVE_DUPLICATE,   /* the same drive under a second address */
	DRIVE_REFUSED,	   /* declared lost or removed, and here again */
	DRIVE_ROLLED_BACK, /* lacks what it once confirmed */
	DRIVE_UNREACHABLE, /* its driver failed: no permission, kind not built, ... */
	DRIVE_ASIDE,	   /* disabled: not opened, whatever is there */
};

/* A drive that was away may have been changed elsewhere: care/returned.h looks through it. This host
 * remembers that (array/seen.h). */
enum drive_return {
	RETURN_NONE,	/* it was not away since it was last looked through */
	RETURN_AWAY,	/* it is away, or was and nobody has looked yet */
	RETURN_LOOKING, /* a look has begun and not ended */
};

/* What the marker at a place says. Only DAMAGED and MISSING may be mended (care/readmit.h). */
enum marker_state {
	MARKER_UNREAD,
	MARKER_GOOD,
	MARKER_OTHER, /* another array's or drive's, or of a newer format */
	MARKER_MISSING,
	MARKER_DAMAGED, /* not readable as one, or only in part what it must be */
};

struct array_drive {
	struct drive_record record; /* as the journals have it */
	struct id id;
	char name[DRIVE_NAME_MAX + 1];
	char *url, *options_json; /* this host's way to it; NULL when it has none */
	bool billed; /* what is read there is paid for: asked only when others do not suffice */
	enum drive_presence presence;
	char why[ERR_MESSAGE_BYTES]; /* when not present: for people */
	enum marker_state marker_state;
	struct marker marker;	   /* when it could be read */
	struct drive *handle;	   /* watched (array/watched.h). NULL: there was nothing to open; owned */
	struct drive_about about;  /* when open */
	struct clock holds;	   /* of every writer: how far it has the journal without a gap */
	bool behind;		   /* it lacks segments that others hold */
	uint64_t used_bytes;	   /* what the journals place there */
	uint64_t row_bytes;	   /* of that, rows and copies; as of the last refresh */
	uint64_t extra_bytes;	   /* of them, rows that give way to data: array/extra.h */
	uint64_t objects;	   /* how many these are */
	atomic_bool poisoned;	   /* a write failed: nothing more is written in this process */
	char full_why[ERR_MESSAGE_BYTES]; /* once poisoned: for want of room, as it said; else "" */
	atomic_ullong damaged;	   /* objects found bad by reading, in this process */
	atomic_bool passed_over;   /* too slow for what is put now: nothing more is placed there */
	atomic_bool late;	   /* it was not waited for: what can wait is not asked of it */
	atomic_bool stalled;	   /* it did not answer in its time: it is asked last until it does */
	atomic_bool stall_told;
	struct pace pace_kept;	   /* how fast it was in former runs; what it is now: array/paces.h */
	uint32_t distance;	   /* for the allocator; the same for the whole run */
	int64_t last_scrub_s;
	uint64_t damaged_ever, repaired_ever;
	uint64_t unrepaired; /* objects that the last scrub found bad and could not repair */
	int64_t unrepaired_s; /* when that was */
	int64_t since_s;      /* when it was given its state, by the journals; 0: they do not tell */
	bool returning;	      /* it was disabled until then */
	int64_t seen_s;	      /* when this host first saw it stand as it does; 0: it does not know */
	enum drive_return returned; /* as far as this host saw */
};

enum tell_level { TELL_INFO, TELL_WARNING };
/* One line for the user, from whatever thread. */
typedef void tell_fn(void *ctx, enum tell_level level, const char *text);

/* Asks for what opens a slot. kinds: bit (1 << enum slot_kind) per kind that some slot has. Fills
 * out; its bytes stay valid until array_open() returns. ERR_KEY: nothing to offer. */
typedef int secret_fn(void *ctx, unsigned kinds, struct secret *out, struct error *err);

typedef int open_drive_fn(void *ctx, const struct config_drive *entry,
			  const struct drive_options *options, struct drive **out,
			  struct error *err);

/* Whether drives at such a URL take these options: ERR_USAGE if not. */
typedef int check_way_fn(void *ctx, const char *url, const char *options_json, struct error *err);

struct array_options {
	const char *config_path; /* the config file */
	const char *state_root;	 /* folder of the state folders, one per array */
	secret_fn *secret;
	void *secret_ctx;
	uint64_t kdf_limit_bytes; /* 0: default */
	tell_fn *tell;
	void *tell_ctx;
	bool writing;		   /* the command will write: safety brakes stop it */
	bool locked; /* without keys: only array_slots() and what the table knew can be asked */
	bool heals_forks;	   /* scrub: it goes on when one writer has two histories */
	bool checks_table;	   /* scrub: the whole local table is read, and made anew if damaged */
	bool tolerate_rollback;	   /* scrub, rebuild: they mend what a rolled-back drive lacks, and
				    * damaged markers */
	bool without_journal;	   /* scan: the drives have no journal; it is made anew */
	const char *machine_id;	   /* NULL: of this host */
	/* Opens a drive from its entry; the state folder's own store too (name "", url its path).
	 * temp_tag: for drive_options. make_root: create the place when it is missing. */
	open_drive_fn *open_drive;
	check_way_fn *check_way; /* NULL: any */
	void *open_drive_ctx;
	const struct keys *keys; /* already unlocked; not owned. NULL: slots are asked */
	unsigned threads;	 /* workers; 0: one per processor */
	bool ack_enough; /* `--ack enough`: what is put is acknowledged as soon as the promise is kept.
			  * Drives that are slower than that need not be waited for. */
	unsigned stall_ms; /* a read is late after that at least; 0: STALL_MS_DEFAULT */
	unsigned hang_ms;  /* a drive without a sign of life for so long is given up; 0:
			    * HANG_MS_DEFAULT. More while bytes are on their way. */
};

struct array {
	struct array_options options;
	struct config config;
	struct keys *keys_owned;
	const struct keys *keys;
	struct hash writer_id; /* of this host */
	struct counters *counters; /* array_watch(); NULL: nobody watches */
	struct id slot_used;   /* which slot opened it; zero when keys were given */
	struct secret secret;  /* that did; lent, until array_open() returns */
	struct policy policy;
	struct policy policy_read; /* as the journals had it at the last array_refresh() */
	struct table *table;
	pthread_mutex_t table_lock; /* held around table calls where several threads read */
	bool table_fresh;	     /* it was made anew now */
	uint64_t refreshed_at;	     /* table_changes() at the last array_refresh() */
	char *state_path;
	char temp_tag[17]; /* tells this state folder's temporary objects from others' */
	struct drive *mirror; /* the state folder's copy of journals and keys */
	struct array_drive *drives;
	unsigned count;
	bool fork_found;
	char fork_why[ERR_MESSAGE_BYTES]; /* of the last one found: for people */
	struct hash *forked;		  /* writers with two histories */
	size_t forked_count, forked_cap;
	bool short_commit; /* a commit of this process reached fewer drives than the policy asks */
	pthread_mutex_t place_lock; /* used and free bytes of the drives, rotation */
	uint64_t rotation;	    /* of the allocator */
	pthread_mutex_t widen_lock; /* widen.c: the next */
	struct widening *widening;  /* NULL until it is needed */
	pthread_mutex_t plan_lock; /* place.c: a plan and its booking are one step; before the others */
	pthread_mutex_t extra_lock; /* extra.c: one at a time gives rows back */
	bool extra_stale;	    /* some were, since extra_bytes of the drives was counted */
};

int array_open(const struct array_options *o, struct array **out, struct error *err);

/* ---- create.c: new arrays, new drives ---- */

/* A drive to take in. record.id is drawn when zero. */
struct new_drive {
	struct drive_record record; /* name, role, removable, reserve, max, domain */
	const char *url, *options_json;
	bool make_root;
};
struct new_array {
	struct policy policy;
	const struct new_drive *drives;
	unsigned count;
	const struct secret *secret; /* of the first slot: SLOT_PASSPHRASE or SLOT_KEY_FILE */
	enum kdf_cost cost;
	bool allow_empty;
	char (*domains)[DRIVE_DOMAIN_MAX]; /* filled in, one for each drive; NULL: nobody asks */
	uint8_t recovery_key[KEY_BYTES]; /* filled: printed once by the caller */
};
/* Checks everything first (places there and unmarked, no config yet), then creates keys, markers,
 * first journal segment and config, in this order. The segment makes it an array, that recover finds;
 * what a cut-off init left before it, the next one puts into quarantine/. a->options as for array_open(). */
int array_create(const struct array_options *o, struct new_array *n, struct error *err);
/* Whether that would do: the same checks, nothing written. */
int array_create_check(const struct array_options *o, const struct new_array *n,
		       struct error *err);
/* Takes a drive into an open array. state: DRIVE_MEMBER, or DRIVE_JOINING while rebuild fills it. */
int array_add_drive(struct array *a, struct new_drive *n, enum drive_state state,
		    struct error *err);
/* Whether that would do so far: the place is there (or will be made) and unmarked. Writes nothing. */
int array_probe_drive(struct array *a, const struct new_drive *n, struct error *err);
/* A new config, as a->config is. */
int array_store_config(const struct array *a, struct error *err);
/* The way to d into this host's config, or out of it when the drive is gone for good. What other
 * commands changed in the file meanwhile stays; a->config is the file afterwards. */
int array_store_way(struct array *a, const struct array_drive *d, struct error *err);
int array_forget_way(struct array *a, const struct array_drive *d, struct error *err);
void array_close(struct array *a); /* NULL is allowed */

/* From now on c is told which drive has how many reads and writes waiting; NULL ends that. */
void array_watch(struct array *a, struct counters *c);

/* Tells the user something. printf-like. */
void array_tell(const struct array *a, enum tell_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct array_drive *array_drive_by_id(struct array *a, const struct id *id);	 /* or NULL */
struct array_drive *array_drive_by_name(struct array *a, const char *name); /* or NULL */
bool drive_usable(const struct array_drive *d); /* present, member, not poisoned */
bool drive_counts(const struct array_drive *d); /* a member, wherever it is: not lost or removed */
unsigned array_usable_count(const struct array *a);
unsigned array_member_count(const struct array *a);
const char *presence_word(enum drive_presence p);

/* Opens a drive that was left out because it was disabled and is not any more, as array_open() would
 * have: it is present or left out for another reason. Nothing is pulled. */
void array_open_drive(struct array *a, struct array_drive *d);
/* What other commands of this host made of the drives since: one that was disabled or is being
 * drained takes nothing more from here on, one that was enabled is used again. The same for other
 * hosts' commands when pull is set. No other thread uses the drives meanwhile. */
int array_follow(struct array *a, bool pull, struct error *err);
/* Whether the place of d has a marker of this array that names drive id. */
bool array_is_marked(const struct array *a, const struct array_drive *d, const struct id *id);
/* A drive whose marker was mended: opens it as array_open() would have, so that it is present, or
 * rolled back. */
int array_take_back(struct array *a, struct array_drive *d, struct error *err);

/* Reads drives and policy from the table again, after a commit that changed them. */
int array_refresh(struct array *a, struct error *err);
/* The same, if another command set another policy since. changed: it did. */
int array_refresh_policy(struct array *a, bool *changed, struct error *err);

/* ---- unlock.c: slots and ring ---- */
int array_unlock(struct array *a, struct error *err);
/* When the journals are known: a slot that was removed opens nothing, though some place still has it.
 * ERR_KEY, worded as for a wrong secret. */
int array_check_slot(struct array *a, struct error *err);
int array_store_ring(struct array *a, struct error *err);
/* ---- key_objects.c: where they lie ---- */
/* Copies ring and known slots to every present drive and the mirror; durable. Removed slots are
 * deleted. A place where that fails is told. */
int array_spread_keys(struct array *a, struct error *err);
/* Deletes the slots that were removed, where a run that was cut off or a drive that was away left them.
 * A place where that fails is told. */
int array_drop_removed_slots(struct array *a, struct error *err);
/* Stores one key object (a slot or ring) everywhere and reads it back. Drives that could not take
 * it are told. */
int array_store_key(struct array *a, const char *name, const struct buf *bytes, struct error *err);
/* Deletes every object of that slot; what could not be deleted is told, and is the error. */
int array_drop_slot(struct array *a, const struct id *slot_id, struct error *err);
/* A slot for s: made, opened again to be sure, stored everywhere; its record is added. */
int array_add_slot(struct array *a, const struct secret *s, enum kdf_cost cost, bool allow_empty,
		   struct buf *records, struct error *err);
/* Every slot found on present drives or in the mirror. each: non-zero stops. */
typedef int slot_fn(void *ctx, const char *name, const struct slot *slot, struct error *err);
int array_slots(struct array *a, slot_fn *each, void *ctx, struct error *err);

/* ---- journal.c: pull and commit ---- */

/* Lists all journals, judges each drive, fetches and replays what is new. */
int array_pull(struct array *a, struct error *err);
/* What other hosts committed since, into the table; no drive is judged. Any thread that holds
 * table_lock. Before what others may need by now is deleted. */
int array_learn(struct array *a, struct error *err);
/* Sends present drives the segments that they lack and others (or the mirror) hold. */
int array_push(struct array *a, unsigned *sent, struct error *err);
/*
 * The commit point. Signs the records (split into segments where they are long), makes them
 * durable on every present drive, replays them into the table. Everything they name must be
 * durable before. ERR_NONE once one drive has them; a->short_commit tells that it was fewer
 * than parity + 1. head, when not NULL, gets the writer's new head.
 */
int array_commit(struct array *a, const struct buf *records, struct hash *head, struct error *err);
/* Sends what a run that was cut off had signed and not delivered. */
int array_flush_outbox(struct array *a, struct error *err);
/* Merges this host's own segments by tiers of eight; nothing while there are few. stored_much: the
 * command stored 64 KiB or more. A failure leaves the journal as it was. */
int array_compact(struct array *a, bool stored_much, struct error *err);
/* fork_end.c. Ends the forks that a pull found: every snapshot of every history is there afterwards. May make
 * the table anew. ERR_UNSAFE when the drives at hand do not suffice. */
int array_heal_forks(struct array *a, struct error *err);
/* Whether the array contains this head (`--expect-head`): 64 hex digits of put's fingerprint. */
int array_expect_head(struct array *a, const char *hex, struct error *err);

/* ---- parts of opening, for create.c ---- */
struct array *array_new(const struct array_options *o, struct error *err); /* nothing opened yet */
int array_open_state(struct array *a, struct error *err); /* folder, mirror, table; needs config.array_id */

/* ---- state folder ---- */
/* Held for the moments of replay and commit; waits. */
int array_lock(struct array *a, int *fd, struct error *err);
void array_unlock_state(int fd); /* -1 is allowed */
/* Held by every put of this host while it runs, shared. alone: got only when nobody holds it, so
 * that what open intents of this host announced will never come. ERR_LOCKED. */
int array_putting_lock(struct array *a, bool alone, int *fd, struct error *err);
char *array_state_file(const struct array *a, const char *name); /* fresh memory or NULL */

#endif
