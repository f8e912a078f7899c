#include "array/object.h"

#include "array/watched.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_BYTES ((size_t)1 << 20)

static void name_blob(const char *folder, const struct hash *sha256,
		      char name[OBJECT_NAME_MAX + 1])
{
	char hex[HASH_HEX_BYTES];

	hex_encode(sha256->b, HASH_BYTES, hex);
	snprintf(name, OBJECT_NAME_MAX + 1, "%s/%.2s/%s.blob", folder, hex, hex);
}

void object_name_block(const struct hash *sha256, char name[OBJECT_NAME_MAX + 1])
{
	name_blob("blocks", sha256, name);
}

void object_name_row(const struct hash *sha256, char name[OBJECT_NAME_MAX + 1])
{
	name_blob("parity", sha256, name);
}

bool object_name_hash(const char *name, struct hash *out)
{
	const char *base = strrchr(name, '/');
	const char *dot, *dash;
	char hex[HASH_HEX_BYTES];
	size_t len;

	base = base ? base + 1 : name;
	dot = strchr(base, '.');
	len = dot ? (size_t)(dot - base) : strlen(base);
	dash = memrchr(base, '-', len);
	if (dash) {
		len -= (size_t)(dash + 1 - base);
		base = dash + 1;
	}
	if (len != HASH_HEX_BYTES - 1)
		return false;
	memcpy(hex, base, len);
	hex[len] = '\0';
	return hex_decode(hex, out->b, HASH_BYTES);
}

int object_quarantine(struct drive *d, const char *name, struct error *err)
{
	char to[OBJECT_NAME_MAX + 1];
	int code = ERR_EXISTS;

	for (unsigned try = 0; try < 1000 && code == ERR_EXISTS; try++) {
		int n = snprintf(to, sizeof(to), "quarantine/%lld-%u-", (long long)time(NULL), try);

		for (const char *s = name; *s && (size_t)n < sizeof(to) - 1; s++)
			to[n++] = *s == '/' ? '-' : *s;
		to[n] = '\0';
		code = d->driver->move(d, name, to, err);
	}
	return code;
}

int object_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
	       struct error *err)
{
	struct object_stat st;
	int code = d->driver->put(d, name, bytes, len_bytes, err);

	if (code != ERR_EXISTS)
		return code;
	code = d->driver->stat(d, name, &st, err);
	if (code == ERR_NONE && st.len_bytes == len_bytes)
		code = object_verify(d, name, len_bytes, err);
	else if (code == ERR_NONE)
		code = ERR_CORRUPT;
	if (code == ERR_NONE)
		return ERR_NONE;
	code = object_quarantine(d, name, err);
	if (code != ERR_NONE && code != ERR_NOT_FOUND)
		return err_wrap(err, "set a damaged object aside");
	return d->driver->put(d, name, bytes, len_bytes, err);
}

int object_get(struct drive *d, const char *name, size_t max_bytes, struct buf *out,
	       struct error *err)
{
	struct object_stat st;
	struct hash want, found;
	size_t before = out->len_bytes;
	int code;

	if (!object_name_hash(name, &want))
		return err_set(err, ERR_CORRUPT, "%s: no hash in this name", name);
	code = d->driver->stat(d, name, &st, err);
	if (code != ERR_NONE)
		return code;
	if (st.len_bytes > max_bytes)
		return err_set(err, ERR_CORRUPT, "%s: %" PRIu64 " bytes are too many", name,
			       st.len_bytes);
	if (!buf_reserve(out, (size_t)st.len_bytes + 1))
		return err_nomem(err);
	code = d->driver->get(d, name, 0, out->data + before, (size_t)st.len_bytes, err);
	if (code != ERR_NONE)
		return code;
	found = sha256(out->data + before, (size_t)st.len_bytes);
	if (!hash_equal(&want, &found))
		return err_set(err, ERR_CORRUPT, "%s: its bytes do not match its name", name);
	out->len_bytes = before + (size_t)st.len_bytes;
	return ERR_NONE;
}

static int verify(struct drive *d, const char *name, uint64_t want_len_bytes, struct error *err)
{
	struct sha256 *running = sha256_new();
	uint8_t *slice = malloc(SLICE_BYTES);
	struct hash want, found;
	struct object_stat st;
	int code = ERR_NONE;

	if (!running || !slice) {
		code = err_nomem(err);
		goto out;
	}
	if (!object_name_hash(name, &want)) {
		code = err_set(err, ERR_CORRUPT, "%s: no hash in this name", name);
		goto out;
	}
	code = d->driver->stat(d, name, &st, err);
	if (code != ERR_NONE)
		goto out;
	if (st.len_bytes != want_len_bytes) {
		code = err_set(err, ERR_CORRUPT, "%s: %" PRIu64 " bytes instead of %" PRIu64, name,
			       st.len_bytes, want_len_bytes);
		goto out;
	}
	for (uint64_t at = 0; at < want_len_bytes && code == ERR_NONE;) {
		size_t n = want_len_bytes - at < SLICE_BYTES ? (size_t)(want_len_bytes - at)
							     : SLICE_BYTES;

		code = d->driver->get(d, name, at, slice, n, err);
		if (code == ERR_NONE)
			sha256_add(running, slice, n);
		at += n;
	}
	if (code != ERR_NONE)
		goto out;
	found = sha256_final(running);
	if (!hash_equal(&want, &found))
		code = err_set(err, ERR_CORRUPT, "%s: its bytes do not match its name", name);
out:
	sha256_free(running);
	free(slice);
	return code;
}

struct verify_call {
	struct call call;
	char name[OBJECT_NAME_MAX + 1];
	uint64_t len_bytes;
};

static int run_verify(struct call *call, struct drive *d, struct error *err)
{
	const struct verify_call *c = (struct verify_call *)call;

	return verify(d, c->name, c->len_bytes, err);
}

static void release_verify(struct call *call)
{
	free(call);
}

/* The bytes are hashed where they come to: on the thread of the drive. */
int object_verify(struct drive *d, const char *name, uint64_t want_len_bytes, struct error *err)
{
	struct verify_call *c;
	int code;

	if (!drive_is_watched(d))
		return verify(d, name, want_len_bytes, err);
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_nomem(err);
	c->call.run = run_verify;
	c->call.release = release_verify;
	c->call.hands = HANDS_EACH; /* whoever waits has nothing else to do */
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->len_bytes = want_len_bytes;
	call_start(d, &c->call);
	code = call_finish(&c->call, 0, err);
	call_leave(&c->call);
	return code;
}
