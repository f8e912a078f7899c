#include "archive/roots.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Appends the components of path to out, which holds "" or "/a/b". */
static void add_components(struct buf *out, const char *path)
{
	while (*path) {
		size_t len_bytes = strcspn(path, "/");

		if (len_bytes == 2 && memcmp(path, "..", 2) == 0) {
			while (out->len_bytes > 0 && out->data[--out->len_bytes] != '/')
				;
		} else if (len_bytes > 0 && !(len_bytes == 1 && *path == '.')) {
			buf_add_u8(out, '/');
			buf_add(out, path, len_bytes);
		}
		path += len_bytes;
		path += strspn(path, "/");
	}
}

int path_absolute(const char *cwd, const char *path, char **out, struct error *err)
{
	struct buf joined = {0};
	char *own_cwd = NULL;

	if (*path == '\0')
		return err_set(err, ERR_USAGE, "path is empty");
	if (*path != '/' && !cwd) {
		own_cwd = getcwd(NULL, 0);
		if (!own_cwd)
			return err_errno(err, "current folder");
		cwd = own_cwd;
	}
	if (*path != '/')
		add_components(&joined, cwd);
	free(own_cwd);
	add_components(&joined, path);
	if (joined.len_bytes == 0)
		buf_add_u8(&joined, '/');
	buf_add_u8(&joined, 0);
	if (joined.failed) {
		buf_release(&joined);
		return err_nomem(err);
	}
	*out = (char *)joined.data;
	return ERR_NONE;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int roots_make(const char *const *paths, size_t count, struct roots *out, struct error *err)
{
	size_t kept = 0;

	*out = (struct roots){.paths = calloc(count ? count : 1, sizeof(char *))};
	if (!out->paths)
		return err_nomem(err);
	for (; out->count < count; out->count++) {
		if (path_absolute(NULL, paths[out->count], &out->paths[out->count], err) !=
		    ERR_NONE) {
			roots_release(out);
			return (int)err->code;
		}
	}
	qsort(out->paths, count, sizeof(char *), compare_paths);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && strcmp(out->paths[kept - 1], out->paths[i]) == 0)
			free(out->paths[i]);
		else
			out->paths[kept++] = out->paths[i];
	}
	out->count = kept;
	return ERR_NONE;
}

void roots_release(struct roots *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->paths[i]);
	free(r->paths);
	*r = (struct roots){0};
}

/* How a root sorts against path + last, of its own bytes only as many as that has. */
static int compare_begin(const char *root, const void *path, size_t path_bytes, char last)
{
	int order = path_bytes > 0 ? strncmp(root, path, path_bytes) : 0;

	/* Equal so far means that the root has at least path_bytes bytes. */
	return order != 0 ? order : (uint8_t)root[path_bytes] - (uint8_t)last;
}

static size_t lower_bound(const struct roots *r, const void *path, size_t path_bytes, char last)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_begin(r->paths[mid], path, path_bytes, last) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool roots_has(const struct roots *r, const void *path, size_t path_bytes)
{
	size_t i;

	if (path_bytes == 0)
		return r->count > 0 && strcmp(r->paths[0], "/") == 0;
	i = lower_bound(r, path, path_bytes, '\0');
	return i < r->count && compare_begin(r->paths[i], path, path_bytes, '\0') == 0;
}

bool roots_below(const struct roots *r, const void *path, size_t path_bytes, size_t *first,
		 size_t *end)
{
	size_t i = lower_bound(r, path, path_bytes, '/');

	/* The root of all is below nothing, though its name begins like that of all others. */
	if (i < r->count && strcmp(r->paths[i], "/") == 0)
		i++;
	*first = i;
	while (i < r->count && compare_begin(r->paths[i], path, path_bytes, '/') == 0)
		i++;
	*end = i;
	return *first < *end;
}

void roots_encode(const struct roots *r, struct buf *out)
{
	for (size_t i = 0; i < r->count; i++)
		buf_add(out, r->paths[i], strlen(r->paths[i]) + 1);
}
