/*
 * Storing and renaming on a share. The protocol, and why, is at the top of smb.c.
 */
#include "drivers/smb.h"

#include "base/hash.h"
#include "drivers/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STALE_S 86400 /* after that, a temporary file of another host is nobody's */
#define COMPARE_BYTES ((size_t)1 << 20)
#define DELETE_WAIT_MS 256
#define LOCK_WAIT_MS 16384 /* the last wait is half of it, all together this */

/* Over all drives of the process: two of them may be the same share under the same tag. */
static atomic_uint next_temp;

static int write_errno(struct smb_conn *c, struct error *err, const char *step, const char *name)
{
	smb_errno(c, err, "%s %s", step, name);
	if (err->code == ERR_NOT_FOUND || err->code == ERR_EXISTS)
		err->code = ERR_IO;
	return (int)err->code;
}

/* ERR_NONE: nothing has the name. ERR_EXISTS: a file has it, or a folder. */
static int check_free(struct smb_conn *c, const struct smb_url *url, const char *name,
		      struct error *err)
{
	SMBCFILE *f = smb_open_file(c, url->text, O_RDONLY);

	if (f) {
		smb_close_file(c, f);
		return err_set(err, ERR_EXISTS, "put %s: the name is taken", name);
	}
	if ((errno == ENOENT || errno == ENOTDIR) && !c->out)
		return ERR_NONE;
	if (errno == EISDIR)
		return err_set(err, ERR_EXISTS, "put %s: a folder has the name", name);
	return write_errno(c, err, "put", name);
}

/* ---- temporary files ---- */

