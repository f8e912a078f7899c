/*
 * Changes: put, move, remove, and the folders that they need.
 *
 * What keeps an object from being replaced by other bytes: MOVE with "Overwrite: F", which every
 * server tried refuses onto a name that is taken. On some (Apache, sabre) two such MOVEs at the same
 * moment may both succeed. That does no harm to a name that ends in the hash of its bytes, for both
 * bring the same; any other name is read back after the MOVE, so that the one whose bytes are not
 * there knows it.
 */
#include "drivers/name.h"
#include "drivers/webdav.h"

#include "base/hash.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LEFTOVER_SECONDS (24 * 60 * 60)
#define LEFTOVERS_MAX 256 /* removed in one go */
#define LOCKED_WAIT_MS 25
#define LOCKED_TRIES 20

static bool is_good(const struct http_answer *a)
{
	return a->status >= 200 && a->status < 300 && a->status != 207;
}

/* ---- folders ---- */

static void note_folder_of(struct webdav *w, const char *path)
{
	pthread_mutex_lock(&w->lock);
	folder_set_add_parent(&w->made, path); /* out of memory: it is asked for once more */
	pthread_mutex_unlock(&w->lock);
}

static bool knows_folder_of(struct webdav *w, const char *path)
{
	bool known;

	pthread_mutex_lock(&w->lock);
	known = folder_set_has_parent(&w->made, path);
	pthread_mutex_unlock(&w->lock);
	return known;
}

static size_t parent_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

/* Whether it is there after all: some servers refuse, by whatever status, what another host makes at
 * the same moment. */
static bool is_there(struct webdav *w, const char *path, bool as_folder)
{
	struct dav_entry e;
	struct error ignored;

	return webdav_look(w, path, as_folder, path, &e, &ignored) == ERR_NONE &&
	       e.is_folder == as_folder;
}

static int make_parent(struct webdav *w, const char *path, size_t floor_len, struct error *err)
{
	char *parent = strndup(path, parent_length(path));
	int code = parent ? webdav_make_folder(w, parent, floor_len, err) : err_nomem(err);

	free(parent);
	return code;
}

/* Asks for it; where another connection or host is making it at this moment, which some servers
 * (rclone's) call locked, again a little later. */
static int ask_for_folder(struct webdav *w, const char *path, struct http_answer *a,
			  struct error *err)
{
	const struct dav_request r = { .method = "MKCOL", .path = path, .is_folder = true };
	const struct timespec wait = { .tv_nsec = LOCKED_WAIT_MS * 1000000L };
	int code;

	for (unsigned tries = 1;; tries++) {
		code = webdav_do(w, &r, a, err);
		if (code != ERR_NONE || a->status != 423 || tries == LOCKED_TRIES)
			return code;
		http_answer_release(a);
		nanosleep(&wait, NULL);
	}
}

int webdav_make_folder(struct webdav *w, const char *path, size_t floor_len, struct error *err)
{
	struct http_answer a;
	int code;

	for (bool again = false;; again = true) {
		code = ask_for_folder(w, path, &a, err);
		/* 405: there is something already. */
		if (code != ERR_NONE || is_good(&a) || a.status == 405)
			break;
		if (again || (a.status != 409 && a.status != 404) ||
		    parent_length(path) <= floor_len) {
			code = webdav_write_error(&a, "create folder", path, err);
			if (code != ERR_FULL && is_there(w, path, true))
				code = ERR_NONE;
			break;
		}
		http_answer_release(&a);
		code = make_parent(w, path, floor_len, err);
		if (code != ERR_NONE)
			return code;
	}
	http_answer_release(&a);
	return code;
}

static int make_folder_of(struct webdav *w, const char *path, struct error *err)
{
	int code = make_parent(w, path, strlen(w->root), err);

	if (code == ERR_NONE)
		note_folder_of(w, path);
	return code;
}

