#include "drivers/sftp.h"

#include "drivers/domain.h"
#include "drivers/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- open, close ---- */

static int stat_root(struct sftp_drive *d, struct sftp_session *s, struct sftp_answer *root,
		     struct error *err)
{
	sftp_ask_path(s, SFTP_STAT, d->config.root, root);
	return sftp_pump(s, 0, err);
}

/* Its parents too. Who fails to make one of them has it already, or fails at the last. */
static int make_root(struct sftp_drive *d, struct sftp_session *s, struct error *err)
{
	const char *root = d->config.root;
	char path[SFTP_PATH_BYTES];
	struct sftp_answer made = { .type = SFTP_STATUS };
	int code = ERR_NONE;

	for (size_t at = 1; code == ERR_NONE && at <= strlen(root); at++) {
		if (root[at] != '/' && root[at] != '\0')
			continue;
		memcpy(path, root, at);
		path[at] = '\0';
		sftp_ask_folder(s, path, &made);
		code = sftp_pump(s, 0, err);
	}
	if (code == ERR_NONE && !sftp_answer_is(&made, SFTP_OK))
		code = sftp_change_error(d, s, &made, "create its folder", 0, err);
	return code;
}

/* Whether a rename there never replaces anything. rclone's does; mod_sftp looks whether the name is free
 * and then renames, so that of hosts that do it at the same moment each may find it free; of others
 * nothing is known. */
static bool renames_exclusively(struct sftp_session *s)
{
	const char *banner = libssh2_session_banner_get(s->link.ssh);

	return banner && strncmp(banner, "SSH-2.0-OpenSSH", 15) == 0;
}

static int look_at_root(struct sftp_drive *d, struct sftp_session *s, bool make, struct error *err)
{
	struct sftp_answer root, mrmr, space = { .type = SFTP_STATUS };
	char path[SFTP_PATH_BYTES];
	int code = stat_root(d, s, &root, err);

	if (code == ERR_NONE && make && sftp_answer_is(&root, SFTP_NO_SUCH_FILE)) {
		code = make_root(d, s, err);
		if (code == ERR_NONE)
			code = stat_root(d, s, &root, err);
	}
	if (code == ERR_NONE)
		code = sftp_answer_error(&root, SFTP_ATTRS, "look at its folder", err);
	if (code != ERR_NONE)
		return code;
	if (root.attrs.has_mode && !S_ISDIR(root.attrs.mode))
		return err_set(err, ERR_IO, "it is not a folder");
	sftp_path(d, "", path);
	sftp_ask_path(s, SFTP_LSTAT, path, &mrmr);
	if (s->extensions & SFTP_HAS_STATVFS)
		sftp_ask_space(s, d->config.root, &space);
	code = sftp_pump(s, 0, err);
	if (space.type == SFTP_EXTENDED_REPLY)
		d->driver.flags |= DRIVER_KNOWS_SPACE;
	if (code != ERR_NONE || sftp_answer_is(&mrmr, SFTP_NO_SUCH_FILE))
		return code;
	code = sftp_answer_error(&mrmr, SFTP_ATTRS, "look at .mrmr", err);
	if (code == ERR_NONE && mrmr.attrs.has_mode && !S_ISDIR(mrmr.attrs.mode))
		code = err_set(err, ERR_IO, ".mrmr is not a folder");
	d->mrmr_there = code == ERR_NONE;
	return code;
}

static void drive_free(struct sftp_drive *d)
{
	while (d->idle) {
		struct sftp_session *s = d->idle;

		d->idle = s->next;
		sftp_session_free(s);
	}
	sftp_forget_stored(d, NULL);
	free(d->stored);
	folder_set_release(&d->made);
	folder_set_release(&d->changed);
	sftp_config_release(&d->config);
	pthread_cond_destroy(&d->freed);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->sync_lock);
	free(d);
}

static void sftp_close(struct drive *drive)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;

	/* Whoever put something looks after what earlier puts may have left. */
	if (d->idle && d->server_s > 0)
		sftp_tidy(d, d->idle);
	drive_free(d);
}

static int read_options(struct sftp_drive *d, const char *url, const struct drive_options *options,
			struct error *err)
{
	uint64_t connections;
	int code = temp_tag_check(options->temp_tag, err);

