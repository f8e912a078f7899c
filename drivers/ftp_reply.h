/*
 * What an FTP server says: replies and listings (RFC 959, 3659), as received bytes.
 */
#ifndef MRMR_DRIVERS_FTP_REPLY_H
#define MRMR_DRIVERS_FTP_REPLY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FTP_TEXT_BYTES 160

/* The last line of a reply: "250 Done". */
struct ftp_reply {
	unsigned code;
	char text[FTP_TEXT_BYTES]; /* printable ASCII; what was not is '?', what was too long is cut */
};

/* Of a line with its line end. False: it is not the last of a reply. */
bool ftp_reply_parse(const char *line, size_t len_bytes, struct ftp_reply *out);
/* The number that the reply to SIZE has. */
bool ftp_reply_size(const struct ftp_reply *r, uint64_t *out);
/* What a reply that refuses means. 550 may be anything: ERR_NOT_FOUND, if its text does not say
 * otherwise. */
enum err_code ftp_reply_error(const struct ftp_reply *r);
/* Whether the line is one of FEAT's that name this feature. */
bool ftp_is_feature(const char *line, size_t len_bytes, const char *feature);

struct ftp_entry {
	char *name; /* lent from the line: one component of an object's name, or of a temporary one */
	bool is_folder;
	uint64_t len_bytes;
	int64_t modified_s; /* since 1970; 0: not told */
};

/* The next line of a listing from *at on, without its end, which is made a NUL. NULL: no more. */
char *ftp_line(char **at, char *end);
/* A line of MLSD. ERR_NOT_FOUND: it is nothing of ours. ERR_CORRUPT: a file without its size. */
int ftp_mlsd_parse(char *line, struct ftp_entry *out, struct error *err);
/* The name in a line of NLST; NULL: nothing of ours. */
char *ftp_nlst_parse(char *line);

#endif
