#include "cmd/secret.h"

#include "base/child.h"
#include "base/file.h"
#include "base/guarded.h"
#include "base/units.h"
#include "cmd/secret_env.h"
#include "cmd/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLD_BYTES (PASSPHRASE_BYTES_MAX + 1) /* one more, to see what is too long */
#define ATTEMPTS_MAX 3 /* at typing a new passphrase the same way twice */

void held_secret_release(struct held_secret *s)
{
	sodium_free(s->memory);
	memset(s, 0, sizeof(*s));
}

/* Memory for a passphrase; secret.bytes points there. */
static int passphrase_hold(struct held_secret *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	out->memory = sodium_malloc(HOLD_BYTES);
	if (!out->memory)
		return err_nomem(err);
	out->secret = (struct secret){ SLOT_PASSPHRASE, out->memory, 0 };
	return ERR_NONE;
}

static int too_long(struct error *err)
{
	return err_set(err, ERR_KEY, "the passphrase is longer than %d bytes", PASSPHRASE_BYTES_MAX);
}

/* A passphrase is the first line. */
static int first_line_keep(struct held_secret *s, size_t len_bytes, struct error *err)
{
	s->secret.len_bytes = first_line_bytes(s->memory, len_bytes);
	return s->secret.len_bytes > PASSPHRASE_BYTES_MAX ? too_long(err) : ERR_NONE;
}

static int from_text(const char *text, struct held_secret *out, struct error *err)
{
	size_t len_bytes = strlen(text);

	if (len_bytes > PASSPHRASE_BYTES_MAX)
		return too_long(err);
	memcpy(out->memory, text, len_bytes);
	out->secret.len_bytes = len_bytes;
	return ERR_NONE;
}

static int from_file(const char *path, struct held_secret *out, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code;
	ssize_t got = fd < 0 ? -1 : read_full(fd, out->memory, HOLD_BYTES);

	if (got < 0)
		code = err_errno(err, "passphrase file %s", path);
	else
		code = first_line_keep(out, (size_t)got, err);
	if (fd >= 0)
		close(fd);
	return code;
}

static int from_command(const char *line, struct held_secret *out, struct error *err)
{
	size_t len_bytes;
	char **words;
	int code = words_split(line, &words, err);

	if (code != ERR_NONE)
		return err_wrap(err, "passphrase command");
	code = child_output((const char *const *)words, out->memory, HOLD_BYTES, &len_bytes, err);
	if (code == ERR_NONE)
		code = first_line_keep(out, len_bytes, err);
	else
		err_wrap(err, "passphrase command");
	words_free(words);
	return code;
}

/* Byte by byte, so that a second secret may follow on the same descriptor. */
static int from_fd(const char *text, struct held_secret *out, struct error *err)
{
	uint8_t *bytes = out->memory;
	size_t *len_bytes = &out->secret.len_bytes;
	uint64_t fd;

	if (number_parse(text, 0, INT32_MAX, &fd, err) != ERR_NONE)
		return err_wrap(err, "passphrase descriptor");
	for (*len_bytes = 0; *len_bytes <= PASSPHRASE_BYTES_MAX; (*len_bytes)++) {
		ssize_t got = read_full((int)fd, bytes + *len_bytes, 1);

		if (got < 0)
			return err_errno(err, "read the passphrase from descriptor %s", text);
		if (got == 0 || bytes[*len_bytes] == '\n')
			return ERR_NONE;
	}
	return too_long(err);
}

typedef int source_fn(const char *value, struct held_secret *out, struct error *err);

/* False: no variable of the set was there. Otherwise *code is how that went. */
static bool from_environment(enum secret_set set, struct held_secret *out, int *code,
			     struct error *err)
{
	static source_fn *const sources[SECRET_SOURCES] = { from_text, from_file, from_command,
							    from_fd };

	for (unsigned i = 0; i < SECRET_SOURCES; i++) {
		const char *value = secret_variable(set, (enum secret_source)i);

		if (value) {
			*code = sources[i](value, out, err);
			return true;
		}
	}
	return false;
}

