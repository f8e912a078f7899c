#include "tests/support/tree.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

extern char **environ;

static void need(bool done, const char *what)
{
	if (done)
		return;
	perror(what);
	abort();
}

static void make_parents(int folder_fd, const char *path)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *parent = strndup(path, (size_t)(slash - path));

		need(parent && (mkdirat(folder_fd, parent, 0755) == 0 || errno == EEXIST), path);
		free(parent);
	}
}

void tree_bytes(int folder_fd, const char *path, const void *bytes, size_t len_bytes)
{
	int fd;

	make_parents(folder_fd, path);
	fd = openat(folder_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	need(fd >= 0 && write_all(fd, bytes, len_bytes) && close(fd) == 0, path);
}

void tree_file(int folder_fd, const char *path, const char *text)
{
	tree_bytes(folder_fd, path, text, strlen(text));
}

void tree_folder(int folder_fd, const char *path)
{
	make_parents(folder_fd, path);
	need(mkdirat(folder_fd, path, 0755) == 0 || errno == EEXIST, path);
}

void tree_link(int folder_fd, const char *target, const char *path)
{
	make_parents(folder_fd, path);
	need(symlinkat(target, folder_fd, path) == 0, path);
}

void tree_socket(int folder_fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", folder_fd,
		      path) < (int)sizeof(address.sun_path),
	     path);
	need(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0, path);
	close(fd);
}

int tree_deep(int folder_fd, unsigned depth, unsigned at)
{
	int fd = dup(folder_fd), kept = -1;

	for (unsigned i = 0; i <= depth; i++) {
		int parent = fd;

		if (i == at)
			kept = dup(fd);
		if (i == depth)
			break;
		need(mkdirat(parent, "d", 0755) == 0, "mkdir");
		fd = openat(parent, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		need(fd >= 0, "open");
		close(parent);
	}
	tree_file(fd, "bottom", "bottom\n");
	close(fd);
	return kept;
}

static bool run(char *const *argv)
{
	int status;
	pid_t child;

	return posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) == 0 &&
	       waitpid(child, &status, 0) == child && status == 0;
}

void tree_remove(char *path)
{
	char *open_up[] = {"chmod", "-R", "u+rwx", "--", path, NULL};
	char *take_away[] = {"rm", "-rf", "--", path, NULL};

	/* Root needs no modes to be in its favour, and may not change all of them. */
	if (geteuid() != 0)
		run(open_up);
	need(run(take_away), path);
	free(path);
}

const char *tree_read(int folder_fd, const char *path)
{
	static char text[65536];
	int fd = openat(folder_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return NULL;
	got = read_full(fd, text, sizeof(text) - 1);
	close(fd);
	need(got >= 0, path);
	text[got] = '\0';
	return text;
}

bool tree_has(int folder_fd, const char *path)
{
	struct stat st;

	return fstatat(folder_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

unsigned tree_count(int folder_fd, const char *path)
{
	int fd = openat(folder_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	unsigned count = 0;

	need(dir != NULL, path);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

struct stat tree_stat(int folder_fd, const char *path)
{
	struct stat st;

	need(fstatat(folder_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0, path);
	return st;
}

int64_t tree_time(int folder_fd, const char *path)
{
	struct stat st = tree_stat(folder_fd, path);

	return st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

void tree_set_time(int folder_fd, const char *path, int64_t ns)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}};

	need(utimensat(folder_fd, path, times, AT_SYMLINK_NOFOLLOW) == 0, path);
}

int tree_as_nobody(int (*fn)(void *ctx), void *ctx)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	need(child >= 0, "fork");
	if (child == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
		     setresuid(NOBODY, NOBODY, NOBODY) != 0))
			_exit(120);
		_exit(fn(ctx));
	}
	need(waitpid(child, &status, 0) == child, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
