/*
 * The secrets that options of drives refer to. What came from the environment or from a command is
 * kept until the end: a variable is there once, and a command may ask its user.
 */
#include "base/child.h"
#include "base/drive_option_inner.h"
#include "base/file.h"
#include "base/guarded.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CREDENTIAL_BYTES_MAX ((size_t)16 << 10) /* tokens are longer than passwords */

/* Secrets of providers, by the names their own tools have for them. */
static const char *const provider_variables[] = {
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"OS_PASSWORD",	     "OS_TOKEN",	      "OS_AUTH_TOKEN",
	"ST_KEY",	     "RCLONE_CONFIG_PASS",    "OS_APPLICATION_CREDENTIAL_SECRET",
};
#define PROVIDER_VARIABLES (sizeof(provider_variables) / sizeof(provider_variables[0]))

struct kept {
	struct kept *next;
	char *source; /* "env:NAME", or the words of a command */
	char *text;   /* sodium_malloc */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *all; /* of lock */
/* One at a time: two that ask would ask at once, and for the same. Taken before lock. */
static pthread_mutex_t commands_lock = PTHREAD_MUTEX_INITIALIZER;

void credential_release(struct credential *c)
{
	sodium_free(c->text);
	c->text = NULL;
}

static int copy_text(const char *text, struct credential *out, struct error *err)
{
	size_t size_bytes = strlen(text) + 1;

	out->text = sodium_malloc(size_bytes);
	if (!out->text)
		return err_nomem(err);
	memcpy(out->text, text, size_bytes);
	return ERR_NONE;
}

/* ---- kept ---- */

/* Within lock. NULL: not kept. */
static const struct kept *kept_find(const char *source)
{
	const struct kept *k = all;

	while (k && strcmp(k->source, source) != 0)
		k = k->next;
	return k;
}

/* Within lock. Takes text over, also when it fails. */
static int keep(const char *source, char *text, struct error *err)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (k)
		k->source = strdup(source);
	if (!k || !k->source) {
		free(k);
		sodium_free(text);
		return err_nomem(err);
	}
	k->text = text;
	k->next = all;
	all = k;
	return ERR_NONE;
}

