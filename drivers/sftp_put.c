#include "drivers/name.h"
#include "drivers/sftp.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_BYTES ((size_t)256 << 10) /* handed to the connection at once */
#define STALE_S 86400			 /* of temporary files of other hosts, by the server's clock */
#define SYNC_BATCH 64
#define RENAME_TRIES 3

/* One put on its way. */
struct upload {
	struct sftp_drive *d;
	struct sftp_session *s;
	const char *name;
	const uint8_t *bytes;
	size_t len_bytes;
	char path[SFTP_PATH_BYTES];
	char temp_name[SFTP_TEMP_BYTES], temp_path[SFTP_PATH_BYTES];
	struct sftp_handle file;
	bool open; /* the temporary file may be there */
	struct sftp_answer failed; /* the first write that was refused */
	bool has_failed;
};

/* ---- temporary files ---- */

static void temp_path(const struct sftp_drive *d, const char *temp_name, char out[SFTP_PATH_BYTES])
{
	char name[SFTP_TEMP_BYTES + sizeof(SFTP_TEMP_FOLDER) + 1];

	snprintf(name, sizeof(name), SFTP_TEMP_FOLDER "/%s", temp_name);
	sftp_path(d, name, out);
}

/* A name that is nobody else's: there are servers that create exclusively in name only. */
static void name_temp(struct upload *u)
{
	uint64_t number;

	randombytes_buf(&number, sizeof(number));
	snprintf(u->temp_name, sizeof(u->temp_name), "%s-%ld-%016llx", u->d->temp_tag, (long)getpid(),
		 (unsigned long long)number);
	temp_path(u->d, u->temp_name, u->temp_path);
}

static void drop_temp(struct upload *u)
{
	if (u->open) {
		sftp_ask_handle(u->s, SFTP_CLOSE, &u->file, NULL);
		u->open = false;
	}
	sftp_ask_path(u->s, SFTP_REMOVE, u->temp_path, NULL);
}

/* The connection broke: who knows what it left behind. The next put removes it. */
static void abandon_temp(struct upload *u)
{
	struct sftp_drive *d = u->d;

	pthread_mutex_lock(&d->lock);
	if (d->abandoned_count < SFTP_ABANDONED_MAX)
		memcpy(d->abandoned[d->abandoned_count++], u->temp_name, SFTP_TEMP_BYTES);
	pthread_mutex_unlock(&d->lock);
}

static void remove_abandoned(struct sftp_drive *d, struct sftp_session *s)
{
	char path[SFTP_PATH_BYTES];

	pthread_mutex_lock(&d->lock);
	for (unsigned i = 0; i < d->abandoned_count; i++) {
		temp_path(d, d->abandoned[i], path);
		sftp_ask_path(s, SFTP_REMOVE, path, NULL);
	}
	d->abandoned_count = 0;
	pthread_mutex_unlock(&d->lock);
}

/* ---- the steps of a put ---- */

static int open_temp(struct upload *u, struct sftp_answer *target, struct error *err)
{
	const enum sftp_open_flags flags = SFTP_TO_WRITE | SFTP_CREATE | SFTP_EXCLUSIVE;
	struct sftp_answer opened;
	int code = sftp_ask_folders_once(u->d, u->s, SFTP_TEMP_FOLDER "/x", err);

	if (code == ERR_NONE)
		code = sftp_ask_folders_once(u->d, u->s, u->name, err);
	if (code != ERR_NONE)
		return code;
	remove_abandoned(u->d, u->s);
	sftp_ask_path(u->s, SFTP_LSTAT, u->path, target);
	sftp_ask_open(u->s, u->temp_path, flags, &opened);
	code = sftp_pump(u->s, 0, err);
	if (code == ERR_NONE && sftp_answer_is(&opened, SFTP_NO_SUCH_FILE)) {
		code = sftp_make_folders(u->d, u->s, SFTP_TEMP_FOLDER "/x", err);
		if (code == ERR_NONE) {
			sftp_ask_open(u->s, u->temp_path, flags, &opened);
			code = sftp_pump(u->s, 0, err);
		}
	}
	if (code != ERR_NONE)
		return code;
	if (opened.type != SFTP_HANDLE)
		return sftp_change_error(u->d, u->s, &opened, "create a file", u->len_bytes, err);
	u->file = opened.handle;
	u->open = true;
	pthread_mutex_lock(&u->d->lock);
	u->d->mrmr_there = true;
	pthread_mutex_unlock(&u->d->lock);
	return ERR_NONE;
}

