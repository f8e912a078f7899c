/*
 * Listing: many folders are read at once, since each takes three turns at least (open, read until
 * there is no more, close) and a drive has some 500 of them.
 */
#include "drivers/name.h"
#include "drivers/sftp.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_MAX 32 /* folders being read at once */
#define PAGES_ASKED 2 /* of each: most folders are a page and the word that there is no more */
#define FOLDERS_MAX 1000000 /* waiting to be; more is no drive of ours */
#define ENTRIES_MAX 1000000000

struct listing;

/* A folder being read. */
struct reading {
	struct listing *l;
	char *folder; /* "blocks/ab", "": .mrmr; NULL: this place is free */
	struct sftp_handle handle;
	unsigned asked; /* pages */
	bool ended;	/* no more is asked for */
};

struct listing {
	struct sftp_drive *d;
	struct sftp_session *s;
	const char *prefix;
	object_fn *each;
	void *ctx;
	struct error *err;
	int code; /* of the listing: what each() returned, or of an answer */
	char **folders; /* waiting */
	size_t folders_count, folders_cap;
	uint64_t entries;
	struct reading readings[OPEN_MAX];
};

static sftp_answer_fn take_page;

static void reading_end(struct reading *r)
{
	free(r->folder);
	r->folder = NULL;
}

static bool is_done(const struct sftp_answer *a)
{
	return sftp_answer_is(a, SFTP_EOF) || sftp_answer_is(a, SFTP_NO_SUCH_FILE);
}

/* A listing that has ended goes on only until all is answered. */
static void fail(struct listing *l, int code)
{
	if (l->code == ERR_NONE)
		l->code = code;
}

static void ask_pages(struct reading *r)
{
	struct sftp_session *s = r->l->s;

	for (; r->asked < PAGES_ASKED; r->asked++) {
		sftp_request(s, SFTP_READDIR, take_page, r, 0);
		sftp_add_bytes(&s->out, r->handle.bytes, r->handle.len_bytes);
		sftp_request_end(s);
	}
}

static int take_opened(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err)
{
	struct reading *r = ctx;
	struct sftp_answer a;
	int code = sftp_keep(&a, at, p, err);

	if (code != ERR_NONE)
		return code;
	if (a.type == SFTP_HANDLE) {
		r->handle = a.handle;
		ask_pages(r);
		return ERR_NONE;
	}
	if (!is_done(&a)) { /* it was removed meanwhile */
		code = sftp_answer_error(&a, SFTP_HANDLE, "open a folder", r->l->err);
		fail(r->l, code);
	}
	reading_end(r);
	return ERR_NONE;
}

/* "folder/entry", if that is an object name. */
static bool full_name(const struct reading *r, const char *entry, char out[OBJECT_NAME_MAX + 1])
{
	size_t len = strlen(r->folder), more = strlen(entry);

	if (!object_name_ok(entry) || len + 1 + more > OBJECT_NAME_MAX)
		return false;
	memcpy(out, r->folder, len);
	if (len > 0)
		out[len++] = '/';
	memcpy(out + len, entry, more + 1);
	return true;
}

static int later(struct listing *l, const char *folder)
{
	char *copy;

	if (l->folders_count == FOLDERS_MAX)
		return err_set(l->err, ERR_CORRUPT, "there are more than %d folders", FOLDERS_MAX);
	copy = strdup(folder);
	if (!copy || !grow(&l->folders, &l->folders_cap, l->folders_count + 1, sizeof(*l->folders))) {
		free(copy);
		return err_nomem(l->err);
	}
	l->folders[l->folders_count++] = copy;
	return ERR_NONE;
}

static int list_entry(struct listing *l, const char *name, const struct sftp_attrs *attrs)
{
	if (!attrs->has_mode || !attrs->has_size)
		return err_set(l->err, ERR_UNSUPPORTED, "the server's listings do not tell lengths");
	if (S_ISDIR(attrs->mode))
		return later(l, name);
	return S_ISREG(attrs->mode) ? l->each(l->ctx, name, attrs->size_bytes) : ERR_NONE;
}

static int list_page(struct reading *r, const struct sftp_packet *p)
{
	char entry[SFTP_NAME_BYTES_MAX], name[OBJECT_NAME_MAX + 1];
	struct listing *l = r->l;
	struct sftp_attrs attrs;
	struct sftp_names names;
	int code = ERR_NONE;

	if (!sftp_names_begin(p, &names))
		return err_set(l->err, ERR_CORRUPT, "a page of a folder makes no sense");
	while (code == ERR_NONE && sftp_names_next(&names, entry, &attrs)) {
		/* What is no object name can't be an object: "~tmp", "..", another program's. */
		if (full_name(r, entry, name) && strncmp(name, l->prefix, strlen(l->prefix)) == 0)
			code = list_entry(l, name, &attrs);
		if (code == ERR_NONE && ++l->entries > ENTRIES_MAX)
			code = err_set(l->err, ERR_CORRUPT, "it has no end");
	}
	if (code == ERR_NONE && names.left > 0)
		code = err_set(l->err, ERR_CORRUPT, "a page of a folder makes no sense");
	return code;
}

