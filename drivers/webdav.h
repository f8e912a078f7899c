/*
 * Inside of the WebDAV driver: what its files and the rclone driver share. Others use driver_webdav.
 *
 * Objects lie under <place>/.mrmr/, or <place>/_mrmr/ on a server that does not list names with a
 * leading dot: there a component that has one is written "~." and the rest. put() sends the bytes to
 * <folder>/~tmp/<temp tag>-<pid>-<random>, asks how long they have become, and gives them their name
 * by MOVE with "Overwrite: F"; the '~' keeps that folder out of all listings and all object names.
 *
 * Paths are decoded here, begin with a slash and have none at their end; "" is the server's root.
 * They are encoded where a request is made.
 */
#ifndef MRMR_DRIVERS_WEBDAV_H
#define MRMR_DRIVERS_WEBDAV_H

#include "drivers/beneath.h"
#include "drivers/driver.h"
#include "drivers/multistatus.h"
#include "net/http.h"

#include <pthread.h>

#define WEBDAV_CONNECTIONS 8 /* calls at once, if nothing else is said */
#define WEBDAV_CONNECTIONS_MAX 16
#define WEBDAV_TEMP_FOLDER "~tmp"

/* Where it is and how to get in. */
struct webdav_place {
	const char *origin; /* "https://host:port" */
	const char *path;   /* decoded, without slashes at its ends */
	const char *domain; /* what fails together */
	const char *ca_file;
	const char *user, *password, *bearer; /* NULL: none */
	unsigned auth; /* of http_site_options */
	unsigned stall_ms; /* of http_site_options */
	/* Asked when a request got no answer: ERR_NONE if there may be one later. NULL: there may. */
	int (*alive)(void *owner, struct error *err);
	/* Asked when no objects are there yet: ERR_NONE if the place is. NULL: PROPFIND tells. */
	int (*confirm)(void *owner, struct error *err);
	void *owner;
	bool removes_folders; /* DELETE of a folder is not kept off by "Depth: 0" */
};

struct webdav {
	struct drive base;
	struct mrmr_driver driver; /* of the kind, with the flags of the place */
	const char *temp_tag;	   /* lent */
	struct http_site *site;
	char *origin;
	char *root;   /* path of the place */
	char *folder; /* path of what holds the objects; NULL until it is known */
	bool no_dots; /* names with a leading dot are not listed there */
	struct credential bearer; /* the whole header */
	char domain[DRIVE_DOMAIN_MAX];
	uint64_t space; /* 0: the server tells no quota */
	bool removes_folders;
	int (*alive)(void *owner, struct error *err); /* as of its place */
	void *owner;

	pthread_mutex_t temp_lock; /* one makes and tidies the temporary folder; before lock */
	bool temp_ready;
	pthread_mutex_t long_lock; /* one long listing at a time is held */
	pthread_mutex_t lock;
	struct folder_set made; /* folders that are known to be there */
};

/* driver: whose calls they are; copied. Lends o as open() does. */
int webdav_open_place(const struct webdav_place *place, const struct mrmr_driver *driver,
		      const struct drive_options *o, struct drive **out, struct error *err);
void webdav_close(struct drive *d);

int webdav_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	       struct error *err);
int webdav_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
	       size_t len_bytes, struct error *err);
int webdav_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err);
int webdav_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err);
int webdav_move(struct drive *d, const char *from, const char *to, struct error *err);
int webdav_remove(struct drive *d, const char *name, struct error *err);
int webdav_sync(struct drive *d, struct error *err);
int webdav_about(struct drive *d, struct drive_about *out, struct error *err);

/* ---- requests: webdav_call.c ---- */

struct dav_request {
	const char *method;
	const char *path;
	bool is_folder;	   /* its URL ends with a slash */
	const char *depth; /* NULL: no such header */
	const char *to;	   /* Destination, never to be replaced; NULL: none */
	const char *range; /* NULL: none */
	uint64_t range_offset_bytes;
	const char *type; /* of the body; NULL: there is none */
	const void *body;
	size_t body_bytes;
	void *out; /* as in http_request */
	size_t out_bytes;
	size_t document_bytes_max;
	struct http_header *wanted;
	size_t wanted_count;
};

/* Errors of http_do(). The caller calls http_answer_release() in any case. */
int webdav_do(struct webdav *w, const struct dav_request *r, struct http_answer *a,
	      struct error *err);

/* The error that an answer stands for where "not found" would be a fault of the place and not an
 * answer about the object: step and name as in messages. */
int webdav_write_error(const struct http_answer *a, const char *step, const char *name,
		       struct error *err);

/* Path of an object; fresh memory. NULL: out of memory. */
char *webdav_path(const struct webdav *w, const char *name);
/* "folder/leaf" in fresh memory. */
char *webdav_join(const char *folder, const char *leaf);

/* PROPFIND of the resource itself; what: its name in messages. ERR_NOT_FOUND. e->name is not set. */
int webdav_look(struct webdav *w, const char *path, bool is_folder, const char *what,
		struct dav_entry *e, struct error *err);
/* PROPFIND of a folder and what is in it. date: NULL, or set to the server's clock, 0 if unknown. */
int webdav_look_into(struct webdav *w, const char *path, const char *what, dav_entry_fn *each,
		     void *ctx, int64_t *date_s, struct error *err);

/* ---- changes: webdav_put.c ---- */

/* MKCOL, of parents too, but of none that is not below the path of floor_len bytes. One that is there
 * already is fine. */
int webdav_make_folder(struct webdav *w, const char *path, size_t floor_len, struct error *err);
/* MOVE without replacing, with missing parents made. step and name as in messages. *status: of the
 * last answer, 0: there was none. */
int webdav_rename(struct webdav *w, const char *from, const char *to, const char *step,
		  const char *name, unsigned *status, struct error *err);
/* PUT, and a look at its length. */
int webdav_upload(struct webdav *w, const char *path, const void *bytes, size_t len_bytes,
		  const char *name, unsigned *status, struct error *err);
/* A folder with all that is in it, or a file. It counts as gone whatever comes of it. */
void webdav_drop(struct webdav *w, const char *path, bool is_folder);

/* ---- joining: webdav_probe.c ---- */

/* Finds out whether the server does what this driver relies on (ERR_UNSUPPORTED: it does not), and
 * whether it lists names with a leading dot. Leaves nothing behind. */
int webdav_probe(struct webdav *w, bool *lists_dots, struct error *err);

#endif
