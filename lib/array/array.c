#include "array/array.h"

#include "array/keyslots.h"
#include "array/opening.h"
#include "array/paces.h"
#include "array/seen.h"
#include "array/traffic.h"
#include "array/widen.h"
#include "base/file.h"
#include "base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 20
#define LOCK_TRIES 3000 /* a minute: commits are short, a stuck one is worth an error */

const char *presence_word(enum drive_presence p)
{
	static const char *const words[] = {
		[DRIVE_PRESENT] = "present",	   [DRIVE_ABSENT] = "absent",
		[DRIVE_FOREIGN] = "foreign",	   [DRIVE_DUPLICATE] = "duplicate",
		[DRIVE_REFUSED] = "refused",	   [DRIVE_ROLLED_BACK] = "rolled back",
		[DRIVE_UNREACHABLE] = "unreachable", [DRIVE_ASIDE] = "disabled",
	};

	return words[p];
}

void array_tell(const struct array *a, enum tell_level level, const char *fmt, ...)
{
	char text[2 * ERR_MESSAGE_BYTES];
	va_list args;

	if (!a->options.tell)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	a->options.tell(a->options.tell_ctx, level, text);
}

void array_watch(struct array *a, struct counters *c)
{
	a->counters = c;
	for (unsigned i = 0; i < a->count; i++)
		traffic_watch(a, &a->drives[i]);
}

struct array_drive *array_drive_by_id(struct array *a, const struct id *id)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (id_equal(&a->drives[i].id, id))
			return &a->drives[i];
	}
	return NULL;
}

struct array_drive *array_drive_by_name(struct array *a, const char *name)
{
	for (unsigned i = 0; i < a->count; i++) {
		if (strcmp(a->drives[i].name, name) == 0)
			return &a->drives[i];
	}
	return NULL;
}

bool drive_counts(const struct array_drive *d)
{
	return d->record.state == DRIVE_MEMBER || d->record.state == DRIVE_DISABLED ||
	       d->record.state == DRIVE_DRAINING;
}

bool drive_usable(const struct array_drive *d)
{
	return d->presence == DRIVE_PRESENT && d->record.state == DRIVE_MEMBER &&
	       !atomic_load(&d->poisoned);
}

unsigned array_usable_count(const struct array *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->count; i++)
		n += drive_usable(&a->drives[i]);
	return n;
}

unsigned array_member_count(const struct array *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->count; i++)
		n += drive_counts(&a->drives[i]);
	return n;
}

char *array_state_file(const struct array *a, const char *name)
{
	return path_join(a->state_path, name);
}

int array_lock(struct array *a, int *fd, struct error *err)
{
	char *path = array_state_file(a, "lock");
	int code = ERR_LOCKED;

	if (!path)
		return err_nomem(err);
	for (unsigned try = 0; try < LOCK_TRIES && code == ERR_LOCKED; try++) {
		if (try > 0)
			usleep(LOCK_WAIT_MS * 1000);
		code = file_lock(path, fd, err);
	}
	free(path);
	return code;
}

int array_putting_lock(struct array *a, bool alone, int *fd, struct error *err)
{
	char *path = array_state_file(a, "putting.lock");
	int code = ERR_NONE;

	if (!path)
		return err_nomem(err);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		code = err_errno(err, "open lock %s", path);
	else if (flock(*fd, alone ? LOCK_EX | LOCK_NB : LOCK_SH) < 0)
		code = errno == EWOULDBLOCK ? err_set(err, ERR_LOCKED, "a put is running")
					    : err_errno(err, "lock %s", path);
	if (code != ERR_NONE) {
		array_unlock_state(*fd);
		*fd = -1;
	}
	free(path);
	return code;
}

void array_unlock_state(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* ---- what the table says of the drives ---- */

static void take_row(struct array_drive *d, const struct table_drive *row)
{
	d->record = row->record;
	d->id = row->record.id;
	snprintf(d->name, sizeof(d->name), "%s", row->record.name);
	d->used_bytes = row->used_bytes;
	d->row_bytes = row->row_bytes;
	d->objects = row->objects;
	d->last_scrub_s = row->last_scrub_s;
	d->damaged_ever = row->damaged;
	d->repaired_ever = row->repaired;
	d->unrepaired = row->unrepaired;
	d->unrepaired_s = row->unrepaired_s;
	d->since_s = row->since_s;
	d->returning = row->returning;
	if (d->record.state == DRIVE_DISABLED)
		drive_set_aside(d);
	if (d->handle && d->presence == DRIVE_PRESENT &&
	    (d->record.state == DRIVE_LOST || d->record.state == DRIVE_REMOVED))
		drive_leave_out(d, DRIVE_REFUSED, "it was declared %s and counts no more",
			  d->record.state == DRIVE_LOST ? "lost" : "removed");
}

/* What may be given back, where the policy wants more rows than it promises. */
static int count_extra(struct array *a, struct error *err)
{
	int code = ERR_NONE;

	a->extra_stale = false;
	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &a->drives[i];

		d->extra_bytes = 0;
		if (a->policy.extra && drive_counts(d))
			code = table_extra_bytes(a->table, a->policy.parity, &d->id, &d->extra_bytes,
						 err);
	}
	return code;
}

