/*
 * known_hosts: which key a server has to have (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Plain, hashed
 * and wildcard names, several keys of a host, and @revoked. Certificates (@cert-authority) are
 * nothing that libssh2 can check: such lines are passed over.
 */
#ifndef MRMR_DRIVERS_SFTP_KNOWN_H
#define MRMR_DRIVERS_SFTP_KNOWN_H

#include "base/bytes.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_BYTES 60

enum host_key_is {
	HOST_KEY_UNKNOWN, /* no line is about this host */
	HOST_KEY_KNOWN,
	HOST_KEY_OTHER, /* the host has lines, and none of them has this key */
	HOST_KEY_REVOKED,
};

/* text: of all files, in order. name: "host" or "[host]:port", lower case. */
enum host_key_is known_hosts_judge(const struct buf *text, const char *name, const void *key,
				   size_t key_bytes);

/* The types of keys that are known of the host, "ssh-ed25519,ecdsa-sha2-nistp256", each once, or "". */
void known_hosts_types(const struct buf *text, const char *name, char *out, size_t size);

/* Appends a line in one write; makes the file (0600) and its folder (0700) when they are missing. */
int known_hosts_append(const char *path, const char *name, const void *key, size_t key_bytes,
		       struct error *err);

/* "SHA256:..." as ssh prints it. */
void host_key_fingerprint(const void *key, size_t key_bytes, char out[FINGERPRINT_BYTES]);

#endif
