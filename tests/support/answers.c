#include "tests/support/answers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

static pid_t spawn(const char *const argv[], int in, int out, int errors)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, 0);
	posix_spawn_file_actions_adddup2(&actions, out, 1);
	posix_spawn_file_actions_adddup2(&actions, errors, 2);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

static void start(struct answers *a, const char *certificate, const char *key, const char *also)
{
	const char *const argv[] = { "python3", "tests/support/answers.py", certificate, key, also,
				     NULL };
	int in[2], out[2];
	char port[16] = "";
	size_t len = 0;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	a->pid = spawn(argv, in[0], out[1], 2);
	close(in[0]);
	close(out[1]);
	a->to = in[1];
	a->from = out[0];
	while (len < sizeof(port) - 1 && !strchr(port, '\n')) {
		ssize_t n = read(a->from, port + len, sizeof(port) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	port[strcspn(port, "\n")] = '\0';
	snprintf(a->origin, sizeof(a->origin), "%s://127.0.0.1:%s", certificate ? "https" : "http",
		 port);
}

void answers_start(struct answers *a, const char *certificate, const char *key)
{
	start(a, certificate, key, NULL);
}

void answers_start_http2(struct answers *a, const char *certificate, const char *key)
{
	start(a, certificate, key, "h2");
}

void answers_stop(struct answers *a)
{
	close(a->to);
	assert_int_equal(waitpid(a->pid, NULL, 0), a->pid);
	close(a->from);
}

void run_command(const char *const argv[])
{
	int status, nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = spawn(argv, nowhere, nowhere, nowhere);

	close(nowhere);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}
