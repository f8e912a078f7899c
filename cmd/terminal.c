#include "cmd/terminal.h"

#include "base/file.h"
#include "base/stop.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Bytes up to a newline. Longer lines are read to their end and refused. */
static int line_read(int fd, char *out, size_t cap_bytes, size_t *len_bytes, struct error *err)
{
	char c = '\0';

	for (*len_bytes = 0;; (*len_bytes)++) {
		int code = stop_wait_readable(fd, err);
		ssize_t got = code == ERR_NONE ? read_full(fd, &c, 1) : -1;

		if (code != ERR_NONE)
			return code;
		if (got < 0)
			return err_errno(err, "read the terminal");
		if (got == 0 && *len_bytes == 0)
			return err_set(err, ERR_NOT_FOUND, "the terminal was closed");
		if (got == 0 || c == '\n')
			break;
		if (*len_bytes < cap_bytes)
			out[*len_bytes] = c;
	}
	explicit_bzero(&c, sizeof(c));
	if (*len_bytes > cap_bytes)
		return err_set(err, ERR_USAGE, "more than %zu bytes were typed", cap_bytes);
	return ERR_NONE;
}

int terminal_ask(const char *prompt, char *out, size_t cap_bytes, size_t *len_bytes,
		 struct error *err)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC), code;
	struct termios before, silent;
	sigset_t later, mask;

	if (fd < 0 || tcgetattr(fd, &before) < 0) {
		code = err_set(err, ERR_NOT_FOUND, "there is no terminal to ask");
		goto out;
	}
	/* What would stop or end the process waits until the echo is on again; SIGINT and SIGTERM
	 * only set the wish to stop. */
	sigemptyset(&later);
	sigaddset(&later, SIGTSTP);
	sigaddset(&later, SIGQUIT);
	sigaddset(&later, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &later, &mask);
	silent = before;
	silent.c_lflag = (silent.c_lflag & ~(tcflag_t)ECHO) | ICANON | ISIG;
	if (tcsetattr(fd, TCSAFLUSH, &silent) < 0 || !write_all(fd, prompt, strlen(prompt)))
		code = err_errno(err, "use the terminal");
	else
		code = line_read(fd, out, cap_bytes, len_bytes, err);
	tcsetattr(fd, TCSAFLUSH, &before);
	(void)write_all(fd, "\n", 1); /* the one that was not echoed */
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
out:
	if (fd >= 0)
		close(fd);
	return code;
}
