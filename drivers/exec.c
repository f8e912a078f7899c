/*
 * The driver whose work is done by another program, by a protocol of lines on its stdin and stdout.
 * mrmr-drives(7) has all of it. As many run as calls may be under way at once, each does one request
 * at a time; a listing has one for itself, so that what is listed can be read meanwhile.
 */
#include "drivers/exec.h"

#include "base/bytes.h"
#include "base/child.h"
#include "drivers/name.h"

#include <assert.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_LIMIT 16
#define TAG_BYTES 33

/* What it is told, if given. */
static const char *const exec_options[] = {
	"user", "region", "workgroup", "ca", "identity", "password", "token",
	"key", "access_key", "secret_key", "session_token", "passphrase", NULL,
};

struct exec_drive {
	struct drive base;
	struct mrmr_driver driver; /* driver_exec, with what this program can */
	struct exec_program program;
	char tag[TAG_BYTES];

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t freed;
	struct exec_child *idle;
	unsigned idle_count, busy;
};

/* ---- what the program is told ---- */

static void program_release(struct exec_program *p)
{
	words_free(p->words);
	sodium_free(p->config);
	for (unsigned i = 0; i < p->secrets_count; i++)
		credential_release(&p->secrets[i]);
}

static int config_add(struct exec_program *p, const char *key, const char *value,
		      struct error *err)
{
	size_t room_bytes = EXEC_CONFIG_BYTES_MAX - p->config_bytes;
	int len = snprintf(p->config + p->config_bytes, room_bytes, "CONFIG %s %s\n", key, value);

	if (len < 0 || (size_t)len >= room_bytes || len > EXEC_LINE_BYTES_MAX)
		return err_set(err, ERR_USAGE, "option %s: too long", key);
	if (strchr(value, '\n'))
		return err_set(err, ERR_USAGE, "option %s: a line feed in it", key);
	p->config_bytes += (size_t)len;
	return ERR_NONE;
}

/* *value is lent by p; NULL: not given. */
static int secret_find(struct exec_program *p, const struct drive_option_set *given, const char *key,
		       const char **value, struct error *err)
{
	struct credential *c = &p->secrets[p->secrets_count];
	int code;

	assert(p->secrets_count < EXEC_SECRETS_MAX);
	code = drive_option_secret(given, key, NULL, c, err);
	if (code == ERR_NONE && c->text)
		p->secrets_count++;
	*value = c->text;
	return code;
}

static int config_make(struct exec_program *p, const struct drive_option_set *given,
		       struct error *err)
{
	int code = ERR_NONE;

	p->config = sodium_malloc(EXEC_CONFIG_BYTES_MAX);
	if (!p->config)
		return err_nomem(err);
	for (const char *const *key = exec_options; *key && code == ERR_NONE; key++) {
		const char *value = NULL;

		if (drive_option_is_secret(*key))
			code = secret_find(p, given, *key, &value, err);
		else
			value = drive_option(given, *key);
		if (code == ERR_NONE && value)
			code = config_add(p, *key, value, err);
	}
	return code;
}

static int words_make(const char *url, struct exec_program *p, struct error *err)
{
	int code = words_split(url_after_scheme(url, "exec"), &p->words, err);

	if (code != ERR_NONE)
		return err_wrap(err, "\"%s\"", url);
	/* Another command may be run in another folder. */
	if (p->words[0][0] != '/' && strchr(p->words[0], '/'))
		return err_set(err, ERR_USAGE,
			       "\"%s\": write the whole path of the program, or its name alone", url);
	return ERR_NONE;
}

/* ---- those that run ---- */

/* Starts one and opens the place. flags: " MAKE", " JOIN" or "". */
static int start(const struct exec_drive *e, const char *flags, struct exec_child **out,
		 struct error *err)
{
	struct exec_answer a;
	int code = exec_child_start(&e->program, out, err);

	if (code != ERR_NONE)
		return code;
	code = exec_child_send(*out, e->program.config, e->program.config_bytes, err);
	if (code == ERR_NONE)
		code = exec_child_ask(*out, err, "OPEN %s%s", e->tag, flags);
	if (code == ERR_NONE)
		code = exec_child_next(*out, 0, &a, err);
	if (code != ERR_NONE) {
		exec_child_end(*out);
		*out = NULL;
		return code;
	}
	return ERR_NONE;
}

