/* What a server can do is tried out when a drive joins, in a folder of its own that is taken away
 * again. */
#include "drivers/webdav.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOT_NAME ".dot"
#define TEXT "mrmr"

struct probe {
	struct webdav *w;
	char *folder, *dot, *a, *b, *c;
	/* Seen in the listing of the folder. */
	bool lists_dot, lists_a, lists_b, lists_c;
};

static int unfit(struct error *err, const char *what)
{
	return err_set(err, ERR_UNSUPPORTED, "no drive can be there: %s", what);
}

static int mark_listed(void *ctx, const struct dav_entry *e, struct error *err)
{
	struct probe *p = ctx;
	bool whole = e->has_length && e->len_bytes == strlen(TEXT) && !e->is_folder;

	(void)err;
	p->lists_dot |= strcmp(e->name, DOT_NAME) == 0 && e->is_folder;
	p->lists_a |= strcmp(e->name, "a") == 0;
	p->lists_b |= strcmp(e->name, "b") == 0 && whole;
	p->lists_c |= strcmp(e->name, "c") == 0 && whole;
	return ERR_NONE;
}

/* Refusals of a folder with a dot are as good as hiding it. */
static int make_dot_folder(struct probe *p, struct error *err)
{
	int code = webdav_make_folder(p->w, p->dot, strlen(p->folder), err);

	return code == ERR_TRANSIENT || code == ERR_NOMEM ? code : ERR_NONE;
}

static int try_range(struct probe *p, struct error *err)
{
	char got[2] = "";
	struct http_answer a;
	const struct dav_request r = {
		.method = "GET",
		.path = p->c,
		.range = "bytes=1-2",
		.range_offset_bytes = 1,
		.out = got,
		.out_bytes = sizeof(got),
	};
	int code = webdav_do(p->w, &r, &a, err);

	if (code == ERR_NONE && (a.out_used_bytes != 2 || memcmp(got, &TEXT[1], 2) != 0))
		code = unfit(err, "what is read is not what was written");
	http_answer_release(&a);
	return code;
}

/* a and b are written; a must not replace b, and becomes c. */
static int try_rename(struct probe *p, struct error *err)
{
	unsigned status;
	int code = webdav_upload(p->w, p->a, TEXT, strlen(TEXT), "a", &status, err);

	if (code == ERR_NONE)
		code = webdav_upload(p->w, p->b, TEXT, strlen(TEXT), "b", &status, err);
	if (code != ERR_NONE)
		return code;
	code = webdav_rename(p->w, p->a, p->b, "move", "a", &status, err);
	if (code == ERR_NONE)
		return unfit(err, "the server replaces a file by MOVE in spite of \"Overwrite: F\"");
	if (code != ERR_EXISTS && code != ERR_IO && code != ERR_DENIED && code != ERR_UNSUPPORTED)
		return code;
	code = webdav_rename(p->w, p->a, p->c, "move", "a", &status, err);
	if (code != ERR_NONE && status != 0 && code != ERR_TRANSIENT)
		return unfit(err, "the server cannot give a file another name (MOVE)");
	return code;
}

static int probe(struct probe *p, struct error *err)
{
	int code = webdav_make_folder(p->w, p->folder, strlen(p->w->root), err);

	if (code == ERR_NONE)
		code = make_dot_folder(p, err);
	if (code == ERR_NONE)
		code = try_rename(p, err);
	if (code == ERR_NONE)
		code = try_range(p, err);
	if (code == ERR_NONE)
		code = webdav_look_into(p->w, p->folder, "what was written", mark_listed, p, NULL,
					err);
	if (code == ERR_NONE && (p->lists_a || !p->lists_b || !p->lists_c))
		code = unfit(err, "the server does not list what was written a moment ago");
	return code;
}

int webdav_probe(struct webdav *w, bool *lists_dots, struct error *err)
{
	struct probe p = { .w = w };
	uint64_t number;
	int code;

	randombytes_buf(&number, sizeof(number));
	if (asprintf(&p.folder, "%s/mrmr-probe-%016llx", w->root, (unsigned long long)number) < 0)
		p.folder = NULL;
	if (p.folder) {
		p.dot = webdav_join(p.folder, DOT_NAME);
		p.a = webdav_join(p.folder, "a");
		p.b = webdav_join(p.folder, "b");
		p.c = webdav_join(p.folder, "c");
	}
	code = p.dot && p.a && p.b && p.c ? probe(&p, err) : err_nomem(err);
	if (p.folder && code != ERR_NOMEM)
		webdav_drop(w, p.folder, true);
	if (code != ERR_NONE)
		err_wrap(err, "try out the server");
	*lists_dots = p.lists_dot;
	free(p.folder);
	free(p.dot);
	free(p.a);
	free(p.b);
	free(p.c);
	return code;
}
