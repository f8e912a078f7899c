#include "drivers/sftp_link.h"

#include "base/child.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing of what libssh2 has is offered but these, as far as it has them. */
#define KEX                                                                                        \
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"    \
	"ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"          \
	"diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256"
#define CIPHERS "aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr"
#define MACS "hmac-sha2-256,hmac-sha2-512"

/* Returns what poll() does; 0: not before until_ms. */
static int wait_for(int fd, short events, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ready;

	do {
		uint64_t now_ms = clock_us() / 1000;

		ready = poll(&p, 1, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);
	} while (ready < 0 && errno == EINTR);
	return ready;
}

int sftp_link_wait(struct sftp_link *l, uint64_t until_ms, struct error *err)
{
	int wanted = libssh2_session_block_directions(l->ssh), ready;
	short events = 0;

	if (wanted & LIBSSH2_SESSION_BLOCK_OUTBOUND)
		events |= POLLOUT;
	if (wanted & LIBSSH2_SESSION_BLOCK_INBOUND || events == 0)
		events |= POLLIN;
	ready = wait_for(l->fd, events, until_ms);
	if (ready < 0)
		return err_errno(err, "wait for the server");
	return ready > 0 ? ERR_NONE : err_set(err, ERR_TRANSIENT, "the server does not answer");
}

static enum err_code code_of(int returned)
{
	switch (returned) {
	case LIBSSH2_ERROR_ALLOC:
		return ERR_NOMEM;
	case LIBSSH2_ERROR_KEX_FAILURE:
	case LIBSSH2_ERROR_METHOD_NONE:
		return ERR_UNSUPPORTED;
	case LIBSSH2_ERROR_HOSTKEY_INIT:
	case LIBSSH2_ERROR_HOSTKEY_SIGN:
		return ERR_DENIED;
	default:
		return ERR_TRANSIENT; /* of a connection that is gone, or of no use any more */
	}
}

int sftp_link_error(struct sftp_link *l, int returned, const char *step, struct error *err)
{
	char *said = NULL;

	libssh2_session_last_error(l->ssh, &said, NULL, 0);
	return err_set(err, code_of(returned), "%s: %.200s (libssh2 %d)", step, said ? said : "",
		       returned);
}

/* ---- the way there ---- */

static int connect_one(const struct addrinfo *a, uint64_t until_ms, int *out)
{
	int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	socklen_t size = sizeof(int);
	int failed = 0;

	if (fd < 0)
		return errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
		failed = errno;
		if (failed == EINPROGRESS) {
			if (wait_for(fd, POLLOUT, until_ms) <= 0)
				failed = ETIMEDOUT;
			else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
				failed = errno;
		}
	}
	if (failed)
		close(fd);
	else
		*out = fd;
	return failed;
}

/* A connection that nothing is asked of is kept alive by the kernel, and one that is dead is noticed. */
static void set_up_socket(int fd)
{
	static const int on = 1, idle_s = 30, every_s = 10, times = 3, unacked_ms = SFTP_STALL_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
}

static int connect_tcp(const struct sftp_config *c, uint64_t until_ms, int *fd, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all;
	int failed;
	char port[12];

	snprintf(port, sizeof(port), "%u", c->port);
	failed = getaddrinfo(c->host, port, &hints, &all);
	if (failed == EAI_NONAME)
		return err_set(err, ERR_IO, "there is no host of this name");
	if (failed)
		return err_set(err, ERR_TRANSIENT, "ask for the host's address: %s",
			       failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
	for (const struct addrinfo *a = all; a; a = a->ai_next) {
		uint64_t now_ms = clock_us() / 1000, left_ms = until_ms > now_ms ? until_ms - now_ms : 0;

		/* Half of the time is kept for the addresses after this one. */
		failed = connect_one(a, now_ms + (a->ai_next ? left_ms / 2 : left_ms), fd);
		if (!failed)
			break;
	}
	freeaddrinfo(all);
	if (failed)
		return err_set(err, ERR_TRANSIENT, "connect: %s", strerror(failed));
	set_up_socket(*fd);
	return ERR_NONE;
}

static int connect_child(const struct sftp_config *c, struct sftp_link *l, struct error *err)
{
	char **argv;
	int code = sftp_config_proxy(c, &argv, err);

	if (code == ERR_NONE)
		code = child_connect((const char *const *)argv, &l->fd, &l->child_said, &l->child, err);
	words_free(argv);
	return code;
}

/* Puts the last line that the child said behind the message: it knows why. */
static void add_what_child_said(const struct sftp_link *l, struct error *err)
{
	char text[1024], *line = text;
	struct error whole = *err;
	ssize_t got = l->child > 0 ? pread(l->child_said, text, sizeof(text) - 1, 0) : 0;

	if (got <= 0)
		return;
	while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r'))
		got--;
	text[got] = '\0';
	for (char *s = text; *s; s++) {
		if (*s == '\n')
			line = s + 1;
		else if (*s < ' ' || *s > '~')
			*s = ' ';
	}
	err_set(err, whole.code, "%.500s; on the way: %.300s", whole.message, line);
}

/* ---- the key exchange ---- */

/* Those of the list that libssh2 has. (It would leave out the others itself, but by copying memory onto
 * itself in a way that may garble what remains.) */
static int supported_of(struct sftp_link *l, int what, const char *list, char *out, size_t size,
			struct error *err)
{
	const char **algorithms;
	int count = libssh2_session_supported_algs(l->ssh, what, &algorithms);
	size_t used = 0;

	if (count <= 0)
		return sftp_link_error(l, count, "ask for algorithms", err);
	out[0] = '\0';
	while (*list) {
		size_t len = strcspn(list, ",");

		for (int i = 0; i < count; i++) {
			if (strlen(algorithms[i]) == len && memcmp(algorithms[i], list, len) == 0 &&
			    used + len + 2 <= size)
				used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "," : "",
							 algorithms[i]);
		}
		list += len + (list[len] ? 1 : 0);
	}
	libssh2_free(l->ssh, (void *)algorithms);
	return used > 0 ? ERR_NONE
			: err_set(err, ERR_UNSUPPORTED, "libssh2 %s has no modern algorithms",
				  libssh2_version(0));
}

