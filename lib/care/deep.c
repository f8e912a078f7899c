#include "care/deep.h"

#include "array/object.h"
#include "block/block.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

static bool same_list(const struct contents *a, const struct contents *b, bool *same)
{
	struct buf x = { 0 }, y = { 0 };
	bool ok;

	contents_encode(a, &x);
	contents_encode(b, &y);
	ok = !x.failed && !y.failed;
	*same = ok && x.len_bytes == y.len_bytes && memcmp(x.data, y.data, x.len_bytes) == 0;
	buf_release(&x);
	buf_release(&y);
	return ok;
}

/* What the journal says of the block. Caller: contents_release(). */
static int load_list(struct array *a, const struct id *uid, struct block_list *out,
		     struct error *err)
{
	int code;

	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&a->table_lock);
	code = table_block_by_uid(a->table, uid, &out->block, err);
	if (code == ERR_NONE)
		code = table_block_contents(a->table, out->block.id, &out->contents, NULL, err);
	pthread_mutex_unlock(&a->table_lock);
	return code;
}

static int check_list(struct array *a, const struct buf *bytes, const struct block_list *list,
		      struct error *err)
{
	struct contents found = { 0 };
	uint32_t epoch;
	struct id uid;
	bool same = false;
	int code = block_open_contents(a->keys, bytes->data, bytes->len_bytes, &uid, &epoch, &found,
				       err);

	if (code != ERR_NONE)
		return code;
	if (!id_equal(&uid, &list->block.uid) || epoch != list->block.epoch)
		code = err_set(err, ERR_CORRUPT, "it is another block than the journal says");
	else if (!same_list(&found, &list->contents, &same))
		code = err_nomem(err);
	else if (!same)
		code = err_set(err, ERR_CORRUPT, "its contents are not those that the journal lists");
	contents_release(&found);
	return code;
}

/* ---- its frames ---- */

static int open_frames(struct frame_loader *l, const struct buf *bytes,
		       const struct block_list *list, struct error *err)
{
	const struct contents *c = &list->contents;
	struct buf plain = { 0 };
	int code = ERR_NONE;

	for (size_t i = 0; i < c->frame_count && code == ERR_NONE; i++) {
		const struct contents_frame *f = &c->frames[i];

		buf_clear(&plain);
		if (!buf_reserve(&plain, f->plain_bytes + 1))
			code = err_nomem(err);
		else if (f->offset_bytes > bytes->len_bytes ||
			 f->box_bytes > bytes->len_bytes - f->offset_bytes)
			code = err_set(err, ERR_CORRUPT, "a frame beyond the end of the block");
		else
			code = frame_open(l, list, (uint32_t)i, bytes->data + f->offset_bytes,
					  plain.data, err);
	}
	buf_release(&plain);
	return code;
}

static int open_block(struct array *a, struct frame_loader *l, const struct table_object *o,
		      const struct buf *bytes, struct error *err)
{
	struct block_list list;
	int code = load_list(a, &o->owner, &list, err);

	if (code == ERR_NONE)
		code = check_list(a, bytes, &list, err);
	if (code == ERR_NONE)
		code = open_frames(l, bytes, &list, err);
	contents_release(&list.contents);
	return code;
}

int deep_check_block(struct array *a, struct frame_loader *l, const struct array_drive *d,
		     const struct table_object *o, bool *unopened, struct error *err)
{
	struct buf bytes = { 0 };
	int code = object_get(d->handle, o->name, (size_t)o->len_bytes, &bytes, err);

	if (code == ERR_NONE && bytes.len_bytes != o->len_bytes)
		code = err_set(err, ERR_CORRUPT, "%s: %zu bytes instead of %llu", o->name,
			       bytes.len_bytes, (unsigned long long)o->len_bytes);
	if (code == ERR_NONE) {
		code = open_block(a, l, o, &bytes, err);
		*unopened = code != ERR_NONE && code != ERR_NOMEM;
		if (*unopened)
			err_wrap(err, "%s: its bytes match its name, but it does not open", o->name);
	}
	buf_release(&bytes);
	return code;
}
