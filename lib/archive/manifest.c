#include "archive/manifest.h"

#include <string.h>

static const char magic[8] = { 'M', 'R', 'M', 'R', 'M', 'A', 'N', 'I' };

void manifest_init(struct manifest *m, struct array *a, const struct id *put_id)
{
	*m = (struct manifest){ .a = a, .put_id = *put_id };
}

/* Where the lists of waiting inline blocks go. */
struct dictionaries {
	struct manifest *m;
	struct buf *records;
};

static int add_part(struct manifest *m, struct packer *p, const uint8_t *bytes, size_t len_bytes,
		    bool last, struct error *err)
{
	struct buf chunk = { 0 };
	struct packer_ref unused;
	struct hash id;
	int code;

	buf_add(&chunk, magic, sizeof(magic));
	buf_add(&chunk, m->put_id.b, ID_BYTES);
	buf_add_u32(&chunk, m->parts++);
	buf_add_u8(&chunk, last);
	buf_add_zeros(&chunk, 3);
	buf_add(&chunk, bytes, len_bytes);
	if (chunk.failed) {
		buf_release(&chunk);
		return err_nomem(err);
	}
	id = chunk_id(m->a->keys, chunk.data, chunk.len_bytes);
	code = packer_add(p, &id, chunk.data, (uint32_t)chunk.len_bytes, true, &unused, err);
	buf_release(&chunk);
	return code;
}

static int add_parts(struct manifest *m, struct packer *p, const struct buf *records, bool last,
		     struct error *err)
{
	size_t room = m->a->policy.geometry.frame_bytes - MANIFEST_HEAD_BYTES, at = 0;
	int code = ERR_NONE;

	while (code == ERR_NONE && (at < records->len_bytes || (last && at == 0))) {
		size_t n = records->len_bytes - at < room ? records->len_bytes - at : room;

		code = add_part(m, p, records->data + at, n, last && at + n == records->len_bytes,
				err);
		at += n;
	}
	return code;
}

/* The list of an inline block: nodes go on referring to it when its chunks lie elsewhere. */
static int add_dictionary(void *ctx, const struct id *uid, struct error *err)
{
	struct dictionaries *d = ctx;
	struct contents c = { 0 };
	struct table_block b;
	int code = table_block_by_uid(d->m->a->table, uid, &b, err);

	if (code == ERR_NONE)
		code = table_block_contents(d->m->a->table, b.id, &c, NULL, err);
	if (code == ERR_NONE)
		record_dictionary(d->records, uid, &c);
	contents_release(&c);
	return code;
}

/* What earlier puts of this host that made no blocks left in the journal only. */
static int add_unmanifested(struct manifest *m, struct packer *p, struct error *err)
{
	struct buf records = { 0 };
	struct dictionaries d = { m, &records };
	uint64_t bytes;
	int code;

	pthread_mutex_lock(&m->a->table_lock);
	code = table_unmanifested(m->a->table, &m->a->writer_id, &records, err);
	if (code == ERR_NONE)
		code = table_pending_inline(m->a->table, &m->a->writer_id, add_dictionary, &d, &bytes,
					    err);
	pthread_mutex_unlock(&m->a->table_lock);
	if (code == ERR_NONE)
		code = records.failed ? err_nomem(err) : add_parts(m, p, &records, false, err);
	buf_release(&records);
	return code;
}

static int begin(struct manifest *m, struct packer *p, struct error *err)
{
	return m->parts == 0 ? add_unmanifested(m, p, err) : ERR_NONE;
}

int manifest_add(struct manifest *m, struct packer *p, const struct buf *records,
		 struct error *err)
{
	int code = begin(m, p, err);

	return code == ERR_NONE ? add_parts(m, p, records, false, err) : code;
}

int manifest_close(struct manifest *m, struct packer *p, const struct buf *records,
		   struct error *err)
{
	int code = begin(m, p, err);

	return code == ERR_NONE ? add_parts(m, p, records, true, err) : code;
}

int manifest_parse(const void *chunk, size_t len_bytes, struct manifest_part *out,
		   struct error *err)
{
	struct reader r = reader_of(chunk, len_bytes);
	uint8_t found[sizeof(magic)], last, zero[3];

	read_into(&r, found, sizeof(found));
	read_into(&r, out->put_id.b, ID_BYTES);
	out->part = read_u32(&r);
	last = read_u8(&r);
	read_into(&r, zero, sizeof(zero));
	if (r.failed || memcmp(found, magic, sizeof(magic)) != 0 || last > 1 || zero[0] || zero[1] ||
	    zero[2])
		return err_set(err, ERR_CORRUPT, "a manifest chunk without its head");
	out->last = last == 1;
	out->bytes = r.at;
	out->len_bytes = r.left_bytes;
	return ERR_NONE;
}
