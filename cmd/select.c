#include "cmd/select.h"

#include "cmd/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define LINE_PATH_BYTES 512

void host_name(char out[HOST_BYTES])
{
	if (gethostname(out, HOST_BYTES) < 0)
		snprintf(out, HOST_BYTES, "localhost");
	out[HOST_BYTES - 1] = '\0';
}

/* 0 means "any time" to the filter, so that 1970 is told as a nanosecond later. */
static int64_t before_ns(const struct invocation *inv)
{
	int64_t s = option_time(inv, "before", 0);

	if (!option_given(inv, "before"))
		return 0;
	if (s > INT64_MAX / NS_PER_S)
		return INT64_MAX;
	if (s < INT64_MIN / NS_PER_S)
		return INT64_MIN;
	return s ? s * NS_PER_S : 1;
}

int selecting_init(const struct invocation *inv, struct selecting *s, struct error *err)
{
	const char *tag;
	size_t count = 0;

	memset(s, 0, sizeof(*s));
	host_name(s->host);
	s->tags = calloc(inv->options_count + 1, sizeof(*s->tags));
	if (!s->tags)
		return err_nomem(err);
	while ((tag = option_nth(inv, "tag", count)))
		s->tags[count++] = tag;
	s->filter = (struct select_filter){ .host = option_text(inv, "host", NULL),
					    .series = option_text(inv, "series", NULL),
					    .tags = s->tags,
					    .tag_count = count,
					    .before_ns = before_ns(inv),
					    .this_host = s->host };
	return ERR_NONE;
}

void selecting_release(struct selecting *s)
{
	free(s->tags);
	s->tags = NULL;
}

static const char *what_it_is(const struct selection *s)
{
	static const char *const words[] = {
		[NODE_FOLDER] = "a folder",
		[NODE_SYMLINK] = "a symbolic link",
		[NODE_FIFO] = "a named pipe",
		[NODE_CHAR_DEVICE] = "a device",
		[NODE_BLOCK_DEVICE] = "a device",
	};

	return s->path[0] ? words[s->node.type] : "a folder";
}

int select_file(struct table *t, const struct select_filter *f, const char *arg,
		struct selection *out, struct error *err)
{
	char escaped[LINE_PATH_BYTES];
	int code = select_target(t, f, arg, out, err);

	if (code != ERR_NONE || (out->path[0] && out->node.type == NODE_FILE))
		return code;
	out_escape(out->path[0] ? out->path : "/", escaped, sizeof(escaped));
	code = err_set(err, ERR_USAGE, "%s is %s, not a file", escaped, what_it_is(out));
	selection_release(out);
	return code;
}
