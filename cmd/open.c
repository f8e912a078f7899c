#include "cmd/open.h"

#include "array/retry.h"
#include "base/file.h"
#include "care/returned.h"
#include "cmd/limits.h"
#include "cmd/out.h"
#include "cmd/standing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* $variable, else $XDG/mrmr, else $HOME/fallback/mrmr. */
static char *folder_from(const char *variable, const char *xdg, const char *fallback)
{
	const char *own = getenv(variable), *base = getenv(xdg), *home = getenv("HOME");
	char *path = NULL;

	if (own && own[0])
		return strdup(own);
	if (base && base[0] == '/')
		return path_join(base, "mrmr");
	if (asprintf(&path, "%s/%s/mrmr", home && home[0] ? home : "/root", fallback) < 0)
		return NULL;
	return path;
}

static char *config_path_of(const char *array)
{
	char *folder, *path = NULL;

	if (strchr(array, '/'))
		return strdup(array);
	folder = folder_from("MRMR_CONFIG_DIR", "XDG_CONFIG_HOME", ".config");
	if (folder && asprintf(&path, "%s/%s.json", folder, array) < 0)
		path = NULL;
	free(folder);
	return path;
}

static int open_drive(void *ctx, const struct config_drive *entry,
		      const struct drive_options *options, struct drive **out, struct error *err)
{
	struct drive_options with = *options;
	const struct mrmr_driver *driver;
	struct drive_option_set *given = NULL;
	int code = driver_for_url(entry->url, &driver, err);

	(void)ctx;
	if (code == ERR_NONE)
		code = drive_options_parse(entry->options_json, driver->options, "options", &given, err);
	with.given = given;
	if (code == ERR_NONE && driver->flags & DRIVER_REMOTE)
		code = limits_of(entry->url, given, &with, err);
	if (code == ERR_NONE)
		code = driver->flags & DRIVER_REMOTE
			       ? retry_open(driver, entry->url, &with, NULL, out, err)
			       : driver->open(entry->url, &with, out, err);
	drive_options_free(given);
	return code;
}

static int check_way(void *ctx, const char *url, const char *options_json, struct error *err)
{
	const struct mrmr_driver *driver;
	struct drive_option_set *given = NULL;
	int code = driver_for_url(url, &driver, err);

	(void)ctx;
	if (code == ERR_NONE)
		code = drive_options_parse(options_json, driver->options, "options", &given, err);
	drive_options_free(given);
	return code;
}

static void tell(void *ctx, enum tell_level level, const char *text)
{
	struct opened *o = ctx;

	if (level == TELL_WARNING)
		out_warn(o->inv->out, "%s", text);
	else
		out_detail(o->inv->out, "%s", text);
}

static int offer_secret(void *ctx, unsigned kinds, struct secret *out, struct error *err)
{
	struct opened *o = ctx;
	uint8_t *key;
	int code = secret_to_unlock(o->inv->globals.insecure_no_passphrase, &o->secret, err);

	if (code != ERR_NONE)
		return code;
	*out = o->secret.secret;
	if (out->kind != SLOT_PASSPHRASE || !(kinds & 1u << SLOT_RECOVERY))
		return ERR_NONE;
	/* The recovery key may be typed wherever a passphrase is asked for. */
	key = o->recovery_key;
	if (out->len_bytes < RECOVERY_TEXT_BYTES) {
		char text[RECOVERY_TEXT_BYTES];
		struct error no;

		memcpy(text, out->bytes, out->len_bytes);
		text[out->len_bytes] = '\0';
		if (recovery_parse(text, key, &no) == ERR_NONE)
			*out = (struct secret){ SLOT_RECOVERY, key, KEY_BYTES };
		explicit_bzero(text, sizeof(text));
	}
	return ERR_NONE;
}

