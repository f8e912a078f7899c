/*
 * What the files of the target share: target.c (folders), target_file.c (files),
 * target_make.c (what else there is, and what is in the way), target_links.c (hard links).
 */
#ifndef MRMR_ARCHIVE_TARGET_INNER_H
#define MRMR_ARCHIVE_TARGET_INNER_H

#include "archive/listing.h"
#include "archive/target.h"

#include <pthread.h>
#include <stdatomic.h>

struct links;

struct target {
	struct target_options options;
	struct target_folder *root;
	pthread_mutex_t lock; /* counts, links, and one note at a time */
	struct target_counts counts;
	struct links *links;
};

struct target_folder {
	struct target *target;
	struct target_folder *parent; /* NULL: the root */
	char *name;
	size_t depth;
	int fd; /* -1: closed while the driver is far below, or lost. Written by the driver alone */
	dev_t device;
	ino_t inode;
	atomic_uint users; /* the driver, subfolders, holds, files: at 0 it is finished */
	atomic_uint busy;  /* holds and files alone: these need fd */
	bool default_acl;  /* what is made in it inherits an ACL */
	bool existed;	   /* its own attributes give way to the node's */
	bool sets_node;	   /* it gets the node's metadata in the end */
	bool complete;
	bool opened_up; /* was_mode had to be widened; it is put back if no node is set */
	mode_t was_mode;
	struct node node;      /* xattrs owned */
	struct listing others; /* what was there, when others are to go */
	bool *kept;	       /* of them */
};

/* Takes fd. NULL: out of memory. */
struct target_folder *target_folder_new(struct target *t, struct target_folder *parent,
					const char *name, int fd);
void target_folder_free(struct target_folder *f);

#define NAME_ROOM (NAME_BYTES_MAX + 1)

/* A temporary name: ".mrmr-" 16 hex digits ".tmp". */
void target_temp_name(char out[NAME_ROOM]);

/* Checks a name and gives it a NUL. */
int target_name(const void *name, size_t name_bytes, char out[NAME_ROOM], struct error *err);
/* ERR_IO unless the folder is open. */
int target_check_open(const struct target_folder *f, struct error *err);
/* Appends "a/b", relative to the target; of the root nothing. name may be NULL. */
void target_path(const struct target_folder *f, const char *name, struct buf *out);

void target_note(const struct target_folder *f, const char *name, enum note_level level,
		 const char *what);
/* Counts and notes what was lost of the metadata of name in f (NULL: of f). */
void target_add_loss(const struct target_folder *f, const char *name, const struct meta_loss *loss);

/* The flags of meta_set() for something in f. */
unsigned target_meta_flags(const struct target_folder *f);

/* Whether the policy lets a node take the place of what st shows; said of two that differ. */
bool target_replaces(const struct target *t, const struct node *n, const struct stat *st);

enum place {
	PLACE_FREE,  /* nothing is there (any more) */
	PLACE_TAKEN, /* what is there is to be renamed over */
	PLACE_SAME,  /* what is there is the node; its metadata were set */
	PLACE_KEPT,  /* what is there stays */
};
/* Finds out about a name that exists. ERR_EXISTS: a folder that is not empty is there, and others in
 * f are not to go. st (may be NULL) is what is there. */
int target_look(struct target_folder *f, const char *name, const struct node *n, enum place *out,
		struct stat *st, struct error *err);

/* Removes what the snapshot has not, as far as options.may_delete lets it: counted and noted. False:
 * something of it is still there. */
bool target_remove_other(struct target_folder *f, const char *name);

/* Gives a temporary name its final one, over what is there. On failure it is removed. */
int target_move_over(struct target_folder *f, const char *temp, const char *name,
		     struct error *err);

/* ---- hard links ---- */

struct links *links_new(void); /* NULL: out of memory */
void links_free(struct links *l);

/*
 * A name of a file with several links comes up. *outcome: TARGET_WRITE: it is the first (the caller
 * tells how it ended); TARGET_WAIT; TARGET_MADE: it is a link now; TARGET_KEPT.
 */
int links_claim(struct target_folder *f, const char *name, const struct node *n,
		enum target_outcome *outcome, struct error *err);
/* The first name is in place, with this device and inode; or it is not. */
void links_done(struct target_folder *f, const char *name, const struct node *n,
		const struct stat *st);
void links_forget(struct target_folder *f, const struct node *n);

#endif
