/*
 * Inside of the exec driver: a program that is a drive, running. Lines and bytes go to its stdin and
 * come from its stdout; every wait for it ends. What it says on stderr is kept for messages.
 */
#ifndef MRMR_DRIVERS_EXEC_H
#define MRMR_DRIVERS_EXEC_H

#include "drivers/driver.h"
#include "drivers/exec_answer.h"

struct exec_limits {
	unsigned stall_ms;   /* for a line, or for as many bytes of data */
	unsigned answer_ms;  /* without any of these, however often it says WAIT */
	unsigned end_ms;     /* to end once its stdin has ended */
	uint64_t listed_max; /* objects of one listing */
};
extern const struct exec_limits exec_limits_usual;

#define EXEC_SECRETS_MAX 8
#define EXEC_CONFIG_BYTES_MAX ((size_t)64 << 10)

/* How to start it: the same for all that run for one drive, and none outlives it. */
struct exec_program {
	char **words;
	char *config; /* guarded; the lines that tell it its options; NULL: out of memory */
	size_t config_bytes;
	struct credential secrets[EXEC_SECRETS_MAX]; /* those of config: never in a message */
	unsigned secrets_count;
	struct exec_limits limits;
	struct limit *upload, *download; /* lent; NULL: none */
	struct meter *meter;		 /* the same */
};

/* One that runs; one thread at a time. After anything but the answers that the protocol has it is
 * broken, and good for exec_child_end() alone. */
struct exec_child {
	const struct exec_program *program;
	struct exec_child *next; /* for whoever has it */
	bool broken;
	unsigned connections; /* how many of it may run at once */

	int pid;
	int in_fd, out_fd, err_fd; /* its stdin, stdout, stderr; err_fd -1: it closed that */
	uint64_t moved_ms, useful_ms; /* when the limits began to run */
	size_t moved_bytes;	      /* since moved_ms */
	char *read;		      /* what came and is not used: from read_start to read_end */
	size_t read_start, read_end;
	char said[160];	   /* the beginning of the last line of its stderr */
	char saying[2048]; /* of a line not yet ended: so that a secret is not seen in half */
	size_t saying_len;
};

/* Starts one, and agrees with it on the protocol. The caller ends *out. */
int exec_child_start(const struct exec_program *p, struct exec_child **out, struct error *err);
/* Its stdin ends, so that it ends; several may do so at once. */
void exec_child_hang_up(struct exec_child *c);
/* Waits for its end; kills it if it is broken or takes too long, with all its process group. */
void exec_child_end(struct exec_child *c);
/* Whether it waits for a request: it has not ended, nor said anything that nobody asked for. */
bool exec_child_waits(struct exec_child *c);

/* Sends one line: the words of a request. */
int exec_child_ask(struct exec_child *c, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int exec_child_send(struct exec_child *c, const void *bytes, size_t len_bytes, struct error *err);
/* The next line of its answer: OK, or one of the words whose bits are set in facts. What it refuses is
 * an error of its own code, with its text. */
int exec_child_next(struct exec_child *c, unsigned facts, struct exec_answer *out,
		    struct error *err);
int exec_child_receive(struct exec_child *c, void *out, size_t len_bytes, struct error *err);
/* It is broken: it did not keep to the protocol. */
int exec_child_breaks(struct exec_child *c, struct error *err, const char *what);

/* open() with other limits. */
int exec_open_limited(const char *url, const struct drive_options *options,
		      const struct exec_limits *limits, struct drive **out, struct error *err);

#endif
