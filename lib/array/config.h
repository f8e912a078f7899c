/*
 * The config: this host's way to the drives of one array. A JSON file that its owner may
 * edit; what is true of the array itself (roles, names, redundancy) is in the journal.
 *
 * { "format": 1, "array_id": HEX,
 *   "drives": [ { "name": "usb1", "drive_id": HEX, "url": "/mnt/usb1", "options": {..} } ] }
 *
 * And the marker, .mrmr/config.json on every drive, which tells drives apart:
 * { "format": 1, "array_id": HEX, "drive_id": HEX, "mac": HEX }, mac keyed over
 * "mrmr-marker-1" | array id | drive id.
 */
#ifndef MRMR_ARRAY_CONFIG_H
#define MRMR_ARRAY_CONFIG_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "seal/keys.h"
#include "table/record.h"

#define CONFIG_BYTES_MAX ((size_t)1 << 20)
#define MARKER_NAME "config.json"
#define MARKER_BYTES_MAX 4096

struct config_drive {
	char name[DRIVE_NAME_MAX + 1];
	struct id id;
	char *url;	    /* owned */
	char *options_json; /* owned; "{}" when there are none */
};

struct config {
	struct id array_id;
	struct config_drive *drives; /* owned */
	size_t count, cap;
};

void config_release(struct config *c);
/* path is for messages. ERR_UNSUPPORTED: of a newer format. Caller: config_release(). */
int config_parse(const void *bytes, size_t len_bytes, const char *path, struct config *out,
		 struct error *err);
int config_print(const struct config *c, struct buf *out, struct error *err);
/* ERR_NO_ARRAY when the file is not there. */
int config_load(const char *path, struct config *out, struct error *err);
/* The folder that the config at path lies in, made when missing. */
int config_make_folder(const char *path, struct error *err);
int config_store(const char *path, const struct config *c, struct error *err);
/* Copies its arguments. options_json NULL: none. ERR_CORRUPT: name is none that a drive may have. */
int config_add(struct config *c, const char *name, const struct id *id, const char *url,
	       const char *options_json, struct error *err);
/* Whether the options of a drive, as above, say "yes" to key. */
bool config_says_yes(const char *options_json, const char *key);
struct config_drive *config_find(struct config *c, const char *name); /* or NULL */
void config_remove(struct config *c, const struct id *id);	       /* absent: nothing */

struct marker {
	struct id array_id, drive_id;
	struct hash mac;
};
int marker_make(const struct keys *k, const struct id *drive_id, struct buf *json,
		struct error *err);
/* ERR_UNSUPPORTED: of a newer format. What it fills in is authentic only if it is genuine. */
int marker_parse(const void *bytes, size_t len_bytes, struct marker *out, struct error *err);
/* Whether somebody with the keys made it. */
bool marker_genuine(const struct keys *k, const struct marker *m);

#endif
