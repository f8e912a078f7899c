/*
 * Shares of Samba, Windows and network disks: SMB 2 and 3, by libsmbclient.
 *
 * On a share an object is the file .mrmr/NAME, as on a disk: the same folder may be used as a
 * drive of kind "file" by the host that has the disk.
 *
 * put() writes ~tmp/TAG-PID-NUMBER, reads all of it back and compares (shares are known to lie),
 * and gives it its name. The library's rename replaces: where the name is taken, it removes what
 * has it and renames again. So whoever gives a name holds a lock on that name meanwhile: the file
 * ~tmp/<hash of the name>, open so that the server lets nobody else open it. Under it the name is
 * seen to be free, then the file is renamed. The lock is the open handle, not the file: it ends with
 * the connection, so none is ever left behind. A crash leaves a temporary file, never half an object.
 * A server that lets others open such a file is not taken (it is tried when a drive joins).
 *
 * What cannot be had: the library has no way to ask for an fsync, so sync() does nothing, and what a
 * server acknowledged and had not written is lost with its power. Servers can be told to write
 * at once (Samba: "sync always = yes").
 *
 * Every request ends within 20 s. The library keeps whole listings of a folder in memory.
 */
#include "drivers/smb.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "drivers/domain.h"
#include "drivers/folders.h"
#include "drivers/name.h"
#include "net/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#define CONNECTIONS_MAX 4
#define SMB_PORT 445
#define SECRET_BYTES_MAX 255 /* of the library */
#define FOLDER_ATTRIBUTE 0x10

/* ---- open, close ---- */

struct smb_url smb_url_of(const struct smb_drive *s, const char *name)
{
	struct smb_url u;

	snprintf(u.text, sizeof(u.text), "%s.mrmr%s%s", s->root, name[0] ? "/" : "", name);
	return u;
}

/* "smb://host:port/share/path/". Colons of IPv6 are encoded: the library takes the first one for
 * that of the port. */
static int take_place(struct smb_drive *s, const struct url *u, struct error *err)
{
	struct buf b = { 0 };
	struct hash hash;
	int code = ERR_NONE;

	s->port = u->port ? u->port : SMB_PORT;
	if (!u->host || !u->host[0] || strlen(u->host) >= sizeof(s->host))
		return err_set(err, ERR_USAGE, "no host that can be");
	if (u->path[0] == '\0')
		return err_set(err, ERR_USAGE, "no share: write smb://HOST/SHARE/PATH");
	snprintf(s->host, sizeof(s->host), "%s", u->host);
	buf_add(&b, "smb://", 6);
	url_encode(&b, u->host, false);
	buf_add(&b, ":", 1);
	if (buf_reserve(&b, 16))
		b.len_bytes += (size_t)snprintf((char *)b.data + b.len_bytes, 16, "%u/", s->port);
	url_encode(&b, u->path, true);
	buf_add(&b, "/", 2);
	if (b.failed)
		code = err_nomem(err);
	else if (b.len_bytes > sizeof(s->root))
		code = err_set(err, ERR_USAGE, "longer than %d bytes", SMB_ROOT_MAX);
	if (code == ERR_NONE) {
		memcpy(s->root, b.data, b.len_bytes);
		/* What is free is free to all of a share. */
		buf_clear(&b);
		buf_add(&b, s->root, strcspn(s->root + 6, "/") + 7);
		buf_add(&b, u->path, strcspn(u->path, "/"));
		hash = sha256(b.data, b.len_bytes);
		s->space = load_u64(hash.b) | 1;
	}
	buf_release(&b);
	return code;
}

static int take_text(char **out, const char *text, const char *what, struct error *err)
{
	if (strlen(text) > SECRET_BYTES_MAX)
		return err_set(err, ERR_USAGE, "the %s is longer than %d bytes", what,
			       SECRET_BYTES_MAX);
	*out = strdup(text);
	return *out ? ERR_NONE : err_nomem(err);
}

/* USER, DOMAIN\USER, or as in URLs of smbclient DOMAIN;USER. */
static int take_user(struct smb_drive *s, const char *user, const char *domain, struct error *err)
{
	size_t before = user ? strcspn(user, "\\;") : 0;
	char part[SECRET_BYTES_MAX + 2];
	int code = ERR_NONE;

	if (user && user[before]) {
		snprintf(part, sizeof(part), "%.*s", (int)before, user);
		if (domain)
			return err_set(err, ERR_USAGE, "the domain is given twice");
		if (before == 0 || before > SECRET_BYTES_MAX || !user[before + 1])
			return err_set(err, ERR_USAGE, "'%s' is not DOMAIN\\USER", user);
		domain = part;
		user += before + 1;
	}
	if (domain)
		code = take_text(&s->domain, domain, "domain", err);
	if (code == ERR_NONE && user)
		code = take_text(&s->user, user, "user", err);
	return code;
}