/* "<tag>-<pid>-<number>" of a process that is gone. The tag is of one writer, so of this host. */
static bool is_own_and_left(const char *temp_name, const char *tag)
{
	size_t len = strlen(tag);
	char *end;
	long pid;

	if (strncmp(temp_name, tag, len) != 0 || temp_name[len] != '-')
		return false;
	pid = strtol(temp_name + len + 1, &end, 10);
	return pid > 0 && *end == '-' && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* What killed processes left, here or long ago elsewhere. now_s is of the server's clock. Failing to
 * tidy up fails nothing. */
static void tidy(struct smb_conn *c, time_t now_s)
{
	struct smb_url folder = smb_url_of(c->drive, SMB_TEMP_FOLDER);
	const struct libsmb_file_info *e;
	SMBCFILE *dir = smb_opendir(c, folder.text);

	while (dir && (e = smb_readdir(c, dir))) {
		char name[OBJECT_NAME_MAX];
		struct smb_url url;

		if (!object_name_ok(e->name) || strchr(e->name, '/') ||
		    strlen(e->name) + sizeof(SMB_TEMP_FOLDER) >= sizeof(name))
			continue;
		if (!is_own_and_left(e->name, c->drive->temp_tag) &&
		    e->mtime_ts.tv_sec + STALE_S > now_s)
			continue;
		snprintf(name, sizeof(name), "%s/%s", SMB_TEMP_FOLDER, e->name);
		url = smb_url_of(c->drive, name);
		/* Somebody may have it open, or be quicker; anything else is not worth more requests. */
		if (smb_unlink(c, url.text) < 0 && errno != EBUSY && errno != ENOENT)
			break;
	}
	if (dir)
		smb_closedir(c, dir);
}

static void tidy_once(struct smb_conn *c, SMBCFILE *fresh)
{
	struct smb_drive *s = c->drive;
	struct stat st;
	bool tidied;

	pthread_mutex_lock(&s->lock);
	tidied = s->tidied;
	s->tidied = true;
	pthread_mutex_unlock(&s->lock);
	if (!tidied && smb_fstat(c, fresh, &st) == 0)
		tidy(c, st.st_mtime);
}

static int create_temp(struct smb_conn *c, const char *name, SMBCFILE **out, struct smb_url *url,
		       struct error *err)
{
	struct smb_url folder = smb_url_of(c->drive, SMB_TEMP_FOLDER);
	int code = ERR_NONE;
	bool made = false;

	for (*out = NULL; !*out && code == ERR_NONE;) {
		char temp[96];

		/* A name may be left from an earlier process of our pid. */
		snprintf(temp, sizeof(temp), "%s/%s-%ld-%u", SMB_TEMP_FOLDER, c->drive->temp_tag,
			 (long)getpid(), atomic_fetch_add(&next_temp, 1));
		*url = smb_url_of(c->drive, temp);
		*out = smb_open_file(c, url->text, O_RDWR | O_CREAT | O_EXCL | SMB_ALONE);
		if (*out || errno == EEXIST)
			continue;
		if (errno == ENOENT && !c->out && !made) {
			made = true;
			code = smb_make_folders(c, folder.text, err);
		} else {
			code = write_errno(c, err, "create a file for", name);
		}
	}
	if (*out)
		tidy_once(c, *out);
	return code;
}

/* What the share says it holds. */
static int compare(struct smb_conn *c, SMBCFILE *f, const char *name, const void *bytes,
		   size_t len_bytes, struct error *err)
{
	size_t cap = len_bytes < COMPARE_BYTES ? len_bytes + 1 : COMPARE_BYTES, at = 0;
	char *buf = malloc(cap);
	int code = ERR_NONE;
	ssize_t n = 1;

	if (!buf)
		return err_nomem(err);
	/* Up to the end of the file, to see that it is the end. */
	while (code == ERR_NONE && n > 0) {
		n = smb_read_full(c, f, at, buf, cap);
		if (n < 0)
			code = write_errno(c, err, "read back", name);
		else if ((size_t)n > len_bytes - at || memcmp(buf, (const char *)bytes + at,
							      (size_t)n) != 0)
			code = err_set(err, ERR_IO,
				       "read back %s: the share holds other bytes than were written",
				       name);
		else
			at += (size_t)n;
	}
	if (code == ERR_NONE && at < len_bytes)
		code = err_set(err, ERR_IO, "read back %s: only %zu of %zu bytes are there", name, at,
			       len_bytes);
	free(buf);
	return code;
}

/* A file with these bytes, closed and read back; on failure it is gone if that can be. */
static int write_temp(struct smb_conn *c, const char *name, const void *bytes, size_t len_bytes,
		      struct smb_url *url, struct error *err)
{
	SMBCFILE *f;
	int code = create_temp(c, name, &f, url, err);

	if (code != ERR_NONE)
		return code;
	if (!smb_write_all(c, f, bytes, len_bytes))
		code = write_errno(c, err, "write", name);
	if (code == ERR_NONE)
		code = compare(c, f, name, bytes, len_bytes, err);
	if (smb_close_file(c, f) < 0 && code == ERR_NONE)
		code = write_errno(c, err, "close", name);
	if (code != ERR_NONE && !c->broken)
		smb_unlink(c, url->text);
	return code;
}

/* ---- the exclusive step ---- */

struct name_lock {
	struct smb_url url;
	SMBCFILE *file;
};

/* What is told of a lock that somebody holds, or is just taking away (the library has no number for
 * that, but EINVAL for all such). */
static bool is_held(const struct smb_conn *c, long waited_ms)
{
	return errno == EBUSY || (errno == EINVAL && !c->out && waited_ms < DELETE_WAIT_MS);
}

/* Others hold a lock for the time of some requests. */
static SMBCFILE *open_lock(struct smb_conn *c, const char *url)
{
	SMBCFILE *f;

	for (long wait_ms = 1; wait_ms < LOCK_WAIT_MS; wait_ms *= 2) {
		struct timespec t = { wait_ms / 1000, wait_ms % 1000 * 1000000 };

		f = smb_open_file(c, url, O_RDWR | O_CREAT | SMB_ALONE);
		if (f || !is_held(c, wait_ms))
			return f;
		nanosleep(&t, NULL);
	}
	errno = EBUSY;
	return NULL;
}

/* ERR_TRANSIENT: somebody keeps it for long. */
static int lock_name(struct smb_conn *c, const char *name, struct name_lock *l, struct error *err)
{
	struct hash hash = sha256(name, strlen(name));
	char leaf[sizeof(SMB_TEMP_FOLDER) + HASH_HEX_BYTES + 8];
	int code = ERR_NONE;

	snprintf(leaf, sizeof(leaf), "%s/", SMB_TEMP_FOLDER);
	hex_encode(hash.b, ID_BYTES, leaf + strlen(leaf));
	l->url = smb_url_of(c->drive, leaf);
	l->file = open_lock(c, l->url.text);
	if (!l->file && errno == ENOENT && !c->out) {
		struct smb_url folder = smb_url_of(c->drive, SMB_TEMP_FOLDER);

		code = smb_make_folders(c, folder.text, err);
		if (code == ERR_NONE)
			l->file = open_lock(c, l->url.text);
	}
	if (!l->file && code == ERR_NONE)
		code = write_errno(c, err, "lock the name", name);
	return code;
}

static void unlock_name(struct smb_conn *c, struct name_lock *l)
{
	smb_close_file(c, l->file);
	/* Whoever opened it meanwhile keeps it there. */
	if (!c->broken)
		smb_unlink(c, l->url.text);
}

static int rename_into(struct smb_conn *c, const struct smb_url *from, const struct smb_url *to,
		       const char *name, struct error *err)
{
	struct smb_url folder = *to;
	int code;

	if (smb_rename(c, from->text, to->text) == 0)
		return ERR_NONE;
	if (errno != ENOENT || c->out)
		return write_errno(c, err, "name", name);
	*strrchr(folder.text, '/') = '\0';
	code = smb_make_folders(c, folder.text, err);
	if (code == ERR_NONE && smb_rename(c, from->text, to->text) < 0)
		code = write_errno(c, err, "name", name);
	return code;
}

/* Gives a file the name if nothing has it. */
static int give_name(struct smb_conn *c, const struct smb_url *from, const char *name,
		     struct error *err)
{
	struct smb_url to = smb_url_of(c->drive, name);
	struct name_lock lock;
	int code = lock_name(c, name, &lock, err);

	if (code != ERR_NONE)
		return code;
	code = check_free(c, &to, name, err);
	if (code == ERR_NONE)
		code = rename_into(c, from, &to, name, err);
	unlock_name(c, &lock);
	return code;
}

/* ---- calls of the driver ---- */

static int put_over(struct smb_conn *c, const char *name, const void *bytes, size_t len_bytes,
		    struct error *err)
{
	struct smb_url url = smb_url_of(c->drive, name), temp;
	int code = check_free(c, &url, name, err);

	if (code == ERR_NONE)
		code = write_temp(c, name, bytes, len_bytes, &temp, err);
	if (code != ERR_NONE)
		return code;
	code = give_name(c, &temp, name, err);
	if (code != ERR_NONE && !c->broken)
		smb_unlink(c, temp.text);
	return code;
}

int smb_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	    struct error *err)
{
	struct smb_conn *c;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = smb_take((struct smb_drive *)d, &c, err);
	if (code != ERR_NONE)
		return code;
	code = put_over(c, name, bytes, len_bytes, err);
	smb_give(c);
	return code;
}

