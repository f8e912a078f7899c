/*
 * A server for tests of HTTP: tests/support/answers.py, a child that ends with this process. All of
 * it asserts.
 */
#ifndef MRMR_TESTS_ANSWERS_H
#define MRMR_TESTS_ANSWERS_H

#include <sys/types.h>

struct answers {
	pid_t pid;
	int to, from;	 /* its stdin and stdout */
	char origin[64]; /* "http://127.0.0.1:PORT" */
};

/* certificate and key (PEM): https; NULL and NULL: http. */
void answers_start(struct answers *a, const char *certificate, const char *key);
/* HTTP/2 too, in which no request is answered: its stream is ended. */
void answers_start_http2(struct answers *a, const char *certificate, const char *key);
void answers_stop(struct answers *a);

/* Runs a command and waits for it; it must succeed. Its output goes nowhere. */
void run_command(const char *const argv[]);

#endif
