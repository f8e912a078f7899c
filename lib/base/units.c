#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Digits at the start of text; *rest is what follows. False: none, or more than 64 bits. */
static bool digits_parse(const char *text, uint64_t *out, const char **rest)
{
	uint64_t value = 0;

	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
			return false;
	}
	*out = value;
	*rest = text;
	return true;
}

int number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *out, struct error *err)
{
	const char *rest;

	if (!digits_parse(text, out, &rest) || *rest || *out < min || *out > max)
		return err_set(err, ERR_USAGE,
			       "'%s' is not a number from %" PRIu64 " to %" PRIu64, text, min, max);
	return ERR_NONE;
}

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", (uint64_t)1 << 10 },
	{ "KiB", (uint64_t)1 << 10 },
	{ "M", (uint64_t)1 << 20 },
	{ "MiB", (uint64_t)1 << 20 },
	{ "G", (uint64_t)1 << 30 },
	{ "GiB", (uint64_t)1 << 30 },
	{ "T", (uint64_t)1 << 40 },
	{ "TiB", (uint64_t)1 << 40 },
	{ "KB", 1000 },
	{ "MB", 1000000 },
	{ "GB", 1000000000 },
	{ "TB", 1000000000000 },
	{ NULL, 0 },
};

static const struct unit duration_units[] = {
	{ "s", 1 },	{ "m", 60 }, { "h", 3600 },
	{ "d", 86400 }, { NULL, 0 },
};

/* Digits and one suffix of the table. */
static bool quantity_parse(const char *text, const struct unit *units, uint64_t *out)
{
	const char *rest;
	uint64_t count;

	if (!digits_parse(text, &count, &rest))
		return false;
	for (const struct unit *u = units; u->suffix; u++)
		if (strcmp(rest, u->suffix) == 0)
			return !__builtin_mul_overflow(count, u->factor, out);
	return false;
}

int size_parse(const char *text, uint64_t *bytes, struct error *err)
{
	if (!quantity_parse(text, size_units, bytes))
		return err_set(err, ERR_USAGE,
			       "'%s' is not a size (bytes, or as 64K, 20M, 4GiB; 1GB is 10^9)",
			       text);
	return ERR_NONE;
}

int duration_parse(const char *text, uint64_t *seconds, struct error *err)
{
	if (strcmp(text, "0") == 0)
		*seconds = 0;
	else if (!quantity_parse(text, duration_units, seconds))
		return err_set(err, ERR_USAGE, "'%s' is not a duration (as 90s, 10m, 24h, 30d)",
			       text);
	return ERR_NONE;
}

/* Exactly so many digits; moves *at behind them. */
static bool field_parse(const char **at, int digits, int *out)
{
	int value = 0;

	for (int i = 0; i < digits; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		value = value * 10 + (**at - '0');
	}
	*out = value;
	return true;
}

static bool char_parse(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* "hh:mm" with optional ":ss". */
static bool clock_parse(const char **at, struct tm *tm)
{
	if (!field_parse(at, 2, &tm->tm_hour) || !char_parse(at, ':') ||
	    !field_parse(at, 2, &tm->tm_min))
		return false;
	if (char_parse(at, ':') && !field_parse(at, 2, &tm->tm_sec))
		return false;
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

/* "Z" or "+hh:mm" up to the end. */
static bool zone_parse(const char **at, int *offset_s)
{
	int hours, minutes, sign = **at == '-' ? -1 : 1;

	*offset_s = 0;
	if (char_parse(at, 'Z'))
		return **at == '\0';
	if (!char_parse(at, '+') && !char_parse(at, '-'))
		return false;
	if (!field_parse(at, 2, &hours) || !char_parse(at, ':') || !field_parse(at, 2, &minutes))
		return false;
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return **at == '\0' && hours < 24 && minutes < 60;
}

static bool date_parse(const char **at, struct tm *tm)
{
	if (!field_parse(at, 4, &tm->tm_year) || !char_parse(at, '-') ||
	    !field_parse(at, 2, &tm->tm_mon) || !char_parse(at, '-') ||
	    !field_parse(at, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

static bool iso_time_parse(const char *at, int64_t *unix_s)
{
	struct tm tm = { .tm_isdst = -1 }, asked;
	int offset_s = 0;
	bool local = true;
	time_t t;

	if (!date_parse(&at, &tm))
		return false;
	if (char_parse(&at, 'T') || char_parse(&at, ' ')) {
		if (!clock_parse(&at, &tm))
			return false;
		local = *at == '\0';
		if (!local && !zone_parse(&at, &offset_s))
			return false;
	}
	if (*at)
		return false;
	asked = tm;
	t = local ? mktime(&tm) : timegm(&tm);
	/* 31 February comes back as 3 March: no such day. */
	if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
		return false;
	*unix_s = (int64_t)t - offset_s;
	return true;
}

int time_parse(const char *text, int64_t now_s, int64_t *unix_s, struct error *err)
{
	uint64_t ago_s;

	if (text[0] == '-' && quantity_parse(text + 1, duration_units, &ago_s) &&
	    ago_s <= INT64_MAX && !__builtin_sub_overflow(now_s, (int64_t)ago_s, unix_s))
		return ERR_NONE;
	if (text[0] != '-' && iso_time_parse(text, unix_s))
		return ERR_NONE;
	return err_set(err, ERR_USAGE,
		       "'%s' is not a time (as 2024-05-31, 2024-05-31T13:45:07Z, or -3d)", text);
}

void size_text(uint64_t bytes, char out[UNIT_TEXT_BYTES])
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned i = 0;
	double value = (double)bytes / 1024;

	if (bytes < 1024) {
		snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 " B", bytes);
		return;
	}
	/* 1023.95 would be printed as "1024.0". */
	while (value >= 1023.95 && i + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		i++;
	}
	snprintf(out, UNIT_TEXT_BYTES, "%.1f %s", value, names[i]);
}

static void tm_text(int64_t unix_s, bool local, const char *format, char out[UNIT_TEXT_BYTES])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	if (!(local ? localtime_r(&t, &tm) : gmtime_r(&t, &tm)) ||
	    strftime(out, UNIT_TEXT_BYTES, format, &tm) == 0)
		snprintf(out, UNIT_TEXT_BYTES, "@%" PRId64, unix_s); /* a year beyond all calendars */
}

void time_text(int64_t unix_s, char out[UNIT_TEXT_BYTES])
{
	tm_text(unix_s, true, "%Y-%m-%d %H:%M:%S", out);
}

void time_iso_text(int64_t unix_s, char out[UNIT_TEXT_BYTES])
{
	tm_text(unix_s, false, "%Y-%m-%dT%H:%M:%SZ", out);
}

void duration_text(uint64_t seconds, char out[UNIT_TEXT_BYTES])
{
	uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (seconds < 60)
		snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 "s", seconds);
	else if (minutes < 60)
		snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 "m%02" PRIu64 "s", minutes, seconds % 60);
	else if (hours < 48)
		snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 "h%02" PRIu64 "m", hours, minutes % 60);
	else
		snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 "d%02" PRIu64 "h", days, hours % 24);
}

