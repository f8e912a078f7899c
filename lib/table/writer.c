#include "table/writer.h"

#include "base/file.h"
#include "table/identity.h"
#include "table/outbox.h"
#include "table/record.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE_HEX 16
#define MACHINE_ID_MAX 4096

struct writer {
	char *folder, *identity_path, *outbox_path, *lock_path;
	const struct keys *keys;
	struct identity identity; /* the newest known: what is stored, and what was signed since */
	uint64_t stored_seq;	  /* what the stored identity says */
	bool marks_changed;	  /* since it was stored */
	bool broken;		  /* what is on disk is not known: nothing may be signed */
	struct buf bytes;	  /* of the last segment signed; lent */
	char name[SEGMENT_NAME_BYTES];
};

/* ---- the lock ---- */

/* Waits: it is held for some milliseconds, between a read and the store it decides. */
static int lock(const struct writer *w, int *fd_out, struct error *err)
{
	int fd = open(w->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), got, code;

	if (fd < 0)
		return err_errno(err, "open %s", w->lock_path);
	do
		got = flock(fd, LOCK_EX);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		code = err_errno(err, "lock %s", w->lock_path);
		close(fd);
		return code;
	}
	*fd_out = fd;
	return ERR_NONE;
}

/* ---- what is on disk ---- */

static int store(struct writer *w, struct error *err)
{
	int code = identity_store(w->identity_path, w->keys, &w->identity, err);

	if (code != ERR_NONE)
		return code;
	w->stored_seq = w->identity.last.seq;
	w->marks_changed = false;
	return ERR_NONE;
}

/* Whether the segment is the next one after last; then last is moved on to it. */
static int adopt_one(const struct writer *w, const struct outbox_entry *e, struct mark *last,
		     struct error *err)
{
	struct buf bytes = { 0 };
	struct segment s = { 0 };
	int code = outbox_load(w->outbox_path, e, &bytes, err);

	if (code == ERR_NONE)
		code = segment_open(w->keys, bytes.data, bytes.len_bytes, &s, err);
	if (code != ERR_NONE || s.kind != SEGMENT_PLAIN)
		goto out;
	if (!hash_equal(&s.writer, &last->writer) || s.first != last->seq + 1 ||
	    !hash_equal(&s.previous, &last->head)) {
		code = err_set(err, ERR_CORRUPT, "%s does not continue the journal", e->name);
		goto out;
	}
	last->seq = s.last;
	last->head = s.head;
out:
	segment_release(&s);
	buf_release(&bytes);
	return code;
}

/*
 * Segments beyond the last known number were signed before a cut, or by another process, and
 * their numbers are used up. ERR_CORRUPT when they do not follow one from the other: then what
 * was signed is not known, and this identity must sign nothing more.
 */
static int adopt_outbox(struct writer *w, struct error *err)
{
	struct mark last = w->identity.last;
	struct outbox_list list;
	int code = outbox_list(w->outbox_path, &last.writer, &list, err);

	for (size_t i = 0; code == ERR_NONE && i < list.count; i++) {
		const struct segment_name *n = &list.entries[i].parts;

		/* Only a segment of one number can be a plain one. */
		if (n->first == n->last && n->last > w->identity.last.seq)
			code = adopt_one(w, &list.entries[i], &last, err);
	}
	for (size_t i = 0; code == ERR_NONE && i < list.count; i++)
		if (list.entries[i].parts.last > last.seq)
			code = err_set(err, ERR_CORRUPT, "%s covers numbers that were never signed",
				       list.entries[i].name);
	if (code == ERR_NONE)
		w->identity.last = last;
	outbox_list_release(&list);
	return code;
}

/* Takes over what other handles stored since, so that a store cannot undo it. */
static int refresh(struct writer *w, struct error *err)
{
	struct identity stored;
	int code = identity_load(w->identity_path, w->keys, &stored, err);

	if (code != ERR_NONE)
		return code;
	if (!hash_equal(&stored.last.writer, &w->identity.last.writer)) {
		code = err_set(err, ERR_LOCKED, "another process began a new writer identity in %s",
			       w->folder);
		goto out;
	}
	w->stored_seq = stored.last.seq;
	if (stored.last.seq > w->identity.last.seq)
		w->identity.last = stored.last;
	for (size_t i = 0; code == ERR_NONE && i < stored.have_count; i++) {
		bool ignored; /* what comes from the file need not go there */

		code = identity_merge(&w->identity, &stored.have[i].drive_id, &stored.have[i].clock,
				      &ignored, err);
	}
	if (code == ERR_NONE)
		code = adopt_outbox(w, err);
out:
	identity_release(&stored);
	return code;
}

