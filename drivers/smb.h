/*
 * The insides of the driver for shares (SMB 2 and 3): what smb.c, smb_conn.c, smb_put.c,
 * smb_ticket.c and smb_library.c share. What the driver promises and how stands at the top of smb.c.
 */
#ifndef MRMR_DRIVERS_SMB_H
#define MRMR_DRIVERS_SMB_H

#include "drivers/driver.h"
#include "net/limit.h"

#include <libsmbclient.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define SMB_ROOT_MAX 1024 /* bytes of the URL of a drive's root, encoded */
#define SMB_URL_MAX (SMB_ROOT_MAX + OBJECT_NAME_MAX + 64)
#define SMB_TEMP_FOLDER "~tmp"

/*
 * libsmbclient, as far as it is used. It is loaded when the first share is opened: it brings some
 * eighty libraries along, which would cost every command 60 ms.
 */
struct smb_library {
	__typeof__(smbc_setLogCallback) *setLogCallback;
	__typeof__(smbc_new_context) *new_context;
	__typeof__(smbc_init_context) *init_context;
	__typeof__(smbc_free_context) *free_context;
	__typeof__(smbc_setConfiguration) *setConfiguration;
	__typeof__(smbc_setDebug) *setDebug;
	__typeof__(smbc_setTimeout) *setTimeout;
	__typeof__(smbc_setUser) *setUser;
	__typeof__(smbc_setWorkgroup) *setWorkgroup;
	__typeof__(smbc_setOptionUserData) *setOptionUserData;
	__typeof__(smbc_getOptionUserData) *getOptionUserData;
	__typeof__(smbc_setOptionProtocols) *setOptionProtocols;
	__typeof__(smbc_setOptionSmbEncryptionLevel) *setOptionSmbEncryptionLevel;
	__typeof__(smbc_setOptionUseKerberos) *setOptionUseKerberos;
	__typeof__(smbc_setOptionFallbackAfterKerberos) *setOptionFallbackAfterKerberos;
	__typeof__(smbc_setOptionNoAutoAnonymousLogin) *setOptionNoAutoAnonymousLogin;
	__typeof__(smbc_setOptionUseCCache) *setOptionUseCCache;
	__typeof__(smbc_setOptionOpenShareMode) *setOptionOpenShareMode;
	__typeof__(smbc_setFunctionAuthDataWithContext) *setFunctionAuthDataWithContext;
	__typeof__(smbc_getFunctionGetCachedServer) *getFunctionGetCachedServer;
	__typeof__(smbc_setFunctionGetCachedServer) *setFunctionGetCachedServer;
	__typeof__(smbc_getFunctionAddCachedServer) *getFunctionAddCachedServer;
	__typeof__(smbc_setFunctionAddCachedServer) *setFunctionAddCachedServer;
	__typeof__(smbc_getFunctionOpen) *getFunctionOpen;
	__typeof__(smbc_getFunctionRead) *getFunctionRead;
	__typeof__(smbc_getFunctionWrite) *getFunctionWrite;
	__typeof__(smbc_getFunctionLseek) *getFunctionLseek;
	__typeof__(smbc_getFunctionFstat) *getFunctionFstat;
	__typeof__(smbc_getFunctionClose) *getFunctionClose;
	__typeof__(smbc_getFunctionStat) *getFunctionStat;
	__typeof__(smbc_getFunctionStatVFS) *getFunctionStatVFS;
	__typeof__(smbc_getFunctionUnlink) *getFunctionUnlink;
	__typeof__(smbc_getFunctionRename) *getFunctionRename;
	__typeof__(smbc_getFunctionMkdir) *getFunctionMkdir;
	__typeof__(smbc_getFunctionOpendir) *getFunctionOpendir;
	__typeof__(smbc_getFunctionReaddirPlus) *getFunctionReaddirPlus;
	__typeof__(smbc_getFunctionClosedir) *getFunctionClosedir;
};

/* Loads it once for the process. ERR_UNSUPPORTED: it is not installed, or too old. */
int smb_library(const struct smb_library **out, struct error *err);
/* A function of it, or of the libraries that it uses; NULL: there is none. */
void *smb_library_symbol(const char *name);

struct smb_conn;
struct smb_conn *smb_conn_of(SMBCCTX *ctx); /* for the library's calls back */

/*
 * What the library keeps for "a thread", here for a connection: whoever takes the connection works
 * with what it left there. A thread of ours may thus end without leaving anything behind.
 */
struct smb_frames;
struct smb_frames *smb_frames_take(void); /* NULL: out of memory */
void smb_frames_give(struct smb_frames *f);
struct smb_frames *smb_frames_use(struct smb_frames *f); /* by this thread; returns those before */

