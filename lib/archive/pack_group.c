/* The groups of a packer: one fills while another is coded and stored. */
#include "archive/pack_internal.h"

#include "array/paces.h"
#include "array/widen.h"

#include <stdlib.h>

/* Alive at a time, which bounds the memory: one that fills and one that is stored. On the way to a
 * remote drive each object waits for some answers: then others are on the line, as many as take up no
 * more memory than two large groups. */
#define GROUPS_LOCAL 2
#define GROUPS_REMOTE 6
#define GROUPS_BYTES ((uint64_t)128 << 20)

/* Called with the lock held. */
static void writer_give_back(struct packer *p, struct block_writer *w, uint32_t block_bytes)
{
	if (w && p->spare_count < SPARE_MAX)
		p->spare[p->spare_count++] = (struct spare_writer){ w, block_bytes };
	else
		block_writer_free(w);
}

void pack_drop_spare(struct packer *p)
{
	while (p->spare_count > 0)
		block_writer_free(p->spare[--p->spare_count].writer);
}

/* Called with the lock held. */
static int writer_take(struct packer *p, uint32_t block_bytes, struct block_writer **out,
		       struct error *err)
{
	while (p->spare_count > 0) {
		struct spare_writer s = p->spare[--p->spare_count];

		if (s.block_bytes == block_bytes) {
			block_writer_reset(s.writer);
			*out = s.writer;
			return ERR_NONE;
		}
		block_writer_free(s.writer); /* the drives at hand have changed, and the shape */
	}
	return block_writer_new(p->a->keys, &p->a->policy.geometry, block_bytes, out, err);
}

void filling_free(struct filling *f)
{
	if (!f)
		return;
	for (unsigned i = 0; f->writers && i < f->k; i++)
		writer_give_back(f->p, f->writers[i], f->block_bytes);
	free(f->writers);
	free(f);
}

unsigned pack_groups_max(const struct packer *p, unsigned k, unsigned m, uint32_t block_bytes)
{
	uint64_t most = GROUPS_BYTES / ((k + m) * (uint64_t)block_bytes);

	if (remote_calls_max(p->a) == 0 || most < GROUPS_LOCAL)
		return GROUPS_LOCAL;
	return most < GROUPS_REMOTE ? (unsigned)most : GROUPS_REMOTE;
}

int pack_shape(struct packer *p, unsigned *k, unsigned *m, uint32_t *block_bytes,
	       struct error *err)
{
	int code = place_shape(p->a, k, m, block_bytes, err);

	if (code == ERR_NONE)
		return code;
	*m = 0;
	/* No room for a group: blocks that old groups take in, one by one. */
	if (code == ERR_FULL)
		code = widen_shape(p->a, k, block_bytes, err);
	if (code != ERR_FULL)
		return code;
	*k = 1;
	*block_bytes = place_block_bytes_min(p->a);
	return ERR_NONE;
}

/* Opens the blocks of a new group. */
static int filling_new(struct packer *p, struct filling **out, struct error *err)
{
	struct filling *f;
	uint32_t block_bytes;
	unsigned k, m;
	int code = pack_shape(p, &k, &m, &block_bytes, err);

	if (code != ERR_NONE)
		return code;
	f = calloc(1, sizeof(*f));
	if (!f || !(f->writers = calloc(k, sizeof(struct block_writer *)))) {
		free(f);
		return err_nomem(err);
	}
	f->p = p;
	f->k = k;
	f->m = m;
	f->block_bytes = block_bytes;
	for (unsigned i = 0; i < k; i++) {
		code = writer_take(p, block_bytes, &f->writers[i], err);
		if (code != ERR_NONE) {
			filling_free(f);
			return code;
		}
	}
	*out = f;
	return ERR_NONE;
}

static void free_writer(void *owner)
{
	block_writer_free(owner);
}

/* A block that a drive which hangs may still read is not filled again. */
static void take_blocks_back(struct filling *f, struct lent **lent)
{
	for (unsigned i = 0; i < f->k; i++) {
		if (lent[i] && !lent_take_back(lent[i]))
			f->writers[i] = NULL;
	}
}

/* Runs on the storer's thread, outside the lock: every frame of f is sealed. */
static int store_filling(struct packer *p, struct filling *f, struct buf *records,
			 struct place_result *place, struct error *err)
{
	struct new_block *blocks = calloc(f->k, sizeof(*blocks));
	struct lent **lent = calloc(f->k, sizeof(struct lent *));
	unsigned used = 0;
	int code = blocks && lent ? ERR_NONE : err_nomem(err);

