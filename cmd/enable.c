#include "cmd/commands.h"
#include "cmd/member.h"
#include "cmd/open.h"
#include "cmd/out.h"

static int enable(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct array_drive *d;
	int code = member_named(inv, a, &d, err);

	if (code == ERR_NONE)
		code = member_look(a, d, err);
	if (code != ERR_NONE)
		return code;
	if (d->record.state == DRIVE_MEMBER) {
		member_report(inv, d->name, "enable", "is in use", dry);
		return ERR_NONE;
	}
	if (!dry)
		code = member_enable(a, d, err);
	if (code == ERR_NONE)
		member_report(inv, d->name, "enable", "enabled", dry);
	return code;
}

int cmd_enable(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	int code = open_array(inv, dry ? OPEN_READ : OPEN_WRITE | OPEN_NO_LOOK, &opened, &a, err);

	if (code == ERR_NONE)
		code = enable(inv, a, dry, err);
	/* It may have been changed while nobody looked. */
	if (code == ERR_NONE && !dry)
		code = open_look(inv, a, true, err);
	/* What was superseded while it was disabled goes from it. */
	if (code == ERR_NONE && !dry)
		code = open_pay_debts(inv, a, DEBTS_ALL, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