void webdav_drop(struct webdav *w, const char *path, bool is_folder)
{
	const struct dav_request r = { .method = "DELETE", .path = path, .is_folder = is_folder };
	struct http_answer a;
	struct error ignored;

	webdav_do(w, &r, &a, &ignored);
	http_answer_release(&a);
}

/* ---- rename ---- */

/* Whether an answer may mean that the folder of the new name is not there: servers differ. Where it
 * was there before, some mean what they say. */
static bool may_lack_folder(unsigned status, bool known)
{
	return status == 409 || status == 404 || (!known && (status == 403 || status == 500));
}

int webdav_rename(struct webdav *w, const char *from, const char *to, const char *step,
		  const char *name, unsigned *status, struct error *err)
{
	const struct dav_request r = { .method = "MOVE", .path = from, .to = to };
	/* Before it is tried: another thread may make it meanwhile. */
	bool known = knows_folder_of(w, to);
	struct http_answer a;
	int code;

	*status = 0;
	for (bool again = false;; again = true) {
		code = webdav_do(w, &r, &a, err);
		*status = a.status;
		if (code != ERR_NONE || is_good(&a))
			break;
		if (a.status == 412) {
			code = err_set(err, ERR_EXISTS, "%s %s: the name is taken", step, name);
			break;
		}
		if (again || !may_lack_folder(a.status, known)) {
			code = webdav_write_error(&a, step, name, err);
			if (code == ERR_DENIED && is_there(w, to, false))
				code = err_set(err, ERR_EXISTS, "%s %s: the name is taken meanwhile",
					       step, name);
			break;
		}
		http_answer_release(&a);
		*status = 0;
		code = make_folder_of(w, to, err);
		if (code != ERR_NONE)
			return code;
	}
	http_answer_release(&a);
	if (code == ERR_NONE)
		note_folder_of(w, to);
	return code;
}

/* ---- upload ---- */

static int check_length(struct webdav *w, const char *path, size_t len_bytes, const char *name,
			struct error *err)
{
	struct dav_entry e;
	int code = webdav_look(w, path, false, name, &e, err);

	/* Another attempt may be luckier with a server that lost what it had said yes to. */
	if (code == ERR_NOT_FOUND)
		return err_set(err, ERR_TRANSIENT, "put %s: the server does not have what it took", name);
	if (code == ERR_NONE && (!e.has_length || e.is_folder))
		return err_set(err, ERR_IO, "put %s: the server tells no length", name);
	if (code == ERR_NONE && e.len_bytes != len_bytes)
		return err_set(err, ERR_TRANSIENT, "put %s: the server kept %llu of %zu bytes", name,
			       (unsigned long long)e.len_bytes, len_bytes);
	return code;
}

int webdav_upload(struct webdav *w, const char *path, const void *bytes, size_t len_bytes,
		  const char *name, unsigned *status, struct error *err)
{
	const struct dav_request r = {
		.method = "PUT",
		.path = path,
		.type = "application/octet-stream",
		.body = bytes,
		.body_bytes = len_bytes,
	};
	struct http_answer a;
	int code;

	*status = 0;
	for (bool again = false;; again = true) {
		code = webdav_do(w, &r, &a, err);
		*status = a.status;
		if (code != ERR_NONE || is_good(&a))
			break;
		/* Somebody took the folder away: it is made once more. */
		if (again || (a.status != 409 && a.status != 404)) {
			code = webdav_write_error(&a, "put", name, err);
			break;
		}
		http_answer_release(&a);
		*status = 0;
		code = make_folder_of(w, path, err);
		if (code != ERR_NONE)
			return code;
	}
	http_answer_release(&a);
	return code == ERR_NONE ? check_length(w, path, len_bytes, name, err) : code;
}

/* ---- the temporary folder ---- */

struct leftovers {
	const struct webdav *w;
	int64_t newest_s; /* of those too old, 0: no age is known */
	char *names[LEFTOVERS_MAX];
	int64_t changed_s[LEFTOVERS_MAX];
	unsigned count;
};