	for (unsigned i = 0; i < f->k && code == ERR_NONE; i++) {
		struct block_writer *w = f->writers[i];
		struct new_block *b = &blocks[used];

		if (block_writer_contents(w)->frame_count == 0)
			continue;
		lent[i] = lent_new(w, free_writer);
		code = lent[i] ? block_writer_finish(w, &b->bytes, &b->len_bytes, &b->name, err)
			       : err_nomem(err);
		b->lent = lent[i];
		b->uid = block_writer_uid(w);
		b->epoch = keys_epoch(p->a->keys);
		b->contents = block_writer_contents(w);
		used++;
	}
	if (code == ERR_NONE)
		code = place_group(p->a, blocks, used, records, place, err);
	if (lent)
		take_blocks_back(f, lent);
	free(lent);
	free(blocks);
	return code;
}

static void store_job(void *arg)
{
	struct filling *f = arg;
	struct packer *p = f->p;
	struct place_result place = { 0 };
	struct buf records = { 0 };
	struct error err;
	int code;

	pthread_mutex_lock(&p->lock);
	while (f->unsealed > 0)
		pthread_cond_wait(&p->changed, &p->lock);
	code = pack_failure(p, &err);
	pthread_mutex_unlock(&p->lock);
	if (code == ERR_NONE)
		code = store_filling(p, f, &records, &place, &err);
	pthread_mutex_lock(&p->lock);
	filling_free(f);
	if (code == ERR_NONE) {
		buf_add(&p->records, records.data, records.len_bytes);
		p->result.place.stored_bytes += place.stored_bytes;
		p->result.place.thin = p->result.place.thin || place.thin;
		p->result.groups++;
	} else {
		pack_fail(p, code, &err);
	}
	p->groups_alive--;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	buf_release(&records);
}

void pack_close_group(struct packer *p)
{
	struct filling *f = p->filling;

	if (!f)
		return;
	p->filling = NULL;
	pthread_mutex_unlock(&p->lock);
	pool_add(p->storer, store_job, f);
	pthread_mutex_lock(&p->lock);
}

/* ---- placing ---- */

/* In the first round turns are twice as long: what is less than two stretches becomes one block, and no
 * long one with a short one, whose rows would be as long as the long one. */
static uint32_t turn_of(const struct filling *f, uint32_t stretch_bytes)
{
	return f->turns < f->k ? 2 * stretch_bytes : stretch_bytes;
}

static int reserve_in_turn(struct filling *f, const struct frame_plan *plan, uint32_t stretch_bytes,
			   unsigned *which, struct frame_place *place, struct error *err)
{
	int code = ERR_FULL;

	for (unsigned tried = 0; tried < f->k && code == ERR_FULL; tried++) {
		code = block_writer_reserve(f->writers[f->at], plan, place, err);
		*which = f->at;
		if (code == ERR_NONE)
			f->turn_bytes += plan->packed_bytes;
		if (code == ERR_FULL || f->turn_bytes >= turn_of(f, stretch_bytes)) {
			f->at = (f->at + 1) % f->k;
			f->turns++;
			f->turn_bytes = 0;
		}
	}
	return code;
}

/* Opens a group, once there are not too many. Called with the lock held, let go
 * while it waits. */
static int open_filling(struct packer *p, struct error *err)
{
	int code;

	while (p->groups_alive >= p->groups_max && p->failed == ERR_NONE)
		pthread_cond_wait(&p->changed, &p->lock);
	code = pack_failure(p, err);
	if (code == ERR_NONE)
		code = filling_new(p, &p->filling, err);
	if (code == ERR_NONE)
		p->groups_max = pack_groups_max(p, p->filling->k, p->filling->m,
						p->filling->block_bytes);
	if (code == ERR_NONE)
		p->groups_alive++;
	return code;
}

int pack_place(struct packer *p, const struct frame_plan *plan, unsigned *which,
	       struct frame_place *place, struct error *err)
{
	for (unsigned try = 0; try < 2; try++) {
		int code = pack_failure(p, err);

		if (code == ERR_NONE && !p->filling)
			code = open_filling(p, err);
		if (code == ERR_NONE)
			code = reserve_in_turn(p->filling, plan,
					       p->a->policy.geometry.stretch_bytes, which,
					       place, err);
		if (code != ERR_FULL || !p->filling)
			return code;
		pack_close_group(p);
	}
	return err_set(err, ERR_FULL, "a frame does not fit in an empty block");
}
