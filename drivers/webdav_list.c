/* Listing: folder by folder, each asked for with what is in it; never a whole tree at once, which
 * most servers refuse. */
#include "drivers/folders.h"
#include "drivers/name.h"
#include "drivers/webdav.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	struct webdav *w;
	const char *prefix;
	size_t prefix_len;
};

/* One folder of it. */
struct reading {
	const struct listing *l;
	char folder[OBJECT_NAME_MAX + 2]; /* with its slash; "" is all */
	struct folder_found *found;
};

/* The object name of an entry. False: what is there can't be an object or hold one: temporary
 * names, another program's. */
static bool name_of(const struct reading *r, const struct dav_entry *e,
		    char name[OBJECT_NAME_MAX + 1])
{
	const char *leaf = e->name;
	size_t folder_len = strlen(r->folder), len;

	if (r->l->w->no_dots && leaf[0] == '~' && leaf[1] == '.')
		leaf++;
	else if (r->l->w->no_dots && leaf[0] == '.')
		return false;
	len = strlen(leaf);
	if (len > OBJECT_NAME_MAX || folder_len + len > OBJECT_NAME_MAX)
		return false;
	memcpy(name, r->folder, folder_len);
	memcpy(name + folder_len, leaf, len + 1);
	return object_name_ok(name);
}

/* The listing starts in the folder that the prefix names, so a folder that does not match it holds
 * nothing that does. */
static int list_entry(void *ctx, const struct dav_entry *e, struct error *err)
{
	struct reading *r = ctx;
	char name[OBJECT_NAME_MAX + 1];

	if (!name_of(r, e, name) || strncmp(name, r->l->prefix, r->l->prefix_len) != 0)
		return ERR_NONE;
	if (e->is_folder && strlen(name) < OBJECT_NAME_MAX)
		folder_has_folder(r->found, name);
	if (e->is_folder)
		return ERR_NONE;
	if (!e->has_length)
		return err_set(err, ERR_CORRUPT, "list %s: the server tells no length", name);
	folder_has_object(r->found, name, e->len_bytes);
	return ERR_NONE;
}

static int list_folder(void *ctx, const char *folder, struct folder_found *found,
		       struct error *err)
{
	const struct listing *l = ctx;
	struct reading r = { .l = l, .found = found };
	char *path, *slash;
	int code;

	snprintf(r.folder, sizeof(r.folder), "%s%s", folder, folder[0] ? "/" : "");
	path = webdav_path(l->w, r.folder);
	if (!path)
		return err_nomem(err);
	slash = strrchr(path, '/');
	*slash = '\0';
	code = webdav_look_into(l->w, path, folder[0] ? r.folder : "all objects", list_entry, &r, NULL,
				err);
	free(path);
	/* Nothing was put there yet, or the last of it was removed meanwhile. */
	return code == ERR_NOT_FOUND ? ERR_NONE : code;
}

int webdav_list(struct drive *d, const char *prefix, object_fn *each, void *ctx, struct error *err)
{
	struct webdav *w = (struct webdav *)d;
	struct listing l = { .w = w, .prefix = prefix, .prefix_len = strlen(prefix) };
	char folder[OBJECT_NAME_MAX + 1] = "";
	const char *slash = strrchr(prefix, '/');
	int code = object_prefix_check(prefix, err);

	if (code != ERR_NONE)
		return code;
	if (slash)
		memcpy(folder, prefix, (size_t)(slash - prefix));
	return folders_list(folder, w->driver.connections_max, list_folder, &l, each, ctx, err);
}
