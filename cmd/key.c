/* The `key` commands that change slots; key_list.c lists them. */
#include "array/keyslots.h"

#include "cmd/commands.h"
#include "cmd/key.h"
#include "cmd/open.h"
#include "cmd/out.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

const char *slot_kind_word(enum slot_kind kind)
{
	return kind == SLOT_PASSPHRASE ? "passphrase" : kind == SLOT_KEY_FILE ? "key-file"
									       : "recovery";
}

/* What each of the commands works with. */
struct keying {
	struct invocation *inv;
	struct array *a;
	bool dry;
	struct slot_list list; /* as it was at the beginning */
};

typedef int keying_fn(struct keying *k, struct error *err);

static int with_array(struct invocation *inv, keying_fn *run, struct error *err)
{
	struct keying k = { .inv = inv, .dry = option_given(inv, "dry-run") };
	struct opened opened;
	int code = open_array(inv, k.dry ? OPEN_READ : OPEN_WRITE, &opened, &k.a, err);

	/* What a run that was cut off had removed already. */
	if (code == ERR_NONE && !k.dry)
		code = array_drop_removed_slots(k.a, err);
	if (code == ERR_NONE)
		code = slot_list_load(k.a, &k.list, err);
	if (code == ERR_NONE)
		code = run(&k, err);
	if (code == ERR_NONE && !k.dry)
		code = open_pay_debts(inv, k.a, DEBTS_ALL, err);
	slot_list_release(&k.list);
	array_close(k.a);
	opened_release(&opened);
	return code;
}

/* One line, or one object, per change. */
static void report(struct keying *k, const char *what, const struct id *id, enum slot_kind kind)
{
	char hex[ID_HEX_BYTES];
	json_t *o = out_object("summary");

	hex_encode(id->b, ID_BYTES, hex);
	out_report(k->inv->out, "slot %s (%s) %s", hex, slot_kind_word(kind), what);
	json_object_set_new(o, "action", json_string(what));
	json_object_set_new(o, "id", json_string(hex));
	json_object_set_new(o, "kind", json_string(slot_kind_word(kind)));
	out_json(k->inv->out, o);
}

static void report_plan(struct keying *k, const char *plan)
{
	json_t *o = out_object("summary");

	out_report(k->inv->out, "would %s", plan);
	json_object_set_new(o, "action", json_string(plan));
	json_object_set_new(o, "dry_run", json_true());
	out_json(k->inv->out, o);
}

/* Drives away now keep their copy until they are seen again. */
static void warn_of_absent(struct keying *k)
{
	for (unsigned i = 0; i < k->a->count; i++) {
		const struct array_drive *d = &k->a->drives[i];

		if (drive_counts(d) && d->presence != DRIVE_PRESENT)
			out_warn(k->inv->out, "the removed slot stays on drive %s until it is back and "
					      "a command writes", d->name);
	}
}

static int remove_slot(struct keying *k, const struct slot *slot, struct error *err)
{
	int code = keyslot_remove(k->a, &slot->id, err);

	if (code != ERR_NONE)
		return code;
	report(k, "removed", &slot->id, slot->kind);
	warn_of_absent(k);
	return ERR_NONE;
}

static enum kdf_cost chosen_cost(struct keying *k, enum kdf_cost otherwise)
{
	const char *word = option_text(k->inv, "kdf", NULL);

	if (!word)
		return otherwise;
	return strcmp(word, "sensitive") == 0 ? KDF_SENSITIVE : KDF_DEFAULT;
}

/* ---- key add ---- */

static int add_now(struct keying *k, struct error *err)
{
	const char *file = option_text(k->inv, "key-file", NULL);
	bool allow_empty = k->inv->globals.insecure_no_passphrase;
	struct held_secret secret = { .memory = NULL };
	struct id id;
	int code;

	if (k->dry) {
		report_plan(k, file ? "make a key file and add a slot for it"
				    : "add a slot for a new passphrase");
		return ERR_NONE;
	}
	code = file ? secret_make_key_file(file, &secret, err)
		    : secret_for_new_slot(allow_empty, &secret, err);
	if (code != ERR_NONE)
		return code;
	code = keyslot_add(k->a, &secret.secret, chosen_cost(k, KDF_DEFAULT), allow_empty, &id, err);
	if (code == ERR_NONE)
		report(k, "added", &id, secret.secret.kind);
	else if (file)
		remove(file);
	held_secret_release(&secret);
	return code;
}

