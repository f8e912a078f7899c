#include "base/meter.h"
#include "drivers/ftp.h"
#include "net/limit.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONNECT_S 20
#define REPLY_S 30
#define LOOK_MS_MAX 10
#define FINAL_REPLY 200 /* codes below are followed by another reply to the same command */
#define STALL_US 30000000u
#define STALL_BYTES (30u << 10) /* that must move in that time */
/* Reading so much more than was asked for is quicker than a new connection, which is the only way to
 * end a transfer before its end. */
#define SURPLUS_BYTES_MAX ((size_t)512 << 10)

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- callbacks of curl ---- */

static void limit_pass(struct ftp_session *s, struct limit *l, size_t len_bytes)
{
	uint64_t began_us = now_us();

	limit_wait(l, len_bytes);
	s->slept_us += now_us() - began_us;
}

/* Time that limits took is not counted. */
static void alive(struct ftp_session *s)
{
	s->moved_us = now_us() - s->slept_us;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	struct ftp_session *s = ctx;
	uint64_t bytes = (uint64_t)down + (uint64_t)up;

	(void)down_total;
	(void)up_total;
	if (bytes < s->moved_bytes || bytes - s->moved_bytes >= STALL_BYTES) {
		s->moved_bytes = bytes;
		alive(s);
	}
	return now_us() - s->slept_us - s->moved_us > STALL_US;
}

/* Every line that the server says on the control connection. */
static size_t on_line(char *line, size_t size, size_t count, void *ctx)
{
	struct ftp_session *s = ctx;
	size_t len_bytes = size * count;

	if (ftp_reply_parse(line, len_bytes, &s->replies[s->reply_count % FTP_REPLIES])) {
		const struct ftp_reply *r = &s->replies[s->reply_count++ % FTP_REPLIES];

		meter_add(s->site->meter, METER_REQUESTS, r->code >= FINAL_REPLY);
		alive(s);
	}
	s->has_mlsd |= ftp_is_feature(line, len_bytes, "MLST");
	s->has_mlsd |= ftp_is_feature(line, len_bytes, "MLSD");
	return len_bytes;
}

static size_t on_send(char *out, size_t size, size_t count, void *ctx)
{
	struct ftp_session *s = ctx;
	size_t piece_bytes = size * count;

	if (piece_bytes > s->send_bytes)
		piece_bytes = s->send_bytes;
	limit_pass(s, s->site->upload, piece_bytes);
	memcpy(out, s->send_at, piece_bytes);
	s->send_at += piece_bytes;
	s->send_bytes -= piece_bytes;
	return piece_bytes;
}

