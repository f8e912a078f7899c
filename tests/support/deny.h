/*
 * System calls that fail on demand, without root and without a debugger: a child process with
 * a seccomp filter (seccomp(2), linux/seccomp.h) that answers some calls with an errno.
 */
#ifndef MRMR_TESTS_DENY_H
#define MRMR_TESTS_DENY_H

#include <stdbool.h>

#define DENY_MAX 8

struct denied {
	long call; /* SYS_fsync, ... of sys/syscall.h */
	int errno_value;
};

/* Calls with call 0 end the list. From here on, for this process and for ever. */
bool deny_calls(const struct denied *calls);

/* Runs check in a child; cmocka's asserts must not be used there. False: it returned false, or the
 * child died. */
bool in_child(bool (*check)(void *ctx), void *ctx);

#endif
