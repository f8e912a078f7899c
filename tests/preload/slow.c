/*
 * Preloaded into a command (LD_PRELOAD): what it reads or writes below a folder takes its time, as
 * on a disk that is slow, or that hangs.
 *
 * SLOW_BELOW   absolute path of the folder
 * SLOW_CALLS   "read" (of files), "write" (files and their syncs) or "any"; unset: any
 * SLOW_MS      how long each call takes beyond its own time; 0: it never comes back
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static const char *below, *kinds;
static long slow_ms;

__attribute__((constructor)) static void start(void)
{
	const char *ms = getenv("SLOW_MS");

	below = getenv("SLOW_BELOW");
	kinds = getenv("SLOW_CALLS");
	slow_ms = ms ? strtol(ms, NULL, 10) : 0;
}

static bool is_below(int fd)
{
	char link[64], path[4096];
	size_t len_bytes = below ? strlen(below) : 0;
	ssize_t n;

	if (len_bytes == 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < (ssize_t)len_bytes)
		return false;
	path[n] = '\0';
	return strncmp(path, below, len_bytes) == 0 &&
	       (path[len_bytes] == '/' || path[len_bytes] == '\0');
}

static void take_time(int fd, const char *kind)
{
	struct timespec t = { .tv_sec = slow_ms / 1000, .tv_nsec = slow_ms % 1000 * 1000000 };

	if ((kinds && strcmp(kinds, "any") != 0 && strcmp(kinds, kind) != 0) || !is_below(fd))
		return;
	if (slow_ms > 0)
		nanosleep(&t, NULL);
	while (slow_ms == 0)
		pause();
}

/* The function of this name that would have been called. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define PASS_ON(type, kind, name, params, args) \
	type name params;                       \
	type name params                        \
	{                                       \
		take_time(fd, kind);            \
		return REAL(name) args;         \
	}

PASS_ON(ssize_t, "read", read, (int fd, void *bytes, size_t n), (fd, bytes, n))
PASS_ON(ssize_t, "read", pread, (int fd, void *bytes, size_t n, off_t at), (fd, bytes, n, at))
PASS_ON(ssize_t, "read", pread64, (int fd, void *bytes, size_t n, off64_t at), (fd, bytes, n, at))
PASS_ON(ssize_t, "write", write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
PASS_ON(ssize_t, "write", pwrite, (int fd, const void *bytes, size_t n, off_t at),
	(fd, bytes, n, at))
PASS_ON(ssize_t, "write", pwrite64, (int fd, const void *bytes, size_t n, off64_t at),
	(fd, bytes, n, at))
PASS_ON(int, "write", fsync, (int fd), (fd))
PASS_ON(int, "write", fdatasync, (int fd), (fd))