static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static int take_login(struct smb_drive *s, const struct url *u,
		      const struct drive_option_set *given, struct error *err)
{
	const char *user = drive_option(given, "user"), *auth = drive_option(given, "auth");
	const char *encryption = drive_option(given, "encryption");
	int code = take_user(s, user ? user : u->user, drive_option(given, "workgroup"), err);

	if (code == ERR_NONE)
		code = drive_option_secret(given, "password", NULL, &s->password, err);
	if (code != ERR_NONE)
		return code;
	s->kerberos = auth && strcmp(auth, "kerberos") == 0;
	s->encrypted = encryption && strcmp(encryption, "required") == 0;
	s->guest = !s->user && !s->kerberos;
	if (s->kerberos && is_address(s->host))
		return err_set(err, ERR_USAGE, "Kerberos knows a host by its name, not by its address");
	if (auth && !s->kerberos)
		return err_set(err, ERR_USAGE, "auth: a share takes only kerberos");
	if (s->password.text && strlen(s->password.text) > SECRET_BYTES_MAX)
		return err_set(err, ERR_USAGE, "the password is longer than %d bytes",
			       SECRET_BYTES_MAX);
	if (s->password.text && (s->guest || s->kerberos))
		return err_set(err, ERR_USAGE, "a password without a user, or with Kerberos");
	if (s->user && !s->kerberos && !s->password.text)
		return err_set(err, ERR_USAGE, "user %s needs -o password=REFERENCE", s->user);
	if (s->guest && s->encrypted)
		return err_set(err, ERR_USAGE, "what guests send cannot be encrypted: give a user");
	return s->guest ? take_text(&s->user, "guest", "user", err) : ERR_NONE;
}

static void smb_close(struct drive *d)
{
	struct smb_drive *s = (struct smb_drive *)d;

	for (bool late = false; s->idle;) {
		struct smb_conn *c = s->idle;

		s->idle = c->next;
		c->late = late;
		late = !smb_conn_end(c) || late;
	}
	free(s->user);
	free(s->domain);
	credential_release(&s->password);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The folder that the drive is in. */
static int find_root(struct smb_conn *c, bool make_root, struct error *err)
{
	struct smb_url root;
	struct stat st;

	/* Without the slash at its end, unless that is of the share. */
	snprintf(root.text, sizeof(root.text), "%.*s", (int)strlen(c->drive->root) - 1,
		 c->drive->root);
	if (smb_stat_url(c, root.text, &st) == 0)
		return S_ISDIR(st.st_mode) ? ERR_NONE
					   : err_set(err, ERR_IO, "%s is not a folder", root.text);
	if (errno == EACCES && c->out) {
		smb_refused(c, err);
		return err_wrap(err, "%s", root.text);
	}
	if (errno == ENOENT && c->out) {
		c->broken = true;
		return err_set(err, ERR_USAGE, "%s: no such share, or no such host (folders in a share are "
					       "made, shares are not)", root.text);
	}
	if (errno == ENOENT && make_root)
		return smb_make_folders(c, root.text, err);
	return smb_errno(c, err, "open %s", root.text);
}

static int probe(struct smb_drive *s, struct error *err)
{
	bool kept_out = false;
	int code = smb_probe_alone(s, &kept_out, err);

	if (code == ERR_NONE && !kept_out)
		code = err_set(err, ERR_UNSUPPORTED,
			       "the server lets two hosts write one file, so it cannot keep names "
			       "from being taken twice");
	return code;
}

static int enter(struct smb_drive *s, const struct drive_options *options, struct error *err)
{
	struct smb_conn *c;
	int code = smb_library(&s->lib, err);

	if (code == ERR_NONE)
		code = smb_take(s, &c, err);
	if (code != ERR_NONE)
		return code;
	code = find_root(c, options->make_root, err);
	smb_give(c);
	s->opened = code == ERR_NONE;
	if (code == ERR_NONE && options->learned)
		code = probe(s, err);
	if (code == ERR_NONE && options->learned)
		options->learned(options->learned_ctx, "fsync", "no");
	return code;
}

static int take_connections(struct smb_drive *s, const struct drive_option_set *given,
			    struct error *err)
{
	uint64_t connections;
	int code = drive_option_number(given, "connections", 1, UINT16_MAX, CONNECTIONS_MAX,
				       &connections, err);

	if (code == ERR_NONE)
		s->connections = connections < CONNECTIONS_MAX ? (unsigned)connections : CONNECTIONS_MAX;
	return code;
}

static int smb_open(const char *url, const struct drive_options *options, struct drive **out,
		    struct error *err)
{
	struct smb_drive *s;
	struct url u = { 0 };
	int code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code == ERR_NONE)
		code = url_parse(url, &u, err);
	if (code != ERR_NONE)
		return code;
	s = calloc(1, sizeof(*s));
	if (!s) {
		url_release(&u);
		return err_nomem(err);
	}
	s->base.driver = &driver_smb;
	pthread_mutex_init(&s->lock, NULL);
	s->temp_tag = options->temp_tag;
	s->upload = options->upload;
	s->download = options->download;
	if (u.query)
		code = err_set(err, ERR_USAGE, "a share has no options in its URL");
	if (code == ERR_NONE)
		code = take_place(s, &u, err);
	if (code == ERR_NONE)
		code = take_login(s, &u, options->given, err);
	if (code == ERR_NONE)
		code = take_connections(s, options->given, err);
	url_release(&u);
	if (code != ERR_NONE)
		err_wrap(err, "%s", url);
	else
		code = enter(s, options, err);
	if (code == ERR_NONE)
		*out = &s->base;
	else
		smb_close(&s->base);
	return code;
}