static struct exec_child *idle_pop(struct exec_drive *e)
{
	struct exec_child *c;

	pthread_mutex_lock(&e->lock);
	c = e->idle;
	if (c) {
		e->idle = c->next;
		e->idle_count--;
	}
	pthread_mutex_unlock(&e->lock);
	return c;
}

static void leave(struct exec_drive *e, bool lists)
{
	if (lists)
		return;
	pthread_mutex_lock(&e->lock);
	e->busy--;
	pthread_cond_signal(&e->freed);
	pthread_mutex_unlock(&e->lock);
}

/* One that waits for a request; for a listing it is not counted. Given back by give(). */
static int take(struct exec_drive *e, bool lists, struct exec_child **out, struct error *err)
{
	int code = ERR_NONE;

	if (!lists) {
		pthread_mutex_lock(&e->lock);
		while (e->busy == e->driver.connections_max)
			pthread_cond_wait(&e->freed, &e->lock);
		e->busy++;
		pthread_mutex_unlock(&e->lock);
	}
	while ((*out = idle_pop(e)) && !exec_child_waits(*out)) {
		(*out)->broken = true;
		exec_child_end(*out);
	}
	if (!*out)
		code = start(e, "", out, err);
	if (code != ERR_NONE)
		leave(e, lists);
	return code;
}

static void give(struct exec_drive *e, bool lists, struct exec_child *c)
{
	bool kept = false;

	pthread_mutex_lock(&e->lock);
	if (!c->broken &&
	    e->busy - (lists ? 0 : 1) + e->idle_count < e->driver.connections_max) {
		c->next = e->idle;
		e->idle = c;
		e->idle_count++;
		kept = true;
	}
	pthread_mutex_unlock(&e->lock);
	leave(e, lists);
	if (!kept)
		exec_child_end(c);
}

/* ---- open, close ---- */

static void exec_close(struct drive *d)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;

	for (c = e->idle; c; c = c->next)
		exec_child_hang_up(c);
	while ((c = idle_pop(e)))
		exec_child_end(c);
	program_release(&e->program);
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->freed);
	free(e);
}

/* What ABOUT answers; *knows_space: it said something of that. */
static int about_ask(const struct exec_drive *e, struct exec_child *c, struct drive_about *out,
		     bool *knows_space, struct error *err)
{
	struct exec_answer a;
	int code = exec_child_ask(c, err, "ABOUT");

	*out = (struct drive_about){ 0 };
	*knows_space = false;
	snprintf(out->domain, sizeof(out->domain), "program %s", e->program.words[0]);
	while (code == ERR_NONE) {
		code = exec_child_next(c, 1u << EXEC_SPACE | 1u << EXEC_DOMAIN, &a, err);
		if (code != ERR_NONE || a.word == EXEC_OK)
			break;
		if (a.word == EXEC_DOMAIN) {
			snprintf(out->domain, sizeof(out->domain), "%s", a.text);
		} else if (a.number == 0 || a.second > a.number) {
			return exec_child_breaks(c, err, "it has more space than there is");
		} else {
			*knows_space = true;
			out->total_bytes = a.number;
			out->free_bytes = a.second;
		}
	}
	return code;
}

/* The first one: it tells how many there may be, and whether it knows of space. */
static int open_first(struct exec_drive *e, const struct drive_options *options,
		      struct error *err)
{
	char flags[16];
	struct drive_about about;
	struct exec_child *c;
	uint64_t connections;
	bool knows_space;
	int code;

	snprintf(flags, sizeof(flags), "%s%s", options->make_root ? " MAKE" : "",
		 options->learned ? " JOIN" : "");
	code = start(e, flags, &c, err);
	if (code != ERR_NONE)
		return code;
	code = about_ask(e, c, &about, &knows_space, err);
	if (code == ERR_NONE)
		code = drive_option_number(options->given, "connections", 1, UINT16_MAX,
					   c->connections, &connections, err);
	if (code != ERR_NONE) {
		exec_child_end(c);
		return code;
	}
	e->driver.connections_max =
		connections < c->connections ? (unsigned)connections : c->connections;
	if (knows_space)
		e->driver.flags |= DRIVER_KNOWS_SPACE;
	e->idle = c;
	e->idle_count = 1;
	return ERR_NONE;
}