/* Whether the rest of a file that more_bytes of it came of is not worth waiting for. */
static bool rest_is_long(struct ftp_session *s, size_t more_bytes)
{
	curl_off_t total = 0, got = 0;

	s->surplus_bytes += more_bytes;
	if (s->surplus_bytes > SURPLUS_BYTES_MAX)
		return true;
	curl_easy_getinfo(s->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
	curl_easy_getinfo(s->curl, CURLINFO_SIZE_DOWNLOAD_T, &got);
	return total > got && (uint64_t)(total - got) > SURPLUS_BYTES_MAX;
}

static size_t on_receive(char *bytes, size_t size, size_t count, void *ctx)
{
	struct ftp_session *s = ctx;
	size_t len_bytes = size * count, used_bytes = len_bytes;

	limit_pass(s, s->site->download, len_bytes);
	if (s->listing) {
		s->listing_too_long |= s->listing->len_bytes + len_bytes > FTP_LISTING_BYTES_MAX;
		if (s->listing_too_long)
			return 0;
		buf_add(s->listing, bytes, len_bytes);
		return s->listing->failed ? 0 : len_bytes;
	}
	if (used_bytes > s->out_bytes)
		used_bytes = s->out_bytes;
	memcpy(s->out, bytes, used_bytes);
	s->out += used_bytes;
	s->out_bytes -= used_bytes;
	if (s->out_bytes == 0 && rest_is_long(s, len_bytes - used_bytes))
		return 0; /* ends the transfer, and the connection with it */
	return len_bytes;
}

/* ---- errors ---- */

static const struct ftp_reply *last_reply(const struct ftp_session *s)
{
	static const struct ftp_reply none;

	return s->reply_count ? &s->replies[(s->reply_count - 1) % FTP_REPLIES] : &none;
}

/* Some servers repeat what they were told. */
static const char *shown(const struct ftp_session *s, const struct ftp_reply *r)
{
	const char *password = s->site->password.text;

	return password && password[0] && strstr(r->text, password) ? "(not shown)" : r->text;
}

static int set_with_site(const struct ftp_session *s, enum err_code code, const char *what,
			 const char *why, struct error *err)
{
	const char *mark = strchr(s->site->host, ':') ? "[" : "";

	return err_set(err, code, "%s: %s%s%s:%u: %s", what, mark, s->site->host, mark[0] ? "]" : "",
		       s->site->port, why);
}

int ftp_refused(const struct ftp_session *s, const struct ftp_reply *r, const char *what,
		struct error *err)
{
	char why[FTP_TEXT_BYTES + 8];

	snprintf(why, sizeof(why), "%u %s", r->code, shown(s, r));
	return set_with_site(s, ftp_reply_error(r), what, why, err);
}

/* By the failure of curl itself; whether it is one of what the server replied, *by_reply tells. */
static enum err_code curl_code(CURLcode failed, bool *by_reply)
{
	*by_reply = false;
	switch (failed) {
	case CURLE_OUT_OF_MEMORY:
		return ERR_NOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
		return ERR_DENIED;
	case CURLE_SSL_CACERT_BADFILE:
		return ERR_USAGE;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_ABORTED_BY_CALLBACK:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return ERR_TRANSIENT;
	default:
		*by_reply = true;
		return ERR_IO;
	}
}

static int curl_failed(struct ftp_session *s, const char *what, struct error *err)
{
	const struct ftp_reply *r = last_reply(s);
	CURLcode failed = s->failed;
	bool by_reply;
	enum err_code code = curl_code(failed, &by_reply);

	if (failed == CURLE_LOGIN_DENIED)
		return set_with_site(s, r->code >= 400 && r->code < 500 ? ERR_TRANSIENT : ERR_DENIED,
				     what, shown(s, r), err);
	if (failed == CURLE_ABORTED_BY_CALLBACK)
		return set_with_site(s, code, what, "nothing moved for 30 s", err);
	/* AUTH TLS was refused. */
	if (failed == CURLE_USE_SSL_FAILED)
		return set_with_site(s, ERR_UNSUPPORTED, what, "it offers no TLS", err);
	if (by_reply && r->code >= 400)
		return ftp_refused(s, r, what, err);
	/* The data connection ended too early, or was never there; no reply tells why. */
	if (by_reply)
		code = ERR_TRANSIENT;
	return set_with_site(s, code, what,
			     s->failure[0] ? s->failure : curl_easy_strerror(failed), err);
}

/* ---- performing ---- */

static int url_set(struct ftp_session *s, const char *path, bool is_folder)
{
	const struct ftp_site *site = s->site;
	bool is_v6 = strchr(site->host, ':') != NULL;
	struct buf url = { 0 };
	char start[300];
	CURLcode failed = CURLE_OUT_OF_MEMORY;

	snprintf(start, sizeof(start), "%s://%s%s%s:%u/", site->tls == FTP_IMPLICIT ? "ftps" : "ftp",
		 is_v6 ? "[" : "", site->host, is_v6 ? "]" : "", site->port);
	buf_add(&url, start, strlen(start));
	url_encode(&url, path, true);
	if (is_folder)
		buf_add(&url, "/", 1);
	buf_add(&url, "", 1);
	if (!url.failed)
		failed = curl_easy_setopt(s->curl, CURLOPT_URL, (const char *)url.data);
	buf_release(&url);
	return failed == CURLE_OK ? ERR_NONE : ERR_NOMEM;
}

/* What holds for everything that is done. Keeps the connection. */
static int begin(struct ftp_session *s, const char *path, bool is_folder, struct error *err)
{
	const struct ftp_site *site = s->site;
	CURL *c = s->curl;

	curl_easy_reset(c);
	s->reply_count = 0;
	s->failure[0] = '\0';
	s->out = NULL;
	s->out_bytes = s->surplus_bytes = s->send_bytes = 0;
	s->listing = NULL;
	s->listing_too_long = false;
	s->slept_us = s->moved_bytes = 0;
	alive(s);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->failure);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "ftp,ftps");
	curl_easy_setopt(c, CURLOPT_PROXY, ""); /* nobody in between sees the log-in */
	curl_easy_setopt(c, CURLOPT_FTP_FILEMETHOD, (long)CURLFTPMETHOD_NOCWD);
	curl_easy_setopt(c, CURLOPT_FTP_SKIP_PASV_IP, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(c, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)REPLY_S);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_line);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_receive);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(c, CURLOPT_READFUNCTION, on_send);
	curl_easy_setopt(c, CURLOPT_READDATA, s);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, s);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	if (site->tls != FTP_PLAIN) {
		curl_easy_setopt(c, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
		curl_easy_setopt(c, CURLOPT_FTPSSLAUTH, (long)CURLFTPAUTH_TLS);
		/* Servers want the session of the control connection on each data connection, to
		 * know that both are ours. A session of TLS 1.3 can be used once. */
		curl_easy_setopt(c, CURLOPT_SSLVERSION,
				 site->tls_13 ? (long)CURL_SSLVERSION_TLSv1_2
					      : (long)CURL_SSLVERSION_TLSv1_2 |
							CURL_SSLVERSION_MAX_TLSv1_2);
	}
	if (site->ca_file)
		curl_easy_setopt(c, CURLOPT_CAPATH, NULL); /* the system's are not trusted then */
	if ((site->ca_file && curl_easy_setopt(c, CURLOPT_CAINFO, site->ca_file) != CURLE_OK) ||
	    curl_easy_setopt(c, CURLOPT_USERNAME, site->user ? site->user : "anonymous") !=
		    CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_PASSWORD,
			     site->password.text ? site->password.text : "mrmr@") != CURLE_OK ||
	    url_set(s, path, is_folder) != ERR_NONE)
		return err_nomem(err);
	return ERR_NONE;
}

