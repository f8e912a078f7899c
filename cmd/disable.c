#include "cmd/commands.h"
#include "cmd/member.h"
#include "cmd/open.h"
#include "cmd/out.h"

static int disable(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct array_drive *d;
	int code = member_named(inv, a, &d, err);

	if (code != ERR_NONE)
		return code;
	if (d->record.state == DRIVE_DISABLED) {
		member_report(inv, d->name, "disable", "was disabled before", dry);
		return ERR_NONE;
	}
	code = member_may_be_disabled(a, d, err);
	if (code == ERR_UNSAFE)
		invocation_advise(inv, "`mrmr status` tells what is away; `mrmr drain %s` moves what it "
				       "holds to the others.", d->name);
	if (code == ERR_NONE && !dry)
		code = member_set_state(a, d, DRIVE_DISABLED, false, err);
	if (code == ERR_NONE)
		member_report(inv, d->name, "disable", "disabled", dry);
	return code;
}

int cmd_disable(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run");
	struct opened opened;
	struct array *a;
	/* One that was rolled back may be taken out of use, too. */
	int code = open_array(inv, OPEN_MENDS | OPEN_NO_LOOK | (dry ? 0u : OPEN_WRITE), &opened, &a, err);

	if (code == ERR_NONE)
		code = disable(inv, a, dry, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
