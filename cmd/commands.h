/* The subcommands' entry points; tables.c lists them. Each is in a file of its name. */
#ifndef MRMR_CMD_COMMANDS_H
#define MRMR_CMD_COMMANDS_H

#include "cmd/options.h"

int cmd_init(struct invocation *inv, struct error *err);
int cmd_add(struct invocation *inv, struct error *err);
int cmd_set(struct invocation *inv, struct error *err);
int cmd_status(struct invocation *inv, struct error *err);
int cmd_drives(struct invocation *inv, struct error *err);
int cmd_disable(struct invocation *inv, struct error *err);
int cmd_enable(struct invocation *inv, struct error *err);
int cmd_drain(struct invocation *inv, struct error *err);
int cmd_remove(struct invocation *inv, struct error *err);
int cmd_rebuild(struct invocation *inv, struct error *err);
int cmd_rebalance(struct invocation *inv, struct error *err);
int cmd_recover(struct invocation *inv, struct error *err);
int cmd_scrub(struct invocation *inv, struct error *err);
int cmd_put(struct invocation *inv, struct error *err);
int cmd_get(struct invocation *inv, struct error *err);
int cmd_cat(struct invocation *inv, struct error *err);
int cmd_ls(struct invocation *inv, struct error *err);
int cmd_snapshots(struct invocation *inv, struct error *err);
int cmd_whereis(struct invocation *inv, struct error *err);
int cmd_key_list(struct invocation *inv, struct error *err);
int cmd_key_add(struct invocation *inv, struct error *err);
int cmd_key_remove(struct invocation *inv, struct error *err);
int cmd_key_passwd(struct invocation *inv, struct error *err);
int cmd_key_recovery(struct invocation *inv, struct error *err);
int cmd_help(struct invocation *inv, struct error *err);
int cmd_version(struct invocation *inv, struct error *err);

#endif
