#include "tests/support/walked.h"

#include "tests/support/temp.h"
#include "tests/support/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static void take_note(void *ctx, enum note_level level, const uint8_t *path, size_t path_bytes,
		      const char *what)
{
	struct walked *p = ctx;
	size_t cut = strlen(p->path);
	char line[1024];

	if (path_bytes < cut)
		cut = 0;
	snprintf(line, sizeof(line), "%s %.*s: %s\n",
		 level == NOTE_ERROR  ? "error"
		 : level == NOTE_INFO ? "info"
				      : "detail",
		 (int)(path_bytes - cut), path + cut, what);
	buf_add(&p->notes, line, strlen(line));
}

int walked_set_up(void **state)
{
	struct walked *p = calloc(1, sizeof(*p));

	p->path = temp_folder();
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->options.note = take_note;
	p->options.note_ctx = p;
	*state = p;
	return p->fd < 0;
}

int walked_tear_down(void **state)
{
	struct walked *p = *state;

	umount2(temp_path(p->path, "mnt"), MNT_DETACH);
	close(p->fd);
	tree_remove(p->path);
	buf_release(&p->seen);
	buf_release(&p->notes);
	free(p);
	return 0;
}

static void see(struct walked *p, const struct walk_entry *e)
{
	static const char *const marks[] = {
		[NODE_FILE] = "",  [NODE_FOLDER] = "/",	     [NODE_SYMLINK] = "@",
		[NODE_FIFO] = "|", [NODE_CHAR_DEVICE] = "%", [NODE_BLOCK_DEVICE] = "#",
	};
	const char *mark = marks[e->node.type];

	buf_add(&p->seen, " ", 1);
	buf_add(&p->seen, e->name, e->name_bytes);
	buf_add(&p->seen, mark, strlen(mark));
}

void walked_roots(struct walked *p, const char *const *paths, size_t count, visit_fn *visit)
{
	struct walk_folder f;
	struct walk_entry e;
	struct roots roots;
	struct walk *w;
	struct error err;
	size_t cut = strlen(p->path);

	buf_clear(&p->seen);
	buf_clear(&p->notes);
	assert_int_equal(roots_make(paths, count, &roots, &err), ERR_NONE);
	assert_int_equal(walk_open(&p->options, &roots, &w, &err), ERR_NONE);
	while (walk_next_folder(w, &f, &err)) {
		const char *mark;
		bool ours = f.path_bytes >= cut && memcmp(f.path, p->path, cut) == 0;

		if (!ours)
			continue;
		buf_add(&p->seen, f.path + cut, f.path_bytes - cut);
		mark = f.bare ? "(bare):" : f.unreadable ? "(unreadable):" : ":";
		buf_add(&p->seen, mark, strlen(mark));
		if (visit)
			visit(p, w, &f);
		while (walk_next_entry(w, &e, &err))
			see(p, &e);
		assert_int_equal(err.code, ERR_NONE);
		buf_add(&p->seen, "\n", 1);
	}
	assert_int_equal(err.code, ERR_NONE);
	walk_close(w);
	roots_release(&roots);
	buf_add_u8(&p->seen, 0);
	buf_add_u8(&p->notes, 0);
	assert_false(p->seen.failed || p->notes.failed);
}

void walked_path(struct walked *p)
{
	const char *path = p->path;

	walked_roots(p, &path, 1, NULL);
}

const char *walked_seen(const struct walked *p)
{
	return (const char *)p->seen.data;
}

const char *walked_notes(const struct walked *p)
{
	return (const char *)p->notes.data;
}