int exec_open_limited(const char *url, const struct drive_options *options,
		      const struct exec_limits *limits, struct drive **out, struct error *err)
{
	struct exec_drive *e;
	int code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code != ERR_NONE)
		return code;
	e = calloc(1, sizeof(*e));
	if (!e)
		return err_nomem(err);
	e->driver = driver_exec;
	e->base.driver = &e->driver;
	snprintf(e->tag, sizeof(e->tag), "%s", options->temp_tag);
	e->program.limits = *limits;
	e->program.upload = options->upload;
	e->program.download = options->download;
	e->program.meter = options->meter;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->freed, NULL);
	code = words_make(url, &e->program, err);
	if (code == ERR_NONE)
		code = config_make(&e->program, options->given, err);
	if (code == ERR_NONE)
		code = open_first(e, options, err);
	if (code != ERR_NONE) {
		exec_close(&e->base);
		return code;
	}
	*out = &e->base;
	return ERR_NONE;
}

static int exec_open(const char *url, const struct drive_options *options, struct drive **out,
		     struct error *err)
{
	return exec_open_limited(url, options, &exec_limits_usual, out, err);
}

/* ---- calls ---- */

static int exec_put(struct drive *d, const char *name, const void *bytes, size_t len_bytes,
		    struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	struct exec_answer a;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = take(e, false, &c, err);
	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "PUT %zu %s", len_bytes, name);
	if (code == ERR_NONE)
		code = exec_child_send(c, bytes, len_bytes, err);
	if (code == ERR_NONE)
		code = exec_child_next(c, 0, &a, err);
	give(e, false, c);
	/* There is no object yet: what is not found is something of the place. */
	if (code == ERR_NOT_FOUND)
		err->code = ERR_IO;
	return code == ERR_NONE ? code : err_wrap(err, "put %s", name);
}

/* Pieces of data, until as many bytes have come as were asked for. */
static int data_receive(struct exec_child *c, char *out, size_t len_bytes, struct error *err)
{
	struct exec_answer a;
	size_t got_bytes = 0;

	for (;;) {
		int code = exec_child_next(c, 1u << EXEC_DATA, &a, err);

		if (code != ERR_NONE)
			return code;
		if (a.word == EXEC_OK)
			break;
		if (a.number > len_bytes - got_bytes)
			return exec_child_breaks(c, err, "it sends more than it was asked for");
		code = exec_child_receive(c, out + got_bytes, (size_t)a.number, err);
		if (code != ERR_NONE)
			return code;
		got_bytes += (size_t)a.number;
	}
	if (got_bytes < len_bytes)
		return exec_child_breaks(c, err, "it sends less than it was asked for, and says OK");
	return ERR_NONE;
}

static int exec_get(struct drive *d, const char *name, uint64_t offset_bytes, void *out,
		    size_t len_bytes, struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	int code = object_name_check(name, err);

	/* Nothing is that long, and many a language has no such number. */
	if (code == ERR_NONE && (offset_bytes > INT64_MAX || len_bytes > INT64_MAX - offset_bytes))
		code = err_set(err, ERR_CORRUPT, "get %s: ends before %llu bytes", name,
			       (unsigned long long)offset_bytes);
	if (code == ERR_NONE)
		code = take(e, false, &c, err);
	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "GET %llu %zu %s", (unsigned long long)offset_bytes, len_bytes,
			      name);
	if (code == ERR_NONE)
		code = data_receive(c, out, len_bytes, err);
	give(e, false, c);
	return code == ERR_NONE ? code : err_wrap(err, "get %s", name);
}

