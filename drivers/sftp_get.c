#include "drivers/name.h"
#include "drivers/sftp.h"

#include <string.h>
#include <sys/stat.h>

#define PIECE_BITS 20
#define BATCH_PIECES 8 /* requests handed to the connection at once */

/* A piece of what is read: asked for, or left over from an answer that was shorter. */
struct piece {
	size_t at, len_bytes;
};

struct download {
	struct sftp_drive *d;
	struct sftp_session *s;
	struct sftp_handle file;
	uint64_t offset_bytes;
	uint8_t *out;
	size_t len_bytes, asked_bytes;
	struct piece left_over[SFTP_PIECES_MAX]; /* one for each answer under way, at most */
	unsigned left_over_count;
	struct sftp_answer failed; /* the first read that was refused, or ended early */
	bool has_failed, ended;
};

static uint64_t piece_pack(struct piece p)
{
	return (uint64_t)p.at << PIECE_BITS | p.len_bytes;
}

static struct piece piece_unpack(uint64_t v)
{
	return (struct piece){ (size_t)(v >> PIECE_BITS), v & (((uint64_t)1 << PIECE_BITS) - 1) };
}

static int take_read(void *ctx, uint64_t packed, const struct sftp_packet *p, struct error *err)
{
	struct piece wanted = piece_unpack(packed);
	struct download *l = ctx;
	struct sftp_answer a;
	const uint8_t *bytes;
	size_t got_bytes;
	int code;

	if (p->type != SFTP_DATA) {
		code = sftp_keep(&a, 0, p, err);
		if (code == ERR_NONE && sftp_answer_is(&a, SFTP_EOF)) {
			l->ended = true;
		} else if (code == ERR_NONE && !l->has_failed) {
			l->failed = a;
			l->has_failed = true;
		}
		return code;
	}
	if (!sftp_read_data(p, &bytes, &got_bytes) || got_bytes > wanted.len_bytes)
		return err_set(err, ERR_CORRUPT, "the server sent more than it was asked for");
	memcpy(l->out + wanted.at, bytes, got_bytes);
	if (got_bytes == 0) {
		l->ended = true;
	} else if (got_bytes < wanted.len_bytes) {
		wanted.at += got_bytes;
		wanted.len_bytes -= got_bytes;
		l->left_over[l->left_over_count++] = wanted;
	}
	return ERR_NONE;
}

static bool next_piece(struct download *l, struct piece *out)
{
	size_t left_bytes = l->len_bytes - l->asked_bytes;

	if (l->ended || l->has_failed)
		return false;
	if (l->left_over_count > 0) {
		*out = l->left_over[--l->left_over_count];
		return true;
	}
	out->at = l->asked_bytes;
	out->len_bytes = left_bytes < SFTP_PIECE_BYTES ? left_bytes : SFTP_PIECE_BYTES;
	l->asked_bytes += out->len_bytes;
	return out->len_bytes > 0;
}

static void ask_piece(struct download *l, struct piece p)
{
	sftp_request(l->s, SFTP_READ, take_read, l, piece_pack(p));
	sftp_add_bytes(&l->s->out, l->file.bytes, l->file.len_bytes);
	sftp_add_u64(&l->s->out, l->offset_bytes + p.at);
	sftp_add_u32(&l->s->out, (uint32_t)p.len_bytes);
	sftp_request_end(l->s);
}

/* As many pieces are under way as there may be; each answer may leave a rest to be asked for again. */
static int read_all_of(struct download *l, struct error *err)
{
	struct sftp_session *s = l->s;
	int code = ERR_NONE;
	struct piece p;

	while (code == ERR_NONE) {
		unsigned n = 0;

		while (n < BATCH_PIECES && s->unanswered_count + l->left_over_count < SFTP_PIECES_MAX &&
		       next_piece(l, &p)) {
			limit_wait(l->d->download, p.len_bytes);
			ask_piece(l, p);
			n++;
		}
		if (n == 0 && s->unanswered_count == 0)
			break;
		code = sftp_pump(s, n > 0 ? SFTP_PIECES_MAX - BATCH_PIECES : s->unanswered_count - 1, err);
	}
	if (code == ERR_NONE && l->has_failed)
		code = sftp_answer_error(&l->failed, SFTP_DATA, "read", err);
	else if (code == ERR_NONE && l->ended)
		code = err_set(err, ERR_CORRUPT, "it became shorter");
	return code;
}

/* The object is opened and its length asked for at once. *opened: it is to be closed. */
static int open_object(struct download *l, const char *path, uint64_t *len_bytes, bool *opened,
		       struct error *err)
{
	struct sftp_answer st = { .type = SFTP_INIT }, open = st;
	int code;

	sftp_ask_path(l->s, SFTP_LSTAT, path, &st);
	sftp_ask_open(l->s, path, SFTP_TO_READ, &open);
	code = sftp_pump(l->s, 1, err);
	if (code == ERR_NONE && st.type == SFTP_ATTRS && S_ISFIFO(st.attrs.mode))
		l->s->broken = true; /* opening it is answered once somebody writes there */
	else if (code == ERR_NONE)
		code = sftp_pump(l->s, 0, err);
	if (code != ERR_NONE)
		return code;
	*opened = open.type == SFTP_HANDLE;
	l->file = open.handle;
	code = sftp_answer_error(&st, SFTP_ATTRS, "look for it", err);
	if (code != ERR_NONE)
		return code;
	if (st.attrs.has_mode && !S_ISREG(st.attrs.mode))
		return err_set(err, ERR_NOT_FOUND, "it is not a regular file");
	if (!st.attrs.has_size)
		return err_set(err, ERR_IO, "the server does not tell its length");
	*len_bytes = st.attrs.size_bytes;
	return sftp_answer_error(&open, SFTP_HANDLE, "open it", err);
}

static int fetch(struct download *l, const char *path, struct error *err)
{
	struct error ignored;
	uint64_t len_bytes = 0;
	bool opened = false;
	int code = open_object(l, path, &len_bytes, &opened, err);

	if (code == ERR_NONE &&
	    (l->offset_bytes > len_bytes || l->len_bytes > len_bytes - l->offset_bytes))
		code = err_set(err, ERR_CORRUPT, "it ends after %llu bytes",
			       (unsigned long long)len_bytes);
	else if (code == ERR_NONE)
		code = read_all_of(l, err);
	if (opened && !l->s->broken) {
		sftp_ask_handle(l->s, SFTP_CLOSE, &l->file, NULL);
		sftp_pump(l->s, 0, &ignored);
	}
	return code;
}

int sftp_get(struct drive *drive, const char *name, uint64_t offset_bytes, void *out,
	     size_t len_bytes, struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	struct download l = { .d = d, .offset_bytes = offset_bytes, .out = out, .len_bytes = len_bytes };
	char path[SFTP_PATH_BYTES];
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = sftp_borrow(d, false, &l.s, err);
	if (code != ERR_NONE)
		return code;
	sftp_path(d, name, path);
	code = fetch(&l, path, err);
	sftp_return(d, false, l.s);
	return code == ERR_NONE ? ERR_NONE : err_wrap(err, "get %s", name);
}
