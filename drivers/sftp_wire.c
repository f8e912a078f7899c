#include "drivers/sftp_wire.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ATTR_SIZE 1u
#define ATTR_OWNER 2u
#define ATTR_MODE 4u
#define ATTR_TIMES 8u
#define ATTR_EXTENDED 0x80000000u
#define STATVFS_READ_ONLY 1u

/* ---- requests ---- */

void sftp_add_u32(struct buf *out, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	buf_add(out, b, sizeof(b));
}

void sftp_add_u64(struct buf *out, uint64_t v)
{
	sftp_add_u32(out, (uint32_t)(v >> 32));
	sftp_add_u32(out, (uint32_t)v);
}

void sftp_add_bytes(struct buf *out, const void *bytes, size_t len_bytes)
{
	sftp_add_u32(out, (uint32_t)len_bytes);
	buf_add(out, bytes, len_bytes);
}

void sftp_add_text(struct buf *out, const char *text)
{
	sftp_add_bytes(out, text, strlen(text));
}

void sftp_add_mode(struct buf *out, uint32_t mode)
{
	sftp_add_u32(out, ATTR_MODE);
	sftp_add_u32(out, mode);
}

size_t sftp_begin(struct buf *out, enum sftp_type type, uint32_t id)
{
	size_t begun = out->len_bytes;

	sftp_add_u32(out, 0); /* sftp_end() knows the length */
	buf_add_u8(out, (uint8_t)type);
	sftp_add_u32(out, id);
	return begun;
}

void sftp_end(struct buf *out, size_t begun)
{
	size_t len_bytes = out->len_bytes - begun - 4;

	if (out->failed)
		return;
	for (unsigned i = 0; i < 4; i++)
		out->data[begun + i] = (uint8_t)(len_bytes >> (24 - 8 * i));
}

/* ---- answers ---- */

/* Walks what has come. After the first failure every value is zero. */
struct walk {
	const uint8_t *at;
	size_t left_bytes;
	bool failed;
};

static struct walk walk_of(const struct sftp_packet *p)
{
	return (struct walk){ .at = p->rest, .left_bytes = p->rest_bytes };
}

static const uint8_t *walk_bytes(struct walk *w, size_t len_bytes)
{
	const uint8_t *at = w->at;

	if (w->failed || len_bytes > w->left_bytes) {
		w->failed = true;
		return NULL;
	}
	w->at += len_bytes;
	w->left_bytes -= len_bytes;
	return at;
}

static uint32_t big_u32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t walk_u32(struct walk *w)
{
	const uint8_t *b = walk_bytes(w, 4);

	return b ? big_u32(b) : 0;
}

static uint64_t walk_u64(struct walk *w)
{
	uint64_t high = walk_u32(w);

	return high << 32 | walk_u32(w);
}

static const uint8_t *walk_string(struct walk *w, size_t *len_bytes)
{
	*len_bytes = walk_u32(w);
	return walk_bytes(w, *len_bytes);
}

static bool string_is(const uint8_t *bytes, size_t len_bytes, const char *text)
{
	return len_bytes == strlen(text) && memcmp(bytes, text, len_bytes) == 0;
}

int sftp_packet_take(const uint8_t *bytes, size_t len_bytes, struct sftp_packet *out,
		     size_t *used_bytes, struct error *err)
{
	size_t size, head = 5;

	*used_bytes = 0;
	if (len_bytes < 4)
		return ERR_NONE;
	size = big_u32(bytes);
	if (size < head || size > SFTP_PACKET_BYTES_MAX)
		return err_set(err, ERR_CORRUPT, "the server's answer is no SFTP: a packet of %zu bytes",
			       size);
	if (len_bytes - 4 < size)
		return ERR_NONE;
	out->type = (enum sftp_type)bytes[4];
	out->id = 0;
	if (out->type == SFTP_VERSION)
		head = 1;
	else
		out->id = big_u32(bytes + 5);
	out->rest = bytes + 4 + head;
	out->rest_bytes = size - head;
	*used_bytes = 4 + size;
	return ERR_NONE;
}

bool sftp_read_version(const struct sftp_packet *p, uint32_t *version, enum sftp_extensions *out)
{
	struct walk w = walk_of(p);
	unsigned found = 0;

	*version = walk_u32(&w);
	while (!w.failed && w.left_bytes > 0) {
		size_t name_bytes, data_bytes;
		const uint8_t *name = walk_string(&w, &name_bytes);
		const uint8_t *data = walk_string(&w, &data_bytes);

		if (w.failed)
			break;
		if (string_is(name, name_bytes, "fsync@openssh.com") && string_is(data, data_bytes, "1"))
			found |= SFTP_HAS_FSYNC;
		if (string_is(name, name_bytes, "statvfs@openssh.com") &&
		    string_is(data, data_bytes, "2"))
			found |= SFTP_HAS_STATVFS;
	}
	*out = (enum sftp_extensions)found;
	return p->type == SFTP_VERSION && !w.failed;
}

bool sftp_read_status(const struct sftp_packet *p, uint32_t *status, char *text, size_t text_size)
{
	struct walk w = walk_of(p);
	size_t said_bytes, used = 0;
	const uint8_t *said;

	*status = walk_u32(&w);
	text[0] = '\0';
	if (p->type != SFTP_STATUS || w.failed)
		return false;
	said = walk_string(&w, &said_bytes); /* some old servers leave it out */
	for (size_t i = 0; said && i < said_bytes && used + 1 < text_size; i++)
		text[used++] = said[i] >= ' ' && said[i] < 127 ? (char)said[i] : '?';
	text[used] = '\0';
	return true;
}

