#include "archive/put.h"

#include "array/health.h"
#include "base/units.h"
#include "care/rebalance.h"
#include "cmd/commands.h"
#include "cmd/notes.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/select.h"
#include "cmd/standing.h"
#include "cmd/traffic.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define LEVEL_DEFAULT 3

static int collect_excludes(struct invocation *inv, struct patterns **out, struct error *err)
{
	const char *rule;

	*out = patterns_new();
	if (!*out)
		return err_nomem(err);
	for (size_t i = 0; (rule = option_nth(inv, "exclude", i)); i++) {
		int code = patterns_add(*out, NULL, rule, false, err);

		if (code != ERR_NONE)
			return err_wrap(err, "--exclude %s", rule);
	}
	return ERR_NONE;
}

static int collect_tags(struct invocation *inv, struct buf *tags, struct error *err)
{
	const char *tag;

	for (size_t i = 0; (tag = option_nth(inv, "tag", i)); i++) {
		if (tags->len_bytes > 0)
			buf_add_u8(tags, ',');
		buf_add(tags, tag, strlen(tag));
	}
	buf_add_u8(tags, '\0');
	return tags->failed ? err_nomem(err) : ERR_NONE;
}

static void report(struct invocation *inv, const struct array *a, const struct put_result *r,
		   double seconds)
{
	char id[ID_HEX_BYTES], head[HASH_HEX_BYTES], read[UNIT_TEXT_BYTES], added[UNIT_TEXT_BYTES];
	char stored[UNIT_TEXT_BYTES];
	json_t *o = out_object("summary");

	hex_encode(r->snapshot.b, ID_BYTES, id);
	hex_encode(r->head.b, HASH_BYTES, head);
	size_text(r->bytes_read, read);
	size_text(r->bytes_added, added);
	size_text(r->bytes_stored, stored);
	out_report(inv->out, "files: %" PRIu64 " new, %" PRIu64 " changed, %" PRIu64 " unmodified",
		   r->files_new, r->files_changed, r->files_unmodified);
	out_report(inv->out, "read %s, %s of it new, %s stored on all drives, in %.1f s", read, added,
		   stored, seconds);
	if (!option_given(inv, "dry-run")) {
		out_report(inv->out, "head %s", head);
		out_report(inv->out, "snapshot %s saved", id);
		json_object_set_new(o, "snapshot_id", json_string(id));
		json_object_set_new(o, "head", json_string(head));
	} else {
		out_report(inv->out, "nothing was stored");
		json_object_set_new(o, "dry_run", json_true());
	}
	json_object_set_new(o, "files_new", json_integer((json_int_t)r->files_new));
	json_object_set_new(o, "files_changed", json_integer((json_int_t)r->files_changed));
	json_object_set_new(o, "files_unmodified", json_integer((json_int_t)r->files_unmodified));
	json_object_set_new(o, "files_failed", json_integer((json_int_t)r->files_failed));
	json_object_set_new(o, "bytes_read", json_integer((json_int_t)r->bytes_read));
	json_object_set_new(o, "bytes_added", json_integer((json_int_t)r->bytes_added));
	json_object_set_new(o, "bytes_stored", json_integer((json_int_t)r->bytes_stored));
	json_object_set_new(o, "seconds", json_real(seconds));
	json_object_set_new(o, "traffic", traffic_of_all_json(a));
	out_json(inv->out, o);
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fill_options(struct invocation *inv, struct put_options *o, char host[HOST_BYTES],
			struct buf *tags, struct patterns **excludes, struct error *err)
{
	struct timespec now;
	int code = collect_excludes(inv, excludes, err);

	if (code == ERR_NONE)
		code = collect_tags(inv, tags, err);
	if (code != ERR_NONE)
		return code;
	host_name(host);
	clock_gettime(CLOCK_REALTIME, &now);
	*o = (struct put_options){ .paths = inv->args,
				   .path_count = inv->args_count,
				   .series = option_text(inv, "series", NULL),
				   .host = option_text(inv, "host", host),
				   .tags = (const char *)tags->data,
				   .excludes = *excludes,
				   .exclude_caches = option_given(inv, "exclude-caches"),
				   .one_file_system = option_given(inv, "one-file-system"),
				   .force = option_given(inv, "force"),
				   .dry_run = option_given(inv, "dry-run"),
				   .level = (int)option_number(inv, "compression", LEVEL_DEFAULT),
				   .time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
				   .note = note_path,
				   .note_ctx = inv };
	return ERR_NONE;
}

/* Groups that are joined need fewer rows; what was stored already is found again. */
static bool made_room(struct array *a)
{
	struct rebalance_result r;
	struct error why;

	return rebalance_for_room(a, &r, &why) == ERR_NONE && r.rows_dropped > 0;
}

/* What small puts leave is made cheaper. The snapshot is saved, whatever becomes of that. */
static void tidy(struct array *a)
{
	struct rebalance_result r;
	struct error why;
	int code = rebalance_thin(a, &r, &why);

	if (code != ERR_NONE && code != ERR_INTERRUPTED)
		array_tell(a, TELL_WARNING, "join what small puts stored: %s", why.message);
}

/* The same of room to spare, under parity=max. */
static void fill_up(struct array *a)
{
	struct debts_options o = { .scope = DEBTS_ALL, .extra = true };
	struct debts_result r;
	struct error why;
	int code = a->policy.extra ? debts_settle(a, &o, &r, &why) : ERR_NONE;

	if (code != ERR_NONE && code != ERR_INTERRUPTED)
		array_tell(a, TELL_WARNING, "make extra parity: %s", why.message);
}

static int put_now(struct invocation *inv, struct array *a, struct put_options *o,
		   struct error *err)
{
	struct progress *progress;
	struct put_result r;
	struct health health;
	char count[COUNT_TEXT_BYTES];
	double began = now_s();
	bool changed;
	int code;

	if (!o->dry_run && (code = debts_pay(a, DEBTS_ALL, NULL, err)) != ERR_NONE)
		return code;
	progress = progress_start(inv->out, "put", err);
	if (!progress)
		return (int)err->code;
	o->counters = progress_counters(progress);
	o->sizing = progress_is_watched(progress);
	array_watch(a, o->counters);
	do {
		code = put(a, o, &r, err);
	} while (code == ERR_FULL && made_room(a));
	array_watch(a, NULL);
	progress_stop(progress);
	if (code != ERR_NONE)
		return code;
	report(inv, a, &r, now_s() - began);
	if (r.files_failed > 0)
		invocation_note(inv, EXIT_SOURCES);
	if (o->dry_run)
		return ERR_NONE;
	/* By what is asked now: another command may have set it meanwhile. */
	code = array_refresh_policy(a, &changed, err);
	if (code == ERR_NONE)
		code = health_check(a, &health, err);
	/* What this put stored anew may have made old debts void. */
	if (code == ERR_NONE && !health.promise_kept &&
	    (code = debts_pay(a, DEBTS_THOROUGH, NULL, err)) == ERR_NONE)
		code = health_check(a, &health, err);
	if (code == ERR_NONE && health.promise_kept) {
		tidy(a);
		fill_up(a);
	}
	if (code == ERR_NONE && !health.promise_kept) {
		out_warn(inv->out, "all is stored, but it would not survive the loss of any %s "
				   "(`mrmr status` tells why)",
			 count_text(a->policy.parity, "drive", count));
		invocation_note(inv, EXIT_DEGRADED);
	}
	return code;
}

int cmd_put(struct invocation *inv, struct error *err)
{
	struct patterns *excludes = NULL;
	struct put_options o;
	struct opened opened;
	struct array *a;
	struct buf tags = { 0 };
	char host[HOST_BYTES];
	int code = open_array(inv, option_given(inv, "dry-run") ? OPEN_READ : OPEN_WRITE, &opened,
			      &a, err);

	if (code == ERR_NONE) {
		a->options.ack_enough = strcmp(option_text(inv, "ack", "all"), "enough") == 0;
		code = fill_options(inv, &o, host, &tags, &excludes, err);
	}
	if (code == ERR_NONE)
		code = put_now(inv, a, &o, err);
	patterns_free(excludes);
	buf_release(&tags);
	array_close(a);
	opened_release(&opened);
	return code;
}