void credentials_forget(void)
{
	pthread_mutex_lock(&lock);
	while (all) {
		struct kept *k = all;

		all = k->next;
		sodium_free(k->text);
		free(k->source);
		free(k);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- the environment ---- */

/* Within lock: the variable is kept from now on, if it is set. */
static int variable_keep(const char *name, const char *source, struct error *err)
{
	char *text;
	int code = guarded_variable(name, &text, err);

	return code == ERR_NONE && text ? keep(source, text, err) : code;
}

static int from_variable(const char *name, struct credential *out, struct error *err)
{
	const struct kept *k;
	char *source;
	int code = ERR_NONE;

	if (asprintf(&source, "env:%s", name) < 0)
		return err_nomem(err);
	pthread_mutex_lock(&lock);
	if (!kept_find(source))
		code = variable_keep(name, source, err);
	k = kept_find(source);
	if (k)
		code = copy_text(k->text, out, err);
	pthread_mutex_unlock(&lock);
	free(source);
	return code;
}

int credentials_take_environment(struct error *err)
{
	int code = ERR_NONE;

	for (size_t i = 0; i < PROVIDER_VARIABLES && code == ERR_NONE; i++) {
		struct credential c = { .text = NULL };

		code = from_variable(provider_variables[i], &c, err);
		unsetenv(provider_variables[i]);
		credential_release(&c);
	}
	return code;
}

/* ---- files and commands ---- */

/* The first line of what came to memory for CREDENTIAL_BYTES_MAX and a NUL. */
static int first_line_take(char *memory, size_t len_bytes, struct error *err)
{
	size_t line_bytes = first_line_bytes(memory, len_bytes);

	if (line_bytes > CREDENTIAL_BYTES_MAX)
		return err_set(err, ERR_DENIED, "longer than %zu bytes", CREDENTIAL_BYTES_MAX);
	if (memchr(memory, '\0', line_bytes))
		return err_set(err, ERR_DENIED, "a zero byte in it");
	memory[line_bytes] = '\0';
	return ERR_NONE;
}

static int read_file(const char *path, char *memory, struct error *err)
{
	int fd, code = private_open(path, &fd, err);
	ssize_t got;

	if (code != ERR_NONE)
		return code;
	got = read_full(fd, memory, CREDENTIAL_BYTES_MAX + 1);
	code = got < 0 ? err_errno(err, "read it") : first_line_take(memory, (size_t)got, err);
	close(fd);
	return code;
}

static int from_file(const char *path, struct credential *out, struct error *err)
{
	char *memory = sodium_malloc(CREDENTIAL_BYTES_MAX + 1);
	int code = memory ? read_file(path, memory, err) : err_nomem(err);

	if (code == ERR_NONE)
		code = copy_text(memory, out, err);
	sodium_free(memory);
	return code == ERR_NONE || code == ERR_NOMEM ? code : err_wrap(err, "file:%s", path);
}

/* Runs it, and keeps what it printed. */
static int command_keep(const char *const *words, const char *source, struct error *err)
{
	char *memory = sodium_malloc(CREDENTIAL_BYTES_MAX + 2);
	size_t len_bytes;
	int code = memory ? child_output(words, memory, CREDENTIAL_BYTES_MAX + 1, &len_bytes, err)
			  : err_nomem(err);
	struct credential c = { .text = NULL };

	if (code == ERR_NONE)
		code = first_line_take(memory, len_bytes, err);
	if (code == ERR_NONE)
		code = copy_text(memory, &c, err);
	sodium_free(memory);
	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&lock);
	code = keep(source, c.text, err);
	pthread_mutex_unlock(&lock);
	return code;
}

/* ERR_NONE and out->text NULL: it was not run yet. */
static int command_kept(const char *source, struct credential *out, struct error *err)
{
	const struct kept *k;
	int code = ERR_NONE;

	pthread_mutex_lock(&lock);
	k = kept_find(source);
	if (k)
		code = copy_text(k->text, out, err);
	pthread_mutex_unlock(&lock);
	return code;
}

static int from_command(const char *const *words, const char *source, struct credential *out,
			struct error *err)
{
	int code;

	pthread_mutex_lock(&commands_lock);
	code = command_kept(source, out, err);
	if (code == ERR_NONE && !out->text) {
		code = command_keep(words, source, err);
		if (code == ERR_NONE)
			code = command_kept(source, out, err);
	}
	pthread_mutex_unlock(&commands_lock);
	/* Its arguments may tell something: it is named without. */
	return code == ERR_NONE || code == ERR_NOMEM ? code : err_wrap(err, "command:%s", words[0]);
}

/* ---- references ---- */

static int from_variable_named(const char *name, struct credential *out, struct error *err)
{
	int code = from_variable(name, out, err);

	if (code == ERR_NONE && !out->text)
		code = err_set(err, ERR_DENIED, "env:%s: there is no such variable", name);
	return code;
}

static int from_line(const char *line, const char *source, struct credential *out,
		     struct error *err)
{
	char **words;
	int code = words_split(line, &words, err);

	if (code == ERR_NONE)
		code = from_command((const char *const *)words, source, out, err);
	words_free(words);
	return code;
}

static int from_text(const char *reference, struct credential *out, struct error *err)
{
	if (strncmp(reference, "env:", 4) == 0)
		return from_variable_named(reference + 4, out, err);
	if (strncmp(reference, "file:", 5) == 0)
		return from_file(reference + 5, out, err);
	return from_line(reference + strlen("command:"), reference, out, err);
}

static int from_array(const json_t *array, struct credential *out, struct error *err)
{
	size_t count = json_array_size(array);
	const char **words = calloc(count + 1, sizeof(*words));
	char *source = json_dumps(array, JSON_COMPACT);
	int code = words && source ? ERR_NONE : err_nomem(err);

	for (size_t i = 0; i < count && code == ERR_NONE; i++)
		words[i] = json_string_value(json_array_get(array, i));
	if (code == ERR_NONE)
		code = from_command(words, source, out, err);
	free(words);
	free(source);
	return code;
}

static int from_reference(const json_t *value, struct credential *out, struct error *err)
{
	const json_t *env = json_object_get(value, "env"), *file = json_object_get(value, "file");

	if (json_is_string(value))
		return from_text(json_string_value(value), out, err);
	if (env)
		return from_variable_named(json_string_value(env), out, err);
	if (file)
		return from_file(json_string_value(file), out, err);
	return from_array(json_object_get(value, "command"), out, err);
}

static int from_variables(const char *const *names, struct credential *out, struct error *err)
{
	int code = ERR_NONE;

	for (; names && *names && !out->text && code == ERR_NONE; names++)
		code = from_variable(*names, out, err);
	return code;
}

int drive_option_secret(const struct drive_option_set *o, const char *key,
			const char *const *variables, struct credential *out, struct error *err)
{
	const json_t *value = drive_option_value(o, key);
	int code;

	out->text = NULL;
	code = value ? from_reference(value, out, err) : from_variables(variables, out, err);
	if (code == ERR_NONE || code == ERR_NOMEM)
		return code;
	/* That of a driver that was refused, whatever it was in detail. */
	if (code != ERR_INTERRUPTED)
		err->code = ERR_DENIED;
	return err_wrap(err, "%s", key);
}