/* While TLS begins on a data connection, curl (7.88) waits for that alone, though the server has first
 * to be told on the other one what it is for. So it is made to look at that too. */
static CURLcode perform(struct ftp_session *s)
{
	CURLcode failed = CURLE_OUT_OF_MEMORY;
	const CURLMsg *end;
	int running = 1, left, look_ms = 1, ready;
	long connects = 0;

	if (curl_multi_add_handle(s->multi, s->curl) != CURLM_OK)
		return failed;
	while (curl_multi_perform(s->multi, &running) == CURLM_OK && running) {
		if (curl_multi_poll(s->multi, NULL, 0, look_ms, &ready) != CURLM_OK)
			break;
		look_ms = ready ? 1 : 2 * look_ms;
		if (look_ms > LOOK_MS_MAX)
			look_ms = LOOK_MS_MAX;
	}
	while ((end = curl_multi_info_read(s->multi, &left))) {
		if (end->msg == CURLMSG_DONE)
			failed = end->data.result;
	}
	curl_easy_getinfo(s->curl, CURLINFO_NUM_CONNECTS, &connects);
	meter_add(s->site->meter, METER_CONNECTIONS, (uint64_t)connects);
	curl_multi_remove_handle(s->multi, s->curl);
	return failed;
}

/* All of them are sent: '*' makes curl go on when one is refused. */
static int commands_make(const char *const *commands, size_t count, struct curl_slist **out,
			 struct error *err)
{
	*out = NULL;
	for (size_t i = 0; i < count; i++) {
		struct curl_slist *more = NULL;
		char *line;

		if (asprintf(&line, "*%s", commands[i]) >= 0) {
			more = curl_slist_append(*out, line);
			free(line);
		}
		if (!more) {
			curl_slist_free_all(*out);
			return err_nomem(err);
		}
		*out = more;
	}
	return ERR_NONE;
}

const struct ftp_reply *ftp_reply_to(const struct ftp_session *s, size_t i, size_t count)
{
	return &s->replies[(s->reply_count - count + i) % FTP_REPLIES];
}

int ftp_commands(struct ftp_session *s, const char *const *commands, size_t count,
		 struct error *err)
{
	struct curl_slist *list;
	int code = begin(s, "", false, err);

