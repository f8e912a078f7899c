#include "array/settings.h"

#include "cmd/commands.h"
#include "cmd/open.h"
#include "cmd/out.h"

static void report(struct invocation *inv, bool dry)
{
	json_t *o = out_object("summary"), *changed = json_array();

	for (size_t i = 0; i < inv->args_count; i++) {
		out_report(inv->out, "%s%s", dry ? "would set " : "set ", inv->args[i]);
		json_array_append_new(changed, json_string(inv->args[i]));
	}
	json_object_set_new(o, "set", changed);
	json_object_set_new(o, "dry_run", json_boolean(dry));
	out_json(inv->out, o);
}

static int set_all(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct settings *s = NULL;
	int code = settings_begin(a, &s, err);

	for (size_t i = 0; i < inv->args_count && code == ERR_NONE; i++)
		code = settings_set(s, inv->args[i], err);
	if (code == ERR_NONE)
		code = settings_check(s, err);
	if (code == ERR_NONE && !dry)
		code = settings_apply(s, err);
	settings_end(s);
	if (code == ERR_NONE)
		report(inv, dry);
	return code;
}

int cmd_set(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	int code = open_array(inv, dry ? OPEN_READ : OPEN_WRITE, &opened, &a, err);

	if (code == ERR_NONE)
		code = set_all(inv, a, dry, err);
	if (code == ERR_NONE && !dry)
		code = open_pay_debts(inv, a, DEBTS_ALL, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
