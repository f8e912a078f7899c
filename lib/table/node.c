#include "table/node.h"

#include "table/record_codec.h"

#include <assert.h>
#include <string.h>

#define MODE_MAX 07777

enum node_flags {
	SAME_OWNER = 1,
	SAME_MODE = 2,
	SAME_DEVICE = 4,
	ONE_LINK = 8,
	CTIME_IS_MTIME = 16,
	HAS_XATTRS = 32,
	IN_PARTS = 64,
	KNOWN_FLAGS = 127,
};

static const struct node first_prev; /* what the first node is relative to */

/* What lies between two values, modulo 2^64: any two have a delta, and it leads back. */
static void add_delta(struct buf *out, uint64_t now, uint64_t before)
{
	buf_add_signed(out, (int64_t)(now - before));
}

static uint64_t read_delta(struct reader *r, uint64_t before)
{
	return before + (uint64_t)read_signed(r);
}

/* Which parts the encoding of n leaves out or adds. The decoder asks the same of what it
 * decoded, so that no node has two encodings. */
static uint8_t flags_of(const struct node *n, const struct node *prev)
{
	unsigned flags = 0;

	if (n->uid == prev->uid && n->gid == prev->gid)
		flags |= SAME_OWNER;
	if (n->mode == prev->mode)
		flags |= SAME_MODE;
	if (n->device == prev->device)
		flags |= SAME_DEVICE;
	if (n->links == 1)
		flags |= ONE_LINK;
	if (n->ctime_ns == n->mtime_ns)
		flags |= CTIME_IS_MTIME;
	if (n->xattrs_bytes > 0)
		flags |= HAS_XATTRS;
	if (n->type == NODE_FILE && n->content_parts > 0)
		flags |= IN_PARTS;
	return (uint8_t)flags;
}

static void encode_kind(const struct node *n, struct buf *out)
{
	switch (n->type) {
	case NODE_FILE:
		buf_add_varint(out, n->size_bytes);
		if (n->content_parts > 0)
			buf_add_varint(out, n->content_parts);
		else
			buf_add_block(out, n->content, n->content_bytes);
		break;
	case NODE_SYMLINK:
		buf_add_block(out, n->target, n->target_bytes);
		break;
	case NODE_CHAR_DEVICE:
	case NODE_BLOCK_DEVICE:
		buf_add_varint(out, n->rdev);
		break;
	case NODE_FOLDER:
	case NODE_FIFO:
		break;
	}
}

void node_encode(const struct node *n, const struct node *prev, struct buf *out)
{
	uint8_t flags;

	assert(n->type >= NODE_FILE && n->type <= NODE_BLOCK_DEVICE && n->mode <= MODE_MAX);
	if (!prev)
		prev = &first_prev;
	flags = flags_of(n, prev);
	buf_add_u8(out, (uint8_t)n->type);
	buf_add_u8(out, flags);
	if (!(flags & SAME_OWNER)) {
		buf_add_varint(out, n->uid);
		buf_add_varint(out, n->gid);
	}
	if (!(flags & SAME_MODE))
		buf_add_varint(out, n->mode);
	add_delta(out, (uint64_t)n->mtime_ns, (uint64_t)prev->mtime_ns);
	if (!(flags & CTIME_IS_MTIME))
		add_delta(out, (uint64_t)n->ctime_ns, (uint64_t)prev->ctime_ns);
	add_delta(out, n->inode, prev->inode);
	if (!(flags & SAME_DEVICE))
		add_delta(out, n->device, prev->device);
	if (!(flags & ONE_LINK))
		buf_add_varint(out, n->links);
	if (flags & HAS_XATTRS)
		buf_add_block(out, n->xattrs, n->xattrs_bytes);
	encode_kind(n, out);
}

static void decode_common(struct reader *r, unsigned flags, const struct node *prev, struct node *n)
{
	n->uid = prev->uid;
	n->gid = prev->gid;
	if (!(flags & SAME_OWNER)) {
		n->uid = (uint32_t)read_varint_max(r, UINT32_MAX);
		n->gid = (uint32_t)read_varint_max(r, UINT32_MAX);
	}
	n->mode = flags & SAME_MODE ? prev->mode : (uint32_t)read_varint_max(r, MODE_MAX);
	n->mtime_ns = (int64_t)read_delta(r, (uint64_t)prev->mtime_ns);
	n->ctime_ns = flags & CTIME_IS_MTIME ? n->mtime_ns
					     : (int64_t)read_delta(r, (uint64_t)prev->ctime_ns);
	n->inode = read_delta(r, prev->inode);
	n->device = flags & SAME_DEVICE ? prev->device : read_delta(r, prev->device);
	n->links = flags & ONE_LINK ? 1 : read_varint(r);
	if (flags & HAS_XATTRS) {
		n->xattrs = read_block(r, XATTRS_BYTES_MAX, &n->xattrs_bytes);
		if (!xattrs_ok(n->xattrs, n->xattrs_bytes))
			r->failed = true;
	}
}

static void decode_kind(struct reader *r, unsigned flags, struct node *n)
{
	switch (n->type) {
	case NODE_FILE:
		n->size_bytes = read_varint(r);
		if (flags & IN_PARTS) {
			n->content_parts = read_varint(r);
			break;
		}
		n->content = read_block(r, CONTENT_PART_BYTES, &n->content_bytes);
		if (n->content_bytes > 0 && !pieces_ok(n->content, n->content_bytes))
			r->failed = true;
		break;
	case NODE_SYMLINK:
		n->target = read_text(r, LINK_BYTES_MAX, &n->target_bytes);
		break;
	case NODE_CHAR_DEVICE:
	case NODE_BLOCK_DEVICE:
		n->rdev = read_varint(r);
		break;
	case NODE_FOLDER:
	case NODE_FIFO:
		break;
	}
}

