/*
 * Every remote that an installed rclone knows, by `rclone serve webdav` on this host alone: the
 * driver is that of WebDAV, the server is started by open() and stopped by close().
 *
 * Why not `serve restic`: it stores under restic's own names alone, and cannot give an object
 * another name. `serve s3` is not in every rclone of today.
 *
 * What this server lacks is known: it ignores conditions of PUT, and a PUT that is cut leaves a torso
 * under its name. Both are no matter, since objects get their names by MOVE, which it makes exclusive.
 * It says yes to a root that is not there, and takes a folder away like a file: both are asked first.
 */
#include "drivers/rclone.h"

#include "base/json.h"
#include "drivers/name.h"
#include "drivers/webdav.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY_NOT_FOUND 3 /* exit codes of rclone */
#define FILE_NOT_FOUND 4
/* A remote may take its time with what is already sent to the server here. */
#define STALL_MS (60 * 1000)

struct rclone {
	struct rclone_server *server;
	char *fs; /* "remote:path" */
	struct credential config_password;
	pthread_mutex_t lock;
	bool knows_space, is_fresh; /* free_bytes was asked for and not told yet */
	uint64_t total_bytes, free_bytes; /* as last told */
};

static void rclone_free(struct rclone *r)
{
	rclone_server_stop(r->server);
	credential_release(&r->config_password);
	pthread_mutex_destroy(&r->lock);
	free(r->fs);
	free(r);
}

/* Asks the remote how much room there is; many cannot tell. */
static bool ask_space(struct rclone *r, uint64_t *total, uint64_t *left)
{
	static const char *const words[] = { "about", "--json", NULL };
	struct buf printed = { 0 };
	json_t *told = NULL;
	struct error err;
	uint64_t used = 0;
	int status;
	bool known;

	known = rclone_ask(words, r->fs, r->config_password.text, &printed, &status, &err) ==
			ERR_NONE &&
		status == 0 &&
		json_parse_object(printed.data, printed.len_bytes, "space", &told, &err) ==
			ERR_NONE &&
		json_need_u64(told, "free", left, &err) == ERR_NONE;
	if (known && json_need_u64(told, "total", total, &err) != ERR_NONE) {
		if (json_need_u64(told, "used", &used, &err) != ERR_NONE)
			used = 0;
		*total = *left + used;
	}
	known = known && *total > 0 && *left <= *total;
	json_decref(told);
	buf_release(&printed);
	return known;
}

/* Its own server cannot tell whether the place is there. */
static int confirm_place(void *owner, struct error *err)
{
	static const char *const words[] = { "lsjson", "--stat", "--no-modtime", NULL };
	struct rclone *r = owner;
	struct buf printed = { 0 };
	int status, code;

	code = rclone_ask(words, r->fs, r->config_password.text, &printed, &status, err);
	if (code == ERR_NONE && (status == DIRECTORY_NOT_FOUND || status == FILE_NOT_FOUND))
		code = err_set(err, ERR_NOT_FOUND, "there is no folder %s", r->fs);
	else if (code == ERR_NONE && status != 0)
		code = err_set(err, ERR_IO, "rclone: %.*s",
			       (int)(printed.len_bytes < 300 ? printed.len_bytes : 300),
			       printed.data ? (const char *)printed.data : "");
	for (char *c = err->message; code != ERR_NONE && *c; c++)
		if (*c == '\n')
			*c = ' ';
	buf_release(&printed);
	return code;
}

static int is_alive(void *owner, struct error *err)
{
	return rclone_server_alive(((struct rclone *)owner)->server, err);
}

/* "remote:path" of a remote that has a name: one made up on the spot may hold a password, which would
 * be seen in the list of processes. */
