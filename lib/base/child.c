#include "base/child.h"

#include "base/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What key agents, password managers and their dialogues need, and nothing that may be secret. */
static const char *const inherited[] = {
	"PATH",		"HOME",		   "USER",
	"LOGNAME",	"SHELL",	   "LANG",
	"LC_ALL",	"LC_CTYPE",	   "TERM",
	"TZ",		"TMPDIR",	   "DISPLAY",
	"XAUTHORITY",	"WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS",
	"SSH_AUTH_SOCK", "GNUPGHOME",	   "GPG_TTY",
	"KRB5CCNAME",	"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
	"XDG_DATA_HOME", "PASSWORD_STORE_DIR",
};

#define INHERITED (sizeof(inherited) / sizeof(inherited[0]))

static void environment_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}

/* NULL: out of memory. */
static char **environment_new(void)
{
	char **env = calloc(INHERITED + 1, sizeof(*env));
	size_t used = 0;

	for (size_t i = 0; env && i < INHERITED; i++) {
		const char *value = getenv(inherited[i]);

		if (!value)
			continue;
		if (asprintf(&env[used], "%s=%s", inherited[i], value) < 0) {
			env[used] = NULL;
			environment_free(env);
			return NULL;
		}
		used++;
	}
	return env;
}

/* Which of our descriptors become which of its. -1: it keeps ours. */
struct child_fds {
	int in, out, err;
	bool own_group;
};

static int child_fds_set(const struct child_fds *fds, posix_spawn_file_actions_t *actions)
{
	const int from[] = { fds->in, fds->out, fds->err };
	int failed = 0;

	for (int i = 0; i < 3 && !failed; i++)
		if (from[i] >= 0)
			failed = posix_spawn_file_actions_adddup2(actions, from[i], i);
	return failed;
}

/* Returns 0 or an errno value. */
static int child_start(const char *const argv[], const struct child_fds *fds, char **env, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t ignored_by_us, none;
	short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
	int failed;

	sigemptyset(&none);
	sigemptyset(&ignored_by_us);
	sigaddset(&ignored_by_us, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &ignored_by_us);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	if (fds->own_group)
		flags |= POSIX_SPAWN_SETPGROUP;
	posix_spawnattr_setflags(&attributes, flags);
	failed = child_fds_set(fds, &actions);
	if (!failed)
		failed = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return failed;
}

/* Fills out from fd up to its end. A byte too many is ERR_FULL. */
static int output_read(int fd, char *out, size_t cap_bytes, size_t *len_bytes, struct error *err)
{
	char extra;

	*len_bytes = 0;
	for (;;) {
		size_t room_bytes = cap_bytes - *len_bytes;
		int code = stop_wait_readable(fd, err);
		ssize_t got;

		if (code != ERR_NONE)
			return code;
		got = read(fd, room_bytes ? out + *len_bytes : &extra, room_bytes ? room_bytes : 1);
		if (got == 0)
			return ERR_NONE;
		if (got < 0 && errno != EINTR)
			return err_errno(err, "read its output");
		if (got > 0 && room_bytes == 0) {
			explicit_bzero(&extra, sizeof(extra));
			return err_set(err, ERR_FULL, "it printed more than %zu bytes", cap_bytes);
		}
		if (got > 0)
			*len_bytes += (size_t)got;
	}
}

/* ERR_NONE if it exited with 0. */
static int child_wait(pid_t pid, struct error *err)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, "wait for it");
	if (WIFSIGNALED(status))
		return err_set(err, ERR_IO, "it was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, ERR_IO, "it exited with %d", WEXITSTATUS(status));
	return ERR_NONE;
}

int child_output(const char *const argv[], void *out, size_t cap_bytes, size_t *len_bytes,
		 struct error *err)
{
	int pipe_fds[2] = { -1, -1 }, code, failed;
	struct child_fds fds = { -1, -1, -1, false };
	char **env = environment_new();
	struct error ignored;
	pid_t pid;

	if (!env)
		return err_nomem(err);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
		code = err_errno(err, "make a pipe");
		goto out;
	}
	fds.out = pipe_fds[1];
	failed = child_start(argv, &fds, env, &pid);
	close(pipe_fds[1]);
	if (failed) {
		code = err_set(err, err_from_errno(failed), "run '%s': %s", argv[0], strerror(failed));
		goto out;
	}
	code = output_read(pipe_fds[0], out, cap_bytes, len_bytes, err);
	close(pipe_fds[0]);
	pipe_fds[0] = -1;
	if (code != ERR_NONE) {
		kill(pid, SIGTERM);
		child_wait(pid, &ignored);
	} else {
		code = child_wait(pid, err);
	}
	if (code != ERR_NONE && code != ERR_INTERRUPTED)
		err_wrap(err, "run '%s'", argv[0]);
