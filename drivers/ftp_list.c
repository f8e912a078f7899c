#include "drivers/ftp.h"
#include "drivers/name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400
#define SIZE_COMMANDS 64 /* at once */

struct listing {
	struct ftp_drive *f;
	const char *prefix;
	object_fn *each;
	void *ctx;
	struct error *err;
	char name[OBJECT_NAME_MAX + 1]; /* of the entry looked at */
};

/* Of what was received: there may be nothing. */
static char *end_of(const struct buf *bytes)
{
	return bytes->data ? (char *)bytes->data + bytes->len_bytes : NULL;
}

/* Fills bytes with what the server says of the folder below .mrmr; an empty one when it is not there.
 * No session is held afterwards: each() may need it. */
static int folder_fetch(struct ftp_drive *f, const char *folder, struct buf *bytes,
			struct error *err)
{
	char *path = ftp_command(f, NULL, folder);
	struct ftp_session *s = path ? ftp_take(f, err) : NULL;
	bool exists = true;
	int code;

	if (!s) {
		free(path);
		return path ? (int)err->code : err_nomem(err);
	}
	code = ftp_listing(s, path, bytes, err);
	/* Not there, not to be read, or (of NLST) without files: that is told apart. */
	if (code == ERR_NOT_FOUND) {
		struct error refusal = *err;

		buf_clear(bytes);
		code = ftp_folder_exists(s, path, &exists, err);
		if (code == ERR_NONE && exists && f->site.has_mlsd) {
			*err = refusal;
			code = (int)(err->code = ERR_DENIED);
		}
	}
	ftp_give(f, s);
	free(path);
	return code;
}

/* Puts the name of an entry behind the folder's, len long with its slash. 0: too long for an object. */
static size_t name_join(struct listing *l, size_t len, const char *entry)
{
	size_t more = strlen(entry);

	if (len + more > OBJECT_NAME_MAX)
		return 0;
	memcpy(l->name + len, entry, more + 1);
	return len + more;
}

static bool matches(const struct listing *l)
{
	return object_name_ok(l->name) && strncmp(l->name, l->prefix, strlen(l->prefix)) == 0;
}

static int list_folder(struct listing *l, size_t len);

/* The entry whose name is complete, len long. */
static int list_entry(struct listing *l, size_t len, bool is_folder, uint64_t len_bytes)
{
	if (!matches(l))
		return ERR_NONE;
	if (!is_folder)
		return l->each(l->ctx, l->name, len_bytes);
	if (len == OBJECT_NAME_MAX)
		return ERR_NONE;
	l->name[len] = '/';
	l->name[len + 1] = '\0';
	return list_folder(l, len + 1);
}

static int list_mlsd(struct listing *l, size_t len, struct buf *bytes)
{
	char *at = (char *)bytes->data, *end = end_of(bytes), *line;
	int code = ERR_NONE;

	while (code == ERR_NONE && (line = ftp_line(&at, end))) {
		struct ftp_entry e;
		size_t whole;

		code = ftp_mlsd_parse(line, &e, l->err);
		whole = code == ERR_NONE ? name_join(l, len, e.name) : 0;
		if (whole > 0)
			code = list_entry(l, whole, e.is_folder, e.len_bytes);
		else if (code == ERR_NOT_FOUND)
			code = ERR_NONE;
	}
	return code;
}

/* ---- servers without MLSD ---- */

/* names: of the folder in l->name, len long; what has no size is taken for a folder. */
static int sizes_ask(struct listing *l, size_t len, char *const *names, size_t count,
		     uint64_t *sizes, bool *is_folder)
{
	char *commands[SIZE_COMMANDS + 1] = { "TYPE I" };
	struct ftp_session *s = ftp_take(l->f, l->err);
	size_t made = 0;
	int code = s ? ERR_NONE : (int)l->err->code;

	for (; made < count && code == ERR_NONE; made++) {
		name_join(l, len, names[made]);
		commands[made + 1] = ftp_command(l->f, "SIZE", l->name);
		if (!commands[made + 1])
			code = err_nomem(l->err);
	}
	if (code == ERR_NONE)
		code = ftp_commands(s, (const char *const *)commands, count + 1, l->err);
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		const struct ftp_reply *r = ftp_reply_to(s, i + 1, count + 1);

		is_folder[i] = !ftp_reply_size(r, &sizes[i]);
		if (is_folder[i] && ftp_reply_error(r) != ERR_NOT_FOUND)
			code = ftp_refused(s, r, "list", l->err);
	}
	for (size_t i = 0; i < made; i++)
		free(commands[i + 1]);
	if (s)
		ftp_give(l->f, s);
	return code;
}

