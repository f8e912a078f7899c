#include "cmd/out.h"

#include "base/bytes.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct out {
	pthread_mutex_t lock;
	FILE *results, *messages;
	unsigned flags;
	unsigned bar_lines; /* that are shown; the cursor is at the end of the last */
	bool no_memory;	  /* an object was lost */
	bool reader_gone; /* EPIPE on results */
	int write_errno;  /* of the first other failure; 0: none */
};

struct out *out_new(FILE *results, FILE *messages, unsigned flags)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	pthread_mutex_init(&o->lock, NULL);
	o->results = results;
	o->messages = messages;
	o->flags = flags;
	return o;
}

void out_free(struct out *o)
{
	if (!o)
		return;
	pthread_mutex_destroy(&o->lock);
	free(o);
}

unsigned out_flags(const struct out *o)
{
	return o->flags;
}

bool out_reader_gone(const struct out *o)
{
	return o->reader_gone;
}

/* errno of a failed write to results. Lock held. */
static void write_failed(struct out *o)
{
	if (errno == EPIPE)
		o->reader_gone = true;
	else if (!o->write_errno)
		o->write_errno = errno ? errno : EIO;
	clearerr(o->results);
}

int out_finish(struct out *o, struct error *err)
{
	int code = ERR_NONE;

	out_bar(o, NULL, NULL);
	pthread_mutex_lock(&o->lock);
	errno = 0;
	if (fflush(o->results) != 0)
		write_failed(o);
	fflush(o->messages);
	if (o->no_memory) {
		code = err_nomem(err);
	} else if (o->write_errno) {
		errno = o->write_errno;
		code = err_errno(err, "write the results");
	}
	pthread_mutex_unlock(&o->lock);
	return code;
}

/* Lock held. */
static void bar_wipe(struct out *o)
{
	if (o->bar_lines == 0)
		return;
	fputs(o->bar_lines > 1 ? "\r\033[K\033[A\r\033[K" : "\r\033[K", o->messages);
	fflush(o->messages);
	o->bar_lines = 0;
}

void out_bar(struct out *o, const char *text, const char *below)
{
	unsigned lines = !text || !*text ? 0 : below && *below ? 2 : 1;

	pthread_mutex_lock(&o->lock);
	if (lines < o->bar_lines)
		bar_wipe(o);
	if (lines > 0) {
		fprintf(o->messages, "%s\r%s\033[K", o->bar_lines > 1 ? "\033[A" : "", text);
		if (lines > 1)
			fprintf(o->messages, "\r\n%s\033[K", below);
		fflush(o->messages);
		o->bar_lines = lines;
	}
	pthread_mutex_unlock(&o->lock);
}

/* A line of results. Flushed when a person or a program waits for each line. */
__attribute__((format(printf, 2, 0))) static void result_line(struct out *o, const char *fmt,
							      va_list args)
{
	pthread_mutex_lock(&o->lock);
	bar_wipe(o);
	errno = 0;
	if (vfprintf(o->results, fmt, args) < 0 || fputc('\n', o->results) == EOF ||
	    ((o->flags & OUT_JSON) && fflush(o->results) != 0))
		write_failed(o);
	pthread_mutex_unlock(&o->lock);
}

/* What was said of foreign names must stay one line and steer no terminal. The caller frees it. */
__attribute__((format(printf, 1, 0))) static char *message_text(const char *fmt, va_list args)
{
	char *text = NULL, *escaped = NULL;
	size_t room;

	if (vasprintf(&text, fmt, args) < 0)
		return NULL;
	room = 4 * strlen(text) + 1;
	escaped = malloc(room);
	if (escaped)
		out_escape(text, escaped, room);
	free(text);
	return escaped;
}

/* The order on a terminal that shows both is the order of the calls. */
__attribute__((format(printf, 3, 0))) static void message_line(struct out *o, const char *lead,
							       const char *fmt, va_list args)
{
	char *text = message_text(fmt, args);

	pthread_mutex_lock(&o->lock);
	bar_wipe(o);
	errno = 0;
	if (fflush(o->results) != 0)
		write_failed(o);
	fprintf(o->messages, "%s%s\n", lead, text ? text : "out of memory");
	fflush(o->messages);
	pthread_mutex_unlock(&o->lock);
	free(text);
}

__attribute__((format(printf, 3, 4))) static void message(struct out *o, const char *lead,
							  const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message_line(o, lead, fmt, args);
	va_end(args);
}

void out_line(struct out *o, const char *fmt, ...)
{
	va_list args;

	if (o->flags & OUT_JSON)
		return;
	va_start(args, fmt);
	result_line(o, fmt, args);
	va_end(args);
}

void out_report(struct out *o, const char *fmt, ...)
{
	va_list args;

	if (o->flags & (OUT_JSON | OUT_QUIET))
		return;
	va_start(args, fmt);
	result_line(o, fmt, args);
	va_end(args);
}

void out_detail(struct out *o, const char *fmt, ...)
{
	va_list args;

	if (!(o->flags & OUT_VERBOSE))
		return;
	va_start(args, fmt);
	message_line(o, "", fmt, args);
	va_end(args);
}

static void warn(struct out *o, const char *path, const char *text)
{
	json_t *object;

	message(o, "mrmr: warning: ", "%s", text);
	if (!(o->flags & OUT_JSON))
		return;
	object = out_object("warning");
	json_path_set(object, "message", text, strlen(text));
	if (path)
		json_path_set(object, "path", path, strlen(path));
	out_json(o, object);
}

void out_warn(struct out *o, const char *fmt, ...)
{
	char text[ERR_MESSAGE_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	warn(o, NULL, text);
}

void out_warn_path(struct out *o, const char *path, const char *what)
{
	char *text = NULL;

	if (asprintf(&text, "%s: %s", path, what) < 0)
		text = NULL;
	warn(o, path, text ? text : what);
	free(text);
}

void out_error(struct out *o, const char *text, const char *advice, enum exit_code code)
{
	json_t *object;

	message(o, "mrmr: ", "%s", text);
	if (advice && *advice)
		message(o, "", "%s", advice);
	if (!(o->flags & OUT_JSON))
		return;
	object = out_object("error");
	json_path_set(object, "message", text, strlen(text));
	if (advice && *advice)
		json_path_set(object, "advice", advice, strlen(advice));
	json_object_set_new(object, "exit_code", json_integer((int)code));
	out_json(o, object);
}

int out_bytes(struct out *o, const void *bytes, size_t len_bytes, struct error *err)
{
	int code = ERR_NONE;

	pthread_mutex_lock(&o->lock);
	bar_wipe(o);
	errno = 0;
	if (fwrite(bytes, 1, len_bytes, o->results) != len_bytes) {
		write_failed(o);
		if (o->reader_gone)
			code = err_set(err, ERR_INTERRUPTED, "the reader of the output went away");
		else
			code = err_errno(err, "write the output");
	}
	pthread_mutex_unlock(&o->lock);
	return code;
}

json_t *out_object(const char *type)
{
	return json_pack("{s:s}", "message_type", type);
}

void out_json(struct out *o, json_t *object)
{
	char *text = NULL;

	if (!(o->flags & OUT_JSON))
		goto out;
	text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	pthread_mutex_lock(&o->lock);
	bar_wipe(o);
	errno = 0;
	if (!text)
		o->no_memory = true;
	else if (fprintf(o->results, "%s\n", text) < 0 || fflush(o->results) != 0)
		write_failed(o);
	pthread_mutex_unlock(&o->lock);
out:
	free(text);
	json_decref(object);
}