static int take_written(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err)
{
	struct upload *u = ctx;
	struct sftp_answer a;
	int code = sftp_keep(&a, at, p, err);

	if (code == ERR_NONE && !sftp_answer_is(&a, SFTP_OK) && !u->has_failed) {
		u->failed = a;
		u->has_failed = true;
	}
	return code;
}

static int write_all_of(struct upload *u, struct error *err)
{
	bool limited = limit_binds(u->d->upload);
	struct sftp_session *s = u->s;
	int code = ERR_NONE;

	for (size_t at = 0; at < u->len_bytes && code == ERR_NONE && !u->has_failed;) {
		size_t piece = u->len_bytes - at < SFTP_PIECE_BYTES ? u->len_bytes - at : SFTP_PIECE_BYTES;

		limit_wait(u->d->upload, piece);
		sftp_request(s, SFTP_WRITE, take_written, u, at);
		sftp_add_bytes(&s->out, u->file.bytes, u->file.len_bytes);
		sftp_add_u64(&s->out, at);
		sftp_add_bytes(&s->out, u->bytes + at, piece);
		sftp_request_end(s);
		at += piece;
		if (limited || s->out.len_bytes - s->out_sent_bytes >= BATCH_BYTES)
			code = sftp_pump(s, SFTP_PIECES_MAX - 1, err);
	}
	if (code == ERR_NONE)
		code = sftp_pump(s, 0, err);
	if (code == ERR_NONE && u->has_failed)
		code = sftp_change_error(u->d, s, &u->failed, "write", u->len_bytes, err);
	return code;
}

static int check_length(struct upload *u, const struct sftp_answer *st, struct error *err)
{
	if (st->type != SFTP_ATTRS || !st->attrs.has_size)
		return sftp_change_error(u->d, u->s, st, "ask for the length", u->len_bytes, err);
	if (st->attrs.size_bytes != u->len_bytes)
		return err_set(err, ERR_IO, "the server has %llu of %zu bytes",
			       (unsigned long long)st->attrs.size_bytes, u->len_bytes);
	pthread_mutex_lock(&u->d->lock);
	u->d->server_s = st->attrs.has_time ? st->attrs.modified_s : 0;
	pthread_mutex_unlock(&u->d->lock);
	return ERR_NONE;
}

/* Only now, when each write is answered: servers may do in any order what is on its way. */
static int finish_temp(struct upload *u, struct error *err)
{
	bool syncs = u->s->extensions & SFTP_HAS_FSYNC;
	struct sftp_answer synced, st, closed;
	int code;

	if (syncs)
		sftp_ask_fsync(u->s, &u->file, &synced);
	sftp_ask_handle(u->s, SFTP_FSTAT, &u->file, &st);
	code = sftp_pump(u->s, 0, err);
	if (code != ERR_NONE)
		return code;
	if (syncs && !sftp_answer_is(&synced, SFTP_OK))
		return sftp_change_error(u->d, u->s, &synced, "sync", u->len_bytes, err);
	u->open = false;
	sftp_ask_handle(u->s, SFTP_CLOSE, &u->file, &closed);
	code = sftp_pump(u->s, 0, err);
	if (code == ERR_NONE && !sftp_answer_is(&closed, SFTP_OK))
		code = sftp_change_error(u->d, u->s, &closed, "close", u->len_bytes, err);
	/* rclone's may know no file that is open. */
	if (code == ERR_NONE && sftp_answer_is(&st, SFTP_NO_SUCH_FILE)) {
		sftp_ask_path(u->s, SFTP_LSTAT, u->temp_path, &st);
		code = sftp_pump(u->s, 0, err);
	}
	return code == ERR_NONE ? check_length(u, &st, err) : code;
}