/* Every change begins here: the lock is held and this handle knows what is on disk. */
static int begin(struct writer *w, int *lock_fd, struct error *err)
{
	int code;

	if (w->broken)
		return err_set(err, ERR_IO, "the writer identity in %s failed to be stored before",
			       w->folder);
	code = lock(w, lock_fd, err);
	if (code != ERR_NONE)
		return code;
	code = refresh(w, err);
	if (code != ERR_NONE)
		close(*lock_fd);
	return code;
}

/* ---- a new identity ---- */

/*
 * Keeps <folder>/writer (if there is one) and the outbox under names with suffix and starts
 * anew with the same marks. The identity goes first: from a cut after that, writer_open() finds
 * none and moves the outbox. In the other order it would find an identity without the segments
 * that its last numbers were signed for.
 */
static int start_anew(struct writer *w, const struct home *home, const char *suffix,
		      struct error *err)
{
	struct identity fresh = { 0 };
	char *identity_aside = NULL, *outbox_aside = NULL;
	int code = ERR_NONE;

	w->broken = true;
	if (asprintf(&identity_aside, "%s.%s", w->identity_path, suffix) < 0)
		identity_aside = NULL;
	if (asprintf(&outbox_aside, "%s.%s", w->outbox_path, suffix) < 0)
		outbox_aside = NULL;
	if (!identity_aside || !outbox_aside) {
		code = err_nomem(err);
		goto out;
	}
	if (rename(w->identity_path, identity_aside) == 0)
		code = folder_sync(w->folder, err);
	else if (errno != ENOENT)
		code = err_errno(err, "rename %s to %s", w->identity_path, identity_aside);
	if (code == ERR_NONE)
		code = outbox_move(w->outbox_path, outbox_aside, err);
	if (code == ERR_NONE)
		code = identity_new(home, &fresh, err);
	if (code != ERR_NONE)
		goto out;
	fresh.have = w->identity.have;
	fresh.have_count = w->identity.have_count;
	fresh.have_cap = w->identity.have_cap;
	w->identity.have = NULL;
	w->identity.have_count = 0;
	identity_release(&w->identity);
	w->identity = fresh;
	code = store(w, err);
	w->broken = code != ERR_NONE;
out:
	free(identity_aside);
	free(outbox_aside);
	return code;
}

static int start_anew_after(struct writer *w, const struct home *home,
			    const struct hash *public_key, struct error *err)
{
	char suffix[ASIDE_HEX + 1];

	hex_encode(public_key->b, ASIDE_HEX / 2, suffix);
	return start_anew(w, home, suffix, err);
}

/* The identity does not open: it is kept by its own hash. A missing one has that of nothing,
 * under which only an outbox can be left. */
static int start_anew_after_damage(struct writer *w, const struct home *home, struct error *err)
{
	struct buf file = { 0 };
	struct hash h;
	int code = file_load(w->identity_path, SIZE_MAX / 2, &file, err);

	h = sha256(file.data, file.len_bytes);
	buf_release(&file);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return code;
	return start_anew_after(w, home, &h, err);
}

/* ---- opening ---- */

static int find_home(const char *folder, const char *machine_id, struct home *out,
		     struct error *err)
{
	struct buf file = { 0 };
	struct stat st;
	int code = ERR_NONE;

	if (stat(folder, &st) < 0)
		return err_errno(err, "stat %s", folder);
	memset(out, 0, sizeof(*out));
	out->device = (uint64_t)st.st_dev;
	out->inode = (uint64_t)st.st_ino;
	/* A system without a machine id is told from others by device and inode alone. One whose
	 * id cannot be read now must not be taken for another. */
	if (machine_id)
		buf_add(&file, machine_id, strlen(machine_id));
	else
		code = file_load("/etc/machine-id", MACHINE_ID_MAX, &file, err);
	if (code == ERR_NOT_FOUND)
		code = ERR_NONE;
	if (code == ERR_NONE && file.failed)
		code = err_nomem(err);
	if (code == ERR_NONE)
		crypto_generichash(out->machine.b, HASH_BYTES, file.data, file.len_bytes, NULL, 0);
	buf_release(&file);
	return code;
}

static bool same_home(const struct home *a, const struct home *b)
{
	return hash_equal(&a->machine, &b->machine) && a->device == b->device &&
	       a->inode == b->inode;
}