	if (code == ERR_NONE)
		code = sftp_config_read(url, options->given, &d->config, err);
	if (code == ERR_NONE)
		code = drive_option_number(options->given, "connections", 1, SFTP_CONNECTIONS_MAX,
					   SFTP_CONNECTIONS, &connections, err);
	if (code != ERR_NONE)
		return code;
	d->temp_tag = options->temp_tag;
	d->upload = options->upload;
	d->download = options->download;
	d->config.meter = options->meter;
	d->driver = driver_sftp;
	d->driver.connections_max = d->sessions_max = (unsigned)connections;
	d->base.driver = &d->driver;
	return ERR_NONE;
}

static int sftp_open(const char *url, const struct drive_options *options, struct drive **out,
		     struct error *err)
{
	struct sftp_drive *d = calloc(1, sizeof(*d));
	struct sftp_session *s = NULL;
	int code;

	*out = NULL;
	if (!d)
		return err_nomem(err);
	pthread_mutex_init(&d->sync_lock, NULL);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->freed, NULL);
	code = read_options(d, url, options, err);
	if (code == ERR_NONE)
		code = sftp_session_open(&d->config, options->learned && d->config.accept_new, &s, err);
	if (code == ERR_NONE) {
		d->idle = s;
		if (!renames_exclusively(s))
			d->driver.flags |= DRIVER_RACES;
		code = look_at_root(d, s, options->make_root, err);
		if (code != ERR_NONE)
			err_wrap(err, "sftp %s: %s", d->config.place, d->config.root);
	}
	if (code != ERR_NONE) {
		drive_free(d);
		return code;
	}
	if (options->learned && !(s->extensions & SFTP_HAS_FSYNC))
		options->learned(options->learned_ctx, "fsync", "no");
	*out = &d->base;
	return ERR_NONE;
}

/* ---- the short calls ---- */

static int sftp_stat(struct drive *drive, const char *name, struct object_stat *out,
		     struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	char path[SFTP_PATH_BYTES];
	struct sftp_session *s;
	struct sftp_answer a;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = sftp_borrow(d, false, &s, err);
	if (code != ERR_NONE)
		return code;
	sftp_path(d, name, path);
	sftp_ask_path(s, SFTP_LSTAT, path, &a);
	code = sftp_pump(s, 0, err);
	sftp_return(d, false, s);
	if (code == ERR_NONE)
		code = sftp_answer_error(&a, SFTP_ATTRS, "look for it", err);
	if (code == ERR_NONE && a.attrs.has_mode && !S_ISREG(a.attrs.mode))
		code = err_set(err, ERR_NOT_FOUND, "it is not a regular file");
	if (code == ERR_NONE && !a.attrs.has_size)
		code = err_set(err, ERR_IO, "the server does not tell its length");
	if (code != ERR_NONE)
		return err_wrap(err, "stat %s", name);
	out->len_bytes = a.attrs.size_bytes;
	return ERR_NONE;
}

static int move_between(struct sftp_drive *d, struct sftp_session *s, const char *from,
			const char *to, struct error *err)
{
	char from_path[SFTP_PATH_BYTES], to_path[SFTP_PATH_BYTES];
	struct sftp_answer old, new, renamed;
	int code;

	sftp_path(d, from, from_path);
	sftp_path(d, to, to_path);
	sftp_ask_path(s, SFTP_LSTAT, from_path, &old);
	sftp_ask_path(s, SFTP_LSTAT, to_path, &new);
	code = sftp_pump(s, 0, err);
	if (code == ERR_NONE)
		code = sftp_answer_error(&old, SFTP_ATTRS, "look for it", err);
	if (code != ERR_NONE)
		return code;
	/* A link or a pipe may be set aside like bad bytes, but never a tree of objects. */
	if (old.attrs.has_mode && S_ISDIR(old.attrs.mode))
		return err_set(err, ERR_NOT_FOUND, "it is a folder");
	if (new.type == SFTP_ATTRS)
		return err_set(err, ERR_EXISTS, "the name is taken");
	code = sftp_ask_folders_once(d, s, to, err);
	for (unsigned tries = 0; code == ERR_NONE && tries < 2; tries++) {
		sftp_ask_rename(s, from_path, to_path, &renamed);
		code = sftp_pump(s, 0, err);
		if (code != ERR_NONE || !sftp_answer_is(&renamed, SFTP_NO_SUCH_FILE) || tries == 1)
			break;
		code = sftp_make_folders(d, s, to, err);
	}
	if (code != ERR_NONE || sftp_answer_is(&renamed, SFTP_OK))
		return code;
	sftp_ask_path(s, SFTP_LSTAT, to_path, &new);
	code = sftp_pump(s, 0, err);
	if (code == ERR_NONE && new.type == SFTP_ATTRS)
		return err_set(err, ERR_EXISTS, "the name is taken");
	return code == ERR_NONE ? sftp_change_error(d, s, &renamed, "rename", 0, err) : code;
}

