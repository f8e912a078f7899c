/*
 * A session: one SSH connection with the SFTP of its server. Requests go out as fast as the
 * connection takes them, many before the first is answered; answers come in any order. One thread
 * at a time.
 *
 *	sftp_request(s, SFTP_LSTAT, sftp_keep, &answer); sftp_add_text(&s->out, path); sftp_request_end(s);
 *	...
 *	code = sftp_pump(s, 0, err);	sends all, and waits until nothing is unanswered
 *
 * After an error of sftp_pump() the session is broken: nothing more is asked of it.
 */
#ifndef MRMR_DRIVERS_SFTP_SESSION_H
#define MRMR_DRIVERS_SFTP_SESSION_H

#include "drivers/sftp_link.h"
#include "drivers/sftp_wire.h"

#define SFTP_UNANSWERED_MAX 256
#define SFTP_PIECE_BYTES ((size_t)32 << 10) /* of a read or write: what every server takes */
#define SFTP_PIECES_MAX 128 /* on their way at once: 4 MiB, 40 MB/s at 100 ms */

struct sftp_session;

/* Takes the answer to a request; at is what sftp_request() was told. Anything but ERR_NONE breaks the
 * session: it is for answers that make no sense. */
typedef int sftp_answer_fn(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err);

struct sftp_session {
	struct sftp_session *next; /* of the pool */
	struct sftp_link link;
	LIBSSH2_CHANNEL *channel;
	struct meter *meter; /* lent; NULL: none */
	enum sftp_extensions extensions;
	struct buf out; /* requests; out_sent bytes of them are gone */
	size_t out_sent_bytes, request_begun;
	uint8_t *in; /* answers, not yet whole */
	size_t in_bytes, in_cap_bytes;
	struct {
		bool waits;
		uint32_t id;
		sftp_answer_fn *take; /* NULL: whatever it is */
		void *ctx;
		uint64_t at;
	} unanswered[SFTP_UNANSWERED_MAX];
	unsigned unanswered_count; /* those that somebody wants to know of */
	unsigned unwanted_count;
	uint32_t next_id;
	bool broken, greeted;
	enum { NOT_STUCK, STUCK_WRITING, STUCK_READING } stuck; /* in the middle of sending a packet */
};

int sftp_session_open(const struct sftp_config *c, bool accept_new, struct sftp_session **out,
		      struct error *err);
void sftp_session_free(struct sftp_session *s); /* NULL is allowed */

/* Whether one that was left alone for a while is still there. */
bool sftp_session_alive(struct sftp_session *s);

/* Between these two its contents are added to s->out. take NULL: the answer does not matter, and is not
 * waited for. */
void sftp_request(struct sftp_session *s, enum sftp_type type, sftp_answer_fn *take, void *ctx,
		  uint64_t at);
void sftp_request_end(struct sftp_session *s);

/* Sends what there is, and waits until at most this many are unanswered. ERR_TRANSIENT: the connection
 * is gone, or nothing moved for SFTP_STALL_MS. */
int sftp_pump(struct sftp_session *s, unsigned unanswered, struct error *err);

/* ---- the usual answers ---- */

/* What a request without a body of its own may be answered. */
struct sftp_answer {
	enum sftp_type type;
	uint32_t status;
	char text[160]; /* of a status */
	struct sftp_handle handle;
	struct sftp_attrs attrs;
	struct sftp_space space;
};
int sftp_keep(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err);

/* Requests with a path, a handle. */
void sftp_ask_path(struct sftp_session *s, enum sftp_type type, const char *path,
		   struct sftp_answer *out);
void sftp_ask_handle(struct sftp_session *s, enum sftp_type type, const struct sftp_handle *h,
		     struct sftp_answer *out);
void sftp_ask_open(struct sftp_session *s, const char *path, enum sftp_open_flags flags,
		   struct sftp_answer *out);
void sftp_ask_folder(struct sftp_session *s, const char *path, struct sftp_answer *out);
void sftp_ask_rename(struct sftp_session *s, const char *from, const char *to,
		     struct sftp_answer *out);
void sftp_ask_fsync(struct sftp_session *s, const struct sftp_handle *h, struct sftp_answer *out);
void sftp_ask_space(struct sftp_session *s, const char *path, struct sftp_answer *out);

/* ERR_NONE if it was answered as hoped (wanted: SFTP_STATUS with SFTP_OK, SFTP_HANDLE, ...). */
int sftp_answer_error(const struct sftp_answer *a, enum sftp_type wanted, const char *what,
		      struct error *err);
bool sftp_answer_is(const struct sftp_answer *a, enum sftp_status status);

#endif
