#include "archive/get_file.h"

#include "base/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_BYTES_MAX ((size_t)1 << 20) /* of their text, of one file */

void get_note(struct getting *g, enum note_level level, const void *path, size_t path_bytes,
	      const char *what)
{
	pthread_mutex_lock(&g->lock);
	if (g->o->note)
		g->o->note(g->o->note_ctx, level, path, path_bytes, what);
	pthread_mutex_unlock(&g->lock);
}

void get_fail(struct getting *g, int code, const struct error *err)
{
	pthread_mutex_lock(&g->lock);
	if (g->failed == ERR_NONE) {
		g->failed = code;
		g->failure = *err;
	}
	pthread_mutex_unlock(&g->lock);
}

struct get_file *get_file_new(struct getting *g, struct target_folder *folder, const void *path,
			      size_t path_bytes, size_t name_at, const struct node *n)
{
	struct get_file *f = calloc(1, sizeof(*f));
	struct reader r;
	struct error ignored;

	if (!f)
		return NULL;
	f->g = g;
	f->name_at = name_at;
	buf_add(&f->path, path, path_bytes);
	buf_add_u8(&f->path, '\0');
	node_encode(n, NULL, &f->node_bytes);
	r = reader_of(f->node_bytes.data, f->node_bytes.len_bytes);
	if (f->path.failed || f->node_bytes.failed ||
	    node_decode(&r, NULL, &f->node, &ignored) != ERR_NONE) {
		buf_release(&f->path);
		buf_release(&f->node_bytes);
		free(f);
		return NULL;
	}
	f->folder = folder;
	target_hold(folder);
	return f;
}

/* ---- content ---- */

struct filling_file {
	struct get_file *f;
	struct target_file *out;
	uint64_t bytes; /* of data */
	/* What is lost, as ranges side by side. */
	struct buf ranges;
	uint64_t lost_from, lost_to; /* of the range being put together */
	uint64_t lost_bytes;
	char why[ERR_MESSAGE_BYTES];
	bool write_failed;
};

static int sink_data(void *ctx, uint64_t offset_bytes, const uint8_t *bytes, size_t len_bytes,
		     struct error *err)
{
	struct filling_file *s = ctx;
	int code = target_write(s->out, offset_bytes, bytes, len_bytes, err);

	s->write_failed = code != ERR_NONE;
	s->bytes += len_bytes;
	counters_add(s->f->g->o->counters, 0, len_bytes);
	return code == ERR_NONE ? stop_check(err) : code;
}

static int sink_hole(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, struct error *err)
{
	struct filling_file *s = ctx;
	int code = target_hole(s->out, offset_bytes, len_bytes, err);

	s->write_failed = code != ERR_NONE;
	return code;
}

static void tell_range(struct filling_file *s, uint64_t from, uint64_t last)
{
	char text[64];

	if (s->ranges.len_bytes > RANGES_BYTES_MAX)
		return;
	snprintf(text, sizeof(text), "%s%" PRIu64 "-%" PRIu64, s->ranges.len_bytes ? ", " : "",
		 from, last);
	buf_add(&s->ranges, text, strlen(text));
	if (s->ranges.len_bytes > RANGES_BYTES_MAX)
		buf_add(&s->ranges, ", ...", 5);
}

static void end_range(struct filling_file *s)
{
	if (s->lost_to > s->lost_from)
		tell_range(s, s->lost_from, s->lost_to - 1);
	s->lost_from = s->lost_to = 0;
}

static int sink_lost(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, const char *why,
		     struct error *err)
{
	struct filling_file *s = ctx;

	if (s->lost_bytes == 0)
		snprintf(s->why, sizeof(s->why), "%s", why);
	if (offset_bytes != s->lost_to || s->lost_to == s->lost_from) {
		end_range(s);
		s->lost_from = offset_bytes;
	}
	s->lost_to = offset_bytes + len_bytes;
	s->lost_bytes += len_bytes;
	return stop_check(err);
}

static int compare_data(void *ctx, uint64_t offset_bytes, const uint8_t *bytes, size_t len_bytes,
			struct error *err)
{
	struct filling_file *s = ctx;
	uint8_t *back = malloc(len_bytes ? len_bytes : 1);
	int code = back ? target_read(s->out, offset_bytes, back, len_bytes, err) : err_nomem(err);

	if (code == ERR_NONE && memcmp(back, bytes, len_bytes) != 0)
		code = err_set(err, ERR_IO, "reads back differently than it was written");
	s->write_failed = code != ERR_NONE;
	free(back);
	return code;
}

static int compare_hole(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, struct error *err)
{
	(void)ctx;
	(void)offset_bytes;
	(void)len_bytes;
	(void)err;
	return ERR_NONE;
}

static int fill(struct filling_file *s, struct error *err)
{
	struct getting *g = s->f->g;
	struct content_file file = { .snapshot = g->o->snapshot,
				     .path = s->f->path.data,
				     .path_bytes = s->f->path.len_bytes - 1,
				     .node = &s->f->node };
	struct content_sink write = { sink_data, sink_hole, sink_lost, s };
	struct content_sink compare = { compare_data, compare_hole, sink_lost, s };
	int code = content_each(g->a, g->fetcher, &file, &write, err);

	if (code == ERR_NONE && g->o->verify && s->lost_bytes == 0)
		code = content_each(g->a, g->fetcher, &file, &compare, err);
	end_range(s);
	return code;
}

