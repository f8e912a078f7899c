#include "tests/support/killed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)

static bool changes_files(const struct __ptrace_syscall_info *info)
{
	switch (info->entry.nr) {
	case SYS_openat:
		return info->entry.args[2] & O_CREAT;
	case SYS_write:
	case SYS_pwrite64:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_ftruncate:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_linkat:
	case SYS_unlinkat:
	case SYS_mkdirat:
#ifdef SYS_rename /* only the older architectures have these */
	case SYS_rename:
	case SYS_link:
	case SYS_unlink:
	case SYS_mkdir:
	case SYS_rmdir:
#endif
		return true;
	default:
		return false;
	}
}

static int run_child(int (*fn)(void *ctx), void *ctx)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		return 2;
	(void)raise(SIGSTOP);
	return fn(ctx) == 0 ? 0 : 1;
}

static enum killed ended(int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return KILLED_NOT;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		return KILLED_IMPOSSIBLE;
	return KILLED_BY_ITSELF;
}

enum killed killed_at(unsigned n, int (*fn)(void *ctx), void *ctx)
{
	pid_t child = fork();
	int status, pass_on = 0;
	bool started = false;

	if (child == 0)
		_exit(run_child(fn, ctx));
	while (child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		struct __ptrace_syscall_info info;

		pass_on = 0;
		if (!started) {
			started = true;
			if (ptrace(PTRACE_SETOPTIONS, child, NULL,
				   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) < 0)
				break;
		} else if (WSTOPSIG(status) != SYSCALL_STOP) {
			pass_on = WSTOPSIG(status);
		} else if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) <
			   0) {
			break;
		} else if (info.op == PTRACE_SYSCALL_INFO_ENTRY && changes_files(&info) &&
			   n-- == 0) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return KILLED_THERE;
		}
		if (ptrace(PTRACE_SYSCALL, child, NULL, (void *)(long)pass_on) < 0)
			break;
	}
	if (child > 0 && (WIFEXITED(status) || WIFSIGNALED(status)))
		return ended(status);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	return KILLED_IMPOSSIBLE;
}

void *killed_shared(unsigned long bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}
