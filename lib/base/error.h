/*
 * Errors: a code to act on and a chain to read.
 *
 * Every function that can fail returns an err_code and, unless it is ERR_NONE,
 * has filled the caller's struct error. Nothing here allocates, prints or exits;
 * only cmd/ prints a message, once. Thread-safe: there is no shared state.
 */
#ifndef MRMR_BASE_ERROR_H
#define MRMR_BASE_ERROR_H

enum err_code {
	ERR_NONE = 0,
	ERR_NOT_FOUND,	 /* no such name: expected, final */
	ERR_EXISTS,	 /* the name is taken: expected, final */
	ERR_FULL,	 /* no room: disk, quota or a fixed-size container */
	ERR_CORRUPT,	 /* bytes came, but they do not authenticate or parse */
	ERR_TRANSIENT,	 /* timeout, reset link, 5xx: a retry may succeed */
	ERR_DENIED,	 /* permission or credentials refused: a retry will not help */
	ERR_READONLY,	 /* the place cannot be written */
	ERR_IO,		 /* anything else a disk or server says: read the message */
	ERR_NOMEM,	 /* out of memory */
	ERR_USAGE,	 /* the caller's words are wrong: exit code 2 */
	ERR_UNSUPPORTED, /* this build or this format has it not */
	ERR_NO_ARRAY,	 /* no config, or no such array: exit code 10 */
	ERR_LOCKED,	 /* another process holds it: exit code 11 */
	ERR_KEY,	 /* wrong passphrase or key: exit code 12 */
	ERR_LOST,	 /* data beyond repair: exit code 21 */
	ERR_ABSENT,	 /* a drive that is needed is not there: exit code 24 */
	ERR_UNSAFE,	 /* rollback, fork, foreign or duplicate drive: exit code 26 */
	ERR_INTERRUPTED, /* SIGINT or SIGTERM was seen: exit code 130 or 143 */
	ERR_CODES	 /* how many there are */
};

#define ERR_MESSAGE_BYTES 1024

/* On the caller's stack. message reads "outer step: inner step: cause". */
struct error {
	enum err_code code;
	unsigned retry_after_s; /* of ERR_TRANSIENT: what a server asked to wait; 0: nothing */
	char message[ERR_MESSAGE_BYTES];
};

/* Sets code and message; returns code, so that "return err_set(...)" reads well. */
int err_set(struct error *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with code and cause taken from errno: "fmt...: No such file or directory". */
int err_errno(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts a step in front of the message and keeps the code, which it returns. */
int err_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Out of memory, in constant wording. */
int err_nomem(struct error *err);

/* The code that stands for an errno value: ENOENT is ERR_NOT_FOUND, ENOSPC is ERR_FULL, ... */
enum err_code err_from_errno(int errno_value);

#endif
