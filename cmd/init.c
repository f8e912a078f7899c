#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/newdrive.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/standing.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE_MIN ((uint64_t)64 << 10)
#define BLOCK_SIZE_MAX ((uint64_t)64 << 20)

struct initing {
	struct invocation *inv;
	struct new_array array;
	struct new_drive *drives;
};

static bool taken(void *ctx, const char *name, const char *url)
{
	const struct initing *i = ctx;

	(void)url;
	for (unsigned n = 0; n < i->array.count; n++) {
		if (strcmp(i->drives[n].record.name, name) == 0)
			return true;
	}
	return false;
}

static int choose_level(struct initing *i, const char *level, unsigned drives, struct error *err)
{
	struct policy *p = &i->array.policy;

	if (strcmp(level, "raid0") == 0) {
		p->parity = 0;
	} else if (strcmp(level, "raid1") == 0) {
		if (drives > PARITY_MAX + 1)
			return err_set(err, ERR_USAGE, "raid1 keeps at most %d copies: %u drives are "
						       "too many, take --copies",
				       PARITY_MAX + 1, drives);
		p->copies = true;
		p->parity = drives - 1;
	} else if (strcmp(level, "raid6") == 0) {
		p->parity = 2;
	} else {
		p->parity = 1;
		if (strcmp(level, "raid4") == 0)
			i->drives[drives - 1].record.role = ROLE_PARITY;
	}
	return ERR_NONE;
}

static int choose_geometry(struct invocation *inv, struct geometry *g, struct error *err)
{
	const char *profile = option_text(inv, "chunk-profile", "default");
	uint64_t block_bytes = option_number(inv, "block-size", geometry_default().block_bytes);

	if (block_bytes < BLOCK_SIZE_MIN || block_bytes > BLOCK_SIZE_MAX)
		return err_set(err, ERR_USAGE, "--block-size: 64K to 64M");
	*g = geometry_default();
	geometry_set_block(g, (uint32_t)block_bytes);
	geometry_set_profile(g, strcmp(profile, "fine") == 0	 ? PROFILE_FINE
				: strcmp(profile, "coarse") == 0 ? PROFILE_COARSE
								 : PROFILE_DEFAULT);
	return geometry_check(g, err);
}

static int choose_policy(struct initing *i, struct error *err)
{
	struct invocation *inv = i->inv;
	struct policy *p = &i->array.policy;
	const char *level = option_text(inv, "level", NULL);
	unsigned drives = i->array.count;
	int code;

	code = choose_geometry(inv, &p->geometry, err);
	if (code != ERR_NONE)
		return code;
	p->width = (unsigned)option_number(inv, "width", 0);
	if (level) {
		code = choose_level(i, level, drives, err);
	} else if (option_given(inv, "copies")) {
		p->copies = true;
		p->parity = (unsigned)option_number(inv, "copies", 1) - 1;
	} else {
		uint64_t parity = option_number(inv, "parity", OPTION_MAX);

		p->extra = option_given(inv, "parity") && parity == OPTION_MAX;
		p->parity = parity == OPTION_MAX ? drives > 1 : (unsigned)parity;
		if (drives == 1 && parity == OPTION_MAX)
			out_warn(inv->out, "one drive has no redundancy: its loss loses everything");
	}
	return code;
}

/* Two drives on one disk fail together: said once, here. */
static void warn_domains(const struct initing *i)
{
	char (*domains)[DRIVE_DOMAIN_MAX] = i->array.domains;

	for (unsigned n = 0; n < i->array.count; n++) {
		for (unsigned m = 0; m < n; m++) {
			if (!domains[n][0] || strcmp(domains[n], domains[m]) != 0)
				continue;
			out_warn(i->inv->out,
				 "%s and %s are both on %s and fail together: the promise counts "
				 "drives, not disks",
				 i->drives[m].record.name, i->drives[n].record.name, domains[n]);
			return;
		}
	}
}

static void advise_recover(struct invocation *inv)
{
	invocation_advise(inv, "`mrmr recover URL...` makes the config of an array that is there.");
}

