#include "base/bytes.h"
#include "base/child.h"
#include "base/meter.h"
#include "drivers/exec.h"
#include "net/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROTOCOL_VERSION 1
#define CONNECTIONS_MAX 16
#define READ_BYTES ((size_t)64 << 10)
#define PIECE_BYTES ((size_t)64 << 10) /* that a limit is asked for at once */
#define WAIT_EACH_MS 10

const struct exec_limits exec_limits_usual = {
	.stall_ms = 30000,
	.answer_ms = 600000,
	.end_ms = 5000,
	.listed_max = 100000000,
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what it says on stderr ---- */

static bool holds_secret(const struct exec_program *p, const char *text)
{
	for (unsigned i = 0; i < p->secrets_count; i++) {
		if (p->secrets[i].text[0] && strstr(text, p->secrets[i].text))
			return true;
	}
	return false;
}

/* One line of it, fit to be shown. */
static void line_keep(struct exec_child *c)
{
	c->saying[c->saying_len] = '\0';
	for (char *at = c->saying; *at; at++) {
		if (*at < ' ' || *at == 0x7f)
			*at = '?';
	}
	if (holds_secret(c->program, c->saying))
		snprintf(c->said, sizeof(c->said), "(a line with a secret in it)");
	else if (c->saying_len > 0)
		snprintf(c->said, sizeof(c->said), "%.*s", (int)sizeof(c->said) - 1, c->saying);
	c->saying_len = 0;
}

/* Takes what is there, a piece of it at most. */
static void stderr_take(struct exec_child *c)
{
	char piece[1024];
	ssize_t got = c->err_fd < 0 ? -1 : read(c->err_fd, piece, sizeof(piece));

	for (ssize_t i = 0; i < got; i++) {
		if (piece[i] == '\n')
			line_keep(c);
		else if (c->saying_len < sizeof(c->saying) - 1)
			c->saying[c->saying_len++] = piece[i] ? piece[i] : '?';
	}
	if (got == 0) {
		close(c->err_fd);
		c->err_fd = -1;
	}
}

/* ---- how it fails ---- */

/* Puts the program's name in front, and what it last said behind. */
static int failed(struct exec_child *c, struct error *err)
{
	struct error bare = *err;

	c->broken = true;
	if (c->saying_len > 0)
		line_keep(c);
	if (c->said[0])
		err_set(err, bare.code, "%s; it said: %s", bare.message, c->said);
	return err_wrap(err, "program %s", c->program->words[0]);
}

int exec_child_breaks(struct exec_child *c, struct error *err, const char *what)
{
	err_set(err, ERR_IO, "%s", what);
	return failed(c, err);
}

static bool has_ended(const struct exec_child *c, siginfo_t *info)
{
	info->si_pid = 0;
	return waitid(P_PID, (id_t)c->pid, info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info->si_pid != 0;
}

static bool ends_within(struct exec_child *c, unsigned ms, siginfo_t *info)
{
	uint64_t until_ms = now_ms() + ms;

	while (!has_ended(c, info)) {
		/* It must not hang for want of somebody who reads. */
		struct pollfd said = { .fd = c->err_fd, .events = POLLIN };

		if (now_ms() >= until_ms)
			return false;
		poll(&said, 1, WAIT_EACH_MS);
		if (said.revents)
			stderr_take(c);
	}
	return true;
}

/* Its stdin or stdout is closed. */
static int gone(struct exec_child *c, struct error *err)
{
	siginfo_t info;

	if (!ends_within(c, 500, &info))
		err_set(err, ERR_TRANSIENT, "it closed its stdin or stdout");
	else if (info.si_code == CLD_EXITED)
		err_set(err, ERR_TRANSIENT, "it ended with exit code %d", info.si_status);
	else
		err_set(err, ERR_TRANSIENT, "it was killed by signal %d", info.si_status);
	for (unsigned i = 0; i < 64 && c->err_fd >= 0; i++)
		stderr_take(c);
	return failed(c, err);
}

/* ---- waiting ---- */

/* A line, or enough data: it lives. */
static void useful(struct exec_child *c)
{
	c->moved_ms = c->useful_ms = now_ms();
	c->moved_bytes = 0;
}

static void moved(struct exec_child *c, size_t bytes)
{
	c->moved_bytes += bytes;
	if (c->moved_bytes >= c->program->limits.stall_ms) /* a byte per ms: some 1 KiB/s */
		useful(c);
}

static void limit_pass(struct exec_child *c, struct limit *l, size_t bytes)
{
	uint64_t began_ms = now_ms(), waited_ms;

	limit_wait(l, bytes);
	waited_ms = now_ms() - began_ms;
	c->moved_ms += waited_ms;
	c->useful_ms += waited_ms;
}

/* Until fd is ready for it. */
static int ready_wait(struct exec_child *c, int fd, short events, struct error *err)
{
	const struct exec_limits *l = &c->program->limits;

	for (;;) {
		struct pollfd fds[3] = { { .fd = fd, .events = events },
					 { .fd = c->err_fd, .events = POLLIN },
					 { .fd = c->out_fd } }; /* whether it closed that */
		uint64_t now = now_ms(), until = c->moved_ms + l->stall_ms;

		if (c->useful_ms + l->answer_ms < until)
			until = c->useful_ms + l->answer_ms;
		if (now >= until) {
			err_set(err, ERR_TRANSIENT, "it has not answered for %u s",
				(unsigned)((now - c->useful_ms) / 1000));
			return failed(c, err);
		}
		if (poll(fds, 3, (int)(until - now)) < 0 && errno != EINTR) {
			err_errno(err, "wait for it");
			return failed(c, err);
		}
		if (fds[1].revents)
			stderr_take(c);
		if (fds[0].revents)
			return ERR_NONE;
		if (fds[2].revents)
			return gone(c, err);
	}
}

/* ---- to its stdin ---- */

int exec_child_send(struct exec_child *c, const void *bytes, size_t len_bytes, struct error *err)
{
	const char *at = bytes, *end = at + len_bytes, *allowed = at;

	c->moved_ms = now_ms();
	while (at < end) {
		ssize_t sent;
		int code;

		if (at == allowed) {
			size_t left_bytes = (size_t)(end - at);

			allowed += left_bytes < PIECE_BYTES ? left_bytes : PIECE_BYTES;
			limit_pass(c, c->program->upload, (size_t)(allowed - at));
		}
		code = ready_wait(c, c->in_fd, POLLOUT, err);
		if (code != ERR_NONE)
			return code;
		sent = send(c->in_fd, at, (size_t)(allowed - at), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return gone(c, err);
		if (sent > 0) {
			at += sent;
			moved(c, (size_t)sent);
		}
	}
	useful(c);
	return ERR_NONE;
}

int exec_child_ask(struct exec_child *c, struct error *err, const char *fmt, ...)
{
	char line[EXEC_LINE_BYTES_MAX];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	line[len] = '\n'; /* names and numbers: it fits */
	useful(c);
	meter_add(c->program->meter, METER_REQUESTS, 1);
	return exec_child_send(c, line, (size_t)len + 1, err);
}

/* ---- from its stdout ---- */

/* Reads at least a byte. */
static int some_read(struct exec_child *c, char *out, size_t cap_bytes, size_t *got_bytes,
		     struct error *err)
{
	for (;;) {
		int code = ready_wait(c, c->out_fd, POLLIN, err);
		ssize_t got;

		if (code != ERR_NONE)
			return code;
		got = read(c->out_fd, out, cap_bytes);
		if (got > 0) {
			/* Lines too: they are a sign of life. */
			limit_pass(c, c->program->download, (size_t)got);
			*got_bytes = (size_t)got;
			return ERR_NONE;
		}
		if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return gone(c, err);
	}
}

/* The next line, lent until the next call. */
static int line_read(struct exec_child *c, char **line, size_t *len_bytes, struct error *err)
{
	size_t looked_at = 0, got_bytes;

	c->moved_ms = now_ms();
	for (;;) {
		size_t have_bytes = c->read_end - c->read_start;
		char *start = c->read + c->read_start;
		char *end = memchr(start + looked_at, '\n', have_bytes - looked_at);
		int code;

		if (end && (size_t)(end - start) < EXEC_LINE_BYTES_MAX) {
			*end = '\0';
			*line = start;
			*len_bytes = (size_t)(end - start);
			c->read_start += *len_bytes + 1;
			return ERR_NONE;
		}
		if (end || have_bytes >= EXEC_LINE_BYTES_MAX)
			return exec_child_breaks(c, err, "it answered a line without end");
		looked_at = have_bytes;
		memmove(c->read, start, have_bytes);
		c->read_start = 0;
		c->read_end = have_bytes;
		code = some_read(c, c->read + have_bytes, READ_BYTES - have_bytes, &got_bytes, err);
		if (code != ERR_NONE)
			return code;
		c->read_end += got_bytes;
	}
}

static int refused(const struct exec_answer *a, struct error *err)
{
	char text[512];
	size_t i;

	for (i = 0; i < sizeof(text) - 1 && a->text[i]; i++)
		text[i] = (char)(a->text[i] >= ' ' && a->text[i] != 0x7f ? a->text[i] : '?');
	text[i] = '\0';
	err_set(err, a->code, "%s", text[0] ? text : "it gives no reason");
	err->retry_after_s = a->retry_after_s;
	return (int)a->code;
}

int exec_child_next(struct exec_child *c, unsigned facts, struct exec_answer *out,
		    struct error *err)
{
	char *line = NULL;
	size_t len_bytes = 0;
	int code;

	do {
		code = line_read(c, &line, &len_bytes, err);
		if (code != ERR_NONE)
			return code;
		if (holds_secret(c->program, line))
			return exec_child_breaks(c, err, "it answers a secret");
		if (exec_answer_parse(line, len_bytes, out, err) != ERR_NONE)
			return failed(c, err);
	} while (out->word == EXEC_WAIT);
	/* Data count by their bytes. */
	if (out->word != EXEC_DATA)
		useful(c);
	if (out->word == EXEC_REFUSED || out->word == EXEC_OK) {
		if (c->read_start < c->read_end)
			return exec_child_breaks(c, err, "it says more than it was asked");
		return out->word == EXEC_OK ? ERR_NONE : refused(out, err);
	}
	if (!(facts & 1u << out->word))
		return exec_child_breaks(c, err, "it answers another question than the one asked");
	return ERR_NONE;
}

int exec_child_receive(struct exec_child *c, void *out, size_t len_bytes, struct error *err)
{
	char *at = out;

	while (len_bytes > 0) {
		size_t have_bytes = c->read_end - c->read_start;
		size_t piece_bytes = len_bytes < PIECE_BYTES ? len_bytes : PIECE_BYTES;
		int code = ERR_NONE;

		if (have_bytes > 0) {
			piece_bytes = have_bytes < piece_bytes ? have_bytes : piece_bytes;
			memcpy(at, c->read + c->read_start, piece_bytes);
			c->read_start += piece_bytes;
		} else {
			code = some_read(c, at, piece_bytes, &piece_bytes, err);
		}
		if (code != ERR_NONE)
			return code;
		moved(c, piece_bytes);
		at += piece_bytes;
		len_bytes -= piece_bytes;
	}
	return ERR_NONE;
}

/* ---- its life ---- */

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* stdin is a socket: writing to one that is closed must not be a signal. */
static int spawn(struct exec_child *c, struct error *err)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, said[2] = { -1, -1 }, code;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0 ||
	    pipe2(out, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(said[0], F_SETFL, O_NONBLOCK) < 0) {
		code = err_errno(err, "make pipes");
	} else {
		const int fds[3] = { in[1], out[1], said[1] };

		code = child_spawn((const char *const *)c->program->words, fds, &c->pid, err);
	}
	close_all((int[]){ in[1], out[1], said[1] }, 3);
	c->in_fd = in[0];
	c->out_fd = out[0];
	c->err_fd = said[0];
	return code;
}

static void child_free(struct exec_child *c)
{
	close_all((int[]){ c->in_fd, c->out_fd, c->err_fd }, 3);
	free(c->read);
	free(c);
}

void exec_child_hang_up(struct exec_child *c)
{
	if (c->in_fd >= 0)
		close(c->in_fd);
	c->in_fd = -1;
}

void exec_child_end(struct exec_child *c)
{
	siginfo_t info;

	exec_child_hang_up(c);
	/* Its id is its own until it is reaped. */
	if (c->broken || !ends_within(c, c->program->limits.end_ms, &info)) {
		kill(-c->pid, SIGKILL);
		kill(c->pid, SIGKILL);
	}
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	child_free(c);
}

bool exec_child_waits(struct exec_child *c)
{
	struct pollfd out = { .fd = c->out_fd, .events = POLLIN };
	siginfo_t info;

	return !has_ended(c, &info) && poll(&out, 1, 0) == 0;
}

static int agree(struct exec_child *c, struct error *err)
{
	struct exec_answer a;
	int code = exec_child_ask(c, err, "MRMR %d", PROTOCOL_VERSION);

	if (code == ERR_NONE)
		code = exec_child_next(c, 1u << EXEC_VERSION, &a, err);
	if (code != ERR_NONE)
		return code;
	if (a.word != EXEC_VERSION)
		return exec_child_breaks(c, err, "it does not say which protocol it speaks");
	if (a.number != PROTOCOL_VERSION) {
		err_set(err, ERR_UNSUPPORTED, "it speaks version %llu of the protocol, not %d",
			(unsigned long long)a.number, PROTOCOL_VERSION);
		return failed(c, err);
	}
	c->connections = 1;
	while (code == ERR_NONE && a.word != EXEC_OK) {
		code = exec_child_next(c, 1u << EXEC_CONNECTIONS, &a, err);
		if (code != ERR_NONE || a.word == EXEC_OK)
			continue;
		if (a.number < 1)
			return exec_child_breaks(c, err, "it takes no connections");
		c->connections = a.number < CONNECTIONS_MAX ? (unsigned)a.number : CONNECTIONS_MAX;
	}
	return code;
}

int exec_child_start(const struct exec_program *p, struct exec_child **out, struct error *err)
{
	struct exec_child *c = calloc(1, sizeof(*c));
	int code;

	*out = NULL;
	if (!c)
		return err_nomem(err);
	c->program = p;
	c->in_fd = c->out_fd = c->err_fd = -1;
	c->read = malloc(READ_BYTES);
	code = c->read ? spawn(c, err) : err_nomem(err);
	/* The program is not the place. */
	if (code == ERR_NOT_FOUND)
		code = (int)(err->code = ERR_IO);
	if (code != ERR_NONE) {
		child_free(c);
		return code;
	}
	code = agree(c, err);
	if (code != ERR_NONE) {
		c->broken = true;
		exec_child_end(c);
		return code;
	}
	*out = c;
	return ERR_NONE;
}