static int sftp_move(struct drive *drive, const char *from, const char *to, struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	struct sftp_session *s;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code == ERR_NONE)
		code = sftp_borrow(d, false, &s, err);
	if (code != ERR_NONE)
		return code;
	code = move_between(d, s, from, to, err);
	sftp_return(d, false, s);
	if (code == ERR_NONE) {
		sftp_forget_stored(d, from);
		code = sftp_note_changed(d, from, err);
	}
	if (code == ERR_NONE)
		code = sftp_note_changed(d, to, err);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "move %s to %s", from, to);
}

/* What is no object, a folder too, is not there. */
static int remove_one(struct sftp_drive *d, struct sftp_session *s, const char *name,
		      struct error *err)
{
	struct sftp_answer removed, there;
	char path[SFTP_PATH_BYTES];
	int code;

	sftp_path(d, name, path);
	sftp_ask_path(s, SFTP_REMOVE, path, &removed);
	code = sftp_pump(s, 0, err);
	if (code != ERR_NONE || sftp_answer_is(&removed, SFTP_NO_SUCH_FILE))
		return code;
	if (sftp_answer_is(&removed, SFTP_OK))
		return sftp_note_changed(d, name, err);
	sftp_ask_path(s, SFTP_LSTAT, path, &there);
	code = sftp_pump(s, 0, err);
	if (code != ERR_NONE || sftp_answer_is(&there, SFTP_NO_SUCH_FILE) ||
	    (there.type == SFTP_ATTRS && S_ISDIR(there.attrs.mode)))
		return code;
	return sftp_change_error(d, s, &removed, "remove it", 0, err);
}

static int sftp_remove(struct drive *drive, const char *name, struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	struct sftp_session *s;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = sftp_borrow(d, false, &s, err);
	if (code != ERR_NONE)
		return code;
	sftp_forget_stored(d, name);
	code = remove_one(d, s, name, err);
	sftp_return(d, false, s);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "remove %s", name);
}

/* A number for a file system of this server (FNV-1a), never 0. */
static uint64_t space_number(const struct sftp_drive *d, uint64_t file_system)
{
	uint64_t h = 14695981039346656037u;

	for (const char *s = d->config.place; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211u;
	h = (h ^ file_system) * 1099511628211u;
	return h ? h : 1;
}

static int sftp_about(struct drive *drive, struct drive_about *out, struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	struct sftp_session *s;
	struct sftp_answer a;
	int code = ERR_NONE;

	*out = (struct drive_about){ .total_bytes = 0 };
	host_domain(d->config.host, d->config.port, out->domain);
	if (!(d->driver.flags & DRIVER_KNOWS_SPACE))
		return ERR_NONE; /* rclone only says that it could tell */
	code = sftp_borrow(d, false, &s, err);
	if (code != ERR_NONE)
		return code;
	sftp_ask_space(s, d->config.root, &a);
	code = sftp_pump(s, 0, err);
	sftp_return(d, false, s);
	if (code == ERR_NONE)
		code = sftp_answer_error(&a, SFTP_EXTENDED_REPLY, "ask for the space left", err);
	if (code != ERR_NONE)
		return code;
	out->total_bytes = a.space.total_bytes;
	out->free_bytes = a.space.free_bytes;
	out->space = space_number(d, a.space.file_system);
	return ERR_NONE;
}

static const char *const options_taken[] = { "user",	    "password",	  "passphrase", "identity",
					     "known_hosts", "accept-new", "fsync",
					     NULL };

const struct mrmr_driver driver_sftp = {
	.kind = "sftp",
	.flags = DRIVER_REMOTE,
	.connections_max = SFTP_CONNECTIONS,
	.options = options_taken,
	.open = sftp_open,
	.close = sftp_close,
	.put = sftp_put,
	.get = sftp_get,
	.stat = sftp_stat,
	.list = sftp_list,
	.move = sftp_move,
	.remove = sftp_remove,
	.sync = sftp_sync,
	.about = sftp_about,
};
