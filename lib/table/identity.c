#include "table/identity.h"

#include "base/file.h"
#include "seal/box.h"
#include "table/record_codec.h"

#include <sodium.h>
#include <string.h>

/* 256 drives with marks of 1000 writers each; above it the file is none of ours. */
#define IDENTITY_FILE_MAX ((size_t)32 << 20)
#define FIXED_BYTES (HASH_BYTES + SECRET_KEY_BYTES + 8 + HASH_BYTES + HASH_BYTES + 8 + 8)
#define MARK_BYTES_MAX (HASH_BYTES + 10 + HASH_BYTES)
#define HAVE_BYTES_MAX (ID_BYTES + 10)

void identity_release(struct identity *id)
{
	sodium_free(id->guarded);
	haves_release(id->have, id->have_count);
	memset(id, 0, sizeof(*id));
}

int identity_new(const struct home *home, struct identity *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	out->home = *home;
	out->secret_key = out->guarded = sodium_malloc(SECRET_KEY_BYTES);
	if (!out->secret_key)
		return err_nomem(err);
	crypto_sign_keypair(out->last.writer.b, out->secret_key);
	return ERR_NONE;
}

/* An upper bound of the plain bytes, so that the buffer with the secret key in it is never
 * moved: what is left behind would not be wiped. */
static size_t plain_bytes_max(const struct identity *id)
{
	size_t bytes = FIXED_BYTES + 10;

	for (size_t i = 0; i < id->have_count; i++)
		bytes += HAVE_BYTES_MAX + id->have[i].clock.count * MARK_BYTES_MAX;
	return bytes;
}

static void encode(const struct identity *id, struct buf *out)
{
	buf_reserve(out, plain_bytes_max(id));
	buf_add_hash(out, &id->last.writer);
	buf_add(out, id->secret_key, SECRET_KEY_BYTES);
	buf_add_u64(out, id->last.seq);
	buf_add_hash(out, &id->last.head);
	buf_add_hash(out, &id->home.machine);
	buf_add_u64(out, id->home.device);
	buf_add_u64(out, id->home.inode);
	haves_encode(id->have, id->have_count, out);
}

/* From out->guarded, where the secret key stays: guarded memory costs a dozen system calls. */
static int decode(size_t len_bytes, struct identity *out, struct error *err)
{
	struct reader r = reader_of(out->guarded, len_bytes);
	uint8_t public_key[HASH_BYTES];
	int code;

	out->last.writer = read_hash(&r);
	out->secret_key = out->guarded + HASH_BYTES;
	read_bytes(&r, SECRET_KEY_BYTES);
	out->last.seq = read_u64(&r);
	out->last.head = read_hash(&r);
	out->home.machine = read_hash(&r);
	out->home.device = read_u64(&r);
	out->home.inode = read_u64(&r);
	code = haves_decode(&r, &out->have, &out->have_count, err);
	if (code != ERR_NONE)
		return code;
	out->have_cap = out->have_count;
	crypto_sign_ed25519_sk_to_pk(public_key, out->secret_key);
	if (!reader_done(&r) || memcmp(public_key, out->last.writer.b, HASH_BYTES) != 0)
		return err_set(err, ERR_CORRUPT, "malformed");
	for (size_t i = 1; i < out->have_count; i++)
		if (memcmp(out->have[i - 1].drive_id.b, out->have[i].drive_id.b, ID_BYTES) >= 0)
			return err_set(err, ERR_CORRUPT, "malformed");
	return ERR_NONE;
}

static struct box_place place_of(const uint8_t header[HEADER_BYTES])
{
	return (struct box_place){ .header = header, .kind = BOX_WRITER };
}

static int open_file(const struct buf *file, const struct keys *k, struct identity *out,
		     struct error *err)
{
	struct box_place place = place_of(file->data);
	struct object_header header;
	size_t box_bytes, plain_bytes;
	int code;