int node_decode(struct reader *r, const struct node *prev, struct node *out, struct error *err)
{
	uint8_t type = read_u8(r), flags = read_u8(r);

	memset(out, 0, sizeof(*out));
	if (!prev)
		prev = &first_prev;
	if (r->failed || type < NODE_FILE || type > NODE_BLOCK_DEVICE || (flags & ~KNOWN_FLAGS))
		return err_set(err, ERR_CORRUPT, "node: no such type or flags");
	out->type = (enum node_type)type;
	decode_common(r, flags, prev, out);
	decode_kind(r, flags, out);
	if (r->failed)
		return err_set(err, ERR_CORRUPT, "node: malformed or cut");
	if (flags != flags_of(out, prev))
		return err_set(err, ERR_CORRUPT, "node: not in its one encoding");
	return ERR_NONE;
}

void piece_add(struct piece_state *s, struct buf *out, const struct piece *p)
{
	bool same;

	if (p->hole) {
		assert(p->hole_bytes > 0);
		buf_add_varint(out, 0);
		buf_add_varint(out, p->hole_bytes);
		return;
	}
	assert(p->count > 0 && p->first <= UINT32_MAX - p->count);
	same = s->any && id_equal(&s->last_uid, &p->block_uid);
	buf_add_varint(out, (uint64_t)p->count * 2 + (same ? 1 : 0));
	buf_add_varint(out, p->first);
	if (!same)
		buf_add_id(out, &p->block_uid);
	s->last_uid = p->block_uid;
	s->any = true;
}

bool piece_next(struct piece_state *s, struct reader *r, struct piece *out)
{
	uint64_t head;
	bool same;

	memset(out, 0, sizeof(*out));
	if (r->failed || r->left_bytes == 0)
		return false;
	head = read_varint_max(r, (uint64_t)UINT32_MAX * 2 + 1);
	if (!r->failed && head == 0) {
		out->hole = true;
		out->hole_bytes = read_varint(r);
		if (out->hole_bytes == 0)
			r->failed = true;
		return !r->failed;
	}
	same = head & 1;
	out->count = (uint32_t)(head >> 1);
	out->first = (uint32_t)read_varint_max(r, UINT32_MAX);
	out->block_uid = same ? s->last_uid : read_id(r);
	if (out->count == 0 || out->first > UINT32_MAX - out->count || (same && !s->any) ||
	    (!same && s->any && id_equal(&s->last_uid, &out->block_uid)))
		r->failed = true;
	if (r->failed)
		return false;
	s->last_uid = out->block_uid;
	s->any = true;
	return true;
}

bool pieces_ok(const void *bytes, size_t len_bytes)
{
	struct reader r = reader_of(bytes, len_bytes);
	struct piece_state s = { .any = false };
	struct piece p;

	while (piece_next(&s, &r, &p))
		;
	return !r.failed && len_bytes > 0;
}

bool xattr_next(struct reader *r, const uint8_t **name, size_t *name_bytes, const uint8_t **value,
		size_t *value_bytes)
{
	if (r->failed || r->left_bytes == 0)
		return false;
	*name = read_text(r, NAME_BYTES_MAX, name_bytes);
	*value = read_block(r, XATTRS_BYTES_MAX, value_bytes);
	if (*name_bytes == 0)
		r->failed = true;
	return !r->failed;
}

/* Like memcmp, a shorter name before the longer one that it begins. */
static int compare_names(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
	int by_bytes = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	return by_bytes != 0 ? by_bytes : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

bool xattrs_ok(const void *bytes, size_t len_bytes)
{
	struct reader r = reader_of(bytes, len_bytes);
	const uint8_t *name, *value, *last = NULL;
	size_t name_bytes, value_bytes, last_bytes = 0;

	if (len_bytes == 0 || len_bytes > XATTRS_BYTES_MAX)
		return false;
	while (xattr_next(&r, &name, &name_bytes, &value, &value_bytes)) {
		if (last && compare_names(last, last_bytes, name, name_bytes) >= 0)
			return false;
		last = name;
		last_bytes = name_bytes;
	}
	return !r.failed;
}

bool node_unchanged(const struct node *then, const struct node *now)
{
	return then->type == now->type && then->mtime_ns == now->mtime_ns &&
	       then->ctime_ns == now->ctime_ns && then->inode == now->inode &&
	       (then->type != NODE_FILE || then->size_bytes == now->size_bytes);
}

bool name_ok(const void *name, size_t len_bytes)
{
	const uint8_t *s = name;

	if (len_bytes == 0 || len_bytes > NAME_BYTES_MAX)
		return false;
	if (s[0] == '.' && (len_bytes == 1 || (len_bytes == 2 && s[1] == '.')))
		return false;
	return !memchr(s, '/', len_bytes) && !memchr(s, '\0', len_bytes);
}

bool path_ok(const void *path, size_t len_bytes)
{
	const uint8_t *at = path, *end;

	if (len_bytes == 0)
		return true;
	if (len_bytes > PATH_BYTES_MAX)
		return false;
	end = at + len_bytes;
	while (at < end) {
		const uint8_t *slash;

		if (*at++ != '/')
			return false;
		slash = memchr(at, '/', (size_t)(end - at));
		if (!slash)
			slash = end;
		if (!name_ok(at, (size_t)(slash - at)))
			return false;
		at = slash;
	}
	return true;
}
