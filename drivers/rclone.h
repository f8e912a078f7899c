/*
 * A running rclone. Inside of the rclone driver: others use driver_rclone.
 *
 * Its environment is built: what child.h gives to every child, where the user's rclone.conf and
 * remotes of the environment are, and a log-in made for this one server. It does not outlive the
 * thread that started it, however that ends.
 */
#ifndef MRMR_DRIVERS_RCLONE_H
#define MRMR_DRIVERS_RCLONE_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

struct rclone_server;

/* Starts `rclone serve webdav` of fs ("remote:path") on a free port of this host alone, and does not
 * wait for it. config_password: of rclone.conf, NULL: none. Any thread; it leads a group of its own,
 * so that what the terminal sends does not reach it. */
int rclone_server_start(const char *fs, const char *config_password, struct rclone_server **out,
			struct error *err);
/* Waits until it can be asked: its origin, "http://127.0.0.1:PORT", lent. ERR_IO: it ended, with the
 * reason it gave. */
int rclone_server_wait(struct rclone_server *s, const char **origin, struct error *err);
const char *rclone_server_user(const struct rclone_server *s);
const char *rclone_server_password(const struct rclone_server *s);
/* ERR_IO: it has ended. */
int rclone_server_alive(struct rclone_server *s, struct error *err);
void rclone_server_stop(struct rclone_server *s); /* NULL is allowed */

/* Runs `rclone WORDS... -- FS` to its end and appends what it prints, 64 KiB at most; *status: its
 * exit code. ERR_UNSUPPORTED: there is no rclone. */
int rclone_ask(const char *const words[], const char *fs, const char *config_password,
	       struct buf *out, int *status, struct error *err);

#endif