int array_refresh(struct array *a, struct error *err)
{
	struct table_drive *rows = NULL;
	size_t count = 0;
	int code = table_view(a->table, err);

	a->refreshed_at = table_changes(a->table);
	if (code == ERR_NONE)
		code = table_policy(a->table, &a->policy, err);
	if (code == ERR_NOT_FOUND)
		code = err_set(err, ERR_ABSENT, "no drive at hand has the array's journal");
	a->policy_read = a->policy;
	if (code == ERR_NONE)
		code = table_drives(a->table, &rows, &count, err);
	table_view_end(a->table);
	for (size_t i = 0; i < count && code == ERR_NONE; i++) {
		struct array_drive *d = array_drive_by_id(a, &rows[i].record.id);

		/* A drive that this host has no way to, and that is gone for good, is history. */
		if (!d && (rows[i].record.state == DRIVE_LOST ||
			   rows[i].record.state == DRIVE_REMOVED))
			continue;
		if (!d && a->count == DRIVES_MAX) {
			code = err_set(err, ERR_CORRUPT, "the array has more than %d drives",
				       DRIVES_MAX);
			break;
		}
		if (!d) {
			d = &a->drives[a->count++];
			drive_leave_out(d, DRIVE_ABSENT, DRIVE_NO_WAY);
		}
		take_row(d, &rows[i]);
	}
	table_drives_free(rows, count);
	return code == ERR_NONE ? count_extra(a, err) : code;
}

int array_refresh_policy(struct array *a, bool *changed, struct error *err)
{
	struct policy now;
	int code = table_policy(a->table, &now, err);

	*changed = code == ERR_NONE && (!policy_same(&now, &a->policy_read) ||
					now.extra != a->policy_read.extra);
	if (*changed)
		return array_refresh(a, err);
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

/* After a step that may have changed the table. */
static int refresh_if_changed(struct array *a, struct error *err)
{
	return table_changes(a->table) == a->refreshed_at ? ERR_NONE : array_refresh(a, err);
}

/* Those that were disabled when it was last looked, and are not any more. */
static int open_enabled(struct array *a, struct error *err)
{
	bool any = false;
	int code = ERR_NONE;

	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];

		if (d->presence != DRIVE_ASIDE || d->record.state == DRIVE_DISABLED)
			continue;
		array_open_drive(a, d);
		any = true;
	}
	if (any)
		code = array_pull(a, err);
	return any && code == ERR_NONE ? array_refresh(a, err) : code;
}

int array_follow(struct array *a, bool pull, struct error *err)
{
	unsigned sent;
	int code = pull ? array_pull(a, err) : ERR_NONE;

	if (code == ERR_NONE)
		code = array_refresh(a, err);
	if (code == ERR_NONE)
		code = open_enabled(a, err);
	return code == ERR_NONE ? array_push(a, &sent, err) : code;
}

/* ---- open and close ---- */

static int open_table(struct array *a, struct error *err)
{
	char *path = array_state_file(a, "table.sqlite");
	struct error damage;
	int code;

	if (!path)
		return err_nomem(err);
	code = table_open(path, &a->config.array_id, &a->table, &a->table_fresh, err);
	if (code == ERR_NONE && a->options.checks_table &&
	    table_check(a->table, &damage) == ERR_CORRUPT) {
		table_close(a->table); /* which removes it */
		code = table_open(path, &a->config.array_id, &a->table, &a->table_fresh, err);
	}
	free(path);
	return code;
}