/* "<tag>-<pid>-<random>" of a process that is gone. The tag is of one writer, so of this host: its
 * pids mean something here. */
static bool is_of_dead_process(const char *leaf, const char *tag)
{
	size_t len = strlen(tag);
	char *end;
	long pid;

	if (strncmp(leaf, tag, len) != 0 || leaf[len] != '-')
		return false;
	pid = strtol(leaf + len + 1, &end, 10);
	return pid > 0 && *end == '-' && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static int note_leftover(void *ctx, const struct dav_entry *e, struct error *err)
{
	struct leftovers *l = ctx;

	(void)err;
	if (l->count == LEFTOVERS_MAX || e->is_folder || !object_name_ok(e->name))
		return ERR_NONE;
	l->names[l->count] = strdup(e->name);
	l->changed_s[l->count] = e->changed_s;
	if (l->names[l->count])
		l->count++;
	return ERR_NONE;
}

/* What killed processes of this host left, and, by the server's clock, anything older than a day.
 * Failing to tidy up fails nothing. */
static void remove_leftovers(struct webdav *w, const char *folder)
{
	struct leftovers l = { .w = w };
	struct error ignored;
	int64_t now_s = 0;

	webdav_look_into(w, folder, WEBDAV_TEMP_FOLDER, note_leftover, &l, &now_s, &ignored);
	for (unsigned i = 0; i < l.count; i++) {
		bool old = now_s > 0 && l.changed_s[i] > 0 &&
			   l.changed_s[i] < now_s - LEFTOVER_SECONDS;
		char *path = webdav_join(folder, l.names[i]);

		if (path && (old || is_of_dead_process(l.names[i], w->temp_tag)))
			webdav_drop(w, path, false);
		free(path);
		free(l.names[i]);
	}
}

static int ready_temp_folder(struct webdav *w, struct error *err)
{
	char *folder = webdav_join(w->folder, WEBDAV_TEMP_FOLDER);
	int code = folder ? ERR_NONE : err_nomem(err);

	pthread_mutex_lock(&w->temp_lock);
	if (code == ERR_NONE && !w->temp_ready) {
		code = webdav_make_folder(w, folder, strlen(w->root), err);
		if (code == ERR_NONE)
			remove_leftovers(w, folder);
		w->temp_ready = code == ERR_NONE;
	}
	pthread_mutex_unlock(&w->temp_lock);
	free(folder);
	return code;
}

static char *temp_path(const struct webdav *w)
{
	uint64_t number;
	char *path;

	randombytes_buf(&number, sizeof(number));
	return asprintf(&path, "%s/" WEBDAV_TEMP_FOLDER "/%s-%ld-%016llx", w->folder, w->temp_tag,
			(long)getpid(), (unsigned long long)number) < 0 ? NULL : path;
}

/* ---- the calls ---- */

/* Whether the name's last component has the hash of its bytes at its end, before any dot: then all
 * who write it write the same. */
static bool is_named_by_hash(const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	size_t len = strcspn(base, ".");
	char hex[HASH_HEX_BYTES];
	struct hash h;

	if (len < HASH_HEX_BYTES - 1)
		return false;
	memcpy(hex, base + len - (HASH_HEX_BYTES - 1), HASH_HEX_BYTES - 1);
	hex[HASH_HEX_BYTES - 1] = '\0';
	return hex_decode(hex, h.b, HASH_BYTES);
}

/* After a MOVE that seems to have won: a server may say so and not have done it. */
static int read_back(struct drive *d, const char *path, const char *name, const void *bytes,
		     size_t len_bytes, struct error *err)
{
	struct object_stat st;
	void *there;
	int code;

	if (is_named_by_hash(name))
		return check_length((struct webdav *)d, path, len_bytes, name, err);
	there = malloc(len_bytes + 1);
	if (!there)
		return err_nomem(err);
	code = webdav_stat(d, name, &st, err);
	if (code == ERR_NONE && len_bytes > 0)
		code = webdav_get(d, name, 0, there, len_bytes, err);
	if (code == ERR_NONE &&
	    (st.len_bytes != len_bytes || memcmp(there, bytes, len_bytes) != 0))
		code = err_set(err, ERR_EXISTS, "put %s: the name was taken meanwhile", name);
	if (code == ERR_NOT_FOUND || code == ERR_CORRUPT)
		code = err_set(err, ERR_EXISTS, "put %s: it was taken away meanwhile", name);
	free(there);
	return code;
}

int webdav_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	       struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	char *temp = NULL, *path = NULL;
	unsigned status = 0;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = ready_temp_folder(w, err);
	if (code != ERR_NONE)
		return code;
	temp = temp_path(w);
	path = webdav_path(w, name);
	if (!temp || !path) {
		code = err_nomem(err);
		goto out;
	}
	code = webdav_upload(w, temp, bytes, len_bytes, name, &status, err);
	if (code == ERR_NONE) {
		code = webdav_rename(w, temp, path, "put", name, &status, err);
		/* It was there: it has its name already, since somebody on the way asked twice, or is
		 * sent again. */
		if (code != ERR_NONE && status == 404)
			err->code = code = ERR_TRANSIENT;
	}
	/* A server that did not answer is asked nothing more: what is left there goes later. */
	if (code != ERR_NONE && status != 0)
		webdav_drop(w, temp, false);
	if (code == ERR_NONE)
		code = read_back(d, path, name, bytes, len_bytes, err);
out:
	free(temp);
	free(path);
	return code;
}