bool sftp_read_handle(const struct sftp_packet *p, struct sftp_handle *out)
{
	struct walk w = walk_of(p);
	const uint8_t *bytes = walk_string(&w, &out->len_bytes);

	if (p->type != SFTP_HANDLE || w.failed || out->len_bytes > sizeof(out->bytes))
		return false;
	memcpy(out->bytes, bytes, out->len_bytes);
	return true;
}

static void walk_attrs(struct walk *w, struct sftp_attrs *out)
{
	uint32_t flags = walk_u32(w), extended = 0;
	size_t ignored;

	*out = (struct sftp_attrs){ .has_size = flags & ATTR_SIZE,
				    .has_mode = flags & ATTR_MODE,
				    .has_time = flags & ATTR_TIMES };
	if (flags & ATTR_SIZE)
		out->size_bytes = walk_u64(w);
	if (flags & ATTR_OWNER)
		walk_u64(w);
	if (flags & ATTR_MODE)
		out->mode = walk_u32(w);
	if (flags & ATTR_TIMES) {
		walk_u32(w);
		out->modified_s = walk_u32(w);
	}
	if (flags & ATTR_EXTENDED)
		extended = walk_u32(w);
	for (uint32_t i = 0; i < extended && !w->failed; i++) {
		walk_string(w, &ignored);
		walk_string(w, &ignored);
	}
}

bool sftp_read_attrs(const struct sftp_packet *p, struct sftp_attrs *out)
{
	struct walk w = walk_of(p);

	walk_attrs(&w, out);
	return p->type == SFTP_ATTRS && !w.failed;
}

bool sftp_read_data(const struct sftp_packet *p, const uint8_t **bytes, size_t *len_bytes)
{
	struct walk w = walk_of(p);

	*bytes = walk_string(&w, len_bytes);
	return p->type == SFTP_DATA && !w.failed;
}

static uint64_t product(uint64_t a, uint64_t b)
{
	uint64_t out;

	return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

bool sftp_read_space(const struct sftp_packet *p, struct sftp_space *out)
{
	struct walk w = walk_of(p);
	uint64_t unit_bytes, blocks, available;

	walk_u64(&w); /* f_bsize */
	unit_bytes = walk_u64(&w);
	blocks = walk_u64(&w);
	walk_u64(&w); /* f_bfree */
	available = walk_u64(&w);
	for (unsigned i = 0; i < 3; i++) /* files */
		walk_u64(&w);
	out->file_system = walk_u64(&w);
	out->read_only = walk_u64(&w) & STATVFS_READ_ONLY;
	if (available > blocks)
		available = blocks;
	out->total_bytes = product(blocks, unit_bytes);
	out->free_bytes = product(available, unit_bytes);
	return p->type == SFTP_EXTENDED_REPLY && !w.failed;
}

bool sftp_names_begin(const struct sftp_packet *p, struct sftp_names *out)
{
	struct walk w = walk_of(p);

	out->left = walk_u32(&w);
	out->at = w.at;
	out->left_bytes = w.left_bytes;
	return p->type == SFTP_NAME && !w.failed;
}

bool sftp_names_next(struct sftp_names *n, char name[SFTP_NAME_BYTES_MAX], struct sftp_attrs *attrs)
{
	struct walk w = { .at = n->at, .left_bytes = n->left_bytes };
	size_t name_bytes, ignored;
	const uint8_t *bytes = walk_string(&w, &name_bytes);

	walk_string(&w, &ignored); /* a line as of ls -l */
	walk_attrs(&w, attrs);
	if (w.failed || n->left == 0)
		return false;
	n->at = w.at;
	n->left_bytes = w.left_bytes;
	n->left--;
	if (name_bytes >= SFTP_NAME_BYTES_MAX || memchr(bytes, '\0', name_bytes))
		name_bytes = 0;
	memcpy(name, bytes, name_bytes);
	name[name_bytes] = '\0';
	return true;
}

/* Version 3 has one status for all that has none of its own; some servers say more in words. */
static enum err_code code_of_failure(const char *text)
{
	static const struct {
		const char *words;
		enum err_code code;
	} known[] = {
		{ "no space left", ERR_FULL },
		{ "quota", ERR_FULL },
		{ "read-only file system", ERR_READONLY },
		{ "file exists", ERR_EXISTS },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasestr(text, known[i].words))
			return known[i].code;
	return ERR_IO;
}

static enum err_code code_of_status(uint32_t status, const char *text)
{
	switch (status) {
	case SFTP_NO_SUCH_FILE:
	case SFTP_NO_SUCH_PATH:
		return ERR_NOT_FOUND;
	case SFTP_PERMISSION_DENIED:
		return ERR_DENIED;
	case SFTP_NO_CONNECTION:
	case SFTP_CONNECTION_LOST:
		return ERR_TRANSIENT;
	case SFTP_UNSUPPORTED:
		return ERR_UNSUPPORTED;
	case SFTP_ALREADY_EXISTS:
		return ERR_EXISTS;
	case SFTP_WRITE_PROTECT:
		return ERR_READONLY;
	case SFTP_NO_SPACE:
	case SFTP_QUOTA:
		return ERR_FULL;
	default:
		return code_of_failure(text);
	}
}

int sftp_status_error(uint32_t status, const char *text, const char *what, struct error *err)
{
	if (text[0] == '\0')
		return err_set(err, code_of_status(status, text), "%s: the server answered %u", what,
			       status);
	return err_set(err, code_of_status(status, text), "%s: the server answered \"%s\" (%u)", what,
		       text, status);
}
