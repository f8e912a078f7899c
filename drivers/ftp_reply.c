#include "drivers/ftp_reply.h"

#include "drivers/driver.h"

#include <string.h>
#include <strings.h>
#include <time.h>

/* Of objects, and '~' of temporary ones. */
#define NAME_BYTES                                                                                 \
	"abcdefghijklmnopqrstuvwxyz"                                                               \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ"                                                               \
	"0123456789._-~"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes the digits at *at: false when there are none, or too many. */
static bool number_take(const char **at, uint64_t *out)
{
	const char *digit = *at;
	uint64_t n = 0;

	for (; is_digit(*digit); digit++) {
		unsigned more = (unsigned)(*digit - '0');

		if (n > (UINT64_MAX - more) / 10)
			return false;
		n = n * 10 + more;
	}
	if (digit == *at)
		return false;
	*at = digit;
	*out = n;
	return true;
}

/* ---- replies ---- */

bool ftp_reply_parse(const char *line, size_t len_bytes, struct ftp_reply *out)
{
	size_t used = 0;

	if (len_bytes < 4 || line[0] < '1' || line[0] > '6' || !is_digit(line[1]) ||
	    !is_digit(line[2]) || line[3] != ' ')
		return false;
	out->code = (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 +
		    (unsigned)(line[2] - '0');
	while (len_bytes > 4 && (line[len_bytes - 1] == '\n' || line[len_bytes - 1] == '\r'))
		len_bytes--;
	for (size_t i = 4; i < len_bytes && used < sizeof(out->text) - 1; i++)
		out->text[used++] = (char)(line[i] >= ' ' && line[i] < 0x7f ? line[i] : '?');
	out->text[used] = '\0';
	return true;
}

bool ftp_reply_size(const struct ftp_reply *r, uint64_t *out)
{
	const char *at = r->text + strspn(r->text, " ");

	return r->code == 213 && number_take(&at, out) && at[strspn(at, " ")] == '\0';
}

static bool says(const struct ftp_reply *r, const char *const *words)
{
	for (; *words; words++) {
		if (strcasestr(r->text, *words))
			return true;
	}
	return false;
}

enum err_code ftp_reply_error(const struct ftp_reply *r)
{
	static const char *const full[] = { "no space", "disk full", "quota", NULL };
	static const char *const denied[] = { "denied", "permission", "permitted", NULL };
	static const char *const readonly[] = { "read-only", NULL };

	switch (r->code) {
	case 452:
	case 552:
		return ERR_FULL;
	case 430:
	case 530:
	case 532:
	case 534:
	case 553:
		return says(r, full) ? ERR_FULL : ERR_DENIED;
	case 500:
	case 501:
	case 502:
	case 504:
		return ERR_UNSUPPORTED;
	default:
		break;
	}
	if (says(r, full))
		return ERR_FULL;
	if (r->code < 500)
		return ERR_TRANSIENT;
	if (says(r, readonly))
		return ERR_READONLY;
	if (says(r, denied))
		return ERR_DENIED;
	return r->code == 550 ? ERR_NOT_FOUND : ERR_IO;
}

bool ftp_is_feature(const char *line, size_t len_bytes, const char *feature)
{
	size_t len = strlen(feature);

	/* A blank in front; behind it the end, or what there is to tell of it. */
	if (len_bytes < len + 2 || line[0] != ' ' || strncasecmp(line + 1, feature, len) != 0)
		return false;
	return strchr(" ;\r\n", line[len + 1]) != NULL && line[len + 1] != '\0';
}

/* ---- listings ---- */

char *ftp_line(char **at, char *end)
{
	char *line = *at, *feed;
	size_t len_bytes;

	if (line >= end)
		return NULL;
	feed = memchr(line, '\n', (size_t)(end - line));
	/* What has no end was cut. */
	if (!feed) {
		*at = end;
		return NULL;
	}
	*at = feed + 1;
	len_bytes = (size_t)(feed - line);
	if (len_bytes > 0 && line[len_bytes - 1] == '\r')
		len_bytes--;
	line[len_bytes] = '\0';
	return line;
}

static bool name_ok(const char *name)
{
	size_t len = strspn(name, NAME_BYTES);

	if (len == 0 || len > OBJECT_NAME_MAX || name[len] != '\0')
		return false;
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* YYYYMMDDhhmmss in UTC, and perhaps a fraction. 0: it is no time. */
static int64_t time_parse(const char *text)
{
	struct tm t = { 0 };
	int parts[7];

	for (int i = 0; i < 7; i++) {
		if (!is_digit(text[2 * i]) || !is_digit(text[2 * i + 1]))
			return 0;
		parts[i] = (text[2 * i] - '0') * 10 + (text[2 * i + 1] - '0');
	}
	t.tm_year = parts[0] * 100 + parts[1] - 1900;
	t.tm_mon = parts[2] - 1;
	t.tm_mday = parts[3];
	t.tm_hour = parts[4];
	t.tm_min = parts[5];
	t.tm_sec = parts[6];
	return timegm(&t);
}

int ftp_mlsd_parse(char *line, struct ftp_entry *out, struct error *err)
{
	char *space = strchr(line, ' '), *rest = NULL;
	bool is_file = false, has_size = false;

	*out = (struct ftp_entry){ 0 };
	if (!space || !name_ok(space + 1))
		return err_set(err, ERR_NOT_FOUND, "no entry");
	*space = '\0';
	out->name = space + 1;
	for (char *fact = strtok_r(line, ";", &rest); fact; fact = strtok_r(NULL, ";", &rest)) {
		const char *value = strchr(fact, '=');
		size_t len = value ? (size_t)(value++ - fact) : 0;

		if (len == 4 && strncasecmp(fact, "type", len) == 0) {
			out->is_folder = strcasecmp(value, "dir") == 0;
			is_file = strcasecmp(value, "file") == 0;
		} else if (len == 4 && strncasecmp(fact, "size", len) == 0) {
			has_size = number_take(&value, &out->len_bytes) && *value == '\0';
		} else if (len == 6 && strncasecmp(fact, "modify", len) == 0) {
			out->modified_s = time_parse(value);
		}
	}
	if (!is_file && !out->is_folder)
		return err_set(err, ERR_NOT_FOUND, "no file and no folder");
	if (is_file && !has_size)
		return err_set(err, ERR_CORRUPT, "it lists %s without a size", out->name);
	return ERR_NONE;
}

char *ftp_nlst_parse(char *line)
{
	char *slash = strrchr(line, '/'), *name = slash ? slash + 1 : line;

	return name_ok(name) ? name : NULL;
}
