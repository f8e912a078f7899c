/*
 * The lines that a program which is a drive answers with (mrmr-drives(7), "ADDING A DRIVER").
 */
#ifndef MRMR_DRIVERS_EXEC_ANSWER_H
#define MRMR_DRIVERS_EXEC_ANSWER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define EXEC_LINE_BYTES_MAX 4096 /* its line feed included */

enum exec_word {
	/* The last line of an answer. */
	EXEC_OK,
	EXEC_REFUSED, /* NOT-FOUND, FULL, ...: code and retry_after_s */
	/* Those before it. */
	EXEC_VERSION,	  /* number */
	EXEC_CONNECTIONS, /* number */
	EXEC_SIZE,	  /* number: bytes */
	EXEC_OBJECT,	  /* number: bytes; text: its name, whatever it is */
	EXEC_DATA,	  /* number: bytes that follow the line */
	EXEC_SPACE,	  /* number, second: bytes in total and free */
	EXEC_DOMAIN,	  /* text */
	EXEC_WAIT,
};

struct exec_answer {
	enum exec_word word;
	enum err_code code;
	unsigned retry_after_s;
	uint64_t number, second;
	const char *text; /* lent from the line; "" when there is none */
};

/* line: len_bytes of one line, without its line feed, and a NUL. ERR_IO: it is no such line. */
int exec_answer_parse(const char *line, size_t len_bytes, struct exec_answer *out,
		      struct error *err);

#endif
