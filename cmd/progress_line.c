/* The text of the progress bar: as much as fits, the most telling first. */
#include "base/units.h"
#include "cmd/progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define WIDE_COLUMNS 100 /* from here on there is room for amounts, too */
#define BAR_COLUMNS 16
#define SHORT_BAR_COLUMNS 8
#define NAME_COLUMNS_MIN 12 /* a shorter piece of a name tells nothing */
#define PIECE_BYTES 128

/* Columns and bytes of the character at text; a byte that is none takes one column. */
static unsigned char_columns(const char *text, size_t *len_bytes)
{
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t got = mbrtowc(&wide, text, strlen(text), &state);
	int columns;

	if (got == 0 || got > strlen(text)) {
		*len_bytes = 1;
		return 1;
	}
	*len_bytes = got;
	columns = wcwidth(wide);
	return columns < 0 ? 1 : (unsigned)columns;
}

static unsigned text_columns(const char *text)
{
	unsigned columns = 0;
	size_t len_bytes;

	for (; *text; text += len_bytes)
		columns += char_columns(text, &len_bytes);
	return columns;
}

/* Appends two spaces and the piece if that fits into the columns; whether it did. */
static bool piece_add(char *line, size_t line_bytes, unsigned columns, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static bool piece_add(char *line, size_t line_bytes, unsigned columns, const char *fmt, ...)
{
	size_t used = strlen(line);
	char piece[2 * COUNTERS_NAME_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(piece, sizeof(piece), fmt, args);
	va_end(args);
	if (!*piece || text_columns(line) + (used ? 2 : 0) + text_columns(piece) > columns ||
	    used + 2 + strlen(piece) >= line_bytes)
		return false;
	snprintf(line + used, line_bytes - used, "%s%s", used ? "  " : "", piece);
	return true;
}

/* "[======>         ]" */
static void bar_text(uint64_t part, uint64_t whole, unsigned columns, char out[PIECE_BYTES])
{
	unsigned filled = part >= whole ? columns
				       : (unsigned)((double)part / (double)whole * columns);
	char *at = out;

	*at++ = '[';
	for (unsigned i = 0; i < columns; i++)
		*at++ = i < filled ? '=' : i == filled ? '>' : ' ';
	*at++ = ']';
	*at = '\0';
}

static void amounts_text(const struct counters_sample *s, char out[PIECE_BYTES])
{
	char done[UNIT_TEXT_BYTES], total[UNIT_TEXT_BYTES];

	size_text(s->bytes_done, done);
	size_text(s->bytes_total, total);
	if (s->bytes_total == 0)
		snprintf(out, PIECE_BYTES, "%s", done);
	else
		snprintf(out, PIECE_BYTES, "%s of %s", done, total);
}

/* Bytes per second since the start, 0 before there is anything to tell. */
static uint64_t rate_of(const struct counters_sample *s, uint64_t elapsed_ms)
{
	return elapsed_ms ? (uint64_t)((double)s->bytes_done * 1000 / (double)elapsed_ms) : 0;
}

/* The end of the name, which tells more than its beginning. */
static void name_add(char *line, size_t line_bytes, unsigned columns, const char *name)
{
	char escaped[2 * COUNTERS_NAME_BYTES];
	const char *at = escaped;
	unsigned used = text_columns(line) + 2, room;
	size_t len_bytes;

	if (!*name || used + NAME_COLUMNS_MIN > columns)
		return;
	room = columns - used;
	out_escape(name, escaped, sizeof(escaped));
	if (text_columns(at) <= room) {
		piece_add(line, line_bytes, columns, "%s", at);
		return;
	}
	while (text_columns(at) > room - 3) {
		char_columns(at, &len_bytes);
		at += len_bytes;
	}
	piece_add(line, line_bytes, columns, "...%s", at);
}

static const char *things_of(const char *verb)
{
	return strcmp(verb, "put") == 0 || strcmp(verb, "get") == 0 ? "files" : "objects";
}

static void link_rate_add(char *text, uint64_t bytes_per_s, const char *way)
{
	size_t used = strlen(text);
	char size[UNIT_TEXT_BYTES];

	if (bytes_per_s == 0)
		return;
	size_text(bytes_per_s, size);
	snprintf(text + used, PIECE_BYTES - used, "%s%s/s %s", used ? ", " : "", size, way);
}

void progress_links(const struct progress_link *links, unsigned count, unsigned columns,
		    char *line, size_t line_bytes)
{
	line[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char rates[PIECE_BYTES] = "";

		link_rate_add(rates, links[i].up_bytes_per_s, "up");
		link_rate_add(rates, links[i].down_bytes_per_s, "down");
		if (rates[0])
			piece_add(line, line_bytes, columns, "%s: %s", links[i].name, rates);
	}
}

void progress_line(const struct counters_sample *s, const char *verb, uint64_t elapsed_ms,
		   unsigned columns, char *line, size_t line_bytes)
{
	uint64_t rate = rate_of(s, elapsed_ms);
	bool wide = columns >= WIDE_COLUMNS;
	char piece[PIECE_BYTES];

	line[0] = '\0';
	piece_add(line, line_bytes, columns, "%s", verb);
	if (s->bytes_total > 0) {
		percent_text(s->bytes_done, s->bytes_total, piece);
		piece_add(line, line_bytes, columns, "%s", piece);
		bar_text(s->bytes_done, s->bytes_total, wide ? BAR_COLUMNS : SHORT_BAR_COLUMNS,
			 piece);
		piece_add(line, line_bytes, columns, "%s", piece);
	}
	if (wide || s->bytes_total == 0) {
		amounts_text(s, piece);
		piece_add(line, line_bytes, columns, "%s", piece);
	}
	if (rate > 0) {
		size_text(rate, piece);
		piece_add(line, line_bytes, columns, "%s/s", piece);
	}
	if (rate > 0 && s->bytes_total > s->bytes_done) {
		duration_text((s->bytes_total - s->bytes_done) / rate, piece);
		piece_add(line, line_bytes, columns, "ETA %s", piece);
	}
	if (s->bytes_total == 0 && s->files_done > 0)
		piece_add(line, line_bytes, columns, "%" PRIu64 " %s", s->files_done, things_of(verb));
	if (s->slowest_queue > 1)
		piece_add(line, line_bytes, columns, "slowest: %s", s->slowest_drive);
	name_add(line, line_bytes, columns, s->name);
}