int array_open_state(struct array *a, struct error *err)
{
	char hex[ID_HEX_BYTES];
	struct config_drive entry = { .name = "" };
	struct drive_options options = { .make_root = true, .temp_tag = a->temp_tag };
	int code;

	hex_encode(a->config.array_id.b, ID_BYTES, hex);
	a->state_path = path_join(a->options.state_root, hex);
	if (!a->state_path)
		return err_nomem(err);
	code = folder_make(a->state_path, err);
	entry.url = a->state_path;
	if (code == ERR_NONE)
		code = a->options.open_drive(a->options.open_drive_ctx, &entry, &options,
					     &a->mirror, err);
	if (code == ERR_NONE)
		code = open_table(a, err);
	return code == ERR_NONE ? code : err_wrap(err, "state folder %s", a->state_path);
}

/* Commands that write stop before their first write when something is not what it should be. */
static int brake(struct array *a, struct error *err)
{
	if (a->fork_found && !a->options.heals_forks)
		return err_set(err, ERR_UNSAFE, "%s", a->fork_why);
	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *d = &a->drives[i];
		bool mends = a->options.tolerate_rollback &&
			     (d->presence == DRIVE_ROLLED_BACK ||
			      d->marker_state == MARKER_DAMAGED);

		/* What was removed held nothing that is needed. */
		if (d->presence != DRIVE_PRESENT && d->presence != DRIVE_ABSENT &&
		    d->presence != DRIVE_UNREACHABLE && d->presence != DRIVE_ASIDE &&
		    d->record.state != DRIVE_REMOVED && !mends)
			return err_set(err, ERR_UNSAFE, "drive %s is %s: %s", d->name,
				       presence_word(d->presence), d->why);
	}
	return ERR_NONE;
}

/* by_config: the journals, which tell what has become of a drive, cannot be read. */
static void tell_left_out(struct array *a, bool by_config)
{
	for (unsigned i = 0; i < a->count; i++) {
		const struct array_drive *d = &a->drives[i];

		if (d->presence != DRIVE_PRESENT && (by_config || drive_counts(d)))
			array_tell(a, TELL_WARNING, "drive %s is left out: %s: %s", d->name,
				   presence_word(d->presence), d->why);
	}
}

/* Nothing of it is at its place any more: another host has cleared that, or it was used anew. */
static int forget_removed(struct array *a, struct error *err)
{
	int code = ERR_NONE;

	for (unsigned i = 0; i < a->count && code == ERR_NONE; i++) {
		struct array_drive *d = &a->drives[i];

		if (d->url && d->handle && d->record.state == DRIVE_REMOVED &&
		    !array_is_marked(a, d, &d->id))
			code = array_forget_way(a, d, err);
	}
	return code;
}

static void make_temp_tag(struct array *a)
{
	struct buf machine = { 0 };
	struct error ignored;
	struct hash h;

	file_load("/etc/machine-id", 4096, &machine, &ignored);
	buf_add_string(&machine, a->options.state_root);
	h = sha256(machine.data, machine.failed ? 0 : machine.len_bytes);
	hex_encode(h.b, 8, a->temp_tag);
	buf_release(&machine);
}

struct array *array_new(const struct array_options *o, struct error *err)
{
	struct array *a = calloc(1, sizeof(*a));

	if (!a || !(a->drives = calloc(DRIVES_MAX, sizeof(*a->drives)))) {
		free(a);
		err_nomem(err);
		return NULL;
	}
	a->options = *o;
	if (a->options.threads == 0)
		a->options.threads = cpu_count();
	pthread_mutex_init(&a->table_lock, NULL);
	pthread_mutex_init(&a->place_lock, NULL);
	pthread_mutex_init(&a->widen_lock, NULL);
	pthread_mutex_init(&a->plan_lock, NULL);
	pthread_mutex_init(&a->extra_lock, NULL);
	a->rotation = load_u64(id_random().b);
	make_temp_tag(a);
	return a;
}

/* Whether a drive missed something; maybe a change of keys. */
static bool any_behind(const struct array *a)
{
	bool any = false;

	for (unsigned i = 0; i < a->count; i++)
		any = any || (a->drives[i].behind && a->drives[i].presence == DRIVE_PRESENT);
	return any;
}

/* There is no journal to say what the array is: what the config names are its drives. */
static int begin_journal(struct array *a, struct error *err)
{
	int code = table_policy(a->table, &a->policy, err);

	if (code != ERR_NOT_FOUND)
		return code != ERR_NONE
			       ? code
			       : err_set(err, ERR_EXISTS,
					 "the drives have a journal: recover without --scan");
	memset(&a->policy, 0, sizeof(a->policy));
	a->policy.geometry = geometry_default();
	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];

		d->record = (struct drive_record){ .id = d->id,
						   .state = DRIVE_MEMBER,
						   .journal = true };
		memcpy(d->record.name, d->name, sizeof(d->record.name));
	}
	return ERR_NONE;
}

