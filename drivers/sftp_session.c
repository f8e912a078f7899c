#include "drivers/sftp_session.h"

#include "base/clock.h"
#include "base/meter.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES (4u << 20) /* of what the server may send unasked */
#define IN_BYTES ((size_t)128 << 10)
#define UNWANTED_MAX (SFTP_UNANSWERED_MAX / 4)
#define FOLDER_MODE 0700
#define FILE_MODE 0600

/* ---- requests ---- */

void sftp_request(struct sftp_session *s, enum sftp_type type, sftp_answer_fn *take, void *ctx,
		  uint64_t at)
{
	unsigned slot;

	/* Answers may come in any order, so an old one may still hold the place: the next id then. */
	while (s->unanswered[s->next_id % SFTP_UNANSWERED_MAX].waits)
		s->next_id++;
	slot = s->next_id % SFTP_UNANSWERED_MAX;
	s->unanswered[slot].waits = true;
	s->unanswered[slot].id = s->next_id;
	s->unanswered[slot].take = take;
	s->unanswered[slot].ctx = ctx;
	s->unanswered[slot].at = at;
	if (take)
		s->unanswered_count++;
	else
		s->unwanted_count++;
	s->request_begun = sftp_begin(&s->out, type, s->next_id++);
}

void sftp_request_end(struct sftp_session *s)
{
	sftp_end(&s->out, s->request_begun);
	meter_add(s->meter, METER_REQUESTS, 1);
}

/* The caller of an answer that nobody is waiting for, or of one that is. */
static int take_packet(struct sftp_session *s, const struct sftp_packet *p, struct error *err)
{
	unsigned slot = p->id % SFTP_UNANSWERED_MAX;
	uint32_t version;

	if (p->type == SFTP_VERSION) {
		if (s->greeted || !sftp_read_version(p, &version, &s->extensions) || version < 3)
			return err_set(err, ERR_CORRUPT, "the server's greeting is none of SFTP 3");
		s->greeted = true;
		return ERR_NONE;
	}
	if (!s->unanswered[slot].waits || s->unanswered[slot].id != p->id)
		return err_set(err, ERR_CORRUPT, "the server answers what it was not asked");
	s->unanswered[slot].waits = false;
	if (!s->unanswered[slot].take) {
		s->unwanted_count--;
		return ERR_NONE;
	}
	s->unanswered_count--;
	return s->unanswered[slot].take(s->unanswered[slot].ctx, s->unanswered[slot].at, p, err);
}

/* ---- moving bytes ---- */

/* All packets that are whole; what is left goes to the front. */
static int take_packets(struct sftp_session *s, struct error *err)
{
	size_t at = 0, used_bytes;
	struct sftp_packet p;
	int code;

	do {
		code = sftp_packet_take(s->in + at, s->in_bytes - at, &p, &used_bytes, err);
		if (code == ERR_NONE && used_bytes > 0)
			code = take_packet(s, &p, err);
		at += used_bytes;
	} while (code == ERR_NONE && used_bytes > 0);
	s->in_bytes -= at;
	memmove(s->in, s->in + at, s->in_bytes);
	return code;
}

static int send_some(struct sftp_session *s, bool *moved, struct error *err)
{
	ssize_t n;

	if (s->out.failed)
		return err_nomem(err);
	n = libssh2_channel_write(s->channel, (const char *)s->out.data + s->out_sent_bytes,
				  s->out.len_bytes - s->out_sent_bytes);
	s->stuck = NOT_STUCK;
	if (n > 0) {
		s->out_sent_bytes += (size_t)n;
		*moved = true;
	} else if (n != 0 && n != LIBSSH2_ERROR_EAGAIN) {
		return sftp_link_error(&s->link, (int)n, "send", err);
	} else if (libssh2_session_block_directions(s->link.ssh) & LIBSSH2_SESSION_BLOCK_OUTBOUND) {
		s->stuck = STUCK_WRITING;
	}
	if (s->out_sent_bytes == s->out.len_bytes) {
		buf_clear(&s->out);
		s->out_sent_bytes = 0;
	}
	return ERR_NONE;
}

static int receive_some(struct sftp_session *s, bool *moved, struct error *err)
{
	ssize_t n;

	if (s->in_bytes == s->in_cap_bytes) {
		size_t more_bytes = 2 * s->in_cap_bytes; /* bounded by SFTP_PACKET_BYTES_MAX */
		uint8_t *larger = realloc(s->in, more_bytes);

		if (!larger)
			return err_nomem(err);
		s->in = larger;
		s->in_cap_bytes = more_bytes;
	}
	n = libssh2_channel_read(s->channel, (char *)s->in + s->in_bytes, s->in_cap_bytes - s->in_bytes);
	s->stuck = NOT_STUCK;
	if (n > 0) {
		s->in_bytes += (size_t)n;
		*moved = true;
		return take_packets(s, err);
	}
	if (n == LIBSSH2_ERROR_EAGAIN) {
		if (libssh2_session_block_directions(s->link.ssh) & LIBSSH2_SESSION_BLOCK_OUTBOUND)
			s->stuck = STUCK_READING;
		return ERR_NONE;
	}
	if (n == 0)
		return err_set(err, ERR_TRANSIENT, "the server closed the connection");
	return sftp_link_error(&s->link, (int)n, "receive", err);
}