static int exec_stat(struct drive *d, const char *name, struct object_stat *out, struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	struct exec_answer a;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = take(e, false, &c, err);
	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "STAT %s", name);
	if (code == ERR_NONE)
		code = exec_child_next(c, 1u << EXEC_SIZE, &a, err);
	if (code == ERR_NONE && a.word == EXEC_OK) {
		code = exec_child_breaks(c, err, "it tells no size");
	} else if (code == ERR_NONE) {
		out->len_bytes = a.number;
		code = exec_child_next(c, 0, &a, err);
	}
	give(e, false, c);
	return code == ERR_NONE ? code : err_wrap(err, "stat %s", name);
}

/* A value other than 0 of each() is *stopped; what is still to come is not worth reading. */
static int objects_receive(struct exec_child *c, const char *prefix, object_fn *each, void *ctx,
			   int *stopped, struct error *err)
{
	char name[OBJECT_NAME_MAX + 1];
	struct exec_answer a;

	for (uint64_t listed = 0;; listed++) {
		int code = exec_child_next(c, 1u << EXEC_OBJECT, &a, err);

		if (code != ERR_NONE || a.word == EXEC_OK)
			return code;
		if (listed == c->program->limits.listed_max)
			return exec_child_breaks(c, err, "it lists without end");
		/* Somebody else's. */
		if (strncmp(a.text, prefix, strlen(prefix)) != 0 || !object_name_ok(a.text))
			continue;
		snprintf(name, sizeof(name), "%s", a.text);
		*stopped = each(ctx, name, a.number);
		if (*stopped) {
			c->broken = true;
			return ERR_NONE;
		}
	}
}

static int exec_list(struct drive *d, const char *prefix, object_fn *each, void *ctx,
		     struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	int stopped = 0, code = object_prefix_check(prefix, err);

	if (code == ERR_NONE)
		code = take(e, true, &c, err);
	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "LIST %s", prefix);
	if (code == ERR_NONE)
		code = objects_receive(c, prefix, each, ctx, &stopped, err);
	give(e, true, c);
	if (code != ERR_NONE)
		return err_wrap(err, "list %s", prefix);
	return stopped;
}

static int exec_move(struct drive *d, const char *from, const char *to, struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	struct exec_answer a;
	int code = object_name_check(from, err);

	if (code == ERR_NONE)
		code = object_name_check(to, err);
	if (code == ERR_NONE)
		code = take(e, false, &c, err);
	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "MOVE %s %s", from, to);
	if (code == ERR_NONE)
		code = exec_child_next(c, 0, &a, err);
	give(e, false, c);
	return code == ERR_NONE ? code : err_wrap(err, "move %s to %s", from, to);
}

static int exec_remove(struct drive *d, const char *name, struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	struct exec_answer a;
	int code = object_name_check(name, err);

	if (code == ERR_NONE)
		code = take(e, false, &c, err);
	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "REMOVE %s", name);
	if (code == ERR_NONE)
		code = exec_child_next(c, 0, &a, err);
	give(e, false, c);
	if (code == ERR_NOT_FOUND)
		return ERR_NONE;
	return code == ERR_NONE ? code : err_wrap(err, "remove %s", name);
}

static int exec_sync(struct drive *d, struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	struct exec_answer a;
	int code = take(e, false, &c, err);

	if (code != ERR_NONE)
		return code;
	code = exec_child_ask(c, err, "SYNC");
	if (code == ERR_NONE)
		code = exec_child_next(c, 0, &a, err);
	give(e, false, c);
	return code == ERR_NONE ? code : err_wrap(err, "sync");
}

static int exec_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct exec_drive *e = (struct exec_drive *)d;
	struct exec_child *c;
	bool knows_space;
	int code = take(e, false, &c, err);

	if (code != ERR_NONE)
		return code;
	code = about_ask(e, c, out, &knows_space, err);
	give(e, false, c);
	return code == ERR_NONE ? code : err_wrap(err, "ask for the space left");
}

const struct mrmr_driver driver_exec = {
	.kind = "exec",
	.flags = DRIVER_REMOTE,
	.connections_max = CONNECTIONS_LIMIT,
	.options = exec_options,
	.open = exec_open,
	.close = exec_close,
	.put = exec_put,
	.get = exec_get,
	.stat = exec_stat,
	.list = exec_list,
	.move = exec_move,
	.remove = exec_remove,
	.sync = exec_sync,
	.about = exec_about,
};
