/*
 * Where an SFTP drive is and how to get there: its URL and options, and what the user's own
 * configuration of ssh says about that host (`ssh -G`), where ssh is installed.
 */
#ifndef MRMR_DRIVERS_SFTP_CONFIG_H
#define MRMR_DRIVERS_SFTP_CONFIG_H

#include "base/drive_option.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define SFTP_FILES_MAX 16 /* of one kind */
#define SFTP_PORT 22

/* Paths in order. All zero: none. */
struct sftp_files {
	char *paths[SFTP_FILES_MAX];
	unsigned count;
};

struct sftp_config {
	char *place;	/* "host:port", for messages */
	char *host;	/* to connect to */
	char *user;
	char *key_name; /* the host as known_hosts has it: "host", "[host]:port" */
	char *plain_name; /* the same without a port; NULL: there is no other */
	unsigned port;
	char *root;	/* path on the server, absolute or relative to the user's home there; never "" */

	struct sftp_files identities;
	bool known_hosts_given;
	bool identity_given;  /* by the drive's option: no other key is tried */
	bool identities_only; /* of the agent's keys only those */
	char *agent;	      /* socket; NULL: there is none */
	struct sftp_files known_hosts; /* the first is appended to */
	char *proxy_jump, *proxy_command; /* NULL: none */
	struct credential password;   /* of the user; of the identity too, if that has none of its own */
	struct credential passphrase; /* of the identity */
	bool accept_new;
	struct meter *meter; /* of requests and connections; lent; NULL: none */
};

/* ERR_USAGE: a URL or option that is wrong. The caller: sftp_config_release(), in any case. */
int sftp_config_read(const char *url, const struct drive_option_set *given, struct sftp_config *out,
		     struct error *err);
void sftp_config_release(struct sftp_config *c);

/* Takes over what `ssh -G` printed: text is cut while
 * it is read. home: what "~" stands for. What the drive's
 * URL and options have set before stays. */
int sftp_config_take(struct sftp_config *c, char *text, const char *home, struct error *err);
/* Fills in the usual where nothing is set yet, and the names for known_hosts. */
int sftp_config_complete(struct sftp_config *c, const char *home, struct error *err);

/* The command that leads through the hosts before this one: NULL-ended, words_free() frees it. *argv
 * NULL: there are none before it. */
int sftp_config_proxy(const struct sftp_config *c, char ***argv, struct error *err);

#endif
