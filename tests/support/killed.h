/*
 * A function whose process is killed (SIGKILL) right before its n-th system call that changes
 * files: how far it gets when the machine forgets nothing but the process. By ptrace(2).
 */
#ifndef MRMR_TESTS_KILLED_H
#define MRMR_TESTS_KILLED_H

enum killed {
	KILLED_NOT,	   /* there were fewer such calls: fn returned */
	KILLED_THERE,	   /* before call n */
	KILLED_BY_ITSELF,  /* fn died or failed on its own */
	KILLED_IMPOSSIBLE, /* this host lets nobody trace: the test is to be skipped */
};

/* Runs fn(ctx) in a child process; n counts from 0. fn returns 0 when all went well, and tells
 * what it did in memory that is shared (killed_shared()). cmocka's asserts are not for it. */
enum killed killed_at(unsigned n, int (*fn)(void *ctx), void *ctx);

/* Zeroed memory that child processes share. Aborts when there is none. Never freed. */
void *killed_shared(unsigned long bytes);

#endif