/* A folder has no bytes to be set aside. */
int webdav_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	char *from_path = NULL, *to_path = NULL;
	struct dav_entry e;
	unsigned status;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code != ERR_NONE)
		return code;
	from_path = webdav_path(w, from);
	to_path = webdav_path(w, to);
	if (!from_path || !to_path)
		code = err_nomem(err);
	if (code == ERR_NONE)
		code = webdav_look(w, from_path, false, from, &e, err);
	if (code == ERR_NONE && e.is_folder)
		code = err_set(err, ERR_NOT_FOUND, "move %s: it is a folder", from);
	else if (code == ERR_NONE && strcmp(from, to) == 0)
		code = err_set(err, ERR_EXISTS, "move %s to itself", from);
	if (code == ERR_NONE)
		code = webdav_rename(w, from_path, to_path, "move", from, &status, err);
	free(from_path);
	free(to_path);
	return code;
}

/* "Depth: 0" keeps most servers from taking a folder away with all that is in it. */
static int delete_object(struct webdav *w, const char *path, const char *name, struct error *err)
{
	const struct dav_request r = { .method = "DELETE", .path = path, .depth = "0" };
	struct http_answer a;
	int code = webdav_do(w, &r, &a, err);

	if (code == ERR_NONE && !is_good(&a) && a.status != 404 && a.status != 410)
		code = webdav_write_error(&a, "remove", name, err);
	http_answer_release(&a);
	return code;
}

static bool is_no_object(struct webdav *w, const char *path, const char *name)
{
	struct dav_entry e;
	struct error ignored;
	int code = webdav_look(w, path, false, name, &e, &ignored);

	return code == ERR_NOT_FOUND || (code == ERR_NONE && e.is_folder);
}

int webdav_remove(struct drive *d, const char *name, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	int code = object_name_check(name, err);
	char *path;

	if (code != ERR_NONE)
		return code;
	path = webdav_path(w, name);
	if (!path)
		return err_nomem(err);
	if (!w->removes_folders || !is_no_object(w, path, name))
		code = delete_object(w, path, name, err);
	if (code == ERR_IO && is_no_object(w, path, name))
		code = ERR_NONE;
	free(path);
	return code;
}
