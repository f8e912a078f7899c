/*
 * A tiny array for sweeps: an ordinary array with small sizes on drives in memory, whose every
 * state can be copied and brought back cheaply, and whose contents can be compared with what was
 * put. Needs a folder for its source, config and state (in /dev/shm where there is such).
 * What sets it up asserts; what a sweep judges returns false and says why.
 */
#ifndef MRMR_TESTS_TINY_H
#define MRMR_TESTS_TINY_H

#include "array/array.h"
#include "drivers/driver.h"

#include <stdarg.h>
#include <stdbool.h>

#define TINY_DRIVES_MAX 16
#define TINY_FILES 6
#define TINY_SNAPSHOTS_MAX 16
#define TINY_WHY_BYTES 1024

/* Wraps or replaces the drive i that was opened (taken over, also on error: return NULL). */
typedef struct drive *tiny_wrap_fn(void *ctx, unsigned i, struct drive *inner);

struct tiny {
	char *folder;
	char config_path[256], state_root[256], state_path[256], source[256];
	unsigned drives, parity;
	const struct keys *keys;
	struct array *key_holder;
	tiny_wrap_fn *wrap; /* NULL: as they are */
	void *wrap_ctx;
	bool strict;	 /* writing commands mend nothing: as put, not as scrub */
	unsigned stall_ms, hang_ms; /* as in array_options; 0: as a command has them */
	unsigned absent; /* bits: drives that are not there */
	struct buf files[TINY_FILES]; /* as the next put finds them; empty: no file */
	struct hash expected[TINY_SNAPSHOTS_MAX];
	unsigned snapshots;	     /* acknowledged */
	unsigned spare;		     /* any so many drives may be lost, by what a command said */
	char why[TINY_WHY_BYTES];    /* of the last judgement that was false */
	char warning[TINY_WHY_BYTES]; /* the last one the array told */
};

void tiny_init(struct tiny *t, unsigned drives, unsigned parity, unsigned width);
void tiny_release(struct tiny *t);

int tiny_open(struct tiny *t, bool writing, struct array **a, struct error *err);
/* However busy this machine is, all drives are as near: what is placed where follows from the test. */
void tiny_all_near(struct array *a);
/* The drives of the array themselves, without wrap. The caller closes it. */
struct drive *tiny_drive(struct tiny *t, unsigned i);
const char *tiny_url(const struct tiny *t, unsigned i);

/* Changes a file of the source: len_bytes of noise by seed, compressible or not; 0 removes it. */
void tiny_file(struct tiny *t, unsigned file, size_t len_bytes, uint64_t seed, bool text);
/* Puts the source. thin: the array said that its promise is not kept. Counts the snapshot as
 * acknowledged when ERR_NONE. */
int tiny_put(struct tiny *t, struct array *a, bool *thin, struct error *err);
/* What the source is now was stored, though no command said so: one that was cut off had. */
void tiny_expect(struct tiny *t);
/* Every acknowledged snapshot is there and restores exactly; at most `more` others are, each of
 * them equal to what the source is now. */
bool tiny_check(struct tiny *t, struct array *a, unsigned more);
/* The same on a fresh reading array. */
bool tiny_check_opened(struct tiny *t, unsigned more);
/* How the files of the last acknowledged snapshot read, one by one. */
enum tiny_reading { TINY_RIGHT, TINY_WRONG, TINY_LOST };
struct tiny_file_state {
	enum tiny_reading state;
	struct node node;   /* its content is lent from below */
	struct buf content; /* the caller releases it */
	char why[TINY_WHY_BYTES];
};
bool tiny_read_files(struct tiny *t, struct array *a, struct tiny_file_state out[TINY_FILES]);
/* Opens, scrubs, closes. False when it fails or leaves damage. */
bool tiny_scrub_clean(struct tiny *t);

bool tiny_says(struct tiny *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- images ---- */

struct tiny_object {
	char *name;
	struct buf bytes;
};
struct tiny_place {
	struct tiny_object *objects; /* by rising name */
	size_t count, cap;
};
/* Everything: drives, config, state folder, what is expected. */
struct tiny_image {
	struct tiny_place drives[TINY_DRIVES_MAX];
	char folder[256]; /* copies of config and state */
	struct buf files[TINY_FILES];
	unsigned snapshots;
};
void tiny_place_load(struct drive *d, struct tiny_place *out);
void tiny_place_restore(struct drive *d, const struct tiny_place *p);
void tiny_place_release(struct tiny_place *p);
const struct tiny_object *tiny_place_find(const struct tiny_place *p, const char *name);
/* Replaces or removes (bytes NULL) an object behind the array's back. */
void tiny_overwrite(struct drive *d, const char *name, const void *bytes, size_t len_bytes);

void tiny_image_take(struct tiny *t, struct tiny_image *image);
/* Nobody has the array open. */
void tiny_image_restore(struct tiny *t, const struct tiny_image *image);
void tiny_image_release(struct tiny_image *image);
/* Files below one folder into another, which keeps its inode; others there go. except: a prefix
 * of names that are left out, or NULL. */
void tiny_copy_folder(const char *from, const char *to, const char *except);

/* Every n-th case of a sweep: MRMR_SWEEP_EVERY, 1 without it. all: MRMR_SWEEP_ALL is set. */
unsigned tiny_every(void);
bool tiny_all(void);
/* MRMR_SWEEP_SEED; 0 without it. */
uint64_t tiny_seed(void);

#endif
