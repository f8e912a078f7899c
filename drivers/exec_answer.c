#include "drivers/exec_answer.h"

#include <stdbool.h>
#include <string.h>

#define RETRY_AFTER_S_MAX 3600
#define SHOWN_BYTES 60

enum rest {
	REST_NONE,
	REST_TEXT, /* any, or none */
	REST_NAME, /* some */
};

static const struct row {
	const char *name;
	enum exec_word word;
	enum err_code code;
	unsigned numbers;
	enum rest rest;
} rows[] = {
	{ "OK", EXEC_OK, ERR_NONE, 0, REST_NONE },
	{ "NOT-FOUND", EXEC_REFUSED, ERR_NOT_FOUND, 0, REST_TEXT },
	{ "EXISTS", EXEC_REFUSED, ERR_EXISTS, 0, REST_TEXT },
	{ "FULL", EXEC_REFUSED, ERR_FULL, 0, REST_TEXT },
	{ "SHORT", EXEC_REFUSED, ERR_CORRUPT, 0, REST_TEXT },
	{ "TRANSIENT", EXEC_REFUSED, ERR_TRANSIENT, 1, REST_TEXT },
	{ "DENIED", EXEC_REFUSED, ERR_DENIED, 0, REST_TEXT },
	{ "READONLY", EXEC_REFUSED, ERR_READONLY, 0, REST_TEXT },
	{ "UNSUPPORTED", EXEC_REFUSED, ERR_UNSUPPORTED, 0, REST_TEXT },
	{ "USAGE", EXEC_REFUSED, ERR_USAGE, 0, REST_TEXT },
	{ "FAILED", EXEC_REFUSED, ERR_IO, 0, REST_TEXT },
	{ "VERSION", EXEC_VERSION, ERR_NONE, 1, REST_NONE },
	{ "CONNECTIONS", EXEC_CONNECTIONS, ERR_NONE, 1, REST_NONE },
	{ "SIZE", EXEC_SIZE, ERR_NONE, 1, REST_NONE },
	{ "OBJECT", EXEC_OBJECT, ERR_NONE, 1, REST_NAME },
	{ "DATA", EXEC_DATA, ERR_NONE, 1, REST_NONE },
	{ "SPACE", EXEC_SPACE, ERR_NONE, 2, REST_NONE },
	{ "DOMAIN", EXEC_DOMAIN, ERR_NONE, 0, REST_NAME },
	{ "WAIT", EXEC_WAIT, ERR_NONE, 0, REST_NONE },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct row *row_of(const char *line)
{
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < ROWS; i++) {
		if (strlen(rows[i].name) == len && memcmp(rows[i].name, line, len) == 0)
			return &rows[i];
	}
	return NULL;
}

/* Takes " 123" off the line. */
static bool number_take(const char **at, uint64_t *out)
{
	const char *digit = *at + 1;
	uint64_t n = 0;

	if (**at != ' ' || *digit < '0' || *digit > '9')
		return false;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		unsigned more = (unsigned)(*digit - '0');

		if (n > (UINT64_MAX - more) / 10)
			return false;
		n = n * 10 + more;
	}
	*at = digit;
	*out = n;
	return true;
}

static bool rest_take(const char *at, enum rest rest, const char **text)
{
	*text = "";
	if (*at == '\0')
		return rest != REST_NAME;
	if (*at != ' ' || rest == REST_NONE)
		return false;
	*text = at + 1;
	return rest == REST_TEXT || **text != '\0';
}

static int no_answer(const char *line, struct error *err)
{
	char shown[SHOWN_BYTES + 1];
	size_t i;

	for (i = 0; i < SHOWN_BYTES && line[i]; i++)
		shown[i] = (char)(line[i] >= ' ' && line[i] < 0x7f ? line[i] : '?');
	shown[i] = '\0';
	return err_set(err, ERR_IO, "\"%s\" is no line of the protocol", shown);
}

int exec_answer_parse(const char *line, size_t len_bytes, struct exec_answer *out,
		      struct error *err)
{
	const struct row *row = row_of(line);
	const char *at = line + strcspn(line, " ");
	uint64_t numbers[2] = { 0, 0 };

	if (!row || strlen(line) != len_bytes)
		return no_answer(line, err);
	for (unsigned i = 0; i < row->numbers; i++) {
		if (!number_take(&at, &numbers[i]))
			return no_answer(line, err);
	}
	*out = (struct exec_answer){ .word = row->word, .code = row->code };
	if (!rest_take(at, row->rest, &out->text))
		return no_answer(line, err);
	if (row->code == ERR_TRANSIENT)
		out->retry_after_s = numbers[0] < RETRY_AFTER_S_MAX ? (unsigned)numbers[0]
								    : RETRY_AFTER_S_MAX;
	out->number = numbers[0];
	out->second = numbers[1];
	return ERR_NONE;
}
