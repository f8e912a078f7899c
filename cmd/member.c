#include "cmd/member.h"

#include "cmd/out.h"

int member_named(struct invocation *inv, struct array *a, struct array_drive **out,
		 struct error *err)
{
	int code = member_find(a, inv->args[0], out, err);

	if (code == ERR_NONE && !drive_counts(*out))
		code = err_set(err, ERR_USAGE, "drive %s is no member: %s", (*out)->name,
			       (*out)->record.state == DRIVE_JOINING ? "a rebuild fills it"
			       : (*out)->record.state == DRIVE_LOST ? "it was declared lost"
								     : "it was removed");
	return code;
}

void member_report(struct invocation *inv, const char *name, const char *verb, const char *done,
		   bool dry)
{
	json_t *o = out_object("summary");

	if (dry)
		out_report(inv->out, "would %s drive %s", verb, name);
	else
		out_report(inv->out, "drive %s %s", name, done);
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "action", json_string(verb));
	json_object_set_new(o, "dry_run", json_boolean(dry));
	out_json(inv->out, o);
}
