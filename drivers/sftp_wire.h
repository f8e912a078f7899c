/*
 * The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), which every server speaks, and four
 * extensions of OpenSSH. Requests are appended to a buffer; an answer that came is looked at where it
 * lies. What a server sends is believed in nothing: every length is checked against what is there.
 *
 * (The SFTP of libssh2 itself is not used: its calls wait for one answer each, and it can tell
 * neither what a server said about a failure nor rename, sync folders, or list several of them at once.)
 */
#ifndef MRMR_DRIVERS_SFTP_WIRE_H
#define MRMR_DRIVERS_SFTP_WIRE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SFTP_PACKET_BYTES_MAX ((size_t)1 << 20) /* of an answer; a listing's page is some 20 KiB */
#define SFTP_HANDLE_BYTES_MAX 256 /* the protocol's limit */
#define SFTP_NAME_BYTES_MAX 256

enum sftp_type {
	SFTP_INIT = 1,
	SFTP_VERSION = 2,
	SFTP_OPEN = 3,
	SFTP_CLOSE = 4,
	SFTP_READ = 5,
	SFTP_WRITE = 6,
	SFTP_LSTAT = 7,
	SFTP_FSTAT = 8,
	SFTP_OPENDIR = 11,
	SFTP_READDIR = 12,
	SFTP_REMOVE = 13,
	SFTP_MKDIR = 14,
	SFTP_STAT = 17,
	SFTP_RENAME = 18,
	SFTP_STATUS = 101,
	SFTP_HANDLE = 102,
	SFTP_DATA = 103,
	SFTP_NAME = 104,
	SFTP_ATTRS = 105,
	SFTP_EXTENDED = 200,
	SFTP_EXTENDED_REPLY = 201,
};

enum sftp_status {
	SFTP_OK = 0,
	SFTP_EOF = 1,
	SFTP_NO_SUCH_FILE = 2,
	SFTP_PERMISSION_DENIED = 3,
	SFTP_FAILURE = 4, /* the name is taken, the disk is full, and all else */
	SFTP_NO_CONNECTION = 6,
	SFTP_CONNECTION_LOST = 7,
	SFTP_UNSUPPORTED = 8,
	SFTP_NO_SUCH_PATH = 10, /* from here on of later versions */
	SFTP_ALREADY_EXISTS = 11,
	SFTP_WRITE_PROTECT = 12,
	SFTP_NO_SPACE = 14,
	SFTP_QUOTA = 15,
};

enum sftp_open_flags { SFTP_TO_READ = 1, SFTP_TO_WRITE = 2, SFTP_CREATE = 8, SFTP_EXCLUSIVE = 32 };

enum sftp_extensions {
	SFTP_HAS_FSYNC = 1,   /* fsync@openssh.com */
	SFTP_HAS_STATVFS = 2, /* statvfs@openssh.com */
};

/* Opaque bytes of the server's. */
struct sftp_handle {
	uint8_t bytes[SFTP_HANDLE_BYTES_MAX];
	size_t len_bytes;
};

struct sftp_attrs {
	bool has_size, has_mode, has_time;
	uint64_t size_bytes;
	uint32_t mode; /* as in <sys/stat.h> */
	uint32_t modified_s;
};

struct sftp_space {
	uint64_t total_bytes, free_bytes, file_system;
	bool read_only;
};

/* ---- requests: begin, what belongs to it, end ---- */

size_t sftp_begin(struct buf *out, enum sftp_type type, uint32_t id); /* for sftp_end() */
void sftp_add_u32(struct buf *out, uint32_t v);
void sftp_add_u64(struct buf *out, uint64_t v);
void sftp_add_bytes(struct buf *out, const void *bytes, size_t len_bytes); /* with their length */
void sftp_add_text(struct buf *out, const char *text);
void sftp_add_mode(struct buf *out, uint32_t mode); /* attributes: nothing but the mode */
void sftp_end(struct buf *out, size_t begun);

/* ---- answers ---- */

/* One packet, lent. rest is what follows the id (of SFTP_VERSION: what follows the type). */
struct sftp_packet {
	enum sftp_type type;
	uint32_t id;
	const uint8_t *rest;
	size_t rest_bytes;
};

/* The first packet of what has come. *used_bytes 0: there is more to come. ERR_CORRUPT: it is none. */
int sftp_packet_take(const uint8_t *bytes, size_t len_bytes, struct sftp_packet *out,
		     size_t *used_bytes, struct error *err);

/* What a packet holds. False: it is malformed, or another kind. */
bool sftp_read_version(const struct sftp_packet *p, uint32_t *version, enum sftp_extensions *out);
/* text: what the server said, printable and cut. */
bool sftp_read_status(const struct sftp_packet *p, uint32_t *status, char *text, size_t text_size);
bool sftp_read_handle(const struct sftp_packet *p, struct sftp_handle *out);
bool sftp_read_attrs(const struct sftp_packet *p, struct sftp_attrs *out);
bool sftp_read_data(const struct sftp_packet *p, const uint8_t **bytes, size_t *len_bytes); /* lent */
bool sftp_read_space(const struct sftp_packet *p, struct sftp_space *out);

/* The entries of a page of a folder, one by one. */
struct sftp_names {
	const uint8_t *at;
	size_t left_bytes;
	uint32_t left;
};
bool sftp_names_begin(const struct sftp_packet *p, struct sftp_names *out);
/* A name that is longer than SFTP_NAME_BYTES_MAX - 1 or has a NUL comes as "". */
bool sftp_names_next(struct sftp_names *n, char name[SFTP_NAME_BYTES_MAX], struct sftp_attrs *attrs);

/* The error for a status other than SFTP_OK. what: the step, "write blocks/ab/cd". */
int sftp_status_error(uint32_t status, const char *text, const char *what, struct error *err);

#endif