static int type_once(const char *prompt, struct held_secret *out, struct error *err)
{
	return terminal_ask(prompt, out->memory, PASSPHRASE_BYTES_MAX, &out->secret.len_bytes, err);
}

/* Until it was typed the same way twice. */
static int type_twice(struct held_secret *out, struct error *err)
{
	struct held_secret again = { 0 };
	int code = passphrase_hold(&again, err);

	for (int i = 0; code == ERR_NONE; i++) {
		code = type_once("New passphrase: ", out, err);
		if (code == ERR_NONE)
			code = type_once("Once more: ", &again, err);
		if (code != ERR_NONE)
			break;
		if (out->secret.len_bytes == again.secret.len_bytes &&
		    memcmp(out->memory, again.memory, again.secret.len_bytes) == 0)
			break;
		if (i + 1 == ATTEMPTS_MAX)
			code = err_set(err, ERR_KEY, "the two differ");
	}
	held_secret_release(&again);
	return code;
}

/* Failing to get at a secret is an error of keys, whatever it was in detail. */
static int key_error(int code, struct error *err)
{
	if (code == ERR_NONE || code == ERR_NOMEM || code == ERR_INTERRUPTED || code == ERR_USAGE)
		return code;
	err->code = ERR_KEY;
	return ERR_KEY;
}

static int passphrase_get(enum secret_set set, bool twice, bool allow_empty, struct held_secret *out,
			  struct error *err)
{
	int code = passphrase_hold(out, err);

	if (code == ERR_NONE && !from_environment(set, out, &code, err) && !allow_empty) {
		code = twice ? type_twice(out, err) : type_once("Passphrase: ", out, err);
		if (code == ERR_NOT_FOUND)
			err_set(err, ERR_KEY,
				"no passphrase: set MRMR_%sPASSPHRASE, _FILE, _COMMAND or _FD, or run "
				"it on a terminal", set == SECRET_NEW ? "NEW_" : "");
	}
	code = key_error(code, err);
	if (code == ERR_NONE && out->secret.len_bytes == 0 && !allow_empty)
		code = err_set(err, ERR_USAGE, "the passphrase is empty and would protect nothing");
	if (code != ERR_NONE)
		held_secret_release(out);
	return code;
}

/* If the passphrase is the text of a recovery key, it becomes that key. */
static int recovery_recognise(struct held_secret *s, struct error *err)
{
	char *text = sodium_malloc(PASSPHRASE_BYTES_MAX + 1);
	uint8_t *key = sodium_malloc(KEY_BYTES);
	struct error no;
	int code = ERR_NONE;

	if (!text || !key) {
		code = err_nomem(err);
		goto out;
	}
	memcpy(text, s->secret.bytes, s->secret.len_bytes);
	text[s->secret.len_bytes] = '\0';
	if (recovery_parse(text, key, &no) != ERR_NONE)
		goto out;
	held_secret_release(s);
	s->memory = key;
	s->secret = (struct secret){ SLOT_RECOVERY, key, KEY_BYTES };
	key = NULL;
out:
	sodium_free(text);
	sodium_free(key);
	if (code != ERR_NONE)
		held_secret_release(s);
	return code;
}

int secret_to_unlock(bool allow_empty, struct held_secret *out, struct error *err)
{
	const char *key_file = getenv("MRMR_KEY_FILE");
	int code;

	if (key_file && *key_file)
		return secret_from_key_file(key_file, out, err);
	code = passphrase_get(SECRET_OLD, false, allow_empty, out, err);
	return code == ERR_NONE ? recovery_recognise(out, err) : code;
}

int secret_for_init(bool allow_empty, struct held_secret *out, struct error *err)
{
	return passphrase_get(SECRET_OLD, true, allow_empty, out, err);
}

int secret_for_new_slot(bool allow_empty, struct held_secret *out, struct error *err)
{
	return passphrase_get(SECRET_NEW, true, allow_empty, out, err);
}