struct smb_conn {
	struct smb_conn *next; /* of those that nobody uses */
	struct smb_drive *drive;
	const struct smb_library *lib;
	SMBCCTX *ctx;
	struct smb_frames *frames, *outer;
	sigset_t signals;     /* of the thread that has taken it, before it did */
	size_t piece_bytes;   /* how much to move in one request */
	bool logging_in;      /* during a call: it holds the lock of logging in */
	bool logged_in;	      /* during a call that had to: it did */
	bool out;	      /* the last call failed before there was a connection */
	bool broken;	      /* not to be used again */
	bool late;	      /* the server did not answer in time: it is not asked any more */
	smbc_get_cached_srv_fn find_server; /* the library's own */
	smbc_add_cached_srv_fn add_server;
};

struct smb_drive {
	struct drive base;
	const struct smb_library *lib;
	char root[SMB_ROOT_MAX]; /* "smb://host:port/share/path/": what is encoded stays so */
	char host[128];
	unsigned connections; /* of a listing */
	unsigned port;
	uint64_t space;
	char *user, *domain; /* "guest": whoever may come; domain NULL: the library's default */
	struct credential password;
	bool guest, kerberos, encrypted;
	const char *temp_tag;
	struct limit *upload, *download;
	pthread_mutex_t lock; /* over what follows */
	struct smb_conn *idle;
	bool tidied; /* the folder of temporary files was looked through */
	bool opened; /* the share was there once */
};

/* A connection for this call alone. */
int smb_take(struct smb_drive *s, struct smb_conn **out, struct error *err);
void smb_give(struct smb_conn *c);
/* Takes leave of the server; of one that does not answer, without. False: that it did not. */
bool smb_conn_end(struct smb_conn *c);

/* smb_ticket.c: whose the ticket of Kerberos is, "alice@REALM". */
struct smb_principal {
	char text[256];
};
/*
 * Whether there is a ticket that holds and is of the drive's user; for_host: and one for the server can
 * be had. ERR_DENIED: no; ERR_TRANSIENT: who gives tickets does not answer. One thread at a time, and
 * none meanwhile that logs in.
 */
int smb_ticket(const struct smb_drive *s, bool for_host, struct smb_principal *whose,
	       struct error *err);

/* "root/.mrmr/name"; name "": the folder .mrmr. */
struct smb_url {
	char text[SMB_URL_MAX];
};
struct smb_url smb_url_of(const struct smb_drive *s, const char *name);

/*
 * The calls of the library on a connection; they set errno. flags of open: as of open(2), and
 * SMB_ALONE: nobody else may have the file open, and nobody can open it until it is closed.
 */
#define SMB_ALONE 0x40000000
SMBCFILE *smb_open_file(struct smb_conn *c, const char *url, int flags);
int smb_close_file(struct smb_conn *c, SMBCFILE *f);
int smb_unlink(struct smb_conn *c, const char *url);
int smb_rename(struct smb_conn *c, const char *from, const char *to);
int smb_mkdir(struct smb_conn *c, const char *url);
int smb_stat_url(struct smb_conn *c, const char *url, struct stat *out);
int smb_fstat(struct smb_conn *c, SMBCFILE *f, struct stat *out);
int smb_space(struct smb_conn *c, const char *url, struct statvfs *out);
SMBCFILE *smb_opendir(struct smb_conn *c, const char *url);
/* Of what opendir() read: no request. NULL: the end. */
const struct libsmb_file_info *smb_readdir(struct smb_conn *c, SMBCFILE *dir);
void smb_closedir(struct smb_conn *c, SMBCFILE *dir);

/* All of it, in pieces, booked with the limits of the drive. read: how much there was, less than
 * len_bytes only at the end of the file. False, or below 0: errno. */
bool smb_write_all(struct smb_conn *c, SMBCFILE *f, const void *bytes, size_t len_bytes);
ssize_t smb_read_full(struct smb_conn *c, SMBCFILE *f, uint64_t offset_bytes, void *out,
		      size_t len_bytes);

/* The error that errno stands for; what cannot be told from a lost connection breaks it. */
int smb_errno(struct smb_conn *c, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The server was reached, but it did not let the user in. */
int smb_refused(struct smb_conn *c, struct error *err);

/* Every folder of the URL below the share that is missing. */
int smb_make_folders(struct smb_conn *c, const char *url, struct error *err);

/* smb_put.c */
int smb_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	    struct error *err);
int smb_move(struct drive *d, const char *from, const char *to, struct error *err);
/* Whether the server keeps others out of a file that is open for one alone. */
int smb_probe_alone(struct smb_drive *s, bool *kept_out, struct error *err);

#endif