int open_prepare(struct invocation *inv, struct opened *o, struct error *err)
{
	memset(o, 0, sizeof(*o));
	o->inv = inv;
	o->config_path = config_path_of(inv->globals.array);
	o->state_root = folder_from("MRMR_STATE_DIR", "XDG_STATE_HOME", ".local/state");
	if (!o->config_path || !o->state_root)
		return err_nomem(err);
	o->options = (struct array_options){ .config_path = o->config_path,
					     .state_root = o->state_root,
					     .secret = offer_secret,
					     .secret_ctx = o,
					     .kdf_limit_bytes = inv->globals.kdf_limit_bytes,
					     .tell = tell,
					     .tell_ctx = o,
					     .open_drive = open_drive,
					     .check_way = check_way };
	return limits_begin(&inv->globals, err);
}

int open_array(struct invocation *inv, unsigned flags, struct opened *o, struct array **a,
	       struct error *err)
{
	int code = open_prepare(inv, o, err);

	*a = NULL;
	if (code != ERR_NONE)
		return code;
	o->options.writing = flags & OPEN_WRITE;
	o->options.tolerate_rollback = flags & OPEN_MENDS;
	o->options.heals_forks = flags & OPEN_HEALS;
	o->options.checks_table = flags & OPEN_HEALS;
	o->options.locked = flags & OPEN_LOCKED;
	code = array_open(&o->options, a, err);
	if (code == ERR_NONE && (*a)->table_fresh && !(flags & OPEN_LOCKED))
		out_warn(inv->out, "the local table was missing or damaged: it was made anew from the "
				   "journals");
	if (code == ERR_NONE && inv->globals.expect_head)
		code = array_expect_head(*a, inv->globals.expect_head, err);
	if (code == ERR_NONE && (flags & OPEN_WRITE) && !(flags & OPEN_NO_LOOK))
		code = open_look(inv, *a, flags & OPEN_REPAIRS, err);
	return code;
}

static void tell_look(struct invocation *inv, const struct returned_result *r)
{
	char damaged[COUNT_TEXT_BYTES], objects[COUNT_TEXT_BYTES], read[COUNT_TEXT_BYTES];
	const char *name = r->drive->name;

	count_text(r->damaged, "object", damaged);
	count_text(r->objects, "object", objects);
	count_text(r->read, "object", read);
	if (r->damaged == 0)
		out_detail(inv->out, "drive %s was away: it has all of its %s, and of these %s %s read "
				     "and right", name, objects, read, r->read == 1 ? "is" : "are");
	else if (r->repaired == r->damaged)
		out_report(inv->out, "drive %s was away: %s missing or damaged there, all put back",
			   name, damaged);
	else
		out_warn(inv->out, "drive %s was away: %s missing or damaged there, %" PRIu64
				   " put back: `mrmr scrub --drive %s` looks at all of it, and mends "
				   "what can be mended", name, damaged, r->repaired, name);
}

int open_look(struct invocation *inv, struct array *a, bool repair, struct error *err)
{
	struct returned_result r;
	struct error why;

	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];
		int code;

		if (!returned_is_due(d))
			continue;
		code = returned_look(a, d, repair, &r, &why);
		if (code == ERR_INTERRUPTED || code == ERR_NOMEM) {
			*err = why;
			return code;
		}
		if (code == ERR_NONE)
			tell_look(inv, &r);
		else
			out_warn(inv->out, "drive %s was away and cannot be looked through now: %s",
				 d->name, why.message);
	}
	return ERR_NONE;
}

int open_pay_debts(struct invocation *inv, struct array *a, enum debts_scope scope,
		   struct error *err)
{
	struct debts_result r;
	struct error why;
	int code = debts_pay(a, scope, &r, &why);

	if (code == ERR_INTERRUPTED || code == ERR_NOMEM) {
		*err = why;
		return code;
	}
	if (code != ERR_NONE)
		out_warn(inv->out, "what is owed stays owed: %s", why.message);
	else if (r.rows_made > 0)
		out_detail(inv->out, "%" PRIu64 " parity objects that were owed are made",
			   r.rows_made);
	return ERR_NONE;
}

void opened_release(struct opened *o)
{
	held_secret_release(&o->secret);
	explicit_bzero(o->recovery_key, sizeof(o->recovery_key));
	free(o->config_path);
	free(o->state_root);
}
