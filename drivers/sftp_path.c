#include "drivers/sftp.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_BYTES ((uint64_t)1 << 20) /* a disk with less than this beyond what was to come is full */

void sftp_path(const struct sftp_drive *d, const char *name, char out[SFTP_PATH_BYTES])
{
	const char *root = d->config.root;

	snprintf(out, SFTP_PATH_BYTES, "%s/.mrmr%s%s", strcmp(root, "/") == 0 ? "" : root,
		 name[0] ? "/" : "", name);
}

int sftp_note_changed(struct sftp_drive *d, const char *name, struct error *err)
{
	bool noted;

	pthread_mutex_lock(&d->lock);
	noted = folder_set_add_parent(&d->changed, name);
	pthread_mutex_unlock(&d->lock);
	return noted ? ERR_NONE : err_nomem(err);
}

/* The folder itself is to be made: true the first time. Its parent gets an entry. */
static bool first_time(struct sftp_drive *d, const char *folder, struct error *err, int *code)
{
	char inside[OBJECT_NAME_MAX + 8];
	size_t before;
	bool noted, first;

	snprintf(inside, sizeof(inside), "%s/x", folder);
	pthread_mutex_lock(&d->lock);
	before = d->made.count;
	noted = folder_set_add_parent(&d->made, inside);
	first = d->made.count > before;
	if (noted && first)
		noted = folder_set_add_parent(&d->changed, folder);
	pthread_mutex_unlock(&d->lock);
	if (!noted)
		*code = err_nomem(err);
	return noted && first;
}

static bool must_make_mrmr(struct sftp_drive *d)
{
	bool must;

	pthread_mutex_lock(&d->lock);
	must = !d->mrmr_there;
	d->root_changed |= must;
	pthread_mutex_unlock(&d->lock);
	return must;
}

/* Calls for "a", "a/b" of "a/b/c". */
static const char *next_folder(const char *name, size_t *at, char folder[OBJECT_NAME_MAX + 1])
{
	const char *slash = strchr(name + *at, '/');

	if (!slash)
		return NULL;
	memcpy(folder, name, (size_t)(slash - name));
	folder[slash - name] = '\0';
	*at = (size_t)(slash - name) + 1;
	return folder;
}

int sftp_ask_folders_once(struct sftp_drive *d, struct sftp_session *s, const char *name,
			  struct error *err)
{
	char folder[OBJECT_NAME_MAX + 1], path[SFTP_PATH_BYTES];
	int code = ERR_NONE;
	size_t at = 0;

	/* The root's own .mrmr is made only where there was none from the start: a disk that somebody
	 * unmounted there meanwhile is not to be taken for a fresh one. */
	if (must_make_mrmr(d)) {
		sftp_path(d, "", path);
		sftp_ask_folder(s, path, NULL);
	}
	while (code == ERR_NONE && next_folder(name, &at, folder)) {
		if (!first_time(d, folder, err, &code))
			continue;
		sftp_path(d, folder, path);
		sftp_ask_folder(s, path, NULL);
	}
	return code;
}

/* Makes one and waits. A folder that is there is as good: whoever needs it will see. */
static int make_folder(struct sftp_drive *d, struct sftp_session *s, const char *folder,
		       struct error *err)
{
	char path[SFTP_PATH_BYTES];
	struct sftp_answer made, there;
	int code;

	sftp_path(d, folder, path);
	sftp_ask_folder(s, path, &made);
	code = sftp_pump(s, 0, err);
	if (code != ERR_NONE || sftp_answer_is(&made, SFTP_OK))
		return code;
	sftp_ask_path(s, SFTP_STAT, path, &there);
	code = sftp_pump(s, 0, err);
	if (code != ERR_NONE || there.type == SFTP_ATTRS)
		return code;
	return sftp_change_error(d, s, &made, "create a folder", 0, err);
}

int sftp_make_folders(struct sftp_drive *d, struct sftp_session *s, const char *name,
		      struct error *err)
{
	char folder[OBJECT_NAME_MAX + 1];
	int code = ERR_NONE;
	size_t at = 0;

	if (must_make_mrmr(d))
		code = make_folder(d, s, "", err);
	while (code == ERR_NONE && next_folder(name, &at, folder)) {
		code = sftp_note_changed(d, folder, err);
		if (code == ERR_NONE)
			code = make_folder(d, s, folder, err);
	}
	return code;
}

/* "Failure" is all that version 3 has for a disk that is full or read-only. */
static int look_for_reason(struct sftp_drive *d, struct sftp_session *s, uint64_t need_bytes,
			   struct error *err)
{
	struct sftp_answer a;
	struct error found;

	if (!(s->extensions & SFTP_HAS_STATVFS))
		return (int)err->code;
	sftp_ask_space(s, d->config.root, &a);
	if (sftp_pump(s, 0, &found) != ERR_NONE || a.type != SFTP_EXTENDED_REPLY)
		return (int)err->code;
	if (a.space.read_only)
		err->code = ERR_READONLY;
	else if (a.space.free_bytes < need_bytes + SPARE_BYTES)
		err->code = ERR_FULL;
	else
		return (int)err->code;
	return err_wrap(err, a.space.read_only ? "it cannot be written" : "no space left");
}

int sftp_change_error(struct sftp_drive *d, struct sftp_session *s, const struct sftp_answer *a,
		      const char *what, uint64_t need_bytes, struct error *err)
{
	sftp_answer_error(a, SFTP_STATUS, what, err);
	if (err->code == ERR_NOT_FOUND || err->code == ERR_EXISTS || err->code == ERR_CORRUPT)
		err->code = ERR_IO;
	return err->code == ERR_IO ? look_for_reason(d, s, need_bytes, err) : (int)err->code;
}

int sftp_note_stored(struct sftp_drive *d, const char *name, uint64_t len_bytes, struct error *err)
{
	char *copy = strdup(name);
	bool noted;

	pthread_mutex_lock(&d->lock);
	noted = copy && grow(&d->stored, &d->stored_cap, d->stored_count + 1, sizeof(*d->stored)) &&
		folder_set_add_parent(&d->changed, name);
	if (noted) {
		d->stored[d->stored_count].name = copy;
		d->stored[d->stored_count++].len_bytes = len_bytes;
		copy = NULL; /* the list's now */
	}
	pthread_mutex_unlock(&d->lock);
	free(copy);
	return noted ? ERR_NONE : err_nomem(err);
}

void sftp_forget_stored(struct sftp_drive *d, const char *name)
{
	size_t kept = 0;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->stored_count; i++) {
		if (name && strcmp(d->stored[i].name, name) != 0)
			d->stored[kept++] = d->stored[i];
		else
			free(d->stored[i].name);
	}
	d->stored_count = kept;
	pthread_mutex_unlock(&d->lock);
}
