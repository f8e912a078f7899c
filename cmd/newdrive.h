/*
 * Drives as named on the command line of init, add and rebuild --onto: [NAME=]URL and -o K=V.
 */
#ifndef MRMR_CMD_NEWDRIVE_H
#define MRMR_CMD_NEWDRIVE_H

#include "array/array.h"
#include "cmd/options.h"

/* Fills d from an argument; taken(ctx, name, url) tells names that a drive at url cannot have, and that
 * a derived one must avoid. The URL is made absolute when it is a path. Release with
 * new_drive_release(). Of the options, those go with it that are for it: -o NAME.K=V, and -o K=V of which
 * its kind has K; options_used_check() when all drives are known. */
typedef bool name_taken_fn(void *ctx, const char *name, const char *url);
int new_drive_parse(const struct invocation *inv, const char *arg, name_taken_fn *taken, void *ctx,
		    struct new_drive *d, struct error *err);
void new_drive_release(struct new_drive *d);

/* URL made absolute when it is a path, and -o K=V as JSON: as far as drives of this kind have such
 * options. Both are the caller's to free. */
int place_parse(const struct invocation *inv, const char *given_url, char **url,
		char **options_json, struct error *err);

/* ERR_USAGE: one of -o is for none of these drives. */
int options_used_check(const struct invocation *inv, const struct new_drive *drives, size_t count,
		       struct error *err);

/* A driver's option as it is kept: a path in it (identity=FILE, password=file:PATH) made absolute,
 * since the next command may run elsewhere. The caller frees *out. */
int option_value_absolute(const char *key, const char *value, char **out, struct error *err);

#endif
