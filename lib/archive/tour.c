#include "archive/tour.h"

#include <stdlib.h>

/* A folder that the tour is in. */
struct stop {
	struct table_children *children;
	size_t path_bytes; /* of the folder */
};

struct tour {
	struct table *t;
	const struct table_snapshot *snapshot;
	bool below;
	struct buf path;
	struct stop *stops; /* from the folder of the tour down to the one at hand */
	size_t depth, cap;
	bool enter; /* the last node was a folder, and path is its */
};

/* Goes into the folder that path names. */
static int enter(struct tour *tour, struct error *err)
{
	struct stop *s;
	int code;

	if (!grow(&tour->stops, &tour->cap, tour->depth + 1, sizeof(*tour->stops)))
		return err_nomem(err);
	s = &tour->stops[tour->depth];
	s->path_bytes = tour->path.len_bytes;
	code = table_children_open(tour->t, tour->snapshot, tour->path.data, tour->path.len_bytes,
				   &s->children, err);
	if (code == ERR_NONE)
		tour->depth++;
	return code;
}

int tour_begin(struct table *t, const struct table_snapshot *s, const void *folder,
	       size_t folder_bytes, bool below, struct tour **out, struct error *err)
{
	struct tour *tour = calloc(1, sizeof(*tour));
	int code;

	if (!tour)
		return err_nomem(err);
	tour->t = t;
	tour->snapshot = s;
	tour->below = below;
	buf_add(&tour->path, folder, folder_bytes);
	code = tour->path.failed ? err_nomem(err) : enter(tour, err);
	if (code != ERR_NONE)
		tour_end(tour);
	else
		*out = tour;
	return code;
}

/* Makes path that of a name in the folder at hand. */
static int set_path(struct tour *tour, const uint8_t *name, size_t name_bytes, struct error *err)
{
	struct buf *path = &tour->path;

	path->len_bytes = tour->stops[tour->depth - 1].path_bytes;
	buf_add_u8(path, '/');
	buf_add(path, name, name_bytes);
	buf_add_u8(path, '\0');
	if (path->failed)
		return err_nomem(err);
	path->len_bytes--;
	return ERR_NONE;
}

bool tour_next(struct tour *tour, const uint8_t **path, size_t *path_bytes, struct node *node,
	       struct error *err)
{
	const uint8_t *name;
	size_t name_bytes;

	err->code = ERR_NONE;
	if (tour->enter && enter(tour, err) != ERR_NONE)
		return false;
	tour->enter = false;
	while (tour->depth > 0) {
		struct stop *s = &tour->stops[tour->depth - 1];

		if (table_children_next(s->children, &name, &name_bytes, node, err)) {
			if (set_path(tour, name, name_bytes, err) != ERR_NONE)
				return false;
			tour->enter = tour->below && node->type == NODE_FOLDER;
			*path = tour->path.data;
			*path_bytes = tour->path.len_bytes;
			return true;
		}
		if (err->code != ERR_NONE)
			return false;
		table_children_close(s->children);
		tour->depth--;
	}
	return false;
}

void tour_end(struct tour *tour)
{
	if (!tour)
		return;
	while (tour->depth > 0)
		table_children_close(tour->stops[--tour->depth].children);
	free(tour->stops);
	buf_release(&tour->path);
	free(tour);
}