static int rehearse(struct initing *i, struct error *err)
{
	struct opened o;
	char drives[COUNT_TEXT_BYTES];
	json_t *summary;
	int code = open_prepare(i->inv, &o, err);

	if (code == ERR_NONE)
		code = array_create_check(&o.options, &i->array, err);
	if (code == ERR_EXISTS)
		advise_recover(i->inv);
	if (code == ERR_NONE) {
		out_report(i->inv->out, "would create an array: %s, parity %u, config %s",
			   count_text(i->array.count, "drive", drives), i->array.policy.parity,
			   o.config_path);
		summary = out_object("summary");
		json_object_set_new(summary, "drives", json_integer(i->array.count));
		json_object_set_new(summary, "parity", json_integer(i->array.policy.parity));
		json_path_set(summary, "config", o.config_path, strlen(o.config_path));
		json_object_set_new(summary, "dry_run", json_true());
		out_json(i->inv->out, summary);
	}
	opened_release(&o);
	return code;
}

static int create(struct initing *i, struct error *err)
{
	struct invocation *inv = i->inv;
	const char *key_file = option_text(inv, "key-file", NULL);
	struct held_secret secret = { .memory = NULL };
	struct opened o;
	char text[RECOVERY_TEXT_BYTES], drives[COUNT_TEXT_BYTES];
	int code = open_prepare(inv, &o, err);

	if (code == ERR_NONE)
		code = key_file ? secret_make_key_file(key_file, &secret, err)
				: secret_for_init(inv->globals.insecure_no_passphrase, &secret, err);
	if (code != ERR_NONE)
		goto out;
	i->array.secret = &secret.secret;
	i->array.allow_empty = inv->globals.insecure_no_passphrase;
	i->array.cost = strcmp(option_text(inv, "kdf", "default"), "sensitive") == 0
				? KDF_SENSITIVE
				: KDF_DEFAULT;
	code = array_create(&o.options, &i->array, err);
	if (code == ERR_EXISTS)
		advise_recover(inv);
	if (code != ERR_NONE) {
		if (key_file)
			remove(key_file);
		goto out;
	}
	warn_domains(i);
	recovery_text(i->array.recovery_key, text);
	out_report(inv->out, "array created: %s, parity %u, config %s",
		   count_text(i->array.count, "drive", drives), i->array.policy.parity, o.config_path);
	out_line(inv->out, "recovery key: %s", text);
	out_report(inv->out, "Keep it on paper: it opens the array when every other key is lost.");
	out_json(inv->out, json_pack("{s:s, s:i, s:i, s:s, s:s}", "message_type", "summary", "drives",
				     (int)i->array.count, "parity", (int)i->array.policy.parity,
				     "config", o.config_path, "recovery_key", text));
	explicit_bzero(text, sizeof(text));
out:
	explicit_bzero(i->array.recovery_key, sizeof(i->array.recovery_key));
	held_secret_release(&secret);
	opened_release(&o);
	return code;
}

int cmd_init(struct invocation *inv, struct error *err)
{
	struct initing i = { .inv = inv };
	int code = ERR_NONE;

	i.drives = calloc(inv->args_count, sizeof(*i.drives));
	i.array.domains = calloc(inv->args_count, sizeof(*i.array.domains));
	if (!i.drives || !i.array.domains)
		code = err_nomem(err);
	i.array.drives = i.drives;
	for (size_t n = 0; n < inv->args_count && code == ERR_NONE; n++) {
		code = new_drive_parse(inv, inv->args[n], taken, &i, &i.drives[n], err);
		if (code == ERR_NONE)
			i.array.count++;
	}
	if (code == ERR_NONE)
		code = options_used_check(inv, i.drives, i.array.count, err);
	if (code == ERR_NONE)
		code = choose_policy(&i, err);
	if (code == ERR_NONE)
		code = option_given(inv, "dry-run") ? rehearse(&i, err) : create(&i, err);
	for (unsigned n = 0; n < i.array.count; n++)
		new_drive_release(&i.drives[n]);
	free(i.drives);
	free(i.array.domains);
	return code;
}