/* ---- get, stat, remove ---- */

static int get_over(struct smb_conn *c, const char *name, uint64_t offset_bytes, void *out,
		    size_t len_bytes, struct error *err)
{
	struct smb_url url = smb_url_of(c->drive, name);
	SMBCFILE *f = smb_open_file(c, url.text, O_RDONLY);
	struct stat st;
	ssize_t n = 0;
	int code = ERR_NONE;

	if (!f && errno == EISDIR)
		return err_set(err, ERR_NOT_FOUND, "open %s: not a file", name);
	if (!f)
		return smb_errno(c, err, "open %s", name);
	/* Nothing read proves nothing. */
	if (len_bytes == 0 && smb_fstat(c, f, &st) < 0)
		code = smb_errno(c, err, "read %s", name);
	else if (len_bytes == 0 && offset_bytes > (uint64_t)st.st_size)
		code = err_set(err, ERR_CORRUPT, "get %s: it ends before", name);
	else if (len_bytes > 0)
		n = smb_read_full(c, f, offset_bytes, out, len_bytes);
	if (n < 0)
		code = smb_errno(c, err, "read %s", name);
	else if (len_bytes > 0 && (size_t)n < len_bytes)
		code = err_set(err, ERR_CORRUPT, "get %s: it ends %zu bytes behind %llu", name,
			       (size_t)n, (unsigned long long)offset_bytes);
	smb_close_file(c, f);
	return code;
}

static int smb_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		   size_t len_bytes, struct error *err)
{
	struct smb_conn *c;
	int code = object_name_check(name, err);

	if (code == ERR_NONE && (offset_bytes > INT64_MAX || len_bytes > INT64_MAX - offset_bytes))
		code = err_set(err, ERR_CORRUPT, "get %s: no file is so long", name);
	if (code == ERR_NONE)
		code = smb_take((struct smb_drive *)d, &c, err);
	if (code != ERR_NONE)
		return code;
	code = get_over(c, name, offset_bytes, out, len_bytes, err);
	smb_give(c);
	return code;
}

static int smb_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct smb_url url;
	struct smb_conn *c;
	struct stat st;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = smb_take((struct smb_drive *)d, &c, err);
	if (code != ERR_NONE)
		return code;
	url = smb_url_of(c->drive, name);
	if (smb_stat_url(c, url.text, &st) < 0)
		code = smb_errno(c, err, "stat %s", name);
	else if (S_ISDIR(st.st_mode))
		code = err_set(err, ERR_NOT_FOUND, "stat %s: not a file", name);
	else
		out->len_bytes = (uint64_t)st.st_size;
	smb_give(c);
	return code;
}

static int smb_remove(struct drive *d, const char *name, struct error *err)
{
	struct smb_url url;
	struct smb_conn *c;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = smb_take((struct smb_drive *)d, &c, err);
	if (code != ERR_NONE)
		return code;
	url = smb_url_of(c->drive, name);
	if (smb_unlink(c, url.text) < 0 &&
	    (c->out || (errno != ENOENT && errno != ENOTDIR && errno != EISDIR)))
		code = smb_errno(c, err, "remove %s", name);
	smb_give(c);
	return code;
}

/* ---- list ---- */