int cmd_key_add(struct invocation *inv, struct error *err)
{
	return with_array(inv, add_now, err);
}

/* ---- key remove ---- */

static int remove_now(struct keying *k, struct error *err)
{
	const struct slot_entry *e;
	int code = slot_list_find(&k->list, k->inv->args[0], &e, err);

	if (code != ERR_NONE)
		return code;
	if (k->dry) {
		report_plan(k, "remove that slot");
		return ERR_NONE;
	}
	return remove_slot(k, &e->slot, err);
}

int cmd_key_remove(struct invocation *inv, struct error *err)
{
	return with_array(inv, remove_now, err);
}

/* ---- key passwd ---- */

static int passwd_now(struct keying *k, struct error *err)
{
	const struct slot_entry *old = slot_list_by_id(&k->list, &k->a->slot_used);
	bool allow_empty = k->inv->globals.insecure_no_passphrase;
	struct held_secret secret = { .memory = NULL };
	enum kdf_cost cost;
	struct id id;
	int code;

	if (!old || old->slot.kind != SLOT_PASSPHRASE) {
		invocation_advise(k->inv, "`mrmr key add` adds a passphrase, `mrmr key remove` removes "
					  "an old one.");
		return err_set(err, ERR_USAGE, "the array was not opened by a passphrase, but by a %s",
			       !old				      ? "key"
			       : old->slot.kind == SLOT_RECOVERY ? "recovery key"
								 : "key file");
	}
	if (k->dry) {
		report_plan(k, "add a slot for a new passphrase and remove that of the old one");
		return ERR_NONE;
	}
	/* Not weaker than the old one, unless told so. */
	cost = slot_is_cheaper(&old->slot, KDF_SENSITIVE) ? KDF_DEFAULT : KDF_SENSITIVE;
	code = secret_for_new_slot(allow_empty, &secret, err);
	if (code == ERR_NONE)
		code = keyslot_add(k->a, &secret.secret, chosen_cost(k, cost), allow_empty, &id, err);
	held_secret_release(&secret);
	if (code != ERR_NONE)
		return code;
	report(k, "added", &id, SLOT_PASSPHRASE);
	return remove_slot(k, &old->slot, err);
}

int cmd_key_passwd(struct invocation *inv, struct error *err)
{
	return with_array(inv, passwd_now, err);
}

/* ---- key recovery ---- */

/* Whoever reads it must have it before the old one goes. */
static int show_recovery_key(struct keying *k, const uint8_t key[KEY_BYTES], struct error *err)
{
	char text[RECOVERY_TEXT_BYTES];
	json_t *o = out_object("recovery_key");

	recovery_text(key, text);
	out_line(k->inv->out, "recovery key: %s", text);
	out_report(k->inv->out, "Keep it on paper: it opens the array when every other key is lost.");
	json_object_set_new(o, "recovery_key", json_string(text));
	out_json(k->inv->out, o);
	explicit_bzero(text, sizeof(text));
	return out_finish(k->inv->out, err);
}

static int recovery_now(struct keying *k, struct error *err)
{
	uint8_t *key;
	struct secret secret = { SLOT_RECOVERY, NULL, KEY_BYTES };
	struct id id;
	int code;

	if (k->dry) {
		report_plan(k, "make a new recovery key and remove the slots of old ones");
		return ERR_NONE;
	}
	key = sodium_malloc(KEY_BYTES);
	if (!key)
		return err_nomem(err);
	randombytes_buf(key, KEY_BYTES);
	secret.bytes = key;
	code = keyslot_add(k->a, &secret, KDF_DEFAULT, false, &id, err);
	if (code == ERR_NONE) {
		report(k, "added", &id, SLOT_RECOVERY);
		code = show_recovery_key(k, key, err);
	}
	sodium_free(key);
	for (size_t i = 0; i < k->list.count && code == ERR_NONE; i++) {
		const struct slot_entry *e = &k->list.items[i];

		/* One that no journal knows is of a run that was cut off. */
		if (e->slot.kind == SLOT_RECOVERY && e->fact != SLOT_REMOVED)
			code = remove_slot(k, &e->slot, err);
	}
	return code;
}

int cmd_key_recovery(struct invocation *inv, struct error *err)
{
	return with_array(inv, recovery_now, err);
}