static int check_fs(const char *fs, struct error *err)
{
	size_t name_len = strcspn(fs, ":");

	if (name_len == 0 || fs[name_len] == '\0')
		return err_set(err, ERR_USAGE, "write rclone:REMOTE:PATH, with a REMOTE that "
					       "`rclone listremotes` shows");
	if (fs[0] == '-' || strcspn(fs, ",/\"'=") < name_len)
		return err_set(err, ERR_USAGE, "\"%.*s\" is no name of a remote", (int)name_len, fs);
	for (const char *c = fs; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			return err_set(err, ERR_USAGE, "a control character in the URL");
	return ERR_NONE;
}

/* The room is asked for while the server starts. */
static int open_server(struct rclone *r, const struct drive_options *o, struct drive **out,
		       struct error *err)
{
	struct webdav_place place = { .path = "", .auth = HTTP_BASIC, .owner = r,
				      .alive = is_alive, .confirm = confirm_place,
				      .removes_folders = true, .stall_ms = STALL_MS };
	char domain[DRIVE_DOMAIN_MAX];
	int code = rclone_server_start(r->fs, r->config_password.text, &r->server, err);

	if (code != ERR_NONE)
		return code;
	r->knows_space = r->is_fresh = ask_space(r, &r->total_bytes, &r->free_bytes);
	code = rclone_server_wait(r->server, &place.origin, err);
	if (code != ERR_NONE)
		return code;
	snprintf(domain, sizeof(domain), "rclone %.*s", (int)strcspn(r->fs, ":"), r->fs);
	place.domain = domain;
	place.user = rclone_server_user(r->server);
	place.password = rclone_server_password(r->server);
	code = webdav_open_place(&place, &driver_rclone, o, out, err);
	if (code == ERR_NONE && r->knows_space)
		((struct webdav *)*out)->driver.flags |= DRIVER_KNOWS_SPACE;
	return code;
}

static int rclone_open(const char *url, const struct drive_options *o, struct drive **out,
		       struct error *err)
{
	static const char *const variables[] = { "RCLONE_CONFIG_PASS", NULL };
	const char *fs = url_after_scheme(url, "rclone");
	struct rclone *r;
	int code = temp_tag_check(o->temp_tag, err);

	*out = NULL;
	if (code == ERR_NONE)
		code = check_fs(fs, err);
	if (code != ERR_NONE)
		return code;
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_nomem(err);
	pthread_mutex_init(&r->lock, NULL);
	r->fs = strdup(fs);
	code = r->fs ? drive_option_secret(o->given, "password", variables, &r->config_password, err)
		     : err_nomem(err);
	if (code == ERR_NONE)
		code = open_server(r, o, out, err);
	if (code != ERR_NONE)
		rclone_free(r);
	return code;
}

static void rclone_close(struct drive *d)
{
	struct rclone *r = ((struct webdav *)d)->owner;

	webdav_close(d);
	rclone_free(r);
}

/* A remote that does not tell now has what it last told. */
static int rclone_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct rclone *r = ((struct webdav *)d)->owner;
	uint64_t total, left, number = 14695981039346656037u;
	int code = webdav_about(d, out, err);

	if (code != ERR_NONE || !r->knows_space)
		return code;
	pthread_mutex_lock(&r->lock);
	if (!r->is_fresh && ask_space(r, &total, &left)) {
		r->total_bytes = total;
		r->free_bytes = left;
	}
	r->is_fresh = false;
	out->total_bytes = r->total_bytes;
	out->free_bytes = r->free_bytes;
	pthread_mutex_unlock(&r->lock);
	/* All that lies at a remote shares its room. */
	for (const char *c = out->domain; *c; c++)
		number = (number ^ (unsigned char)*c) * 1099511628211u;
	out->space = number | 1;
	return ERR_NONE;
}

static const char *const rclone_options[] = { "password", "dot-names", NULL };

const struct mrmr_driver driver_rclone = {
	.kind = "rclone",
	.flags = DRIVER_REMOTE | DRIVER_RACES,
	.connections_max = WEBDAV_CONNECTIONS_MAX,
	.options = rclone_options,
	.open = rclone_open,
	.close = rclone_close,
	.put = webdav_put,
	.get = webdav_get,
	.stat = webdav_stat,
	.list = webdav_list,
	.move = webdav_move,
	.remove = webdav_remove,
	.sync = webdav_sync,
	.about = rclone_about,
};
