#include "drivers/rclone_inner.h"

#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ASK_SECONDS 30
#define PRINTED_BYTES_MAX ((size_t)64 << 10)
#define WORDS_MAX 16

/* Where remotes are defined, and how the network is reached from here. Options of rclone itself are
 * left out: some would take the server away from us (RCLONE_ADDR, RCLONE_LOG_FILE). */
static bool is_handed_on(const char *variable)
{
	static const char *const names[] = {
		"RCLONE_CONFIG=",   "RCLONE_CONFIG_DIR=", "RCLONE_PASSWORD_COMMAND=",
		"RCLONE_CACHE_DIR=", "XDG_CACHE_HOME=",	  "SSL_CERT_FILE=",
		"SSL_CERT_DIR=",    "HTTP_PROXY=",	  "HTTPS_PROXY=",
		"NO_PROXY=",	    "http_proxy=",	  "https_proxy=",
		"no_proxy=",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return strncmp(variable, "RCLONE_CONFIG_", strlen("RCLONE_CONFIG_")) == 0 &&
	       strncmp(variable, "RCLONE_CONFIG_PASS=", strlen("RCLONE_CONFIG_PASS=")) != 0;
}

char **rclone_environment(const char *config_password, const char *const own[])
{
	size_t count = 0, used = 0;
	const char **more;
	char **env = NULL, *pass = NULL;

	while (environ && environ[count])
		count++;
	more = calloc(count + 8, sizeof(*more));
	if (!more)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (is_handed_on(environ[i]))
			more[used++] = environ[i];
	for (size_t i = 0; own[i]; i++)
		more[used++] = own[i];
	if (config_password && asprintf(&pass, "RCLONE_CONFIG_PASS=%s", config_password) < 0) {
		free(more);
		return NULL;
	}
	if (pass)
		more[used++] = pass;
	env = child_environment(more);
	if (pass)
		explicit_bzero(pass, strlen(pass));
	free(pass);
	free(more);
	return env;
}

/* In the child, where only what is safe in a signal handler may be called. Comes back if there is no
 * such program: with errno. */
static void become(const char *const argv[], char **env, const int fds[3], pid_t parent)
{
	sigset_t none;

	/* The end of the thread that waits for it is its end. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) {
		errno = ECANCELED;
		return;
	}
	setpgid(0, 0);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return;
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvpe(argv[0], (char *const *)argv, env);
}

static int spawn(const char *const argv[], char **env, const int fds[3], pid_t *pid)
{
	int report[2], failed = 0;
	pid_t parent = getpid();

	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	*pid = fork();
	if (*pid == 0) {
		become(argv, env, fds, parent);
		failed = errno;
		if (write(report[1], &failed, sizeof(failed)) < 0)
			_Exit(126);
		_Exit(127);
	}
	close(report[1]);
	if (*pid < 0)
		failed = errno;
	else if (read(report[0], &failed, sizeof(failed)) != sizeof(failed))
		failed = 0;
	close(report[0]);
	if (*pid > 0 && failed) {
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return failed;
}

int rclone_spawn(const char *const argv[], char **env, bool wants_stdout, pid_t *pid, int *from,
		 struct error *err)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2] = { -1, -1 };
	int failed = 0, fds[3];

	if (null_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		failed = errno;
	fds[0] = null_fd;
	fds[1] = wants_stdout ? ends[1] : null_fd;
	fds[2] = ends[1];
	if (!failed)
		failed = spawn(argv, env, fds, pid);
	if (null_fd >= 0)
		close(null_fd);
	if (ends[1] >= 0)
		close(ends[1]);
	if (!failed) {
		*from = ends[0];
		return ERR_NONE;
	}
	if (ends[0] >= 0)
		close(ends[0]);
	if (failed == ENOENT)
		return err_set(err, ERR_UNSUPPORTED,
			       "there is no program \"%s\" to be found: install it, or see PATH",
			       argv[0]);
	return err_set(err, err_from_errno(failed), "run %s: %s", argv[0], strerror(failed));
}

/* Until its output ends, which is when it does. */
static int gather(int from, struct buf *out, struct error *err)
{
	time_t end = time(NULL) + ASK_SECONDS;
	struct pollfd p = { .fd = from, .events = POLLIN };
	char piece[4096];
	ssize_t got;

	for (;;) {
		if (time(NULL) > end)
			return err_set(err, ERR_TRANSIENT, "rclone does not answer");
		if (poll(&p, 1, 1000) <= 0)
			continue;
		got = read(from, piece, sizeof(piece));
		if (got == 0)
			return ERR_NONE;
		if (got < 0 && errno != EINTR)
			return err_errno(err, "read what rclone prints");
		if (got > 0 && out->len_bytes + (size_t)got > PRINTED_BYTES_MAX)
			return err_set(err, ERR_CORRUPT, "rclone prints more than was asked for");
		if (got > 0)
			buf_add(out, piece, (size_t)got);
	}
}

int rclone_ask(const char *const words[], const char *fs, const char *config_password,
	       struct buf *out, int *status, struct error *err)
{
	static const char *const none[] = { NULL };
	const char *argv[WORDS_MAX] = { "rclone", "--ask-password=false", "--log-level=ERROR",
					"--retries=1", "--low-level-retries=2", "--contimeout=10s" };
	char **env = rclone_environment(config_password, none);
	size_t count = 6;
	int from, code, wait_status = 0;
	pid_t pid;

	for (size_t i = 0; words[i] && count < WORDS_MAX - 3; i++)
		argv[count++] = words[i];
	argv[count++] = "--";
	argv[count] = fs;
	code = env ? rclone_spawn(argv, env, true, &pid, &from, err) : err_nomem(err);
	child_environment_free(env);
	if (code != ERR_NONE)
		return code;
	code = gather(from, out, err);
	close(from);
	if (code != ERR_NONE)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR)
		;
	*status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128;
	return code == ERR_NONE && out->failed ? err_nomem(err) : code;
}