int array_open(const struct array_options *o, struct array **out, struct error *err)
{
	struct array *a = array_new(o, err);
	bool returned;
	unsigned sent;
	int code;

	if (!a)
		return (int)err->code;
	if ((code = config_load(o->config_path, &a->config, err)) != ERR_NONE ||
	    (code = array_open_state(a, err)) != ERR_NONE ||
	    (code = drives_open(a, err)) != ERR_NONE)
		goto out;
	paces_load(a);
	if (o->locked)
		goto out;
	code = array_unlock(a, err);
	if (code == ERR_ABSENT)
		tell_left_out(a, true);
	if (code != ERR_NONE)
		goto out;
	for (unsigned i = 0; i < a->count; i++)
		drive_check_mac(a, &a->drives[i]);
	if ((code = array_pull(a, err)) != ERR_NONE ||
	    (code = o->without_journal ? begin_journal(a, err) : array_refresh(a, err)) != ERR_NONE ||
	    (code = open_enabled(a, err)) != ERR_NONE ||
	    (code = array_check_slot(a, err)) != ERR_NONE)
		goto out;
	seen_update(a, time(NULL));
	tell_left_out(a, false);
	if (!o->writing)
		goto out;
	/* What the outbox held may say that a drive is one of ours: it is then sent the journals. */
	if ((code = brake(a, err)) != ERR_NONE ||
	    (code = forget_removed(a, err)) != ERR_NONE ||
	    (a->fork_found && (code = array_heal_forks(a, err)) != ERR_NONE) ||
	    (code = array_flush_outbox(a, err)) != ERR_NONE ||
	    (code = refresh_if_changed(a, err)) != ERR_NONE || (code = open_enabled(a, err)) != ERR_NONE)
		goto out;
	returned = any_behind(a);
	if ((code = array_push(a, &sent, err)) != ERR_NONE ||
	    (returned && (code = array_spread_keys(a, err)) != ERR_NONE))
		goto out;
	code = refresh_if_changed(a, err);
	if (code == ERR_NONE)
		keyslot_raise(a);
out:
	memset(&a->secret, 0, sizeof(a->secret));
	if (code != ERR_NONE)
		array_close(a);
	else
		*out = a;
	return code;
}

int array_take_back(struct array *a, struct array_drive *d, struct error *err)
{
	struct error why;
	int code;

	d->presence = DRIVE_PRESENT;
	d->marker_state = MARKER_GOOD;
	d->why[0] = '\0';
	if (d->handle->driver->about(d->handle, &d->about, &why) != ERR_NONE)
		drive_leave_out(d, DRIVE_UNREACHABLE, "%s", why.message);
	code = array_pull(a, err);
	return code == ERR_NONE ? array_refresh(a, err) : code;
}

int array_expect_head(struct array *a, const char *hex, struct error *err)
{
	uint8_t head[HASH_BYTES];
	bool yes;
	int code;

	if (!hex_decode(hex, head, sizeof(head)))
		return err_set(err, ERR_USAGE, "a head is 64 hex digits, as put prints it");
	code = table_has_head(a->table, head, &yes, err);
	if (code == ERR_NONE && !yes)
		return err_set(err, ERR_UNSAFE,
			       "the array does not contain head %s: its drives were rolled back, or it "
			       "is another array", hex);
	return code;
}

void array_close(struct array *a)
{
	if (!a)
		return;
	paces_store(a);
	traffic_tell(a);
	for (unsigned i = 0; i < a->count; i++) {
		struct array_drive *d = &a->drives[i];

		if (d->handle)
			d->handle->driver->close(d->handle);
		clock_release(&d->holds);
		free(d->url);
		free(d->options_json);
	}
	free(a->drives);
	free(a->forked);
	widening_free(a->widening);
	if (a->mirror)
		a->mirror->driver->close(a->mirror);
	table_close(a->table);
	keys_free(a->keys_owned);
	config_release(&a->config);
	free(a->state_path);
	pthread_mutex_destroy(&a->table_lock);
	pthread_mutex_destroy(&a->place_lock);
	pthread_mutex_destroy(&a->widen_lock);
	pthread_mutex_destroy(&a->plan_lock);
	pthread_mutex_destroy(&a->extra_lock);
	free(a);
}
