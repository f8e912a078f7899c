#include "cmd/columns.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#define GAP 2

static char *escaped_copy(const char *text)
{
	size_t size = 4 * strlen(text) + 1;
	char *copy = malloc(size);

	if (copy)
		out_escape(text, copy, size);
	return copy;
}

void columns_add(struct columns *c, const char *const *cells)
{
	char **row;

	if (!grow(&c->rows, &c->row_cap, c->row_count + 1, sizeof(*c->rows))) {
		c->failed = true;
		return;
	}
	row = c->rows[c->row_count++];
	memset(row, 0, sizeof(*c->rows));
	for (unsigned i = 0; i < c->count; i++) {
		row[i] = escaped_copy(cells[i]);
		c->failed |= !row[i];
	}
}

/* Letters: the bytes of UTF-8 that begin one. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void add_spaces(struct buf *line, size_t count)
{
	while (count-- > 0)
		buf_add_u8(line, ' ');
}

static void add_cell(struct buf *line, const char *text, size_t width, bool right)
{
	size_t pad = width - width_of(text);

	add_spaces(line, right ? pad : 0);
	buf_add(line, text, strlen(text));
	add_spaces(line, (right ? 0 : pad) + GAP);
}

int columns_print(struct columns *c, struct out *out, unsigned indent, struct error *err)
{
	size_t widths[COLUMNS_MAX] = { 0 };
	struct buf line = { 0 };

	for (size_t r = 0; r < c->row_count && !c->failed; r++) {
		for (unsigned i = 0; i < c->count; i++) {
			size_t width = width_of(c->rows[r][i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	for (size_t r = 0; r < c->row_count && !c->failed && !out_reader_gone(out); r++) {
		buf_clear(&line);
		for (unsigned i = 0; i < c->count; i++)
			add_cell(&line, c->rows[r][i], widths[i], c->right & 1u << i);
		while (line.len_bytes > 0 && line.data[line.len_bytes - 1] == ' ')
			line.len_bytes--;
		buf_add_u8(&line, '\0');
		c->failed = line.failed;
		if (!c->failed)
			out_line(out, "%*s%s", (int)indent, "", (char *)line.data);
	}
	buf_release(&line);
	if (c->failed)
		err_nomem(err);
	columns_release(c);
	return c->failed ? ERR_NOMEM : ERR_NONE;
}

void columns_release(struct columns *c)
{
	for (size_t r = 0; r < c->row_count; r++) {
		for (unsigned i = 0; i < c->count; i++)
			free(c->rows[r][i]);
	}
	free(c->rows);
	c->rows = NULL;
	c->row_count = c->row_cap = 0;
}