static int list_names(struct listing *l, size_t len, char *const *names, size_t count)
{
	uint64_t sizes[SIZE_COMMANDS];
	bool is_folder[SIZE_COMMANDS];
	int code = count ? sizes_ask(l, len, names, count, sizes, is_folder) : ERR_NONE;

	for (size_t i = 0; i < count && code == ERR_NONE; i++)
		code = list_entry(l, name_join(l, len, names[i]), is_folder[i], sizes[i]);
	return code;
}

static int list_nlst(struct listing *l, size_t len, struct buf *bytes)
{
	char *at = (char *)bytes->data, *end = end_of(bytes), *line;
	char *names[SIZE_COMMANDS];
	size_t count = 0;
	int code = ERR_NONE;

	while (code == ERR_NONE && (line = ftp_line(&at, end))) {
		char *name = ftp_nlst_parse(line);

		/* Only what may be asked for. */
		if (!name || name_join(l, len, name) == 0 || !matches(l))
			continue;
		names[count++] = name;
		if (count == SIZE_COMMANDS) {
			code = list_names(l, len, names, count);
			count = 0;
		}
	}
	return code == ERR_NONE ? list_names(l, len, names, count) : code;
}

/* The first len bytes of l->name are the folder's name, with its slash; 0: all of them. */
static int list_folder(struct listing *l, size_t len)
{
	char folder[OBJECT_NAME_MAX + 1];
	struct buf bytes = { 0 };
	int code;

	snprintf(folder, sizeof(folder), "%.*s", len ? (int)len - 1 : 0, l->name);
	code = folder_fetch(l->f, folder, &bytes, l->err);
	if (code == ERR_NONE && l->f->site.has_mlsd)
		code = list_mlsd(l, len, &bytes);
	else if (code == ERR_NONE)
		code = list_nlst(l, len, &bytes);
	buf_release(&bytes);
	return code;
}

int ftp_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct listing l = { .f = (struct ftp_drive *)d,
			     .prefix = prefix,
			     .each = each,
			     .ctx = ctx,
			     .err = err };
	const char *slash = strrchr(prefix, '/');
	size_t len = slash ? (size_t)(slash - prefix) + 1 : 0;
	int code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	/* Only the folder that the prefix names can hold a match. */
	memcpy(l.name, prefix, len);
	return list_folder(&l, len);
}

/* ---- temporary names ---- */

/* "<tag>-<pid>-<number>" of a process of this host that is gone, or anybody's of long ago. */
static bool is_stale(const struct ftp_entry *e, const char *tag)
{
	size_t len = strlen(tag);
	char *end;
	long pid;

	if (e->modified_s > 0 && e->modified_s < (int64_t)time(NULL) - DAY_S)
		return true;
	if (strncmp(e->name, tag, len) != 0 || e->name[len] != '-')
		return false;
	pid = strtol(e->name + len + 1, &end, 10);
	return pid > 0 && *end == '-' && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* The name to remove that a line of the folder has; NULL: none. */
static const char *stale_name(const struct ftp_drive *f, char *line, struct ftp_entry *e)
{
	struct error ignored;

	if (f->site.has_mlsd) {
		if (ftp_mlsd_parse(line, e, &ignored) != ERR_NONE || e->is_folder)
			return NULL;
	} else {
		*e = (struct ftp_entry){ .name = ftp_nlst_parse(line) };
		if (!e->name)
			return NULL;
	}
	return is_stale(e, f->tag) ? e->name : NULL;
}

void ftp_sweep(struct ftp_drive *f, struct ftp_session *s)
{
	char *path = ftp_command(f, NULL, FTP_TEMP_FOLDER), *at, *line;
	struct buf bytes = { 0 };
	struct error ignored;
	int code = path ? ftp_listing(s, path, &bytes, &ignored) : ERR_NOMEM;

	at = (char *)bytes.data;
	while (code == ERR_NONE && (line = ftp_line(&at, end_of(&bytes)))) {
		struct ftp_entry e;
		const char *stale = stale_name(f, line, &e);
		char name[sizeof(FTP_TEMP_FOLDER) + OBJECT_NAME_MAX + 2], *command;

		if (!stale)
			continue;
		snprintf(name, sizeof(name), "%s/%s", FTP_TEMP_FOLDER, stale);
		command = ftp_command(f, "DELE", name);
		if (command)
			ftp_commands(s, (const char *const[]){ command }, 1, &ignored);
		free(command);
	}
	buf_release(&bytes);
	free(path);
}