/* Under the lock: the identity that is there, or a new one and why. */
static int find_identity(struct writer *w, const struct home *home, enum writer_origin *origin,
			 struct error *err)
{
	struct hash found;
	int code;

	*origin = WRITER_CREATED;
	code = identity_load(w->identity_path, w->keys, &w->identity, err);
	if (code == ERR_NOT_FOUND || code == ERR_CORRUPT)
		return start_anew_after_damage(w, home, err);
	if (code != ERR_NONE)
		return code;
	found = w->identity.last.writer;
	w->stored_seq = w->identity.last.seq;
	if (!same_home(&w->identity.home, home)) {
		*origin = WRITER_COPIED;
		return start_anew_after(w, home, &found, err);
	}
	code = adopt_outbox(w, err);
	if (code == ERR_CORRUPT)
		return start_anew_after(w, home, &found, err);
	*origin = WRITER_FOUND;
	if (code == ERR_NONE && w->identity.last.seq > w->stored_seq)
		code = store(w, err);
	return code;
}

static bool set_paths(struct writer *w, const char *folder)
{
	w->folder = strdup(folder);
	w->identity_path = path_join(folder, "writer");
	w->outbox_path = path_join(folder, "outbox");
	w->lock_path = path_join(folder, "writer.lock");
	return w->folder && w->identity_path && w->outbox_path && w->lock_path;
}

int writer_open(const char *folder, const struct keys *k, const char *machine_id,
		struct writer **out, enum writer_origin *origin, struct error *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	struct home home = { 0 };
	int lock_fd = -1, code;

	*out = NULL;
	if (!w || !set_paths(w, folder)) {
		code = err_nomem(err);
		goto out;
	}
	w->keys = k;
	code = find_home(folder, machine_id, &home, err);
	if (code == ERR_NONE)
		code = lock(w, &lock_fd, err);
	if (code != ERR_NONE)
		goto out;
	code = folder_make(w->outbox_path, err);
	if (code != ERR_NONE)
		goto out;
	file_sweep(w->outbox_path, "");
	file_sweep(folder, "");
	code = find_identity(w, &home, origin, err);
out:
	if (lock_fd >= 0)
		close(lock_fd);
	if (code != ERR_NONE) {
		err_wrap(err, "writer");
		writer_close(w);
		return code;
	}
	*out = w;
	return ERR_NONE;
}

void writer_close(struct writer *w)
{
	if (!w)
		return;
	identity_release(&w->identity);
	buf_release(&w->bytes);
	free(w->folder);
	free(w->identity_path);
	free(w->outbox_path);
	free(w->lock_path);
	free(w);
}

int writer_renew(struct writer *w, struct error *err)
{
	struct home home = w->identity.home;
	struct hash old = w->identity.last.writer;
	int lock_fd = -1, code = begin(w, &lock_fd, err);

	if (code != ERR_NONE)
		return code;
	code = start_anew_after(w, &home, &old, err);
	close(lock_fd);
	return code;
}

const struct hash *writer_id(const struct writer *w)
{
	return &w->identity.last.writer;
}

const struct mark *writer_head(const struct writer *w)
{
	return &w->identity.last;
}

/* ---- signing ---- */

/* Seals s, which is all borrowed but for its head, and puts it into the outbox. */
static int seal_and_store(struct writer *w, struct segment *s, struct error *err)
{
	int code;

	buf_clear(&w->bytes);
	s->writer = w->identity.last.writer;
	code = segment_seal(w->keys, s, w->identity.secret_key, &w->bytes, w->name, err);
	if (code != ERR_NONE)
		return code;
	code = outbox_store(w->outbox_path, w->name, &w->bytes, err);
	/* It may be there all the same: the last fsync can fail after the rename. */
	if (code != ERR_NONE)
		w->broken = true;
	return code;
}

