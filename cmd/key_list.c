#include "array/keyslots.h"

#include "base/units.h"
#include "cmd/columns.h"
#include "cmd/commands.h"
#include "cmd/key.h"
#include "cmd/open.h"
#include "cmd/out.h"

#include <stdio.h>

static const char *remark_of(const struct slot_entry *e)
{
	switch (e->fact) {
	case SLOT_UNKNOWN:
		return "no journal knows it: not made by mrmr on a host of this array, or not yet seen";
	case SLOT_REMOVED:
		return "removed: the next command that writes deletes it";
	default:
		return "";
	}
}

static void cost_text(const struct slot *s, char *out, size_t out_bytes)
{
	char memory[UNIT_TEXT_BYTES];

	size_text(s->memory_bytes, memory);
	out[0] = '\0';
	if (s->kind == SLOT_PASSPHRASE)
		snprintf(out, out_bytes, "%u passes, %s", (unsigned)s->passes, memory);
}

static void add_line(struct columns *c, const struct slot_entry *e)
{
	char hex[ID_HEX_BYTES], created[UNIT_TEXT_BYTES], cost[2 * UNIT_TEXT_BYTES];

	hex_encode(e->slot.id.b, ID_BYTES, hex);
	time_text(e->slot.created_s, created);
	cost_text(&e->slot, cost, sizeof(cost));
	columns_add(c, (const char *[]){ hex, slot_kind_word(e->slot.kind), created, cost,
					 remark_of(e) });
}

static void print_json(struct invocation *inv, const struct slot_entry *e)
{
	char hex[ID_HEX_BYTES], created[UNIT_TEXT_BYTES];
	json_t *o = out_object("slot");

	hex_encode(e->slot.id.b, ID_BYTES, hex);
	time_iso_text(e->slot.created_s, created);
	json_object_set_new(o, "id", json_string(hex));
	json_object_set_new(o, "kind", json_string(slot_kind_word(e->slot.kind)));
	json_object_set_new(o, "created", json_string(created));
	json_object_set_new(o, "epoch", json_integer(e->slot.epoch));
	json_object_set_new(o, "kdf_passes", json_integer((json_int_t)e->slot.passes));
	json_object_set_new(o, "kdf_memory_bytes", json_integer((json_int_t)e->slot.memory_bytes));
	json_object_set_new(o, "known", json_boolean(e->fact != SLOT_UNKNOWN));
	json_object_set_new(o, "removed", json_boolean(e->fact == SLOT_REMOVED));
	out_json(inv->out, o);
}

int cmd_key_list(struct invocation *inv, struct error *err)
{
	struct columns c = { .count = 5 };
	struct slot_list list = { .count = 0 };
	struct opened opened;
	struct array *a;
	/* Whether the array has a head only somebody with a key can tell. */
	unsigned flags = inv->globals.expect_head ? OPEN_READ : OPEN_LOCKED;
	int code = open_array(inv, flags, &opened, &a, err);

	if (code == ERR_NONE)
		code = slot_list_load(a, &list, err);
	for (size_t i = 0; i < list.count && code == ERR_NONE; i++) {
		if (inv->globals.json)
			print_json(inv, &list.items[i]);
		else
			add_line(&c, &list.items[i]);
	}
	if (code == ERR_NONE)
		code = columns_print(&c, inv->out, 0, err);
	columns_release(&c);
	slot_list_release(&list);
	array_close(a);
	opened_release(&opened);
	return code;
}