struct listing {
	struct smb_drive *drive;
	const char *prefix;
	size_t prefix_len;
};

/* The entry of a folder, by its whole name. */
static void take_entry(const struct listing *l, const struct libsmb_file_info *e, const char *name,
		       struct folder_found *found)
{
	/* It starts in the folder that the prefix names: only there is more to match. */
	if (strncmp(name, l->prefix, l->prefix_len) != 0)
		return;
	if (!(e->attrs & FOLDER_ATTRIBUTE))
		folder_has_object(found, name, e->size);
	else if (strlen(name) < OBJECT_NAME_MAX)
		folder_has_folder(found, name);
}

static int read_entries(const struct listing *l, struct smb_conn *c, const char *folder,
			struct folder_found *found, struct error *err)
{
	const struct libsmb_file_info *e;
	struct smb_url url = smb_url_of(l->drive, folder);
	SMBCFILE *dir = smb_opendir(c, url.text);
	char name[OBJECT_NAME_MAX + 1];

	if (!dir && (errno == ENOENT || errno == ENOTDIR) && !c->out)
		return ERR_NONE; /* removed meanwhile */
	if (!dir)
		return smb_errno(c, err, "list %s", folder);
	while ((e = smb_readdir(c, dir))) {
		/* What is no object name can't be an object: "~tmp", "..", another program's. */
		if (strlen(folder) + 1 + strlen(e->name) > OBJECT_NAME_MAX ||
		    !object_name_ok(e->name) || strchr(e->name, '/'))
			continue;
		snprintf(name, sizeof(name), "%s%s%s", folder, folder[0] ? "/" : "", e->name);
		take_entry(l, e, name, found);
	}
	smb_closedir(c, dir);
	return ERR_NONE;
}

static int list_folder(void *ctx, const char *folder, struct folder_found *found,
		       struct error *err)
{
	const struct listing *l = ctx;
	struct smb_conn *c;
	int code = smb_take(l->drive, &c, err);

	if (code != ERR_NONE)
		return code;
	code = read_entries(l, c, folder, found, err);
	smb_give(c);
	return code;
}

static int smb_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		    struct error *err)
{
	struct smb_drive *s = (struct smb_drive *)d;
	struct listing l = { .drive = s, .prefix = prefix, .prefix_len = strlen(prefix) };
	char folder[OBJECT_NAME_MAX + 1] = "";
	const char *slash = strrchr(prefix, '/');
	int code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	memcpy(folder, prefix, slash ? (size_t)(slash - prefix) : 0);
	return folders_list(folder, s->connections, list_folder, &l, each, ctx, err);
}

/* ---- sync, about ---- */

/* There is no such request in the library: see above. */
static int smb_sync(struct drive *d, struct error *err)
{
	(void)d;
	(void)err;
	return ERR_NONE;
}

static int smb_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct smb_drive *s = (struct smb_drive *)d;
	struct smb_url url = smb_url_of(s, "");
	struct statvfs space;
	struct smb_conn *c;
	int n, code = smb_take(s, &c, err);

	if (code != ERR_NONE)
		return code;
	/* The library lists the folder that it asks about: that of the user may be long. */
	n = smb_space(c, url.text, &space);
	if (n < 0 && errno == ENOENT && !c->out) {
		snprintf(url.text, sizeof(url.text), "%.*s", (int)strlen(s->root) - 1, s->root);
		n = smb_space(c, url.text, &space);
	}
	if (n < 0) {
		code = smb_errno(c, err, "ask for the space left");
	} else {
		/* f_frsize counts sectors here. */
		uint64_t unit_bytes = (uint64_t)space.f_bsize * (space.f_frsize ? space.f_frsize : 1);

		out->total_bytes = (uint64_t)space.f_blocks * unit_bytes;
		out->free_bytes = (uint64_t)space.f_bavail * unit_bytes;
	}
	out->space = s->space;
	host_domain(s->host, s->port, out->domain);
	smb_give(c);
	return code;
}

static const char *const option_keys[] = { "user", "password", "workgroup",
					   "auth", "encryption", "fsync", NULL };

const struct mrmr_driver driver_smb = {
	.kind = "smb",
	.flags = DRIVER_KNOWS_SPACE | DRIVER_REMOTE,
	.connections_max = CONNECTIONS_MAX,
	.options = option_keys,
	.open = smb_open,
	.close = smb_close,
	.put = smb_put,
	.get = smb_get,
	.stat = smb_stat,
	.list = smb_list,
	.move = smb_move,
	.remove = smb_remove,
	.sync = smb_sync,
	.about = smb_about,
};