static int set_methods(const struct sftp_config *c, struct sftp_link *l, struct error *err)
{
	char keys[512], list[512];
	const struct {
		int what;
		const char *list;
	} wanted[] = {
		{ LIBSSH2_METHOD_KEX, KEX },	      { LIBSSH2_METHOD_HOSTKEY, keys },
		{ LIBSSH2_METHOD_CRYPT_CS, CIPHERS }, { LIBSSH2_METHOD_CRYPT_SC, CIPHERS },
		{ LIBSSH2_METHOD_MAC_CS, MACS },      { LIBSSH2_METHOD_MAC_SC, MACS },
		{ LIBSSH2_METHOD_COMP_CS, "none" },   { LIBSSH2_METHOD_COMP_SC, "none" },
	};
	int code = sftp_hostkey_wanted(c, keys, sizeof(keys), err);

	for (size_t i = 0; code == ERR_NONE && i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int rc = 0;

		code = supported_of(l, wanted[i].what, wanted[i].list, list, sizeof(list), err);
		if (code == ERR_NONE)
			rc = libssh2_session_method_pref(l->ssh, wanted[i].what, list);
		if (rc != 0)
			code = sftp_link_error(l, rc, "choose algorithms", err);
	}
	return code;
}

static int shake_hands(const struct sftp_config *c, struct sftp_link *l, uint64_t until_ms,
		       struct error *err)
{
	int rc, code = set_methods(c, l, err);

	while (code == ERR_NONE &&
	       (rc = libssh2_session_handshake(l->ssh, l->fd)) == LIBSSH2_ERROR_EAGAIN)
		code = sftp_link_wait(l, until_ms, err);
	if (code != ERR_NONE)
		return err_wrap(err, "agree on keys");
	if (rc == LIBSSH2_ERROR_KEX_FAILURE)
		return err_set(err, ERR_UNSUPPORTED,
			       "the server and libssh2 %s have no modern algorithms in common (host keys: "
			       "ed25519, ecdsa; ciphers: AES; no SHA-1)",
			       libssh2_version(0));
	return rc == 0 ? ERR_NONE : sftp_link_error(l, rc, "agree on keys", err);
}

static int start_library(struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool started;
	bool good;

	pthread_mutex_lock(&lock);
	if (!started)
		started = libssh2_init(0) == 0;
	good = started;
	pthread_mutex_unlock(&lock);
	return good ? ERR_NONE : err_set(err, ERR_IO, "start libssh2");
}

int sftp_link_open(const struct sftp_config *c, bool accept_new, struct sftp_link *out,
		   struct error *err)
{
	uint64_t until_ms = clock_us() / 1000 + SFTP_CONNECT_MS;
	int code = start_library(err);

	*out = (struct sftp_link){ .fd = -1, .child_said = -1 };
	if (code != ERR_NONE)
		return code;
	if (c->proxy_command || c->proxy_jump)
		code = connect_child(c, out, err);
	else
		code = connect_tcp(c, until_ms, &out->fd, err);
	if (code != ERR_NONE)
		goto out;
	out->ssh = libssh2_session_init();
	if (!out->ssh) {
		code = err_nomem(err);
		goto out;
	}
	libssh2_session_set_blocking(out->ssh, 0);
	code = shake_hands(c, out, until_ms, err);
	if (code == ERR_NONE)
		code = sftp_hostkey_check(c, out->ssh, accept_new, err);
	else
		add_what_child_said(out, err);
	if (code == ERR_NONE)
		code = sftp_login(out, c, err);
out:
	if (code != ERR_NONE)
		sftp_link_close(out, false);
	return code;
}

void sftp_link_close(struct sftp_link *l, bool polite)
{
	if (l->ssh && polite)
		libssh2_session_disconnect(l->ssh, "done");
	/* Freeing a session that waits for its peer answers EAGAIN; with the socket shut it ends. */
	if (l->fd >= 0)
		shutdown(l->fd, SHUT_RDWR);
	if (l->ssh) {
		for (unsigned i = 0; i < 100 && libssh2_session_free(l->ssh) == LIBSSH2_ERROR_EAGAIN; i++)
			;
	}
	if (l->fd >= 0)
		close(l->fd);
	if (l->child > 0)
		child_end(l->child);
	if (l->child_said >= 0)
		close(l->child_said);
	*l = (struct sftp_link){ .fd = -1, .child_said = -1 };
}