static int take_page(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err)
{
	struct reading *r = ctx;
	struct listing *l = r->l;
	struct sftp_answer a;
	int code;

	r->asked--;
	if (p->type == SFTP_NAME) {
		if (l->code == ERR_NONE)
			fail(l, list_page(r, p));
	} else {
		code = sftp_keep(&a, at, p, err);
		if (code != ERR_NONE)
			return code;
		if (!is_done(&a) && l->code == ERR_NONE)
			fail(l, sftp_answer_error(&a, SFTP_NAME, "read a folder", l->err));
		r->ended = true;
	}
	if (r->asked > 0)
		return ERR_NONE;
	if (l->code == ERR_NONE && !r->ended) {
		ask_pages(r);
		return ERR_NONE;
	}
	sftp_ask_handle(l->s, SFTP_CLOSE, &r->handle, NULL);
	reading_end(r);
	return ERR_NONE;
}

static void begin_readings(struct listing *l)
{
	char path[SFTP_PATH_BYTES];

	for (unsigned i = 0; i < OPEN_MAX && l->folders_count > 0 && l->code == ERR_NONE; i++) {
		struct reading *r = &l->readings[i];

		if (r->folder)
			continue;
		*r = (struct reading){ .l = l };
		r->folder = l->folders[--l->folders_count];
		sftp_path(l->d, r->folder, path);
		sftp_request(l->s, SFTP_OPENDIR, take_opened, r, 0);
		sftp_add_text(&l->s->out, path);
		sftp_request_end(l->s);
	}
}

static int list_all(struct listing *l, struct error *err)
{
	int code = ERR_NONE;

	begin_readings(l);
	while (code == ERR_NONE && l->s->unanswered_count > 0) {
		code = sftp_pump(l->s, l->s->unanswered_count - 1, err);
		begin_readings(l);
	}
	for (unsigned i = 0; i < OPEN_MAX; i++)
		reading_end(&l->readings[i]);
	while (l->folders_count > 0)
		free(l->folders[--l->folders_count]);
	free(l->folders);
	if (code == ERR_NONE && l->s->out.len_bytes > 0) /* the last to be closed */
		code = sftp_pump(l->s, 0, err);
	return code;
}

int sftp_list(struct drive *drive, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct sftp_drive *d = (struct sftp_drive *)drive;
	struct listing *l;
	char folder[OBJECT_NAME_MAX + 1];
	const char *slash;
	struct error broke;
	int code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_nomem(err);
	*l = (struct listing){ .d = d, .prefix = prefix, .each = each, .ctx = ctx, .err = err };
	/* Only the folder that the prefix names can hold a match. */
	slash = strrchr(prefix, '/');
	memcpy(folder, prefix, slash ? (size_t)(slash - prefix) : 0);
	folder[slash ? slash - prefix : 0] = '\0';
	code = later(l, folder);
	if (code == ERR_NONE)
		code = sftp_borrow(d, true, &l->s, err);
	if (code != ERR_NONE) {
		free(l->folders ? l->folders[0] : NULL);
		free(l->folders);
		free(l);
		return code;
	}
	code = list_all(l, &broke);
	sftp_return(d, true, l->s);
	if (code != ERR_NONE && l->code == ERR_NONE) {
		*err = broke;
		code = err_wrap(err, "list %s", prefix);
	} else {
		code = l->code;
	}
	free(l);
	return code;
}

/* ---- one folder alone ---- */

struct page {
	sftp_entry_fn *each;
	void *ctx;
	bool more;
};

static int take_entries(void *ctx, uint64_t at, const struct sftp_packet *p, struct error *err)
{
	char entry[SFTP_NAME_BYTES_MAX];
	struct page *page = ctx;
	struct sftp_attrs attrs;
	struct sftp_names names;
	struct sftp_answer a;

	page->more = sftp_names_begin(p, &names);
	if (!page->more)
		return sftp_keep(&a, at, p, err);
	while (sftp_names_next(&names, entry, &attrs))
		page->each(page->ctx, entry, &attrs);
	return ERR_NONE;
}

int sftp_read_folder(struct sftp_session *s, const char *path, sftp_entry_fn *each, void *ctx,
		     struct error *err)
{
	struct page page = { .each = each, .ctx = ctx, .more = true };
	struct sftp_answer opened;
	unsigned pages = 0;
	int code;

	sftp_ask_path(s, SFTP_OPENDIR, path, &opened);
	code = sftp_pump(s, 0, err);
	if (code != ERR_NONE)
		return code;
	code = sftp_answer_error(&opened, SFTP_HANDLE, "open a folder", err);
	while (code == ERR_NONE && page.more && pages++ < 1000) {
		sftp_request(s, SFTP_READDIR, take_entries, &page, 0);
		sftp_add_bytes(&s->out, opened.handle.bytes, opened.handle.len_bytes);
		sftp_request_end(s);
		code = sftp_pump(s, 0, err);
	}
	if (opened.type == SFTP_HANDLE && !s->broken)
		sftp_ask_handle(s, SFTP_CLOSE, &opened.handle, NULL);
	return code;
}