/* there: what the name is of, asked for when the server refuses. */
static int rename_once(struct upload *u, struct sftp_answer *renamed, struct sftp_answer *there,
		       struct error *err)
{
	int code;

	sftp_ask_rename(u->s, u->temp_path, u->path, renamed);
	code = sftp_pump(u->s, 0, err);
	if (code == ERR_NONE && sftp_answer_is(renamed, SFTP_NO_SUCH_FILE)) {
		code = sftp_make_folders(u->d, u->s, u->name, err);
		if (code == ERR_NONE) {
			sftp_ask_rename(u->s, u->temp_path, u->path, renamed);
			code = sftp_pump(u->s, 0, err);
		}
	}
	if (code != ERR_NONE || sftp_answer_is(renamed, SFTP_OK))
		return code;
	sftp_ask_path(u->s, SFTP_LSTAT, u->path, there);
	return sftp_pump(u->s, 0, err);
}

/* A server whose rename replaces takes the old file away first. Of hosts that give one name at the
 * same moment, one may so be refused because of a file that is gone a moment later. */
static int rename_temp(struct upload *u, struct error *err)
{
	struct sftp_answer renamed, there;
	int code;

	for (unsigned tries = RENAME_TRIES; tries > 0; tries--) {
		code = rename_once(u, &renamed, &there, err);
		if (code != ERR_NONE || sftp_answer_is(&renamed, SFTP_OK))
			return code;
		if (there.type == SFTP_ATTRS)
			return err_set(err, ERR_EXISTS, "the name is taken");
		if (!sftp_answer_is(&there, SFTP_NO_SUCH_FILE))
			break;
	}
	return sftp_change_error(u->d, u->s, &renamed, "name it", u->len_bytes, err);
}

static int upload(struct upload *u, struct error *err)
{
	struct sftp_answer target;
	int code = open_temp(u, &target, err);

	if (code != ERR_NONE)
		return code;
	if (target.type == SFTP_ATTRS)
		return err_set(err, ERR_EXISTS, "the name is taken");
	if (!sftp_answer_is(&target, SFTP_NO_SUCH_FILE))
		return sftp_change_error(u->d, u->s, &target, "look for the name", 0, err);
	code = write_all_of(u, err);
	if (code == ERR_NONE)
		code = finish_temp(u, err);
	return code == ERR_NONE ? rename_temp(u, err) : code;
}

int sftp_put(struct drive *drive, const char *name, const void *bytes, size_t len_bytes,
	     struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	struct upload u = { .d = d, .name = name, .bytes = bytes, .len_bytes = len_bytes };
	int code = object_name_check(name, err);
	struct error ignored;

	if (code == ERR_NONE)
		code = sftp_borrow(d, false, &u.s, err);
	if (code != ERR_NONE)
		return code;
	sftp_path(d, name, u.path);
	name_temp(&u);
	code = upload(&u, err);
	if (code != ERR_NONE && !u.s->broken) {
		drop_temp(&u);
		sftp_pump(u.s, 0, &ignored);
	}
	if (u.s->broken)
		abandon_temp(&u);
	sftp_return(d, false, u.s);
	if (code == ERR_NONE)
		code = sftp_note_stored(d, name, len_bytes, err);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "put %s", name);
}

/* ---- sync ---- */

/* What a sync took over from the drive. */
struct batch {
	struct folder_set changed;
	struct sftp_stored *stored;
	size_t stored_count;
	unsigned lost;
	bool root_changed, verify;
};

static void take_batch(struct sftp_drive *d, struct batch *b)
{
	pthread_mutex_lock(&d->lock);
	*b = (struct batch){ .changed = d->changed,
			     .stored = d->stored,
			     .stored_count = d->stored_count,
			     .lost = d->lost,
			     .root_changed = d->root_changed };
	b->verify = d->lost != d->lost_known;
	d->changed = (struct folder_set){ .count = 0 };
	d->stored = NULL;
	d->stored_count = d->stored_cap = 0;
	d->root_changed = false;
	pthread_mutex_unlock(&d->lock);
}