int smb_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct smb_drive *s = (struct smb_drive *)d;
	struct smb_url url;
	struct smb_conn *c;
	struct stat st;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code == ERR_NONE)
		code = smb_take(s, &c, err);
	if (code != ERR_NONE)
		return code;
	url = smb_url_of(s, from);
	if (smb_stat_url(c, url.text, &st) < 0)
		code = smb_errno(c, err, "move %s", from);
	else if (S_ISDIR(st.st_mode))
		code = err_set(err, ERR_NOT_FOUND, "move %s: it is a folder", from);
	else
		code = give_name(c, &url, to, err);
	smb_give(c);
	return code;
}

int smb_probe_alone(struct smb_drive *s, bool *kept_out, struct error *err)
{
	struct smb_conn *a, *b;
	struct smb_url url;
	SMBCFILE *first, *second;
	int code = smb_take(s, &a, err);

	if (code != ERR_NONE)
		return code;
	code = create_temp(a, "a probe", &first, &url, err);
	if (code == ERR_NONE) {
		code = smb_take(s, &b, err);
		if (code == ERR_NONE) {
			second = smb_open_file(b, url.text, O_RDWR | SMB_ALONE);
			*kept_out = !second && errno == EBUSY;
			if (second)
				smb_close_file(b, second);
			smb_give(b);
		}
		smb_close_file(a, first);
		smb_unlink(a, url.text);
	}
	smb_give(a);
	return code;
}
