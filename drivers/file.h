/*
 * Inside of the file driver: what its files share. Others use driver_file.
 *
 * Objects lie under <root>/.mrmr/, which is made on demand (0700; objects 0600). put() writes to
 * <root>/.mrmr/~tmp/<temp tag>-<pid>-<number>; the '~' keeps that folder out of all listings and
 * all object names. sync() makes them durable in this order: fsync of each file on the descriptor
 * that wrote it, rename without replacing, fsync of each folder that changed, once.
 */
#ifndef MRMR_DRIVERS_FILE_H
#define MRMR_DRIVERS_FILE_H

#include "drivers/beneath.h"
#include "drivers/driver.h"

#include <pthread.h>

#define FILE_TEMPS_MAX 64 /* temporary files, and so descriptors, at most */
#define TEMP_NAME_BYTES 80

/* An object that is written but has not got its name yet. */
struct temp {
	char *name; /* owned */
	char temp_name[TEMP_NAME_BYTES];
	int fd;
};

struct file_drive {
	struct drive base;
	struct mrmr_driver driver; /* driver_file, with the flags of the place */
	const char *temp_tag; /* lent */
	int root_fd;

	pthread_mutex_t commit_lock; /* one commit at a time; taken before lock */
	pthread_mutex_t lock;	     /* guards all below */
	int mrmr_fd;		     /* -1 while there is no .mrmr */
	int temp_fd;		     /* -1 until the first put */
	struct temp pending[FILE_TEMPS_MAX];
	unsigned pending_count;
	unsigned temps; /* pending, being written, or being committed */
	struct folder_set changed;
	bool root_changed; /* .mrmr was made */
	/* A commit inside put() that failed must fail the next sync() too. */
	unsigned failures, failures_reported;
	struct error last_failure;
};

/* The folder .mrmr: a descriptor that stays good until close(). ERR_NOT_FOUND. */
int file_mrmr(struct file_drive *f, int *fd, struct error *err);
/* The same; makes it when it is missing. */
int file_mrmr_make(struct file_drive *f, int *fd, struct error *err);

/* err_errno() for steps of a change: there "no such file" is a fault of the place and not an answer
 * about the object, so it is ERR_IO. */
int file_write_errno(struct error *err, const char *step, const char *name);

/* The calls of the driver that are not in file.c. */
int file_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	     struct error *err);
int file_sync(struct drive *d, struct error *err);
int file_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err);

bool file_is_pending(struct file_drive *f, const char *name);
/* Gives up pending objects: those of this name, or all (NULL). */
void file_drop_pending(struct file_drive *f, const char *name);

#endif
