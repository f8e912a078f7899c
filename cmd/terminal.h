/* Asking for a secret on the controlling terminal. One thread. */
#ifndef MRMR_CMD_TERMINAL_H
#define MRMR_CMD_TERMINAL_H

#include "base/error.h"

#include <stddef.h>

/*
 * Prints the prompt and reads a line without echo into out, at most cap_bytes; the newline is
 * not part of it. ERR_NOT_FOUND: there is no terminal. ERR_INTERRUPTED. The echo is on again
 * in any case.
 */
int terminal_ask(const char *prompt, char *out, size_t cap_bytes, size_t *len_bytes,
		 struct error *err);

#endif
