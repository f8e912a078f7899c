/*
 * One SSH connection: TCP, or a child that leads there (`ssh -W`, a ProxyCommand); key exchange,
 * host key, log-in. libssh2 without blocking: every wait is ours and ends. One thread at a time.
 */
#ifndef MRMR_DRIVERS_SFTP_LINK_H
#define MRMR_DRIVERS_SFTP_LINK_H

#include "base/error.h"
#include "drivers/sftp_config.h"

#include <libssh2.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SFTP_CONNECT_MS 20000 /* for the connection and its keys; then as long for the log-in */
#define SFTP_STALL_MS 30000   /* without a byte moved */

struct sftp_link {
	LIBSSH2_SESSION *ssh;
	int fd;
	pid_t child;	/* 0: none */
	int child_said; /* what it wrote to stderr; -1: no child */
};

/* accept_new: a host key that is not known may be added to known_hosts. ERR_TRANSIENT: not reached;
 * ERR_DENIED: a host key or log-in that is refused; ERR_UNSUPPORTED: no modern algorithm in common.
 * The caller: sftp_link_close(), if it was ERR_NONE. */
int sftp_link_open(const struct sftp_config *c, bool accept_new, struct sftp_link *out,
		   struct error *err);
/* polite: says goodbye, if that takes no waiting. */
void sftp_link_close(struct sftp_link *l, bool polite);

/* Waits until the connection can go on. ERR_TRANSIENT: not before until_ms, of clock_us() / 1000. */
int sftp_link_wait(struct sftp_link *l, uint64_t until_ms, struct error *err);

/* The error for what a call of libssh2 returned. */
int sftp_link_error(struct sftp_link *l, int returned, const char *step, struct error *err);

/* sftp_hostkey.c: the kinds of host keys to ask for, those first that are known; and whether the one
 * that came is the right one. */
int sftp_hostkey_wanted(const struct sftp_config *c, char *out, size_t size, struct error *err);
int sftp_hostkey_check(const struct sftp_config *c, LIBSSH2_SESSION *ssh, bool accept_new,
		       struct error *err);

/* sftp_login.c */
int sftp_login(struct sftp_link *l, const struct sftp_config *c, struct error *err);

#endif
