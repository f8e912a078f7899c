#include "drivers/rclone_inner.h"

#include "base/child.h"
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ORIGIN "http://127.0.0.1:"
#define LINE_BYTES 400
#define START_SECONDS 40
#define STOP_MS 5000

struct rclone_server {
	char *fs;
	char **env; /* wiped when freed, the log-in with it */
	const char *user, *password; /* in there */
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	pid_t pid;  /* 0: not started, or reaped */
	bool over;  /* it could not be started, or has ended; why tells */
	struct error why;
	char origin[32];	    /* "" until it can be asked */
	char last_line[LINE_BYTES]; /* of what it complained of */
};

/* ---- its thread ---- */

/* "...: WebDav Server started on http://127.0.0.1:PORT/" */
static void take_line(struct rclone_server *s, const char *line)
{
	const char *at = strstr(line, ORIGIN);
	size_t len;

	pthread_mutex_lock(&s->lock);
	if (at && !s->origin[0]) {
		len = strlen(ORIGIN) + strspn(at + strlen(ORIGIN), "0123456789");
		if (len > strlen(ORIGIN) && len < sizeof(s->origin)) {
			memcpy(s->origin, at, len);
			s->origin[len] = '\0';
			pthread_cond_broadcast(&s->changed);
		}
	} else if (line[0] && !strstr(line, s->password)) {
		snprintf(s->last_line, sizeof(s->last_line), "%s", line);
		for (char *c = s->last_line; *c; c++)
			if ((unsigned char)*c < ' ' || *c == 127)
				*c = '?';
	}
	pthread_mutex_unlock(&s->lock);
}

/* Lines as they come, until there are no more; what is too long for one is cut. */
static void read_lines(struct rclone_server *s, int from)
{
	char line[LINE_BYTES], piece[1024];
	size_t used = 0;
	ssize_t got;

	while ((got = read(from, piece, sizeof(piece))) != 0) {
		if (got < 0 && errno != EINTR)
			return;
		for (ssize_t i = 0; i < got; i++) {
			if (piece[i] == '\n') {
				line[used] = '\0';
				take_line(s, line);
				used = 0;
			} else if (used < sizeof(line) - 1) {
				line[used++] = piece[i];
			}
		}
	}
}

static void end(struct rclone_server *s, const struct error *why)
{
	pthread_mutex_lock(&s->lock);
	s->over = true;
	s->pid = 0;
	if (why)
		s->why = *why;
	else
		err_set(&s->why, ERR_IO, "rclone has ended: %s",
			s->last_line[0] ? s->last_line : "it does not say why");
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void *serve(void *arg)
{
	struct rclone_server *s = arg;
	/* No cache: what was said yes to is at the remote, and what other hosts put there is seen.
	 * Nothing is read ahead: it would have to be paid for. */
	const char *const argv[] = {
		"rclone", "serve", "webdav", "--addr=127.0.0.1:0", "--vfs-cache-mode=off",
		"--dir-cache-time=0", "--poll-interval=0", "--buffer-size=0",
		"--use-server-modtime", "--ask-password=false", "--log-level=NOTICE",
		"--", s->fs, NULL
	};
	siginfo_t info = { 0 };
	struct error err;
	pid_t pid;
	int from;

	if (rclone_spawn(argv, s->env, false, &pid, &from, &err) != ERR_NONE) {
		end(s, &err);
		return NULL;
	}
	pthread_mutex_lock(&s->lock);
	s->pid = pid;
	pthread_mutex_unlock(&s->lock);
	read_lines(s, from);
	close(from);
	/* Its number stays its own until nobody can send it a signal any more. */
	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	end(s, NULL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return NULL;
}

/* ---- its owner ---- */

static void server_free(struct rclone_server *s)
{
	child_environment_free(s->env);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s->fs);
	free(s);
}

/* "NAME=" and random digits; name is of the environment. */
static void make_secret(char *out, size_t size, const char *name, unsigned bytes)
{
	static const char digits[] = "0123456789abcdef";
	size_t used = (size_t)snprintf(out, size, "%s=", name);

	for (unsigned i = 0; i < 2 * bytes && used + 1 < size; i++)
		out[used++] = digits[randombytes_uniform(16)];
	out[used] = '\0';
}

static int make_environment(struct rclone_server *s, const char *config_password,
			    struct error *err)
{
	char user[40], password[80];
	const char *const own[] = { user, password, NULL };
	int code = ERR_NONE;

	make_secret(user, sizeof(user), "RCLONE_USER", 8);
	make_secret(password, sizeof(password), "RCLONE_PASS", 24);
	s->env = rclone_environment(config_password, own);
	explicit_bzero(password, sizeof(password));
	if (!s->env)
		return err_nomem(err);
	for (size_t i = 0; s->env[i]; i++) {
		if (strncmp(s->env[i], "RCLONE_USER=", 12) == 0)
			s->user = s->env[i] + 12;
		if (strncmp(s->env[i], "RCLONE_PASS=", 12) == 0)
			s->password = s->env[i] + 12;
	}
	return code;
}

int rclone_server_start(const char *fs, const char *config_password, struct rclone_server **out,
			struct error *err)
{
	struct rclone_server *s = calloc(1, sizeof(*s));
	pthread_condattr_t clock;
	int code, failed;

	*out = NULL;
	if (!s)
		return err_nomem(err);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &clock);
	pthread_condattr_destroy(&clock);
	s->fs = strdup(fs);
	code = s->fs ? make_environment(s, config_password, err) : err_nomem(err);
	if (code == ERR_NONE) {
		failed = thread_start(&s->thread, serve, s);
		if (failed)
			code = err_set(err, ERR_NOMEM, "start a thread: %s", strerror(failed));
	}
	if (code != ERR_NONE) {
		server_free(s);
		return code;
	}
	*out = s;
	return ERR_NONE;
}

static struct timespec after_ms(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

int rclone_server_wait(struct rclone_server *s, const char **origin, struct error *err)
{
	struct timespec until = after_ms(START_SECONDS * 1000);
	int code = ERR_NONE, waited = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->over && !s->origin[0] && waited == 0)
		waited = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	if (s->over) {
		*err = s->why;
		code = (int)err->code;
	} else if (!s->origin[0]) {
		code = err_set(err, ERR_TRANSIENT, "rclone does not begin to serve");
	}
	pthread_mutex_unlock(&s->lock);
	*origin = s->origin;
	return code;
}

const char *rclone_server_user(const struct rclone_server *s)
{
	return s->user;
}

const char *rclone_server_password(const struct rclone_server *s)
{
	return s->password;
}

int rclone_server_alive(struct rclone_server *s, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&s->lock);
	if (s->over) {
		*err = s->why;
		code = (int)err->code;
	}
	pthread_mutex_unlock(&s->lock);
	return code;
}

/* Under the lock: nobody has reaped it. */
static void send_signal(struct rclone_server *s, int signal_number)
{
	if (s->pid > 0)
		kill(-s->pid, signal_number);
}

void rclone_server_stop(struct rclone_server *s)
{
	struct timespec until = after_ms(STOP_MS);
	int waited = 0;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	while (!s->over && waited == 0) {
		send_signal(s, SIGTERM);
		waited = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	if (!s->over)
		send_signal(s, SIGKILL);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	server_free(s);
}
