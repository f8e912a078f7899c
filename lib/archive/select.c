#include "archive/select.h"

#include "archive/roots.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LATEST "latest"

void snapshot_list_release(struct snapshot_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		table_snapshot_release(&l->items[i]);
	free(l->items);
	memset(l, 0, sizeof(*l));
}

static bool has_all_tags(const struct table_snapshot *s, const struct select_filter *f)
{
	for (size_t i = 0; i < f->tag_count; i++) {
		if (!table_snapshot_has_tag(s, f->tags[i]))
			return false;
	}
	return true;
}

int select_list(struct table *t, const struct select_filter *f, struct snapshot_list *out,
		struct error *err)
{
	struct snapshot_filter filter = { .host = f->host,
					  .series = f->series,
					  .before_ns = f->before_ns };
	size_t kept = 0;
	int code = table_snapshots(t, &filter, &out->items, &out->count, err);

	if (code != ERR_NONE) {
		memset(out, 0, sizeof(*out));
		return code;
	}
	for (size_t i = 0; i < out->count; i++) {
		if (has_all_tags(&out->items[i], f))
			out->items[kept++] = out->items[i];
		else
			table_snapshot_release(&out->items[i]);
	}
	out->count = kept;
	return ERR_NONE;
}

/* Whether word is latest or latest~N. */
static bool is_latest(const char *word, uint64_t *back)
{
	size_t digits;

	*back = 0;
	if (strncmp(word, LATEST, strlen(LATEST)) != 0)
		return false;
	word += strlen(LATEST);
	if (*word == '\0')
		return true;
	digits = *word == '~' ? strspn(word + 1, "0123456789") : 0;
	if (digits == 0 || digits > 9 || word[1 + digits] != '\0')
		return false;
	*back = strtoull(word + 1, NULL, 10);
	return true;
}

/* Index of the snapshot back steps before the newest one that counts, or list->count. */
static size_t find_latest(const struct snapshot_list *list, const char *this_host, uint64_t back)
{
	bool own = false;

	for (size_t i = 0; i < list->count && this_host && !own; i++)
		own = strcmp(list->items[i].host, this_host) == 0;
	for (size_t i = list->count; i-- > 0;) {
		if (own && strcmp(list->items[i].host, this_host) != 0)
			continue;
		if (back-- == 0)
			return i;
	}
	return list->count;
}

static bool is_hex(const char *word)
{
	size_t len = strspn(word, "0123456789abcdefABCDEF");

	return len > 0 && len < ID_HEX_BYTES && word[len] == '\0';
}

static bool id_begins(const struct id *id, const char *prefix)
{
	char hex[ID_HEX_BYTES];

	hex_encode(id->b, ID_BYTES, hex);
	return strncasecmp(hex, prefix, strlen(prefix)) == 0;
}

static int find_id(const struct snapshot_list *list, const char *prefix, size_t *index,
		   struct error *err)
{
	size_t found = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (!id_begins(&list->items[i].id, prefix))
			continue;
		*index = i;
		found++;
	}
	if (found > 1)
		return err_set(err, ERR_USAGE, "snapshot %s: %zu ids begin so, give more of it",
			       prefix, found);
	if (found == 0)
		return err_set(err, ERR_NOT_FOUND, "snapshot %s: there is none", prefix);
	return ERR_NONE;
}

int select_snapshot(struct table *t, const struct select_filter *f, const char *word,
		    struct table_snapshot *out, struct error *err)
{
	struct snapshot_list list;
	uint64_t back;
	bool latest = is_latest(word, &back);
	size_t at = 0;
	int code;

	if (!latest && !is_hex(word))
		return err_set(err, ERR_USAGE, "snapshot '%s': write an id, its beginning, latest or "
					       "latest~1", word);
	code = select_list(t, f, &list, err);
	if (code != ERR_NONE)
		return code;
	if (!latest)
		code = find_id(&list, word, &at, err);
	else if ((at = find_latest(&list, f->this_host, back)) == list.count)
		code = err_set(err, ERR_NOT_FOUND, "snapshot %s: there is none", word);
	if (code == ERR_NONE) {
		*out = list.items[at];
		memset(&list.items[at], 0, sizeof(*out));
	}
	snapshot_list_release(&list);
	return code;
}

/* ---- paths ---- */

static int find_node(struct table *t, struct selection *target, struct error *err)
{
	if (target->path[0] == '\0')
		return ERR_NONE;
	return table_node(t, &target->snapshot, target->path, strlen(target->path), &target->node,
			  err);
}

/* As cwd (NULL: the current folder) has it. */
static int find_path(struct table *t, const char *cwd, const char *path, struct selection *target,
		     struct error *err)
{
	int code;

	free(target->path);
	target->path = NULL;
	code = path_absolute(cwd, path, &target->path, err);
	if (code != ERR_NONE)
		return code;
	if (strcmp(target->path, "/") == 0)
		target->path[0] = '\0';
	return find_node(t, target, err);
}

int select_target(struct table *t, const struct select_filter *f, const char *arg,
		  struct selection *out, struct error *err)
{
	const char *colon = strchr(arg, ':');
	const char *path = colon ? colon + 1 : "";
	size_t word_bytes = colon ? (size_t)(colon - arg) : strlen(arg);
	char *word = word_bytes ? strndup(arg, word_bytes) : strdup(LATEST);
	int code;

	memset(out, 0, sizeof(*out));
	if (!word)
		return err_nomem(err);
	code = select_snapshot(t, f, word, &out->snapshot, err);
	free(word);
	if (code != ERR_NONE)
		return code;
	out->has_path = path[0] != '\0';
	code = find_path(t, NULL, out->has_path ? path : "/", out, err);
	if (code == ERR_NOT_FOUND && path[0] != '/')
		code = find_path(t, "/", path, out, err);
	if (code == ERR_NOT_FOUND)
		err_wrap(err, "%s", path);
	if (code != ERR_NONE)
		selection_release(out);
	return code;
}

static bool is_below(const char *path, const char *place)
{
	size_t len = strlen(place);

	return strncmp(path, place, len) == 0 &&
	       (len == 0 || path[len] == '/' || path[len] == '\0');
}

static int find_below(struct table *t, const struct selection *place, const char *cwd,
		      const char *path, char **out, struct error *err)
{
	struct node unused;
	int code = path_absolute(cwd, path, out, err);

	if (code != ERR_NONE)
		return code;
	if (!is_below(*out, place->path))
		code = err_set(err, ERR_NOT_FOUND, "it is not below %s", place->path);
	else if (strcmp(*out, "/") != 0)
		code = table_node(t, &place->snapshot, *out, strlen(*out), &unused, err);
	if (code != ERR_NONE)
		free(*out);
	return code;
}

int select_below(struct table *t, const struct selection *place, const char *path, char **out,
		 struct error *err)
{
	struct error from_place;
	int code = find_below(t, place, NULL, path, out, err);

	if (code == ERR_NOT_FOUND && path[0] != '/' &&
	    find_below(t, place, place->path[0] ? place->path : "/", path, out, &from_place) ==
		    ERR_NONE)
		return ERR_NONE;
	return code == ERR_NOT_FOUND ? err_wrap(err, "%s", path) : code;
}

void selection_release(struct selection *target)
{
	table_snapshot_release(&target->snapshot);
	free(target->path);
	memset(target, 0, sizeof(*target));
}
