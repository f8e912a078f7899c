#include "array/domains.h"

#include "cmd/commands.h"
#include "cmd/newdrive.h"
#include "cmd/open.h"
#include "cmd/out.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool taken(void *ctx, const char *name, const char *url)
{
	const struct array_drive *d = array_drive_by_name(ctx, name);

	(void)url;
	/* An add that was cut off left a name that no journal knows: the same words take it up. */
	return d && d->record.state != 0;
}

static int fill_record(const struct invocation *inv, struct drive_record *r, struct error *err)
{
	const char *role = option_text(inv, "role", "both");
	const char *domain = option_text(inv, "domain", "");

	r->role = strcmp(role, "data") == 0 ? ROLE_DATA
		  : strcmp(role, "parity") == 0 ? ROLE_PARITY
						: ROLE_BOTH;
	r->removable = option_given(inv, "removable");
	r->reserve_bytes = option_number(inv, "reserve", 0);
	r->max_bytes = option_number(inv, "max", 0);
	if (r->removable && r->role == ROLE_PARITY)
		return err_set(err, ERR_USAGE, "--removable: such a drive never holds parity, and "
					       "--role parity lets it hold nothing else");
	if (strlen(domain) > DOMAIN_MAX)
		return err_set(err, ERR_USAGE, "--domain: longer than %d bytes", DOMAIN_MAX);
	memcpy(r->domain, domain, strlen(domain) + 1);
	return ERR_NONE;
}

/* The same as -o egress-billed=yes. */
static int mark_billed(struct new_drive *d, struct error *err)
{
	json_t *o = json_loads(d->options_json, 0, NULL);
	char *json = NULL;

	if (o && json_object_set_new(o, "egress-billed", json_string("yes")) == 0)
		json = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	if (!json)
		return err_nomem(err);
	free((char *)(uintptr_t)d->options_json);
	d->options_json = json;
	return ERR_NONE;
}

/* Two drives on one disk fail together: said once, here. */
static void warn_domain(struct invocation *inv, struct array *a, const struct array_drive *d)
{
	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *other = &a->drives[i];

		if (other == d || !drive_counts(other) || !drive_domain(d)[0] ||
		    strcmp(drive_domain(d), drive_domain(other)) != 0)
			continue;
		out_warn(inv->out, "%s and %s are both on %s and fail together: the promise counts "
				   "drives, not disks",
			 other->name, d->name, drive_domain(d));
		return;
	}
}

static void report(struct invocation *inv, const struct array *a, const char *name, bool dry)
{
	json_t *o = out_object("summary");

	out_report(inv->out, dry ? "would add drive %s" : "drive %s added", name);
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "drives", json_integer(array_member_count(a)));
	json_object_set_new(o, "dry_run", json_boolean(dry));
	out_json(inv->out, o);
}

static int add_now(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct new_drive drive;
	int code = new_drive_parse(inv, inv->args[0], taken, a, &drive, err);

	if (code != ERR_NONE)
		return code;
	code = options_used_check(inv, &drive, 1, err);
	if (code == ERR_NONE)
		code = fill_record(inv, &drive.record, err);
	if (code == ERR_NONE && option_given(inv, "egress-billed"))
		code = mark_billed(&drive, err);
	if (code == ERR_NONE && dry)
		code = array_probe_drive(a, &drive, err);
	else if (code == ERR_NONE)
		code = array_add_drive(a, &drive, DRIVE_MEMBER, err);
	if (code == ERR_NONE && !dry)
		warn_domain(inv, a, array_drive_by_name(a, drive.record.name));
	if (code == ERR_NONE)
		report(inv, a, drive.record.name, dry);
	new_drive_release(&drive);
	return code;
}

int cmd_add(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	int code = open_array(inv, dry ? OPEN_READ : OPEN_WRITE, &opened, &a, err);

	if (code == ERR_NONE)
		code = add_now(inv, a, dry, err);
	if (code == ERR_NONE && !dry)
		code = open_pay_debts(inv, a, DEBTS_ALL, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
