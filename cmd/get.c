#include "archive/get.h"

#include "archive/roots.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/notes.h"
#include "cmd/open.h"
#include "cmd/out.h"
#include "cmd/progress.h"
#include "cmd/select.h"
#include "cmd/standing.h"
#include "cmd/traffic.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct asked {
	struct selecting selecting;
	struct selection selection;
	struct roots paths;
	struct patterns *includes, *excludes;
};

static void asked_release(struct asked *q)
{
	selection_release(&q->selection);
	roots_release(&q->paths);
	patterns_free(q->includes);
	patterns_free(q->excludes);
	selecting_release(&q->selecting);
}

static int fill_patterns(struct invocation *inv, const char *option, struct patterns **out,
			 struct error *err)
{
	const char *rule;

	if (!option_given(inv, option))
		return ERR_NONE;
	*out = patterns_new();
	if (!*out)
		return err_nomem(err);
	for (size_t i = 0; (rule = option_nth(inv, option, i)); i++) {
		int code = patterns_add(*out, NULL, rule, false, err);

		if (code != ERR_NONE)
			return err_wrap(err, "--%s %s", option, rule);
	}
	return ERR_NONE;
}

/* The first argument names the snapshot (and a place in it), the others restrict to paths. */
static int choose_paths(struct invocation *inv, struct array *a, struct asked *q,
			struct error *err)
{
	struct roots *paths = &q->paths;
	int code = ERR_NONE;

	paths->paths = calloc(inv->args_count + 1, sizeof(*paths->paths));
	if (!paths->paths)
		return err_nomem(err);
	for (size_t i = 1; i < inv->args_count && code == ERR_NONE; i++) {
		code = select_below(a->table, &q->selection, inv->args[i],
				    &paths->paths[paths->count], err);
		paths->count += code == ERR_NONE;
	}
	return code;
}

static int choose(struct invocation *inv, struct array *a, struct asked *q, struct error *err)
{
	const char *word = inv->args_count > 0 ? inv->args[0] : "latest";
	int code = selecting_init(inv, &q->selecting, err);

	if (code == ERR_NONE)
		code = select_target(a->table, &q->selecting.filter, word, &q->selection, err);
	if (code == ERR_NONE)
		code = choose_paths(inv, a, q, err);
	if (code == ERR_NONE)
		code = fill_patterns(inv, "include", &q->includes, err);
	if (code == ERR_NONE)
		code = fill_patterns(inv, "exclude", &q->excludes, err);
	return code;
}

static enum target_overwrite overwrite_of(const struct invocation *inv)
{
	const char *word = option_text(inv, "overwrite", "if-changed");

	if (strcmp(word, "always") == 0)
		return TARGET_ALWAYS;
	if (strcmp(word, "if-newer") == 0)
		return TARGET_IF_NEWER;
	return strcmp(word, "never") == 0 ? TARGET_NEVER : TARGET_IF_CHANGED;
}

static void report_metadata(struct invocation *inv, const struct target_counts *c)
{
	for (unsigned i = 0; i < META_KINDS; i++) {
		if (c->refused[i] > 0)
			out_warn(inv->out, "%s of %" PRIu64 " %s not set: not permitted",
				 meta_kind_text((enum meta_kind)i), c->refused[i],
				 c->refused[i] == 1 ? "entry" : "entries");
		if (c->failed[i] > 0)
			out_warn(inv->out, "%s of %" PRIu64 " %s could not be set",
				 meta_kind_text((enum meta_kind)i), c->failed[i],
				 c->failed[i] == 1 ? "entry" : "entries");
	}
}

static void report(struct invocation *inv, const struct array *a, const struct get_result *r)
{
	char bytes[UNIT_TEXT_BYTES], files[COUNT_TEXT_BYTES], folders[COUNT_TEXT_BYTES];
	char others[COUNT_TEXT_BYTES];

	size_text(r->bytes, bytes);
	report_metadata(inv, &r->target);
	out_report(inv->out, "%s %s (%s), %s, %s",
		   option_given(inv, "dry-run") ? "would restore" : "restored",
		   count_text(r->files, "file", files), bytes,
		   count_text(r->folders, "folder", folders), count_text(r->others, "other", others));
	if (r->kept > 0)
		out_report(inv->out, "%" PRIu64 " were there already", r->kept);
	if (r->target.deleted > 0)
		out_report(inv->out, "%s deleted", count_text(r->target.deleted, "other", others));
	if (r->files_lost > 0)
		out_warn(inv->out, "%s could not be restored whole",
			 count_text(r->files_lost, "file", files));
	out_json(inv->out,
		 json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
			   "message_type", "summary", "files_restored", (json_int_t)r->files, "folders",
			   (json_int_t)r->folders, "others", (json_int_t)r->others, "files_kept",
			   (json_int_t)r->kept, "files_lost", (json_int_t)r->files_lost,
			   "bytes_restored", (json_int_t)r->bytes, "errors", (json_int_t)r->errors,
			   "deleted", (json_int_t)r->target.deleted, "frames_reconstructed",
			   (json_int_t)r->frames_reconstructed, "traffic",
			   traffic_of_all_json(a)));
}

static int get_now(struct invocation *inv, struct array *a, struct asked *q, struct error *err)
{
	struct get_options o = { .snapshot = &q->selection.snapshot,
				 .to = option_text(inv, "to", NULL),
				 .from = q->selection.path ? q->selection.path : "",
				 .paths = (const char *const *)q->paths.paths,
				 .path_count = q->paths.count,
				 .includes = q->includes,
				 .excludes = q->excludes,
				 .overwrite = overwrite_of(inv),
				 .delete_others = option_given(inv, "delete"),
				 .no_sparse = option_given(inv, "no-sparse"),
				 .verify = option_given(inv, "verify"),
				 .unprivileged = option_given(inv, "no-privileged"),
				 .partial = option_given(inv, "partial"),
				 .dry_run = option_given(inv, "dry-run"),
				 .note = note_path,
				 .note_ctx = inv };
	struct progress *progress = progress_start(inv->out, "get", err);
	struct get_result r;
	int code;

	if (!progress)
		return (int)err->code;
	o.counters = progress_counters(progress);
	array_watch(a, o.counters);
	code = get(a, &o, &r, err);
	array_watch(a, NULL);
	progress_stop(progress);
	if (code != ERR_NONE)
		return code;
	report(inv, a, &r);
	if (r.files_lost > 0)
		invocation_note(inv, EXIT_LOST);
	if (r.errors > 0 || r.target.errors > 0)
		invocation_note(inv, EXIT_FAILED);
	for (unsigned i = 0; i < META_KINDS; i++) {
		if (r.target.failed[i] > 0)
			invocation_note(inv, EXIT_FAILED);
	}
	return code;
}

int cmd_get(struct invocation *inv, struct error *err)
{
	struct asked q = { .includes = NULL };
	struct opened opened;
	struct array *a;
	int code = open_array(inv, OPEN_READ, &opened, &a, err);

	if (code == ERR_NONE)
		code = choose(inv, a, &q, err);
	if (code == ERR_NONE)
		code = get_now(inv, a, &q, err);
	asked_release(&q);
	array_close(a);
	opened_release(&opened);
	return code;
}