/* What failed is not stored. Folders are still to be synced for the sake of others: removals. */
static void end_batch(struct sftp_drive *d, struct batch *b, bool good)
{
	pthread_mutex_lock(&d->lock);
	if (good) {
		d->lost_known = b->lost;
	} else {
		folder_set_add_all(&d->changed, &b->changed);
		d->root_changed |= b->root_changed;
	}
	pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < b->stored_count; i++)
		free(b->stored[i].name);
	free(b->stored);
	folder_set_release(&b->changed);
}

/* A connection broke since, so perhaps the server did, and what was not durable yet is gone. */
static int verify_stored(struct sftp_drive *d, struct sftp_session *s, const struct batch *b,
			 struct error *err)
{
	struct sftp_answer answers[SYNC_BATCH];
	char path[SFTP_PATH_BYTES];

	for (size_t done = 0, n; done < b->stored_count; done += n) {
		int code;

		n = b->stored_count - done < SYNC_BATCH ? b->stored_count - done : SYNC_BATCH;
		for (size_t i = 0; i < n; i++) {
			sftp_path(d, b->stored[done + i].name, path);
			sftp_ask_path(s, SFTP_LSTAT, path, &answers[i]);
		}
		code = sftp_pump(s, 0, err);
		if (code != ERR_NONE)
			return code;
		for (size_t i = 0; i < n; i++) {
			const struct sftp_stored *o = &b->stored[done + i];

			if (answers[i].type != SFTP_ATTRS || answers[i].attrs.size_bytes != o->len_bytes)
				return err_set(err, ERR_IO,
					       "%s is not there any more, after the connection broke", o->name);
		}
	}
	return ERR_NONE;
}

/* Whether the answer says that folders cannot be synced there, which no program can help. */
static bool is_lacking(const struct sftp_answer *a)
{
	enum { BAD_MESSAGE = 5 }; /* OpenSSH's EINVAL */

	return a->type == SFTP_STATUS && (a->status == SFTP_UNSUPPORTED || a->status == BAD_MESSAGE);
}

/* Folders from first on, n of them; index b->changed.count is the root. OpenSSH opens a folder like a
 * file, and then syncs it. */
static int sync_folders(struct sftp_drive *d, struct sftp_session *s, const struct batch *b,
			size_t first, size_t n, struct error *err)
{
	struct sftp_answer opened[SYNC_BATCH], synced[SYNC_BATCH];
	char path[SFTP_PATH_BYTES];
	bool lacking = false;
	int code;

	for (size_t i = 0; i < n; i++) {
		if (first + i < b->changed.count)
			sftp_path(d, b->changed.paths[first + i], path);
		else
			snprintf(path, sizeof(path), "%s", d->config.root);
		sftp_ask_open(s, path, SFTP_TO_READ, &opened[i]);
	}
	code = sftp_pump(s, 0, err);
	for (size_t i = 0; i < n && code == ERR_NONE; i++)
		if (opened[i].type == SFTP_HANDLE)
			sftp_ask_fsync(s, &opened[i].handle, &synced[i]);
	if (code == ERR_NONE)
		code = sftp_pump(s, 0, err);
	for (size_t i = 0; i < n && !s->broken; i++) {
		if (opened[i].type != SFTP_HANDLE) {
			lacking |= !sftp_answer_is(&opened[i], SFTP_NO_SUCH_FILE);
			continue;
		}
		sftp_ask_handle(s, SFTP_CLOSE, &opened[i].handle, NULL);
		lacking |= is_lacking(&synced[i]);
		if (code == ERR_NONE && !is_lacking(&synced[i]) && !sftp_answer_is(&synced[i], SFTP_OK))
			code = sftp_change_error(d, s, &synced[i], "sync a folder", 0, err);
	}
	if (lacking) {
		pthread_mutex_lock(&d->lock);
		d->folders_unsyncable = true;
		pthread_mutex_unlock(&d->lock);
	}
	return code;
}

static int sync_batch(struct sftp_drive *d, struct sftp_session *s, const struct batch *b,
		      struct error *err)
{
	size_t count = b->changed.count + (b->root_changed ? 1 : 0);
	int code = b->verify ? verify_stored(d, s, b, err) : ERR_NONE;
	bool syncable;