	code = header_decode(file->data, file->len_bytes, OBJECT_WRITER, keys_array_id(k), &header,
			     err);
	if (code != ERR_NONE)
		return code;
	box_bytes = file->len_bytes - HEADER_BYTES;
	if (box_bytes < BOX_OVERHEAD_BYTES + FIXED_BYTES)
		return err_set(err, ERR_CORRUPT, "cut");
	plain_bytes = box_bytes - BOX_OVERHEAD_BYTES;
	out->guarded = sodium_malloc(plain_bytes);
	if (!out->guarded)
		return err_nomem(err);
	code = box_open(k, &place, file->data + HEADER_BYTES, box_bytes, out->guarded, err);
	return code == ERR_NONE ? decode(plain_bytes, out, err) : code;
}

int identity_load(const char *path, const struct keys *k, struct identity *out, struct error *err)
{
	struct buf file = { 0 };
	int code;

	memset(out, 0, sizeof(*out));
	code = file_load(path, IDENTITY_FILE_MAX, &file, err);
	if (code == ERR_NONE) {
		code = open_file(&file, k, out, err);
		if (code != ERR_NONE)
			err_wrap(err, "writer identity %s", path);
	}
	if (code != ERR_NONE)
		identity_release(out);
	buf_release(&file);
	return code;
}

int identity_store(const char *path, const struct keys *k, const struct identity *id,
		   struct error *err)
{
	struct object_header h = { .type = OBJECT_WRITER,
				   .epoch = keys_epoch(k),
				   .array_id = *keys_array_id(k),
				   .uid = id_random() };
	struct buf plain = { 0 }, file = { 0 };
	uint8_t header[HEADER_BYTES];
	struct box_place place = place_of(header);
	size_t box_bytes;
	int code;

	encode(id, &plain);
	box_bytes = plain.len_bytes + BOX_OVERHEAD_BYTES;
	if (plain.failed || !buf_reserve(&file, HEADER_BYTES + box_bytes)) {
		code = err_nomem(err);
		goto out;
	}
	header_encode(&h, header);
	buf_add(&file, header, HEADER_BYTES);
	code = box_seal(k, &place, plain.data, plain.len_bytes, file.data + HEADER_BYTES, err);
	if (code != ERR_NONE)
		goto out;
	file.len_bytes += box_bytes;
	if (file.len_bytes > IDENTITY_FILE_MAX)
		code = err_set(err, ERR_FULL, "writer identity: too many marks");
	else
		code = file_store(path, file.data, file.len_bytes, err);
out:
	if (plain.data)
		sodium_memzero(plain.data, plain.cap_bytes);
	buf_release(&plain);
	buf_release(&file);
	return code;
}

/* Where the drive's entry is, or belongs. */
static size_t place_of_drive(const struct identity *id, const struct id *drive_id)
{
	size_t i = 0;

	while (i < id->have_count && memcmp(id->have[i].drive_id.b, drive_id->b, ID_BYTES) < 0)
		i++;
	return i;
}

static int insert_drive(struct identity *id, size_t i, const struct id *drive_id, struct error *err)
{
	if (id->have_count >= HAVES_MAX)
		return err_set(err, ERR_FULL, "no room for marks of one more drive");
	if (!grow(&id->have, &id->have_cap, id->have_count + 1, sizeof(*id->have)))
		return err_nomem(err);
	memmove(&id->have[i + 1], &id->have[i], (id->have_count - i) * sizeof(*id->have));
	memset(&id->have[i], 0, sizeof(id->have[i]));
	id->have[i].drive_id = *drive_id;
	id->have_count++;
	return ERR_NONE;
}

int identity_merge(struct identity *id, const struct id *drive_id, const struct clock *clock,
		   bool *changed, struct error *err)
{
	size_t place = place_of_drive(id, drive_id);
	struct clock *known;
	int code = ERR_NONE;

	if (clock->count == 0)
		return ERR_NONE;
	if (place == id->have_count || !id_equal(&id->have[place].drive_id, drive_id))
		code = insert_drive(id, place, drive_id, err);
	if (code != ERR_NONE)
		return code;
	known = &id->have[place].clock;
	for (size_t i = 0; i < clock->count; i++) {
		const struct mark *m = &clock->marks[i];

		if (m->seq <= clock_seq(known, &m->writer))
			continue;
		if (known->count >= WRITERS_MAX && !clock_find(known, &m->writer))
			return err_set(err, ERR_FULL, "no room for a mark of one more writer");
		if (!clock_set(known, m))
			return err_nomem(err);
		*changed = true;
	}
	return ERR_NONE;
}