out:
	if (pipe_fds[0] >= 0)
		close(pipe_fds[0]);
	environment_free(env);
	return code;
}

int child_spawn(const char *const argv[], const int fds[3], pid_t *pid, struct error *err)
{
	const struct child_fds is = { fds[0], fds[1], fds[2], true };
	char **env = environment_new();
	int failed = env ? child_start(argv, &is, env, pid) : ENOMEM;

	environment_free(env);
	if (failed == ENOMEM)
		return err_nomem(err);
	return failed ? err_set(err, err_from_errno(failed), "run '%s': %s", argv[0], strerror(failed))
		      : ERR_NONE;
}

int child_connect(const char *const argv[], int *fd, int *said_fd, pid_t *pid, struct error *err)
{
	int ends[2] = { -1, -1 }, code;

	*fd = -1;
	*pid = 0;
	*said_fd = memfd_create("stderr of a child", MFD_CLOEXEC);
	if (*said_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		code = err_errno(err, "make a socket");
	} else {
		const int fds[3] = { ends[1], ends[1], *said_fd };

		code = child_spawn(argv, fds, pid, err);
	}
	if (ends[1] >= 0)
		close(ends[1]);
	if (code == ERR_NONE) {
		*fd = ends[0];
		return ERR_NONE;
	}
	if (ends[0] >= 0)
		close(ends[0]);
	if (*said_fd >= 0)
		close(*said_fd);
	*said_fd = -1;
	return code;
}

void child_end(pid_t pid)
{
	static const struct timespec tick = { .tv_nsec = 5000000 };

	kill(pid, SIGTERM);
	for (unsigned i = 0; i < 400; i++) {
		pid_t ended = waitpid(pid, NULL, WNOHANG);

		if (ended == pid || (ended < 0 && errno != EINTR))
			return;
		nanosleep(&tick, NULL);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* One word at *at, unquoted into out, which has room for all of the line. False: open quote. */
static bool word_read(const char **at, char *out)
{
	char quote = '\0';

	for (; **at && (quote || !strchr(" \t\n", **at)); (*at)++) {
		if (quote ? **at == quote : (**at == '\'' || **at == '"')) {
			quote = quote ? '\0' : **at;
		} else if (**at == '\\' && quote != '\'') {
			if (!(*at)[1])
				return false;
			*out++ = *++*at;
		} else {
			*out++ = **at;
		}
	}
	*out = '\0';
	return !quote;
}

int words_split(const char *line, char ***words, struct error *err)
{
	size_t size_bytes = strlen(line) + 1, count = 0;
	char *word = malloc(size_bytes), **list = calloc(size_bytes / 2 + 2, sizeof(*list));
	int code = ERR_NONE;

	if (!word || !list) {
		code = err_nomem(err);
		goto out;
	}
	for (line += strspn(line, " \t\n"); *line; line += strspn(line, " \t\n")) {
		if (!word_read(&line, word)) {
			code = err_set(err, ERR_USAGE, "a quote is not closed");
			goto out;
		}
		list[count] = strdup(word);
		if (!list[count++]) {
			code = err_nomem(err);
			goto out;
		}
	}
	if (count == 0)
		code = err_set(err, ERR_USAGE, "no word");
out:
	free(word);
	if (code != ERR_NONE) {
		words_free(list);
		list = NULL;
	}
	*words = list;
	return code;
}

void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

void child_environment_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		explicit_bzero(env[i], strlen(env[i]));
	environment_free(env);
}

char **child_environment(const char *const more[])
{
	char **env = environment_new(), **longer;
	size_t used = 0, count = 0;

	while (env && env[used])
		used++;
	while (more[count])
		count++;
	longer = env ? realloc(env, (used + count + 1) * sizeof(*env)) : NULL;
	if (!longer) {
		environment_free(env);
		return NULL;
	}
	memset(longer + used, 0, (count + 1) * sizeof(*longer));
	for (size_t i = 0; i < count; i++) {
		longer[used + i] = strdup(more[i]);
		if (!longer[used + i]) {
			child_environment_free(longer);
			return NULL;
		}
	}
	return longer;
}