/* One step in either direction. A packet that is half sent must be sent before anything else of
 * libssh2 is called that sends. */
static int move_some(struct sftp_session *s, bool *moved, struct error *err)
{
	bool more = s->out_sent_bytes < s->out.len_bytes || s->out.failed;
	int code = ERR_NONE;

	*moved = false;
	if (more && s->stuck != STUCK_READING)
		code = send_some(s, moved, err);
	if (code != ERR_NONE || *moved || s->stuck == STUCK_WRITING)
		return code;
	code = receive_some(s, moved, err);
	/* What it read may have been nothing but the leave to send more. */
	if (more && s->stuck == NOT_STUCK && libssh2_channel_window_write(s->channel) > 0)
		*moved = true;
	return code;
}

/* Until enough is answered, and the greeting has come. */
static int pump(struct sftp_session *s, unsigned unanswered, struct error *err)
{
	uint64_t until_ms = clock_us() / 1000 + SFTP_STALL_MS;
	int code = ERR_NONE;
	bool moved;

	/* There must be a place for every request, also beside those whose answer nobody wants. */
	while (code == ERR_NONE &&
	       (s->out_sent_bytes < s->out.len_bytes || s->out.failed || !s->greeted ||
		s->unanswered_count > unanswered || s->unwanted_count > UNWANTED_MAX)) {
		code = move_some(s, &moved, err);
		if (code == ERR_NONE && moved)
			until_ms = clock_us() / 1000 + SFTP_STALL_MS;
		else if (code == ERR_NONE)
			code = sftp_link_wait(&s->link, until_ms, err);
	}
	return code;
}

int sftp_pump(struct sftp_session *s, unsigned unanswered, struct error *err)
{
	int code = ERR_NONE;

	if (s->broken)
		return err_set(err, ERR_TRANSIENT, "the connection is gone");
	code = pump(s, unanswered, err);
	s->broken = code != ERR_NONE;
	return code;
}

/* ---- sessions ---- */

static int open_channel(struct sftp_session *s, struct error *err)
{
	uint64_t until_ms = clock_us() / 1000 + SFTP_CONNECT_MS;
	int rc, code = ERR_NONE;

	while (!(s->channel = libssh2_channel_open_ex(s->link.ssh, "session", 7, WINDOW_BYTES,
						       LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0))) {
		rc = libssh2_session_last_errno(s->link.ssh);
		if (rc != LIBSSH2_ERROR_EAGAIN)
			return sftp_link_error(&s->link, rc, "open a channel", err);
		code = sftp_link_wait(&s->link, until_ms, err);
		if (code != ERR_NONE)
			return code;
	}
	while ((rc = libssh2_channel_subsystem(s->channel, "sftp")) == LIBSSH2_ERROR_EAGAIN) {
		code = sftp_link_wait(&s->link, until_ms, err);
		if (code != ERR_NONE)
			return code;
	}
	if (rc == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED)
		return err_set(err, ERR_UNSUPPORTED, "the server offers no SFTP");
	if (rc != 0)
		return sftp_link_error(&s->link, rc, "start SFTP", err);
	/* What its shell may say on stderr is not for us. */
	while (libssh2_channel_handle_extended_data2(
		       s->channel, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE) == LIBSSH2_ERROR_EAGAIN)
		;
	return ERR_NONE;
}

int sftp_session_open(const struct sftp_config *c, bool accept_new, struct sftp_session **out,
		      struct error *err)
{
	struct sftp_session *s = calloc(1, sizeof(*s));
	int code;

	*out = NULL;
	if (!s)
		return err_nomem(err);
	s->meter = c->meter;
	s->link.fd = s->link.child_said = -1;
	s->in = malloc(IN_BYTES);
	s->in_cap_bytes = IN_BYTES;
	code = s->in ? sftp_link_open(c, accept_new, &s->link, err) : err_nomem(err);
	if (code == ERR_NONE)
		code = open_channel(s, err);
	if (code == ERR_NONE) {
		sftp_end(&s->out, sftp_begin(&s->out, SFTP_INIT, 3)); /* in place of an id: the version */
		code = sftp_pump(s, 0, err);
	}
	if (code != ERR_NONE) {
		sftp_session_free(s);
		return err_wrap(err, "sftp %s", c->place);
	}
	meter_add(s->meter, METER_CONNECTIONS, 1);
	*out = s;
	return ERR_NONE;
}