	pthread_mutex_lock(&d->lock);
	syncable = !d->folders_unsyncable && s->extensions & SFTP_HAS_FSYNC;
	pthread_mutex_unlock(&d->lock);
	for (size_t first = 0; syncable && first < count && code == ERR_NONE; first += SYNC_BATCH) {
		size_t n = count - first < SYNC_BATCH ? count - first : SYNC_BATCH;

		code = sync_folders(d, s, b, first, n, err);
	}
	return code;
}

static int sync_once(struct sftp_drive *d, struct batch *b, bool *broke, struct error *err)
{
	struct sftp_session *s;
	int code = sftp_borrow(d, false, &s, err);

	*broke = false;
	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&d->lock);
	b->verify |= d->lost != b->lost;
	b->lost = d->lost;
	pthread_mutex_unlock(&d->lock);
	code = sync_batch(d, s, b, err);
	*broke = code == ERR_TRANSIENT && s->broken;
	sftp_return(d, false, s);
	return code;
}

/* A connection that breaks in the middle says nothing of the files: what is there on a new one is
 * stored, since each was synced before it had its name, and folders are synced as if for the first
 * time. Nobody else could try again: what a sync took over is asked of it once. */
static int sync_all(struct sftp_drive *d, struct error *err)
{
	struct batch b;
	bool broke;
	int code = ERR_NONE;

	take_batch(d, &b);
	if (b.changed.count > 0 || b.stored_count > 0 || b.root_changed) {
		code = sync_once(d, &b, &broke, err);
		if (broke)
			code = sync_once(d, &b, &broke, err);
	}
	end_batch(d, &b, code == ERR_NONE);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "sync");
}

int sftp_sync(struct drive *drive, struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	unsigned failures_before, failures;
	int code;

	pthread_mutex_lock(&d->lock);
	failures_before = d->sync_failures;
	pthread_mutex_unlock(&d->lock);

	pthread_mutex_lock(&d->sync_lock);
	pthread_mutex_lock(&d->lock);
	failures = d->sync_failures;
	pthread_mutex_unlock(&d->lock);
	if (failures != failures_before) {
		/* A sync meanwhile took what was put before this one, and failed. */
		*err = d->sync_failure;
		code = (int)err->code;
	} else {
		code = sync_all(d, err);
		if (code != ERR_NONE) {
			d->sync_failure = *err;
			pthread_mutex_lock(&d->lock);
			d->sync_failures++;
			pthread_mutex_unlock(&d->lock);
		}
	}
	pthread_mutex_unlock(&d->sync_lock);
	return code;
}

/* ---- tidying up ---- */

struct tidying {
	struct sftp_drive *d;
	struct sftp_session *s;
};

/* "<tag>-<pid>-<number>" of a process of this host that is gone. */
static bool is_orphan(const char *temp_name, const char *tag)
{
	size_t len = strlen(tag);
	char *end;
	long pid;

	if (strncmp(temp_name, tag, len) != 0 || temp_name[len] != '-')
		return false;
	pid = strtol(temp_name + len + 1, &end, 10);
	return pid > 0 && *end == '-' && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static void tidy_entry(void *ctx, const char *name, const struct sftp_attrs *attrs)
{
	struct tidying *t = ctx;
	bool old = attrs->has_time && (int64_t)t->d->server_s - (int64_t)attrs->modified_s > STALE_S;
	char path[SFTP_PATH_BYTES];

	if (!object_name_ok(name) || strlen(name) >= SFTP_TEMP_BYTES || !attrs->has_mode ||
	    !S_ISREG(attrs->mode) || (!old && !is_orphan(name, t->d->temp_tag)))
		return;
	temp_path(t->d, name, path);
	sftp_ask_path(t->s, SFTP_REMOVE, path, NULL);
}

void sftp_tidy(struct sftp_drive *d, struct sftp_session *s)
{
	struct tidying t = { .d = d, .s = s };
	char path[SFTP_PATH_BYTES];
	struct error ignored;

	remove_abandoned(d, s);
	sftp_path(d, SFTP_TEMP_FOLDER, path);
	if (sftp_read_folder(s, path, tidy_entry, &t, &ignored) == ERR_NONE)
		sftp_pump(s, 0, &ignored);
}
