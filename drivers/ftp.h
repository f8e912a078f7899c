/*
 * Inside of the ftp driver: what its files share. Others use driver_ftp.
 *
 * A session is one curl easy handle, so one connection that stays logged in; a drive has as many as
 * calls may be under way. All paths are absolute (below the folder that the log-in leads to), so that
 * it does not matter where a connection stands.
 *
 * Objects lie under <root>/.mrmr/. put() uploads to <root>/.mrmr/~tmp/<tag>-<pid>-<number> and renames:
 * the '~' keeps that folder out of all listings and all object names.
 */
#ifndef MRMR_DRIVERS_FTP_H
#define MRMR_DRIVERS_FTP_H

#include "base/bytes.h"
#include "drivers/beneath.h"
#include "drivers/driver.h"
#include "drivers/ftp_reply.h"

#include <curl/curl.h>
#include <pthread.h>

#define FTP_TEMP_FOLDER "~tmp"
#define FTP_REPLIES 128	      /* of the last ones that are kept */
#define FTP_COMMANDS_MAX 100  /* at once */
#define FTP_LISTING_BYTES_MAX ((size_t)64 << 20) /* of one folder */

enum ftp_tls {
	FTP_PLAIN,
	FTP_EXPLICIT, /* AUTH TLS, before the log-in */
	FTP_IMPLICIT, /* from the first byte on */
};

/* One server as one drive uses it. */
struct ftp_site {
	char *host;
	unsigned port;
	enum ftp_tls tls;
	bool tls_13;		    /* not only 1.2 */
	char *user;		    /* NULL: anonymous */
	struct credential password;
	const char *ca_file;	    /* NULL: the system's */
	char *ca_copy;
	char *root;		    /* absolute, without a slash at its end */
	bool has_mlsd;
	struct limit *upload, *download;
	struct meter *meter;
};

struct ftp_session {
	struct ftp_session *next;
	const struct ftp_site *site;
	CURL *curl;
	CURLM *multi; /* of this one alone: it keeps the connection */
	CURLcode failed; /* of what was done last */
	char failure[CURL_ERROR_SIZE];
	bool out_of_step; /* a reply was that to something else: to be used no more */

	/* Of what is under way. */
	struct ftp_reply replies[FTP_REPLIES]; /* the i-th is at i % FTP_REPLIES */
	size_t reply_count;
	bool has_mlsd; /* of FEAT */
	const char *send_at;
	size_t send_bytes;
	char *out;
	size_t out_bytes, surplus_bytes;
	struct buf *listing;
	bool listing_too_long;
	uint64_t moved_us, moved_bytes, slept_us;
};

struct ftp_drive {
	struct drive base;
	struct mrmr_driver driver; /* driver_ftp, with as many connections as wanted */
	struct ftp_site site;
	char tag[33];

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t freed;
	struct ftp_session *idle;
	unsigned busy;
	struct folder_set made; /* folders that are there, below .mrmr; "" is .mrmr itself */
	bool swept;
};

/* ---- sessions: ftp_session.c ---- */

struct ftp_session *ftp_session_new(const struct ftp_site *site); /* NULL: out of memory */
void ftp_session_free(struct ftp_session *s);

/* Each is sent, whatever becomes of the ones before; ERR_NONE: each has its reply. */
int ftp_commands(struct ftp_session *s, const char *const *commands, size_t count,
		 struct error *err);
/* The reply to command i of the count that were sent last. */
const struct ftp_reply *ftp_reply_to(const struct ftp_session *s, size_t i, size_t count);
/* The error that a reply stands for; its code too when the reply is a good one. */
int ftp_refused(const struct ftp_session *s, const struct ftp_reply *r, const char *what,
		struct error *err);

/* Stores the bytes, then sends the commands (as ftp_commands()). path: absolute. */
int ftp_upload(struct ftp_session *s, const char *path, const void *bytes, size_t len_bytes,
	       const char *const *commands, size_t count, struct error *err);
/* Fills out; *got_bytes: less than len_bytes when the file ends before, which is ERR_NONE. */
int ftp_download(struct ftp_session *s, const char *path, uint64_t offset_bytes, void *out,
		 size_t len_bytes, size_t *got_bytes, struct error *err);
/* Lists a folder by MLSD, or by NLST. */
int ftp_listing(struct ftp_session *s, const char *path, struct buf *out, struct error *err);

/* Logs in, and learns what the server can and where the log-in leads to (entry: the caller's to
 * free). */
int ftp_greet(struct ftp_session *s, struct ftp_site *site, char **entry, struct error *err);

/* ---- the drive: ftp.c ---- */

/* Waits for a session. NULL: out of memory. */
struct ftp_session *ftp_take(struct ftp_drive *f, struct error *err);
/* The same for a call on an object. NULL too: that is no name of one. */
struct ftp_session *ftp_take_for(struct ftp_drive *f, const char *name, struct error *err);
void ftp_give(struct ftp_drive *f, struct ftp_session *s);
/* "VERB <root>/.mrmr/name" in fresh memory; verb NULL: the path alone. NULL: out of memory. */
char *ftp_command(const struct ftp_drive *f, const char *verb, const char *name);
/* Sends "TYPE I", for SIZE counts otherwise in another mode, and up to three commands of one word and
 * the name of an object. The replies are those to the last of count + 1. ERR_TRANSIENT: or to something
 * else, and this session is to be given back. */
int ftp_ask(struct ftp_drive *f, struct ftp_session *s, const char *const (*rows)[2],
	    size_t count, struct error *err);
/* What the reply to SIZE says. ERR_NOT_FOUND: there is no such file. */
int ftp_size_of(const struct ftp_session *s, const struct ftp_reply *r, const char *what,
		uint64_t *out, struct error *err);
/* Whether it is a folder. */
int ftp_folder_exists(struct ftp_session *s, const char *path, bool *exists, struct error *err);
/* Makes it if it is not there; what is wrong with it is seen when it is used. */
int ftp_folder_make(struct ftp_session *s, const char *path, struct error *err);

/* ---- the calls of the driver that are not in ftp.c ---- */

int ftp_open(const char *text, const struct drive_options *options, struct drive **out,
	     struct error *err);
void ftp_close(struct drive *d);
int ftp_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	    struct error *err);
int ftp_move(struct drive *d, const char *from, const char *to, struct error *err);
int ftp_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err);

/* Removes what puts left that were killed: ftp_list.c. Failing to tidy up fails nothing. */
void ftp_sweep(struct ftp_drive *f, struct ftp_session *s);

#endif