void sftp_session_free(struct sftp_session *s)
{
	if (!s)
		return;
	sftp_link_close(&s->link, !s->broken); /* its channel too */
	buf_release(&s->out);
	free(s->in);
	free(s);
}

bool sftp_session_alive(struct sftp_session *s)
{
	struct pollfd p = { .fd = s->link.fd, .events = POLLIN };
	struct error ignored;
	bool moved = true;

	/* Answers nobody waited for, a question of the server's, or the end. */
	while (!s->broken && moved && poll(&p, 1, 0) > 0)
		s->broken = receive_some(s, &moved, &ignored) != ERR_NONE;
	return !s->broken;
}

/* ---- the usual answers ---- */

int sftp_keep(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err)
{
	struct sftp_answer *a = ctx;
	bool good;

	(void)at;
	a->type = p->type;
	switch (p->type) {
	case SFTP_STATUS:
		good = sftp_read_status(p, &a->status, a->text, sizeof(a->text));
		break;
	case SFTP_HANDLE:
		good = sftp_read_handle(p, &a->handle);
		break;
	case SFTP_ATTRS:
		good = sftp_read_attrs(p, &a->attrs);
		break;
	case SFTP_EXTENDED_REPLY:
		good = sftp_read_space(p, &a->space);
		break;
	default:
		good = false;
	}
	return good ? ERR_NONE
		    : err_set(err, ERR_CORRUPT, "the server's answer (type %u) makes no sense",
			      (unsigned)p->type);
}

static void begin(struct sftp_session *s, enum sftp_type type, struct sftp_answer *out)
{
	sftp_request(s, type, out ? sftp_keep : NULL, out, 0);
}

void sftp_ask_path(struct sftp_session *s, enum sftp_type type, const char *path,
		   struct sftp_answer *out)
{
	begin(s, type, out);
	sftp_add_text(&s->out, path);
	sftp_request_end(s);
}

void sftp_ask_handle(struct sftp_session *s, enum sftp_type type, const struct sftp_handle *h,
		     struct sftp_answer *out)
{
	begin(s, type, out);
	sftp_add_bytes(&s->out, h->bytes, h->len_bytes);
	sftp_request_end(s);
}

void sftp_ask_open(struct sftp_session *s, const char *path, enum sftp_open_flags flags,
		   struct sftp_answer *out)
{
	begin(s, SFTP_OPEN, out);
	sftp_add_text(&s->out, path);
	sftp_add_u32(&s->out, flags);
	sftp_add_mode(&s->out, FILE_MODE);
	sftp_request_end(s);
}

void sftp_ask_folder(struct sftp_session *s, const char *path, struct sftp_answer *out)
{
	begin(s, SFTP_MKDIR, out);
	sftp_add_text(&s->out, path);
	sftp_add_mode(&s->out, FOLDER_MODE);
	sftp_request_end(s);
}

void sftp_ask_rename(struct sftp_session *s, const char *from, const char *to,
		     struct sftp_answer *out)
{
	begin(s, SFTP_RENAME, out);
	sftp_add_text(&s->out, from);
	sftp_add_text(&s->out, to);
	sftp_request_end(s);
}

void sftp_ask_fsync(struct sftp_session *s, const struct sftp_handle *h, struct sftp_answer *out)
{
	begin(s, SFTP_EXTENDED, out);
	sftp_add_text(&s->out, "fsync@openssh.com");
	sftp_add_bytes(&s->out, h->bytes, h->len_bytes);
	sftp_request_end(s);
}

void sftp_ask_space(struct sftp_session *s, const char *path, struct sftp_answer *out)
{
	begin(s, SFTP_EXTENDED, out);
	sftp_add_text(&s->out, "statvfs@openssh.com");
	sftp_add_text(&s->out, path);
	sftp_request_end(s);
}

bool sftp_answer_is(const struct sftp_answer *a, enum sftp_status status)
{
	return a->type == SFTP_STATUS && a->status == (uint32_t)status;
}

int sftp_answer_error(const struct sftp_answer *a, enum sftp_type wanted, const char *what,
		      struct error *err)
{
	if (a->type == wanted && (wanted != SFTP_STATUS || a->status == SFTP_OK))
		return ERR_NONE;
	if (a->type == SFTP_STATUS)
		return sftp_status_error(a->status, a->text, what, err);
	return err_set(err, ERR_CORRUPT, "%s: the server's answer (type %u) makes no sense", what,
		       (unsigned)a->type);
}
