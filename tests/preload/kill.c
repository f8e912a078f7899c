/*
 * Preloaded into a command (LD_PRELOAD): sends it a signal right before its n-th call that changes
 * files, counted over all its threads.
 *
 * KILL_AT      n, from 1; 0 or unset: only count
 * KILL_SIGNAL  its number; unset: SIGKILL
 * KILL_SAID    file that gets the name of that call; without KILL_AT how many such calls there
 *              were, when the command ends
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;
static long kill_at, kill_signal = SIGKILL;

/* By system calls: what is counted must not count itself. */
static void say(const char *text)
{
	const char *path = getenv("KILL_SAID");
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

	if (fd < 0)
		return;
	syscall(SYS_write, fd, text, strlen(text));
	syscall(SYS_close, fd);
}

static void changes(const char *call)
{
	if (atomic_fetch_add(&calls, 1) + 1 != kill_at)
		return;
	say(call);
	syscall(SYS_kill, getpid(), kill_signal);
}

__attribute__((constructor)) static void start(void)
{
	const char *at = getenv("KILL_AT"), *number = getenv("KILL_SIGNAL");

	kill_at = at ? strtol(at, NULL, 10) : 0;
	if (number)
		kill_signal = strtol(number, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", atomic_load(&calls));
	if (kill_at == 0)
		say(text);
}

/* The function of this name that would have been called. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define PASS_ON(type, name, params, args) \
	type name params;                 \
	type name params                  \
	{                                 \
		changes(#name);           \
		return REAL(name) args;   \
	}

PASS_ON(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
PASS_ON(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at), (fd, bytes, n, at))
PASS_ON(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t at), (fd, bytes, n, at))
PASS_ON(int, fsync, (int fd), (fd))
PASS_ON(int, fdatasync, (int fd), (fd))
PASS_ON(int, ftruncate, (int fd, off_t n), (fd, n))
PASS_ON(int, ftruncate64, (int fd, off64_t n), (fd, n))
PASS_ON(int, rename, (const char *from, const char *to), (from, to))
PASS_ON(int, renameat, (int at, const char *from, int to_at, const char *to), (at, from, to_at, to))
PASS_ON(int, renameat2, (int at, const char *from, int to_at, const char *to, unsigned flags),
	(at, from, to_at, to, flags))
PASS_ON(int, link, (const char *from, const char *to), (from, to))
PASS_ON(int, linkat, (int at, const char *from, int to_at, const char *to, int flags),
	(at, from, to_at, to, flags))
PASS_ON(int, symlinkat, (const char *target, int at, const char *name), (target, at, name))
PASS_ON(int, unlink, (const char *name), (name))
PASS_ON(int, unlinkat, (int at, const char *name, int flags), (at, name, flags))
PASS_ON(int, rmdir, (const char *name), (name))
PASS_ON(int, mkdir, (const char *name, mode_t mode), (name, mode))
PASS_ON(int, mkdirat, (int at, const char *name, mode_t mode), (at, name, mode))
PASS_ON(int, fchmod, (int fd, mode_t mode), (fd, mode))
PASS_ON(int, fchown, (int fd, uid_t owner, gid_t group), (fd, owner, group))

/* Opening counts where it may make or empty a file. */
#define MAKES(flags) (((flags) & (O_CREAT | O_TRUNC)) != 0)
#define OPEN(name, params, args)                            \
	int name params;                                    \
	int name params                                     \
	{                                                   \
		mode_t mode = 0;                            \
		va_list rest;                               \
                                                            \
		if (MAKES(flags)) {                         \
			va_start(rest, flags);              \
			mode = (mode_t)va_arg(rest, int);   \
			va_end(rest);                       \
			changes(#name);                     \
		}                                           \
		return REAL(name) args;                     \
	}

OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
