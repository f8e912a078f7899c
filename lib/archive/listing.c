#include "archive/listing.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Above the 32 KiB of readdir(3): fewer calls for large folders. */
#define DIRENTS_BYTES 65536

int name_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
	int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

	return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_listed(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return name_compare(a->name, a->name_bytes, b->name, b->name_bytes);
}

static uint64_t order_of(const uint8_t *name, size_t name_bytes)
{
	uint64_t order = 0;

	for (size_t i = 0; i < 8; i++)
		order = order << 8 | (i < name_bytes ? name[i] : 0);
	return order;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

void listing_clear(struct listing *l)
{
	l->count = 0;
	buf_clear(&l->names);
}

bool listing_add(struct listing *l, const void *name, size_t name_bytes, uint8_t type,
		 uint64_t inode)
{
	if (!grow(&l->entries, &l->cap, l->count + 1, sizeof(*l->entries)))
		return false;
	l->entries[l->count++] = (struct listed){
		.inode = inode,
		.name_bytes = (uint16_t)name_bytes,
		.type = type,
	};
	buf_add(&l->names, name, name_bytes);
	buf_add_u8(&l->names, 0);
	return !l->names.failed;
}

void listing_sort(struct listing *l)
{
	const uint8_t *at = l->names.data;
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct listed *e = &l->entries[i];

		e->name = at;
		e->order = order_of(at, e->name_bytes);
		at += e->name_bytes + 1;
	}
	if (l->count > 1)
		qsort(l->entries, l->count, sizeof(*l->entries), compare_listed);
	for (size_t i = 0; i < l->count; i++) {
		if (kept == 0 || compare_listed(&l->entries[kept - 1], &l->entries[i]) != 0)
			l->entries[kept++] = l->entries[i];
	}
	l->count = kept;
}

int listing_read(struct listing *l, int fd, struct error *err)
{
	_Alignas(struct dirent64) char raw[DIRENTS_BYTES];
	int code = ERR_NONE;
	ssize_t got;

	listing_clear(l);
	while ((got = getdents64(fd, raw, sizeof(raw))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct dirent64 *d = (const struct dirent64 *)(raw + at);

			at += d->d_reclen;
			if (is_dots(d->d_name))
				continue;
			if (!listing_add(l, d->d_name, strlen(d->d_name), d->d_type, d->d_ino)) {
				listing_clear(l);
				return err_nomem(err);
			}
		}
	}
	if (got < 0)
		code = err_errno(err, "list");
	listing_sort(l);
	return code;
}

void listing_release(struct listing *l)
{
	free(l->entries);
	buf_release(&l->names);
	*l = (struct listing){0};
}

struct listed *listing_find(const struct listing *l, const void *name, size_t name_bytes)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct listed *e = &l->entries[mid];
		int order = name_compare(name, name_bytes, e->name, e->name_bytes);

		if (order == 0)
			return e;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}
