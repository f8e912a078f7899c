/*
 * The writer's folder. The first byte chooses: an identity file of any bytes, one of any bytes
 * behind its box, or a sequence of calls and of deaths between them, in which no number may be
 * signed for two segments.
 */
#include "table/writer.h"

#include "base/file.h"
#include "seal/box.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AS_FILE 0
#define AS_BOX 1
#define MACHINE "machine"
#define KEYS_BYTES (HASH_BYTES + SECRET_KEY_BYTES)
#define HOME_AT (KEYS_BYTES + 8 + HASH_BYTES)
#define STEPS_MAX 64

static struct keys *keys;
static char folder[64], identity[96], leftover[96];
static uint8_t key_pair[KEYS_BYTES];

static void remove_files(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && unlinkat(dirfd(dir), d->d_name, 0) < 0)
			(void)unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
	closedir(dir);
}

/* All that a writer may have made: folders next to the outbox too. */
static void empty_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *d;
	char path[512];

	assert(dir);
	while ((d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, "outbox", 6) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		remove_files(path);
	}
	closedir(dir);
	remove_files(folder);
}

static void end(void)
{
	empty_folder();
	(void)rmdir(folder);
	keys_free(keys);
}

static void start(void)
{
	static const struct id array_id = { { 1 } };
	struct error err;

	if (keys)
		return;
	if (seal_start(&err) != ERR_NONE || keys_new(&array_id, &keys, &err) != ERR_NONE)
		abort();
	crypto_sign_keypair(key_pair, key_pair + HASH_BYTES);
	snprintf(folder, sizeof(folder), "/dev/shm/fuzz_writer.%ld", (long)getpid());
	snprintf(identity, sizeof(identity), "%s/writer", folder);
	snprintf(leftover, sizeof(leftover), "%s/outbox/1-1-x.tmp", folder);
	if (mkdir(folder, 0700) < 0)
		abort();
	atexit(end);
}

/* Opens what is there; a writer that opens can sign, and is found again. */
static void open_and_sign(void)
{
	enum writer_origin origin;
	const struct buf *bytes;
	struct writer *w;
	const char *name;
	struct error err;
	uint64_t seq;

	if (writer_open(folder, keys, MACHINE, &w, &origin, &err) != ERR_NONE)
		return;
	seq = writer_head(w)->seq;
	if (writer_sign(w, NULL, NULL, 0, NULL, 0, &name, &bytes, &err) == ERR_NONE)
		seq++;
	writer_close(w);
	if (writer_open(folder, keys, MACHINE, &w, &origin, &err) != ERR_NONE)
		abort();
	assert(origin == WRITER_FOUND && writer_head(w)->seq == seq);
	writer_close(w);
}

static void store_identity(const void *bytes, size_t len_bytes)
{
	struct error err;

	if (file_store(identity, bytes, len_bytes, &err) != ERR_NONE)
		abort();
}

/* Plain bytes of the identity: with the right keys and home if its first bit says so, which
 * leads past the first checks. */
static void try_box(const uint8_t *bytes, size_t len_bytes)
{
	struct object_header h = { .type = OBJECT_WRITER,
				   .epoch = 1,
				   .array_id = *keys_array_id(keys) };
	uint8_t header[HEADER_BYTES], *plain, *file;
	struct box_place place = { .header = header, .kind = BOX_WRITER };
	struct stat st;
	struct error err;

	if (len_bytes < HOME_AT + HASH_BYTES + 16 || stat(folder, &st) < 0)
		return;
	plain = malloc(len_bytes);
	file = malloc(HEADER_BYTES + len_bytes + BOX_OVERHEAD_BYTES);
	assert(plain && file);
	memcpy(plain, bytes, len_bytes);
	if (bytes[0] & 1) {
		memcpy(plain, key_pair, KEYS_BYTES);
		crypto_generichash(plain + HOME_AT, HASH_BYTES, (const uint8_t *)MACHINE,
				   strlen(MACHINE), NULL, 0);
		store_u64(plain + HOME_AT + HASH_BYTES, (uint64_t)st.st_dev);
		store_u64(plain + HOME_AT + HASH_BYTES + 8, (uint64_t)st.st_ino);
	}
	header_encode(&h, header);
	memcpy(file, header, HEADER_BYTES);
	if (box_seal(keys, &place, plain, len_bytes, file + HEADER_BYTES, &err) != ERR_NONE)
		abort();
	store_identity(file, HEADER_BYTES + len_bytes + BOX_OVERHEAD_BYTES);
	free(plain);
	free(file);
	open_and_sign();
}

/* ---- calls ---- */

struct lent {
	char name[STEPS_MAX + 1][SEGMENT_NAME_BYTES]; /* by seq */
	uint64_t highest;
};

static int remember(void *ctx, const char *name, const void *bytes, size_t len_bytes,
		    struct error *err)
{
	struct lent *lent = ctx;
	struct segment_name n;

	(void)bytes, (void)len_bytes, (void)err;
	if (!segment_name_parse(name, &n) || n.first > lent->highest + 1)
		abort();
	if (n.first == lent->highest + 1) {
		lent->highest = n.first;
		memcpy(lent->name[n.first], name, strlen(name) + 1);
	}
	assert(strcmp(lent->name[n.first], name) == 0);
	return ERR_NONE;
}

static struct writer *reopen(struct writer *w)
{
	enum writer_origin origin;
	struct error err;
	bool first = !w && !file_exists(identity);

	writer_close(w);
	if (writer_open(folder, keys, MACHINE, &w, &origin, &err) != ERR_NONE)
		abort();
	assert(origin == (first ? WRITER_CREATED : WRITER_FOUND));
	return w;
}

static void step(uint8_t what, struct writer **w, struct lent *lent)
{
	const struct buf *bytes;
	const char *name;
	struct error err;

	switch (what % 6) {
	case 0:
		if (writer_sign(*w, NULL, NULL, 0, NULL, 0, &name, &bytes, &err) != ERR_NONE)
			abort();
		(void)remember(lent, name, NULL, 0, &err);
		break;
	case 1:
		if (lent->highest > 0)
			(void)writer_sent(*w, lent->name[1 + what / 6 % lent->highest], &err);
		break;
	case 2:
		if (writer_save(*w, &err) != ERR_NONE)
			abort();
		break;
	case 3:
		*w = reopen(*w);
		break;
	case 4:
		if (writer_outbox(*w, remember, lent, &err) != ERR_NONE)
			abort();
		break;
	default: /* what a cut left of a store */
		if (file_store(leftover, "half", 4, &err) != ERR_NONE)
			abort();
		break;
	}
}

static void try_calls(const uint8_t *bytes, size_t len_bytes)
{
	struct writer *w[2] = { reopen(NULL), NULL };
	struct lent *lent = calloc(1, sizeof(*lent));

	assert(lent);
	w[1] = reopen(NULL);
	for (size_t i = 0; i < len_bytes && i < STEPS_MAX; i++)
		step(bytes[i] / 2, &w[bytes[i] % 2], lent);
	writer_close(w[0]);
	writer_close(w[1]);
	free(lent);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len_bytes)
{
	start();
	empty_folder();
	if (len_bytes == 0)
		return 0;
	if (bytes[0] == AS_FILE) {
		store_identity(bytes + 1, len_bytes - 1);
		open_and_sign();
	} else if (bytes[0] == AS_BOX) {
		try_box(bytes + 1, len_bytes - 1);
	} else {
		try_calls(bytes + 1, len_bytes - 1);
	}
	return 0;
}
