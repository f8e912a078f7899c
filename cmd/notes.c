#include "cmd/notes.h"

#include "cmd/options.h"
#include "cmd/out.h"

#include <stdio.h>

#define PATH_SHOWN 4000 /* longer ones are cut: a line has to end somewhere */

void note_path(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
	       const char *what)
{
	struct invocation *inv = ctx;
	char text[PATH_SHOWN + 1], escaped[4 * PATH_SHOWN + 1];

	snprintf(text, sizeof(text), "%.*s", (int)(path_bytes < PATH_SHOWN ? path_bytes : PATH_SHOWN),
		 (const char *)path);
	out_escape(text, escaped, sizeof(escaped));
	if (level == NOTE_DETAIL)
		out_detail(inv->out, "%s: %s", escaped, what);
	else
		out_warn(inv->out, "%s: %s", escaped, what);
}
