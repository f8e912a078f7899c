#include "base/drive_option.h"

#include "base/child.h"
#include "base/drive_option_inner.h"
#include "base/json.h"
#include "base/units.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES_MAX 1024
#define CONNECTIONS_MAX 64

enum value_kind {
	VALUE_TEXT,
	VALUE_FILE,   /* a path of this host */
	VALUE_FLAG,   /* yes, no */
	VALUE_NUMBER, /* from 1 to row.max */
	VALUE_SIZE,
	VALUE_WORD,   /* one of row.words */
	VALUE_SECRET, /* a reference to one */
};

struct row {
	const char *key;
	enum value_kind kind;
	const char *words; /* "path|virtual" */
	uint64_t max;
	bool learned; /* drivers find it out when the drive joins; users can only take it away */
};

/* All that any kind of drive takes. Which of them a kind takes, its driver says. */
static const struct row rows[] = {
	/* every kind */
	{ "connections", VALUE_NUMBER, .max = CONNECTIONS_MAX },
	{ "limit-upload", VALUE_SIZE },
	{ "limit-download", VALUE_SIZE },
	{ "egress-billed", VALUE_FLAG },
	/* log-in */
	{ "user", VALUE_TEXT },
	{ "password", VALUE_SECRET },
	{ "auth", VALUE_WORD, .words = "basic|digest|bearer|kerberos" },
	{ "token", VALUE_SECRET },
	{ "key", VALUE_SECRET },
	/* TLS */
	{ "ca", VALUE_FILE },
	{ "tls", VALUE_WORD, .words = "explicit|implicit" },
	/* sftp */
	{ "identity", VALUE_FILE },
	{ "passphrase", VALUE_SECRET },
	{ "known_hosts", VALUE_FILE },
	{ "accept-new", VALUE_FLAG },
	/* smb */
	{ "workgroup", VALUE_TEXT },
	{ "encryption", VALUE_WORD, .words = "required" },
	/* s3 */
	{ "access_key", VALUE_SECRET },
	{ "secret_key", VALUE_SECRET },
	{ "session_token", VALUE_SECRET },
	{ "profile", VALUE_TEXT },
	{ "region", VALUE_TEXT },
	{ "addressing", VALUE_WORD, .words = "path|virtual" },
	{ "storage-class", VALUE_TEXT },
	/* swift */
	{ "project", VALUE_TEXT },
	{ "user_domain", VALUE_TEXT },
	{ "project_domain", VALUE_TEXT },
	{ "application_credential", VALUE_TEXT },
	{ "interface", VALUE_WORD, .words = "public|internal|admin" },
	/* learned */
	{ "conditional-put", VALUE_FLAG, .learned = true },
	{ "dot-names", VALUE_FLAG, .learned = true },
	{ "fsync", VALUE_FLAG, .learned = true },
	{ "checksum", VALUE_WORD, .words = "sha256|none", .learned = true },
	{ "account", VALUE_TEXT, .learned = true },
	{ "etag", VALUE_WORD, .words = "md5|other", .learned = true },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char *const common[] = { "connections", "limit-upload", "limit-download",
				      "egress-billed", NULL };

/* Of a place that gives less than others do; the second pair makes it so, where there is one. */
static const struct weak_row {
	struct {
		const char *key, *value;
	} pairs[2];
	struct drive_weakness weakness;
} weak_rows[] = {
	{ { { "fsync", "no" } },
	  { "fsync=no", "what its server took shortly before it loses power may be lost" } },
	{ { { "checksum", "none" }, { "etag", "other" } },
	  { "etag=other",
	    "its server tells no hash of what arrived: only lengths are compared, until a scrub reads "
	    "it" } },
};
#define WEAK_ROWS (sizeof(weak_rows) / sizeof(weak_rows[0]))

struct drive_option_set {
	json_t *values; /* each checked */
};

/* ---- checks ---- */

static const struct row *row_of(const char *key)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

static int unknown_key(const char *key, struct error *err)
{
	return err_set(err, ERR_USAGE, "a drive has no property '%s'", key);
}

static bool is_variable_name(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return text[0] && (text[0] < '0' || text[0] > '9') && text[strspn(text, letters)] == '\0';
}

/* Never with the value in the message: it may be the secret. */
static int reference_check(const char *value, struct error *err)
{
	char **words;
	int code;

	if (strncmp(value, "env:", 4) == 0 && is_variable_name(value + 4))
		return ERR_NONE;
	if (strncmp(value, "file:", 5) == 0 && value[5])
		return ERR_NONE;
	if (strncmp(value, "command:", 8) == 0) {
		code = words_split(value + 8, &words, err);
		words_free(words);
		return code == ERR_NONE ? code : err_wrap(err, "command:");
	}
	return err_set(err, ERR_USAGE, "a secret is given as env:NAME, file:PATH or command:CMD, "
				       "not as it is");
}

static int text_check(const char *value, struct error *err)
{
	if (strlen(value) > VALUE_BYTES_MAX)
		return err_set(err, ERR_USAGE, "longer than %d bytes", VALUE_BYTES_MAX);
	/* They would end a line of a header or a protocol. */
	for (const char *at = value; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return err_set(err, ERR_USAGE, "a control character in it");
	}
	return ERR_NONE;
}

static int value_check(const struct row *row, const char *value, struct error *err)
{
	uint64_t number;
	int code = text_check(value, err);

	if (code != ERR_NONE)
		return code;
	switch (row->kind) {
	case VALUE_FLAG:
		return word_is_one_of("yes|no", value)
			       ? ERR_NONE
			       : err_set(err, ERR_USAGE, "'%s' is neither yes nor no", value);
	case VALUE_NUMBER:
		return number_parse(value, 1, row->max, &number, err);
	case VALUE_SIZE:
		return size_parse(value, &number, err);
	case VALUE_WORD:
		return word_is_one_of(row->words, value)
			       ? ERR_NONE
			       : err_set(err, ERR_USAGE, "'%s' is none of %s", value, row->words);
	case VALUE_SECRET:
		return reference_check(value, err);
	case VALUE_TEXT:
	case VALUE_FILE:
		break;
	}
	return value[0] ? ERR_NONE : err_set(err, ERR_USAGE, "it is empty");
}

int drive_option_check(const char *key, const char *value, struct error *err)
{
	const struct row *row = row_of(key);

	if (!row)
		return unknown_key(key, err);
	if (value[0] == '\0')
		return ERR_NONE;
	if (row->learned)
		return err_set(err, ERR_USAGE, "mrmr finds that out itself");
	return value_check(row, value, err);
}

bool drive_option_is_secret(const char *key)
{
	const struct row *row = row_of(key);

	return row && row->kind == VALUE_SECRET;
}

size_t drive_option_path_at(const char *key, const char *value)
{
	const struct row *row = row_of(key);

	if (row && row->kind == VALUE_SECRET && strncmp(value, "file:", 5) == 0)
		return value[5] ? 5 : strlen(value);
	return row && row->kind == VALUE_FILE ? 0 : strlen(value);
}

/* ---- parsing ---- */

/* {"env": NAME}, {"file": PATH} or {"command": [CMD, ARG...]}. */
static bool is_reference_object(const json_t *value)
{
	const json_t *env = json_object_get(value, "env"), *file = json_object_get(value, "file");
	const json_t *command = json_object_get(value, "command");

	if (json_object_size(value) != 1)
		return false;
	for (size_t i = 0; i < json_array_size(command); i++) {
		if (!json_is_string(json_array_get(command, i)))
			return false;
	}
	return (json_is_string(env) && is_variable_name(json_string_value(env))) ||
	       (json_is_string(file) && json_string_length(file) > 0) ||
	       json_array_size(command) > 0;
}

static bool is_among(const char *const *keys, const char *key)
{
	for (; keys && *keys; keys++) {
		if (strcmp(*keys, key) == 0)
			return true;
	}
	return false;
}

bool drive_option_taken(const char *key, const char *const *taken)
{
	return is_among(common, key) || is_among(taken, key);
}

static int entry_check(const char *key, const json_t *value, const char *const *taken,
		       struct error *err)
{
	const struct row *row = row_of(key);

	if (!row)
		return unknown_key(key, err);
	if (!drive_option_taken(key, taken))
		return err_set(err, ERR_USAGE, "a drive of this kind has no property '%s'", key);
	if (row->kind == VALUE_SECRET && json_is_object(value))
		return is_reference_object(value)
			       ? ERR_NONE
			       : err_set(err, ERR_USAGE, "%s: not {\"env\": NAME}, {\"file\": PATH} or "
							 "{\"command\": [CMD, ARG...]}", key);
	if (!json_is_string(value))
		return err_set(err, ERR_USAGE, "%s: not a text", key);
	return value_check(row, json_string_value(value), err) == ERR_NONE
		       ? ERR_NONE
		       : err_wrap(err, "%s", key);
}

int drive_options_parse(const char *json, const char *const *taken, const char *what,
			struct drive_option_set **out, struct error *err)
{
	struct drive_option_set *o = calloc(1, sizeof(*o));
	const char *key;
	json_t *value;
	int code = ERR_NONE;

	*out = NULL;
	if (!o)
		return err_nomem(err);
	if (!json)
		json = "{}";
	code = json_parse_object(json, strlen(json), what, &o->values, err);
	if (code == ERR_NONE) {
		json_object_foreach(o->values, key, value) {
			code = entry_check(key, value, taken, err);
			if (code != ERR_NONE) {
				err_wrap(err, "%s", what);
				break;
			}
		}
	}
	if (code == ERR_NONE)
		*out = o;
	else
		drive_options_free(o);
	return code;
}

void drive_options_free(struct drive_option_set *o)
{
	if (!o)
		return;
	json_decref(o->values);
	free(o);
}

static bool asks_program(const json_t *value)
{
	const char *text = json_string_value(value);

	return json_object_get(value, "command") || (text && strncmp(text, "command:", 8) == 0);
}

bool drive_runs_program(const char *url)
{
	/* rclone takes a remote that begins with a colon as a whole configuration, programs included. */
	return strncmp(url, "exec:", 5) == 0 || strncmp(url, "rclone::", 8) == 0;
}

void drive_references_take_out(json_t *options, enum reference_kinds which, struct buf *keys)
{
	for (size_t i = 0; i < ROWS; i++) {
		const json_t *value = json_object_get(options, rows[i].key);

		if (!value || rows[i].kind != VALUE_SECRET ||
		    (which == REFERENCES_TO_PROGRAMS && !asks_program(value)))
			continue;
		if (keys->len_bytes > 0)
			buf_add(keys, ", ", 2);
		buf_add(keys, rows[i].key, strlen(rows[i].key));
		json_object_del(options, rows[i].key);
	}
}

static bool is_weak(const json_t *values, const struct weak_row *row)
{
	for (unsigned i = 0; i < 2 && row->pairs[i].key; i++) {
		const char *value = json_string_value(json_object_get(values, row->pairs[i].key));

		if (!value || strcmp(value, row->pairs[i].value) != 0)
			return false;
	}
	return true;
}

bool drive_options_weakness(const char *json, unsigned i, struct drive_weakness *out)
{
	json_t *values = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool found = false;

	for (size_t row = 0; row < WEAK_ROWS && !found; row++) {
		if (!is_weak(values, &weak_rows[row]) || i-- > 0)
			continue;
		*out = weak_rows[row].weakness;
		found = true;
	}
	json_decref(values);
	return found;
}

unsigned drive_options_connections(const char *json)
{
	json_t *values = json ? json_loads(json, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *text = json_string_value(json_object_get(values, "connections"));
	struct error ignored;
	uint64_t number = 0;

	if (text && number_parse(text, 1, CONNECTIONS_MAX, &number, &ignored) != ERR_NONE)
		number = 0;
	json_decref(values);
	return (unsigned)number;
}

/* ---- what is given ---- */

const json_t *drive_option_value(const struct drive_option_set *o, const char *key)
{
	assert(row_of(key));
	return o ? json_object_get(o->values, key) : NULL;
}

const char *drive_option(const struct drive_option_set *o, const char *key)
{
	assert(row_of(key) && row_of(key)->kind != VALUE_SECRET);
	return json_string_value(drive_option_value(o, key));
}

int drive_option_number(const struct drive_option_set *o, const char *key, uint64_t min,
			uint64_t max, uint64_t fallback, uint64_t *out, struct error *err)
{
	const char *text = drive_option(o, key);
	int code;

	*out = fallback;
	if (!text)
		return ERR_NONE;
	code = row_of(key)->kind == VALUE_SIZE ? size_parse(text, out, err)
					       : number_parse(text, min, max, out, err);
	if (code == ERR_NONE && (*out < min || *out > max))
		code = err_set(err, ERR_USAGE, "'%s' is out of range", text);
	return code == ERR_NONE ? code : err_wrap(err, "%s", key);
}

int drive_option_flag(const struct drive_option_set *o, const char *key, bool fallback, bool *out,
		      struct error *err)
{
	const char *text = drive_option(o, key);

	*out = text ? strcmp(text, "yes") == 0 : fallback;
	if (text && !word_is_one_of("yes|no", text))
		return err_set(err, ERR_USAGE, "%s: '%s' is neither yes nor no", key, text);
	return ERR_NONE;
}