	if (code == ERR_NONE)
		code = commands_make(commands, count, &list, err);
	if (code != ERR_NONE)
		return code;
	/* Without a file that is all that curl does. */
	curl_easy_setopt(s->curl, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(s->curl, CURLOPT_QUOTE, list);
	s->failed = perform(s);
	curl_easy_setopt(s->curl, CURLOPT_QUOTE, NULL);
	curl_slist_free_all(list);
	if (s->failed != CURLE_OK)
		return curl_failed(s, "ask", err);
	if (s->reply_count < count)
		return set_with_site(s, ERR_IO, "ask", "replies are missing", err);
	return ERR_NONE;
}

int ftp_upload(struct ftp_session *s, const char *path, const void *bytes, size_t len_bytes,
	       const char *const *commands, size_t count, struct error *err)
{
	struct curl_slist *list;
	int code = begin(s, path, false, err);

	if (code == ERR_NONE)
		code = commands_make(commands, count, &list, err);
	if (code != ERR_NONE)
		return code;
	s->send_at = bytes;
	s->send_bytes = len_bytes;
	curl_easy_setopt(s->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(s->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)len_bytes);
	curl_easy_setopt(s->curl, CURLOPT_POSTQUOTE, list);
	s->failed = perform(s);
	curl_easy_setopt(s->curl, CURLOPT_POSTQUOTE, NULL);
	curl_slist_free_all(list);
	if (s->failed != CURLE_OK)
		return curl_failed(s, "upload", err);
	if (s->reply_count < count)
		return set_with_site(s, ERR_IO, "upload", "replies are missing", err);
	return ERR_NONE;
}

/* curl asks for the size first: a file that has one and is then refused is there. */
static bool has_said_size(const struct ftp_session *s)
{
	uint64_t size_bytes;

	for (size_t i = 0; i < s->reply_count && i < FTP_REPLIES; i++) {
		if (ftp_reply_size(&s->replies[i], &size_bytes))
			return true;
	}
	return false;
}

int ftp_download(struct ftp_session *s, const char *path, uint64_t offset_bytes, void *out,
		 size_t len_bytes, size_t *got_bytes, struct error *err)
{
	int code = begin(s, path, false, err);

	*got_bytes = 0;
	if (code != ERR_NONE)
		return code;
	s->out = out;
	s->out_bytes = len_bytes;
	curl_easy_setopt(s->curl, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)offset_bytes);
	s->failed = perform(s);
	*got_bytes = len_bytes - s->out_bytes;
	/* However it ended after that. */
	if (s->out_bytes == 0 || s->failed == CURLE_OK || s->failed == CURLE_BAD_DOWNLOAD_RESUME)
		return ERR_NONE;
	code = curl_failed(s, "download", err);
	if (code == ERR_NOT_FOUND && has_said_size(s))
		code = (int)(err->code = ERR_DENIED);
	return code;
}

int ftp_listing(struct ftp_session *s, const char *path, struct buf *out, struct error *err)
{
	const char *command = s->site->has_mlsd ? "MLSD" : "NLST";
	int code = begin(s, path, true, err);

	if (code != ERR_NONE)
		return code;
	s->listing = out;
	if (curl_easy_setopt(s->curl, CURLOPT_CUSTOMREQUEST, command) != CURLE_OK)
		return err_nomem(err);
	s->failed = perform(s);
	if (s->listing_too_long)
		return set_with_site(s, ERR_CORRUPT, "list", "a listing without end", err);
	if (out->failed)
		return err_nomem(err);
	return s->failed == CURLE_OK ? ERR_NONE : curl_failed(s, "list", err);
}

/* ---- the first words ---- */

int ftp_greet(struct ftp_session *s, struct ftp_site *site, char **entry, struct error *err)
{
	static const char *const features[] = { "FEAT" };
	char *path = NULL;
	int code;

	s->has_mlsd = false;
	code = ftp_commands(s, features, 1, err);
	if (code != ERR_NONE)
		return code;
	site->has_mlsd = s->has_mlsd;
	curl_easy_getinfo(s->curl, CURLINFO_FTP_ENTRY_PATH, &path);
	*entry = strdup(path && path[0] == '/' ? path : "/");
	return *entry ? ERR_NONE : err_nomem(err);
}

struct ftp_session *ftp_session_new(const struct ftp_site *site)
{
	struct ftp_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->site = site;
	s->curl = curl_easy_init();
	s->multi = curl_multi_init();
	if (!s->curl || !s->multi) {
		ftp_session_free(s);
		return NULL;
	}
	return s;
}

/* curl says goodbye and waits for the answer, for minutes: it shall find that there is none. */
static void answer_refuse(struct ftp_session *s)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	if (curl_multi_add_handle(s->multi, s->curl) != CURLM_OK)
		return;
	curl_easy_getinfo(s->curl, CURLINFO_ACTIVESOCKET, &fd);
	curl_multi_remove_handle(s->multi, s->curl);
	if (fd != CURL_SOCKET_BAD)
		shutdown(fd, SHUT_RD);
}

void ftp_session_free(struct ftp_session *s)
{
	if (s->curl && s->multi)
		answer_refuse(s);
	curl_easy_cleanup(s->curl);
	curl_multi_cleanup(s->multi); /* ends the connection */
	free(s);
}
