/*
 * Inside of the SFTP driver: what its files share. Others use driver_sftp.
 *
 * Objects lie under <root>/.mrmr/ as the file driver has them (0700; objects 0600), temporary files
 * under <root>/.mrmr/~tmp/. put() writes one of those, has it synced, compares its length, and
 * renames it: to a name that it has seen to be free, by a rename that replaces nothing on OpenSSH
 * and ProFTPD. (Elsewhere two hosts that put the same name at the same moment may replace one another's
 * object, by the same bytes: names are content hashes, or belong to one writer.) sync() then syncs the
 * folders, where the server can.
 *
 * Each call borrows a session. They are made when there is none to spare, up to as many as the drive
 * has connections, and again after one broke.
 */
#ifndef MRMR_DRIVERS_SFTP_H
#define MRMR_DRIVERS_SFTP_H

#include "drivers/beneath.h"
#include "drivers/driver.h"
#include "drivers/sftp_session.h"
#include "net/limit.h"

#include <pthread.h>

#define SFTP_CONNECTIONS 4 /* when the drive has no option that says otherwise */
#define SFTP_CONNECTIONS_MAX 16
#define SFTP_PATH_BYTES 1400
#define SFTP_TEMP_BYTES 80
#define SFTP_TEMP_FOLDER "~tmp"
#define SFTP_ABANDONED_MAX 32

/* Stored since the last sync(). */
struct sftp_stored {
	char *name;
	uint64_t len_bytes;
};

struct sftp_drive {
	struct drive base;
	struct mrmr_driver driver; /* driver_sftp, with what this place and its options change */
	struct sftp_config config;
	const char *temp_tag;		 /* lent */
	struct limit *upload, *download; /* lent */

	pthread_mutex_t sync_lock;    /* one sync() at a time; taken before lock */
	struct error sync_failure;    /* under sync_lock: of the last that failed */

	pthread_mutex_t lock;	/* guards all below */
	unsigned sync_failures;
	pthread_cond_t freed;	/* a session came back, or may be made */
	struct sftp_session *idle;
	unsigned borrowed, sessions_max;
	unsigned lost;		/* sessions that broke, ever */

	bool mrmr_there;	/* the root has its .mrmr, or had it when the drive was opened */
	bool root_changed;	/* .mrmr was made */
	bool folders_unsyncable; /* the server opens no folder to sync it */
	struct folder_set made, changed; /* below .mrmr; changed: to be synced */
	struct sftp_stored *stored;
	size_t stored_count, stored_cap;
	unsigned lost_known;	/* sessions that had broken at the last good sync() */
	char abandoned[SFTP_ABANDONED_MAX][SFTP_TEMP_BYTES]; /* temporary files of calls that broke */
	unsigned abandoned_count;
	uint32_t server_s;	/* the server's time at the last put; 0: there was none */
};

/* ---- sftp_pool.c ---- */

/* besides: one more than the drive's connections may be made for it: for calls in the middle of which
 * others are made. Returned by sftp_return() in the same way. */
int sftp_borrow(struct sftp_drive *d, bool besides, struct sftp_session **out, struct error *err);
void sftp_return(struct sftp_drive *d, bool besides, struct sftp_session *s);

/* ---- sftp_path.c ---- */

/* "<root>/.mrmr/<name>"; name "": .mrmr itself. */
void sftp_path(const struct sftp_drive *d, const char *name, char out[SFTP_PATH_BYTES]);
/* Asks for the folders of name that this handle has not asked for yet, without waiting. */
int sftp_ask_folders_once(struct sftp_drive *d, struct sftp_session *s, const char *name,
			  struct error *err);
/* Makes them now, one after the other; those that are there stay. */
int sftp_make_folders(struct sftp_drive *d, struct sftp_session *s, const char *name,
		      struct error *err);
/* The error of a step that changes something: a missing name is then a fault of the place, and what
 * the server has no words for is looked for. need_bytes: how many were to be written. */
int sftp_change_error(struct sftp_drive *d, struct sftp_session *s, const struct sftp_answer *a,
		      const char *what, uint64_t need_bytes, struct error *err);
/* Leaves the folder that name is in to the next sync(). */
int sftp_note_changed(struct sftp_drive *d, const char *name, struct error *err);
/* An object was stored, moved away (its length is then unknown), or removed. */
int sftp_note_stored(struct sftp_drive *d, const char *name, uint64_t len_bytes, struct error *err);
void sftp_forget_stored(struct sftp_drive *d, const char *name); /* NULL: all */

/* ---- the calls that are not in sftp.c ---- */

int sftp_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	     struct error *err);
int sftp_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out, size_t len_bytes,
	     struct error *err);
int sftp_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err);
int sftp_sync(struct drive *d, struct error *err);

/* Removes what killed puts left in the folder of temporary files. Failing to tidy up fails nothing. */
void sftp_tidy(struct sftp_drive *d, struct sftp_session *s);

/* Calls each for every entry of a folder, whatever it is. */
typedef void sftp_entry_fn(void *ctx, const char *name, const struct sftp_attrs *attrs);
int sftp_read_folder(struct sftp_session *s, const char *path, sftp_entry_fn *each, void *ctx,
		     struct error *err);

#endif
