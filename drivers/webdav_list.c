/* Listing: folder by folder, each asked for with what is in it; never a whole tree at once, which
 * most servers refuse. */
#include "drivers/name.h"
#include "drivers/webdav.h"

#include <stdlib.h>
#include <string.h>

/* More than any array has: a server that makes up folders without end is not followed. */
#define FOLDERS_MAX ((size_t)1 << 14)
#define PENDING_BYTES_MAX ((size_t)32 << 20)

struct listing {
	const struct webdav *w;
	const char *prefix;
	size_t prefix_len;
	object_fn *each;
	void *ctx;

	/* Folders still to be asked for, each with its slash; the last is the next. Owned. */
	char **pending;
	size_t pending_count, pending_cap, pending_bytes;
	size_t folders;			 /* asked for so far */
	char folder[OBJECT_NAME_MAX + 2]; /* asked for now, with its slash; "" is all */
};

static int push(struct listing *l, const char *name, struct error *err)
{
	size_t len = strlen(name);
	char *folder;

	if (l->pending_bytes + len > PENDING_BYTES_MAX)
		return err_set(err, ERR_CORRUPT, "list %s: folders without end", l->prefix);
	folder = malloc(len + 2);
	if (!folder || !grow(&l->pending, &l->pending_cap, l->pending_count + 1, sizeof(*l->pending))) {
		free(folder);
		return err_nomem(err);
	}
	memcpy(folder, name, len);
	memcpy(folder + len, "/", 2);
	l->pending[l->pending_count++] = folder;
	l->pending_bytes += len;
	return ERR_NONE;
}

/* The object name of an entry. False: what is there can't be an object or hold one: temporary
 * names, another program's. */
static bool name_of(const struct listing *l, const struct dav_entry *e,
		    char name[OBJECT_NAME_MAX + 1])
{
	const char *leaf = e->name;
	size_t folder_len = strlen(l->folder), len;

	if (l->w->no_dots && leaf[0] == '~' && leaf[1] == '.')
		leaf++;
	else if (l->w->no_dots && leaf[0] == '.')
		return false;
	len = strlen(leaf);
	if (len > OBJECT_NAME_MAX || folder_len + len > OBJECT_NAME_MAX)
		return false;
	memcpy(name, l->folder, folder_len);
	memcpy(name + folder_len, leaf, len + 1);
	return object_name_ok(name);
}

/* The listing starts in the folder that the prefix names, so a folder that does not match it holds
 * nothing that does. */
static int list_entry(void *ctx, const struct dav_entry *e, struct error *err)
{
	struct listing *l = ctx;
	char name[OBJECT_NAME_MAX + 1];

	if (!name_of(l, e, name) || strncmp(name, l->prefix, l->prefix_len) != 0)
		return ERR_NONE;
	if (e->is_folder)
		return strlen(name) < OBJECT_NAME_MAX ? push(l, name, err) : ERR_NONE;
	if (!e->has_length)
		return err_set(err, ERR_CORRUPT, "list %s: the server tells no length", name);
	return l->each(l->ctx, name, e->len_bytes);
}

static int list_folder(struct webdav *w, struct listing *l, struct error *err)
{
	char *path, *slash;
	int code;

	if (++l->folders > FOLDERS_MAX)
		return err_set(err, ERR_CORRUPT, "list %s: folders without end", l->prefix);
	path = webdav_path(w, l->folder);
	if (!path)
		return err_nomem(err);
	slash = strrchr(path, '/');
	*slash = '\0';
	code = webdav_look_into(w, path, l->folder[0] ? l->folder : "all objects", list_entry, l,
				NULL, err);
	free(path);
	/* Nothing was put there yet, or the last of it was removed meanwhile. */
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int webdav_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	struct listing l = { .w = w, .prefix = prefix, .each = each, .ctx = ctx };
	const char *slash = strrchr(prefix, '/');
	int code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	l.prefix_len = strlen(prefix);
	if (slash)
		memcpy(l.folder, prefix, (size_t)(slash + 1 - prefix));
	code = list_folder(w, &l, err);
	while (code == ERR_NONE && l.pending_count > 0) {
		char *next = l.pending[--l.pending_count];

		l.pending_bytes -= strlen(next) - 1;
		memcpy(l.folder, next, strlen(next) + 1);
		free(next);
		code = list_folder(w, &l, err);
	}
	while (l.pending_count > 0)
		free(l.pending[--l.pending_count]);
	free(l.pending);
	return code;
}