int writer_sign(struct writer *w, const struct clock *clock, const struct have *have,
		size_t have_count, const void *records, size_t records_bytes, const char **name,
		const struct buf **bytes, struct error *err)
{
	/* Borrowed, and only read: never released. */
	struct segment s = { .kind = SEGMENT_PLAIN,
			     .have = (struct have *)(uintptr_t)have,
			     .have_count = have_count };
	bool own_have = have && have == w->identity.have;
	int lock_fd = -1, code;

	s.records.data = (uint8_t *)(uintptr_t)records;
	s.records.len_bytes = records_bytes;
	if (clock)
		s.clock = *clock;
	code = records_check(records, records_bytes, err);
	if (code == ERR_NONE)
		code = begin(w, &lock_fd, err);
	if (code != ERR_NONE)
		return err_wrap(err, "sign segment");
	if (own_have) { /* merging with what others stored may have moved it */
		s.have = w->identity.have;
		s.have_count = w->identity.have_count;
	}
	s.first = s.last = w->identity.last.seq + 1;
	s.previous = w->identity.last.head;
	code = seal_and_store(w, &s, err);
	if (code == ERR_NONE) {
		w->identity.last.seq = s.last;
		w->identity.last.head = s.head;
		*name = w->name;
		*bytes = &w->bytes;
	}
	close(lock_fd);
	return code == ERR_NONE ? code : err_wrap(err, "sign segment");
}

int writer_sign_compacted(struct writer *w, enum segment_kind kind, uint64_t first, uint64_t last,
			  const struct hash *previous, const struct hash *head,
			  uint8_t (*heads)[16], const struct clock *clock, const void *records,
			  size_t records_bytes, const char **name, const struct buf **bytes,
			  struct error *err)
{
	struct segment s = { .kind = kind,
			     .first = first,
			     .last = last,
			     .previous = *previous,
			     .head = *head,
			     .heads = heads };
	int lock_fd = -1, code;

	s.records.data = (uint8_t *)(uintptr_t)records;
	s.records.len_bytes = records_bytes;
	if (clock)
		s.clock = *clock;
	if (kind == SEGMENT_PLAIN)
		return err_set(err, ERR_USAGE,
			       "compact segments: a plain segment replaces nothing");
	code = records_check(records, records_bytes, err);
	if (code == ERR_NONE)
		code = begin(w, &lock_fd, err);
	if (code != ERR_NONE)
		return err_wrap(err, "compact segments");
	if (last > w->identity.last.seq ||
	    (last == w->identity.last.seq && !hash_equal(head, &w->identity.last.head)))
		code = err_set(err, ERR_USAGE, "they were never signed");
	else
		code = seal_and_store(w, &s, err);
	close(lock_fd);
	if (code != ERR_NONE)
		return err_wrap(err, "compact segments");
	*name = w->name;
	*bytes = &w->bytes;
	return ERR_NONE;
}

/* ---- the outbox ---- */

int writer_outbox(struct writer *w, outbox_fn *each, void *ctx, struct error *err)
{
	struct outbox_list list;
	struct buf bytes = { 0 };
	int code = outbox_list(w->outbox_path, &w->identity.last.writer, &list, err);

	for (size_t i = 0; code == ERR_NONE && i < list.count; i++) {
		buf_clear(&bytes);
		code = outbox_load(w->outbox_path, &list.entries[i], &bytes, err);
		if (code == ERR_NONE)
			code = each(ctx, list.entries[i].name, bytes.data, bytes.len_bytes, err);
		else if (code == ERR_NOT_FOUND)
			code = ERR_NONE; /* another process has sent it since */
	}
	buf_release(&bytes);
	outbox_list_release(&list);
	return code;
}

int writer_sent(struct writer *w, const char *name, struct error *err)
{
	struct segment_name parts;
	int lock_fd = -1, code;

	if (!segment_name_parse(name, &parts) ||
	    !hash_equal(&parts.writer, &w->identity.last.writer))
		return err_set(err, ERR_USAGE, "%s is no segment of this writer", name);
	code = begin(w, &lock_fd, err);
	if (code != ERR_NONE)
		return code;
	/* The file is what says that its number is used up, until the identity does. */
	if (parts.last > w->stored_seq)
		code = store(w, err);
	if (code == ERR_NONE)
		code = outbox_remove(w->outbox_path, name, err);
	close(lock_fd);
	return code;
}

/* ---- marks ---- */

const struct have *writer_have(const struct writer *w, size_t *count)
{
	*count = w->identity.have_count;
	return w->identity.have;
}

int writer_set_have(struct writer *w, const struct id *drive_id, const struct clock *clock,
		    struct error *err)
{
	return identity_merge(&w->identity, drive_id, clock, &w->marks_changed, err);
}

int writer_save(struct writer *w, struct error *err)
{
	int lock_fd = -1, code = begin(w, &lock_fd, err);

	if (code != ERR_NONE)
		return code;
	if (w->marks_changed || w->identity.last.seq > w->stored_seq)
		code = store(w, err);
	close(lock_fd);
	return code;
}
