/*
 * A driver: the code for one kind of drive.
 *
 * Every driver promises: put() is all or nothing, and no reader ever sees half an object;
 * after ERR_NONE of sync() everything put before it survives a power cut and any host finds
 * it; an existing name is never replaced by different bytes. Each call returns an err_code
 * and fills err unless it is ERR_NONE. All calls block. Up to connections_max calls may run
 * at once on one drive, from any threads; open() and close() are alone.
 *
 * No driver retries, logs, limits, caches, encrypts or verifies hashes: lib/array wraps a
 * struct drive around a drive for that, once for all kinds.
 *
 * Object names are relative to the drive's .mrmr folder: "config.json",
 * "blocks/ab/<64 hex>.blob", "journal/<writer>/...". They hold [A-Za-z0-9._/-] only, no empty,
 * "." or ".." component, and at most OBJECT_NAME_MAX bytes; a driver refuses others with
 * ERR_USAGE. Slashes are part of the name: there are no folders to make or to find empty.
 */
#ifndef MRMR_DRIVERS_DRIVER_H
#define MRMR_DRIVERS_DRIVER_H

#include "base/drive_option.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_NAME_MAX 255
#define DRIVE_DOMAIN_MAX 128

enum driver_flags {
	DRIVER_KNOWS_SPACE = 1, /* about() tells total and free bytes, unless a server does not */
	DRIVER_LOCAL = 2, /* this host's own: its kernel ends every call, sooner or later */
	DRIVER_REMOTE = 4, /* across a network: ERR_TRANSIENT may be tried again after a while */
	/* The place has no exclusive create: of hosts that put different bytes under one name, or move to
	 * it, at the same moment several may be told that it worked; the object is that of one of them.
	 * (None does: names are of contents or of one writer.) A taken name is refused all the same. */
	DRIVER_RACES = 8,
};

struct object_stat {
	uint64_t len_bytes;
};

struct drive_about {
	uint64_t total_bytes, free_bytes; /* free for us, not for root; 0 and 0 when unknown */
	uint64_t space; /* drives of this host with the same number share their free bytes; 0: none do */
	char domain[DRIVE_DOMAIN_MAX];	  /* what fails together: "disk sda", "host nas" */
};

/* What open() found out about a place, as an option to be kept in the config. */
typedef void learned_fn(void *ctx, const char *key, const char *value);

struct limit;
struct meter;

struct drive_options {
	bool make_root;	      /* create the place itself when it is missing */
	const char *temp_tag; /* [a-z0-9]{1,32}: goes into temporary names; lent until close() */
	const struct drive_option_set *given; /* -o K=V; lent until open() returns; NULL: none */
	/* net/limit.h; lent until close(); NULL: none. Every piece that moves is booked, whether they bind or
	 * not: that is the sign of life of a call that takes long. */
	struct limit *upload, *download;
	void (*moved)(void *ctx); /* who is to have that sign; not for drivers */
	void *moved_ctx;
	/* base/meter.h; lent until close(); NULL: none. Drivers count what only they know: requests
	 * to the server and connections to it. Bytes are counted by what is booked. */
	struct meter *meter;
	/* Not NULL: the drive is about to join the array. Now the place is probed, and a host key may be
	 * accepted if the options say so; never later. */
	learned_fn *learned;
	void *learned_ctx;
};

/* Called once per object. A value other than 0 stops the listing and is returned by it. */
typedef int object_fn(void *ctx, const char *name, uint64_t len_bytes);

struct drive;

struct mrmr_driver {
	const char *kind; /* "file", "sftp", ... */
	enum driver_flags flags;
	unsigned connections_max;
	const char *const *options; /* keys of -o it takes, NULL-ended, besides those all take; or NULL */

	/* ERR_NOT_FOUND: the place is not there (and make_root was false). Nothing is written
	 * unless make_root. Where places have no folders, one below another is always there. The caller
	 * closes *out. */
	int (*open)(const char *url, const struct drive_options *options, struct drive **out,
		    struct error *err);
	/* May give up what was put and not synced; or not. */
	void (*close)(struct drive *d);

	/* Stores an object. It is certain to be found by get(), stat() and list() only after the
	 * next sync(), but may be before, by other hosts too. ERR_EXISTS: the name is taken (by whatever
	 * bytes) and stays as it was. */
	int (*put)(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		   struct error *err);
	/* Fills all len_bytes of out from offset_bytes on. ERR_NOT_FOUND; ERR_CORRUPT when the
	 * object ends before that. */
	int (*get)(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		   size_t len_bytes, struct error *err);
	int (*stat)(struct drive *d, const char *name, struct object_stat *out, struct error *err);
	/* Every object whose name begins with prefix, in any order, however many there are.
	 * Temporary names of put() are not objects. */
	int (*list)(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		    struct error *err);
	/* Gives an object another name. ERR_EXISTS when "to" is taken: both stay as they were.
	 * Durable after sync(). Repair sets bad bytes aside with it, readable or not. */
	int (*move)(struct drive *d, const char *from, const char *to, struct error *err);
	/* An object that is not there is ERR_NONE. Durable after sync(). */
	int (*remove)(struct drive *d, const char *name, struct error *err);
	/* ERR_NONE: everything before it is durable. Anything else: nothing put since the last
	 * good sync() counts as stored, and it is not tried again on the same descriptors. */
	int (*sync)(struct drive *d, struct error *err);
	int (*about)(struct drive *d, struct drive_about *out, struct error *err);
};

/* First member of each driver's own struct. */
struct drive {
	const struct mrmr_driver *driver;
};

/*
 * The driver for a URL, from the one list of kinds in drivers.c. A kind known but left out
 * of this build is ERR_UNSUPPORTED, an unknown one ERR_USAGE. A path without scheme is "file".
 */
int driver_for_url(const char *url, const struct mrmr_driver **out, struct error *err);

/* "file ..." for `mrmr version`: name i, or NULL past the last. */
const char *driver_kind(unsigned i);

extern const struct mrmr_driver driver_file; /* a folder of this host: file.c */
extern const struct mrmr_driver driver_swift; /* a container of OpenStack Swift: swift.c */
#ifdef WITH_smb
extern const struct mrmr_driver driver_smb; /* a folder of an SMB share: smb.c */
#endif
extern const struct mrmr_driver driver_exec; /* another program: exec.c */
extern const struct mrmr_driver driver_ftp;  /* an FTP server, with TLS or without: ftp.c */
extern const struct mrmr_driver driver_webdav;
extern const struct mrmr_driver driver_rclone;
extern const struct mrmr_driver driver_s3;   /* a bucket of an S3 server: s3.c */
extern const struct mrmr_driver driver_mem;  /* memory of this process, has no URL: mem.c */
extern const struct mrmr_driver driver_sftp; /* a folder of another host, by SSH: sftp.c */

#endif