/* ---- one file ---- */

static void tell_lost(struct filling_file *s)
{
	struct buf text = { 0 };
	char end[ERR_MESSAGE_BYTES + 64];

	snprintf(end, sizeof(end), " of %" PRIu64 " cannot be read: %s", s->f->node.size_bytes,
		 s->why);
	buf_add(&text, "LOST: bytes ", strlen("LOST: bytes "));
	buf_add(&text, s->ranges.data, s->ranges.len_bytes);
	buf_add(&text, end, strlen(end) + 1);
	get_note(s->f->g, NOTE_ERROR, s->f->path.data, s->f->path.len_bytes - 1,
		 text.failed || s->ranges.failed ? "LOST" : (const char *)text.data);
	buf_release(&text);
}

/* The content is not whole: nothing appears under the file's name. */
static int end_lost(struct filling_file *s, struct error *err)
{
	int code = ERR_NONE;

	tell_lost(s);
	if (s->f->g->o->partial)
		code = target_keep_partial(s->out, err);
	else
		target_abort(s->out);
	/* The file is named as lost already. */
	if (code == ERR_UNSUPPORTED) {
		get_note(s->f->g, NOTE_ERROR, s->f->path.data, s->f->path.len_bytes - 1,
			 err->message);
		code = ERR_NONE;
	}
	pthread_mutex_lock(&s->f->g->lock);
	s->f->g->r->files_lost++;
	pthread_mutex_unlock(&s->f->g->lock);
	return code;
}

/* After fill() ended with code: in place, left out, or an error. */
static int end_content(struct filling_file *s, int code, struct error *err)
{
	struct getting *g = s->f->g;

	/* A list or length that is wrong is damage like any other. */
	if (code == ERR_CORRUPT && !s->write_failed) {
		buf_clear(&s->ranges);
		tell_range(s, 0, s->f->node.size_bytes - 1);
		snprintf(s->why, sizeof(s->why), "%s", err->message);
		s->lost_bytes = s->f->node.size_bytes;
		code = ERR_NONE;
	}
	if (code == ERR_NONE && s->lost_bytes > 0)
		return end_lost(s, err);
	if (code != ERR_NONE) {
		target_abort(s->out);
		return code;
	}
	code = target_commit(s->out, err);
	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&g->lock);
	g->r->files++;
	g->r->bytes += s->bytes;
	pthread_mutex_unlock(&g->lock);
	return ERR_NONE;
}

static int write_content(struct get_file *f, struct target_file *out, struct error *err)
{
	struct filling_file s = { .f = f, .out = out };
	int code = end_content(&s, fill(&s, err), err);

	buf_release(&s.ranges);
	return code;
}

static int restore(struct get_file *f, struct error *err)
{
	const char *name = (const char *)f->path.data + f->name_at;
	size_t name_bytes = f->path.len_bytes - 1 - f->name_at;
	struct getting *g = f->g;
	enum target_outcome outcome;
	struct target_file *out = NULL;
	int code;

	if (f->node.type == NODE_FILE)
		code = target_begin(f->folder, name, name_bytes, &f->node, &out, &outcome, err);
	else
		code = target_make(f->folder, name, name_bytes, &f->node, &outcome, err);
	if (code != ERR_NONE)
		return code;
	if (outcome == TARGET_WRITE)
		return write_content(f, out, err);
	counters_add(g->o->counters, 0, f->node.size_bytes);
	pthread_mutex_lock(&g->lock);
	if (outcome == TARGET_LEFT_OUT)
		g->r->left_out++;
	else if (outcome == TARGET_KEPT || outcome == TARGET_SAME)
		g->r->kept++;
	else if (f->node.type == NODE_FILE)
		g->r->files++;
	else
		g->r->others++;
	pthread_mutex_unlock(&g->lock);
	return ERR_NONE;
}

/* Errors that concern this file only; the restore goes on with the next one. */
static bool is_of_the_file(int code)
{
	return code != ERR_NOMEM && code != ERR_INTERRUPTED && code != ERR_FULL;
}

static void run_one(struct get_file *f)
{
	struct getting *g = f->g;
	struct error err;
	int code = stop_check(&err);

	if (code == ERR_NONE) {
		counters_name(g->o->counters, (const char *)f->path.data);
		code = restore(f, &err);
	}
	counters_add(g->o->counters, 1, 0);
	if (code != ERR_NONE && is_of_the_file(code)) {
		get_note(g, NOTE_ERROR, f->path.data, f->path.len_bytes - 1, err.message);
		pthread_mutex_lock(&g->lock);
		g->r->errors++;
		pthread_mutex_unlock(&g->lock);
	} else if (code != ERR_NONE) {
		if (code == ERR_FULL)
			err_wrap(&err, "%s", (const char *)f->path.data);
		get_fail(g, code, &err);
	}
	target_drop(f->folder);
	buf_release(&f->path);
	buf_release(&f->node_bytes);
	free(f);
}

void get_file_run(void *job)
{
	struct get_file *f = job;

	while (f) {
		struct get_file *next = f->next;

		run_one(f);
		f = next;
	}
}