void percent_text(uint64_t part, uint64_t whole, char out[UNIT_TEXT_BYTES])
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 100.0;

	/* "100.0 %" is said of all only, and never while a byte is missing. */
	if (part < whole && percent > 99.9)
		percent = 99.9;
	snprintf(out, UNIT_TEXT_BYTES, "%.1f %%", percent);
}

bool word_is_one_of(const char *words, const char *word)
{
	size_t len_bytes = strlen(word);

	for (const char *at = words; *at; at += strspn(at, "|")) {
		size_t word_bytes = strcspn(at, "|");

		if (word_bytes == len_bytes && memcmp(at, word, len_bytes) == 0)
			return true;
		at += word_bytes;
	}
	return false;
}

static bool name_byte(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static bool name_valid(const char *name, size_t len_bytes)
{
	if (len_bytes == 0 || len_bytes >= DRIVE_NAME_BYTES)
		return false;
	for (size_t i = 0; i < len_bytes; i++)
		if (!name_byte(name[i]))
			return false;
	return name[0] != '.' && name[0] != '_' && name[0] != '-';
}

bool drive_name_valid(const char *name)
{
	return name_valid(name, strlen(name));
}

void drive_name_split(const char *arg, char name[DRIVE_NAME_BYTES], const char **url)
{
	const char *equals = strchr(arg, '=');

	name[0] = '\0';
	*url = arg;
	if (!equals || !name_valid(arg, (size_t)(equals - arg)))
		return;
	memcpy(name, arg, (size_t)(equals - arg));
	name[equals - arg] = '\0';
	*url = equals + 1;
}

/* The host of "scheme://user@host:port", when that is all there is up to end. */
static bool host_alone(const char *url, const char **first, const char **end)
{
	const char *host = strstr(url, "://"), *at, *port;

	if (!host || host + 3 >= *end || memchr(host + 3, '/', (size_t)(*end - host - 3)))
		return false;
	host += 3;
	at = memrchr(host, '@', (size_t)(*end - host));
	host = at ? at + 1 : host;
	port = memrchr(host, ':', (size_t)(*end - host));
	if (port && !memchr(port, ']', (size_t)(*end - port)))
		*end = port;
	*first = host;
	return true;
}

/* What a URL is called by: [*first, *end). */
static void last_component(const char *url, const char **first, const char **end)
{
	const char *query = url + strcspn(url, "?"), *container = strstr(query, "container=");

	if (strstr(url, "://") && container && (container[-1] == '?' || container[-1] == '&')) {
		*first = container + strlen("container=");
		*end = *first + strcspn(*first, "&");
		return;
	}
	*end = query;
	while (*end > url && ((*end)[-1] == '/' || (*end)[-1] == ':'))
		(*end)--;
	if (host_alone(url, first, end))
		return;
	*first = *end;
	while (*first > url && (*first)[-1] != '/' && (*first)[-1] != ':')
		(*first)--;
}

void drive_name_derive(const char *url, unsigned attempt, char name[DRIVE_NAME_BYTES])
{
	const char *first, *last;
	char suffix[16] = "";
	size_t len_bytes = 0, room_bytes;

	last_component(url, &first, &last);
	while (first < last && (!name_byte(*first) || *first == '.' || *first == '_' || *first == '-'))
		first++;
	if (attempt > 0)
		snprintf(suffix, sizeof(suffix), "-%u", attempt + 1);
	room_bytes = DRIVE_NAME_BYTES - 1 - strlen(suffix);
	for (; first < last && len_bytes < room_bytes; first++)
		name[len_bytes++] = name_byte(*first) ? *first : '-';
	name[len_bytes] = '\0';
	if (len_bytes == 0)
		snprintf(name, DRIVE_NAME_BYTES, "drive");
	snprintf(name + strlen(name), DRIVE_NAME_BYTES - strlen(name), "%s", suffix);
}
