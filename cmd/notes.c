#include "cmd/notes.h"

#include "cmd/options.h"
#include "cmd/out.h"

#include <stdlib.h>
#include <string.h>

void note_path(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
	       const char *what)
{
	struct invocation *inv = ctx;
	char *text;

	/* With -q nothing is said of what went well: cron would mail it every hour. */
	if (level == NOTE_INFO && inv->globals.quiet)
		return;
	text = strndup((const char *)path, path_bytes);
	if (level == NOTE_DETAIL)
		out_detail(inv->out, "%s: %s", text ? text : "", what);
	else
		out_warn_path(inv->out, text ? text : "", what);
	free(text);
}
