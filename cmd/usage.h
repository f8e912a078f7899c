/*
 * Texts made from the command table. All append to a buffer, whose failed flag tells about
 * memory at the end.
 */
#ifndef MRMR_CMD_USAGE_H
#define MRMR_CMD_USAGE_H

#include "base/bytes.h"
#include "cmd/command.h"

/* Appends text without a NUL; at most 1 KiB at once. */
void text_add(struct buf *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "mrmr put [-e PATTERN]... PATH..." on one line, no newline. Global options are left out. */
void usage_line(const struct command *c, struct buf *out);

void help_overview(struct buf *out);		       /* mrmr help */
void help_command(const struct command *c, struct buf *out); /* mrmr help put */
void help_group(const char *group, struct buf *out);	       /* mrmr help key */

/* A script for "bash", "zsh" or "fish". */
void completion_script(const char *shell, struct buf *out);

#endif
