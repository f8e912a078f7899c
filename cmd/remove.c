#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/member.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/standing.h"

#include <inttypes.h>

/* The drive that is named; NULL when a run before this one, cut off at its end, made it gone. */
static int find(struct invocation *inv, struct array *a, enum drive_state gone,
		struct array_drive **out, struct error *err)
{
	struct error why;
	bool was = false;
	int code = member_find(a, inv->args[0], out, err);

	if (code == ERR_USAGE && member_was(a, inv->args[0], gone, &was, &why) == ERR_NONE && was) {
		*out = NULL;
		return ERR_NONE;
	}
	return code;
}

/* ---- one that holds nothing ---- */

static int check(struct invocation *inv, struct array *a, struct array_drive *d, struct error *err)
{
	struct member_hold hold;
	char size[UNIT_TEXT_BYTES], count[COUNT_TEXT_BYTES];
	int code = member_holds(a, d, &hold, err);

	if (code != ERR_NONE)
		return code;
	if (hold.objects > 0) {
		size_text(hold.bytes, size);
		invocation_advise(inv, d->presence == DRIVE_ABSENT
					       ? "If it is gone for good, `mrmr rebuild %s` re-creates "
						 "that, or `mrmr remove %s --lost` declares it gone."
					       : "`mrmr drain %s` moves that to the others first.",
				  d->name, d->name);
		return err_set(err, ERR_UNSAFE, "drive %s holds %s that the array needs, %s", d->name,
			       count_text(hold.objects, "object", count), size);
	}
	code = member_spared(a, d, err);
	if (code == ERR_USAGE)
		invocation_advise(inv, "`mrmr add` another drive first.");
	return code;
}

static int forget(struct invocation *inv, struct array *a, struct array_drive *d, struct error *err)
{
	int code = ERR_NONE;

	/* What was superseded goes from its place, too; then what others did in the meantime counts. */
	if (d->record.state != DRIVE_REMOVED &&
	    ((code = open_pay_debts(inv, a, DEBTS_IN_PLACE, err)) != ERR_NONE ||
	     (code = array_follow(a, true, err)) != ERR_NONE ||
	     (code = check(inv, a, d, err)) != ERR_NONE))
		return code;
	code = member_remove(a, d, err);
	if (code == ERR_NONE && d->presence == DRIVE_ABSENT)
		out_warn(inv->out, "drive %s is not there: its place keeps keys and journals of the array",
			 d->name);
	return code;
}

static int remove_empty(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct array_drive *d;
	int code = find(inv, a, DRIVE_REMOVED, &d, err);

	if (code == ERR_NONE && !d) {
		member_report(inv, inv->args[0], "remove", "was removed before", dry);
		return ERR_NONE;
	}
	/* Of one that was cut off there is something left to do. */
	if (code == ERR_NONE && d->record.state != DRIVE_REMOVED)
		code = member_named(inv, a, &d, err);
	if (code == ERR_NONE && d->record.state != DRIVE_REMOVED)
		code = check(inv, a, d, err);
	if (code == ERR_NONE && !dry)
		code = forget(inv, a, d, err);
	if (code == ERR_NONE)
		member_report(inv, d->name, "remove", "removed", dry);
	return code;
}

/* ---- one that is gone ---- */

static int declare_lost(struct invocation *inv, struct array *a, bool dry, struct error *err)
{
	struct member_hold hold;
	char size[UNIT_TEXT_BYTES], count[COUNT_TEXT_BYTES];
	struct array_drive *d;
	int code = find(inv, a, DRIVE_LOST, &d, err);

	if (code == ERR_NONE && !d) {
		member_report(inv, inv->args[0], "remove", "was declared lost before", dry);
		return ERR_NONE;
	}
	if (code == ERR_NONE && d->presence == DRIVE_PRESENT) {
		invocation_advise(inv, "`mrmr drain %s` moves what it holds, then `mrmr remove %s`.",
				  d->name, d->name);
		return err_set(err, ERR_USAGE, "drive %s is here and works", d->name);
	}
	if (code == ERR_NONE && d->record.state == DRIVE_REMOVED)
		return err_set(err, ERR_USAGE, "drive %s was removed before", d->name);
	if (code == ERR_NONE)
		code = member_holds(a, d, &hold, err);
	if (code == ERR_NONE && !dry)
		code = member_lose(a, d, err);
	if (code != ERR_NONE)
		return code;
	member_report(inv, d->name, "remove", "is declared lost", dry);
	size_text(hold.bytes, size);
	if (hold.objects > 0)
		out_report(inv->out, "it held %s, %s: `mrmr rebuild` re-creates what can be re-created",
			   count_text(hold.objects, "object", count), size);
	return ERR_NONE;
}

int cmd_remove(struct invocation *inv, struct error *err)
{
	bool dry = option_given(inv, "dry-run"), lost = option_given(inv, "lost");
	struct opened opened;
	struct array *a;
	unsigned flags = (lost ? OPEN_MENDS : 0u) | OPEN_NO_LOOK | (dry ? 0u : OPEN_WRITE);
	int code = open_array(inv, flags, &opened, &a, err);

	if (code == ERR_NONE)
		code = lost ? declare_lost(inv, a, dry, err) : remove_empty(inv, a, dry, err);
	array_close(a);
	opened_release(&opened);
	return code;
}
