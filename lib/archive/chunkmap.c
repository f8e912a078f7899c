#include "archive/chunkmap.h"

#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 4096

struct chunk_map_entry {
	struct hash id;
	struct packer_ref ref;
	bool used;
};

void chunk_map_release(struct chunk_map *m)
{
	free(m->entries);
	memset(m, 0, sizeof(*m));
}

void chunk_map_clear(struct chunk_map *m)
{
	if (m->count > 0)
		memset(m->entries, 0, m->cap * sizeof(*m->entries));
	m->count = 0;
}

/* Ids are keyed hashes: their first bytes are as good as any hash of them. */
static struct chunk_map_entry *slot_of(const struct chunk_map *m, const struct hash *id)
{
	size_t i = (size_t)load_u64(id->b) & (m->cap - 1);

	while (m->entries[i].used && !hash_equal(&m->entries[i].id, id))
		i = (i + 1) & (m->cap - 1);
	return &m->entries[i];
}

const struct packer_ref *chunk_map_find(const struct chunk_map *m, const struct hash *id)
{
	const struct chunk_map_entry *e;

	if (m->count == 0)
		return NULL;
	e = slot_of(m, id);
	return e->used ? &e->ref : NULL;
}

static bool widen(struct chunk_map *m)
{
	struct chunk_map bigger = { .cap = m->cap ? 2 * m->cap : CAP_FIRST, .count = m->count };

	bigger.entries = calloc(bigger.cap, sizeof(*bigger.entries));
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < m->cap; i++) {
		if (m->entries[i].used)
			*slot_of(&bigger, &m->entries[i].id) = m->entries[i];
	}
	free(m->entries);
	*m = bigger;
	return true;
}

bool chunk_map_add(struct chunk_map *m, const struct hash *id, struct packer_ref ref)
{
	struct chunk_map_entry *e;

	if (2 * (m->count + 1) > m->cap && !widen(m))
		return false;
	e = slot_of(m, id);
	if (!e->used)
		m->count++;
	*e = (struct chunk_map_entry){ .id = *id, .ref = ref, .used = true };
	return true;
}
