#include "archive/pack.h"

#include "base/pool.h"
#include "chunk/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 2	  /* one fills while one is stored */
#define SPARE_MAX 64	  /* block writers kept for the next groups */
#define JOBS_PER_THREAD 4 /* frames in flight: enough that no worker waits for the head */

/* A frame on its way from gathering to its block. */
struct frame_job {
	struct packer *p;
	uint32_t number;
	struct buf plain, packed;
	struct contents_chunk *chunks;
	size_t chunk_count, chunk_cap;
	enum frame_method method;
	bool is_packed; /* waits for its turn to be placed */
	struct frame_job *next_free;
};

/* A group being filled or stored. */
struct filling {
	struct packer *p;
	struct block_writer **writers; /* k of them */
	uint32_t block_bytes;
	unsigned k, at;		       /* at: whose turn it is */
	uint32_t turn_bytes;	       /* placed in this turn */
	unsigned unsealed;	       /* frames placed and not sealed yet */
};

/* A block writer whose block is stored: its memory, once touched, is worth keeping. */
struct spare_writer {
	struct block_writer *writer;
	uint32_t block_bytes;
};

/* Where a frame lies. */
struct placed_frame {
	struct id uid;
	uint32_t first_chunk;
};

struct packer {
	struct array *a;
	struct lanes *lanes;
	struct pool *workers; /* pack and seal */
	struct pool *storer;  /* one thread: codes and stores full groups */
	struct framer **framers;
	unsigned framer_count;

	uint32_t frame_chunks_max; /* so that any frame fits in an empty block */

	struct frame_job *gathering; /* the adding thread's own */
	uint64_t added_bytes;	     /* likewise */

	pthread_mutex_t lock;	/* everything below */
	pthread_cond_t changed; /* a job or group became free, a frame was placed or sealed */
	struct frame_job *jobs;
	unsigned job_count;
	struct frame_job *free_jobs;
	struct frame_job **in_flight; /* ring by number */
	uint32_t next_number, next_place;
	struct placed_frame *placed; /* by number */
	size_t placed_cap;
	struct filling *filling; /* open group or NULL */
	struct spare_writer spare[SPARE_MAX];
	unsigned spare_count;
	unsigned groups_alive;
	bool placing; /* a thread is finding the head its place */

	/* Packed frames of the first block while all is little enough to go inline. */
	struct buf small;
	struct contents small_contents;
	struct id small_uid;
	bool small_over;

	struct buf records; /* of stored groups */
	struct packer_result result;
	struct error failure;
	int failed; /* code of the first failure: nothing more is stored after it */
};

static void fail(struct packer *p, int code, const struct error *err)
{
	if (p->failed == ERR_NONE) {
		p->failed = code;
		p->failure = *err;
	}
	pthread_cond_broadcast(&p->changed);
}

static int failure(const struct packer *p, struct error *err)
{
	if (p->failed != ERR_NONE)
		*err = p->failure;
	return p->failed;
}

/* ---- groups ---- */

/* Called with the lock held. */
static void writer_give_back(struct packer *p, struct block_writer *w, uint32_t block_bytes)
{
	if (w && p->spare_count < SPARE_MAX)
		p->spare[p->spare_count++] = (struct spare_writer){ w, block_bytes };
	else
		block_writer_free(w);
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

/* Called with the lock held. */
static void filling_free(struct filling *f)
{
	if (!f)
		return;
	for (unsigned i = 0; f->writers && i < f->k; i++)
		writer_give_back(f->p, f->writers[i], f->block_bytes);
	free(f->writers);
	free(f);
}

/* Opens the blocks of a new group. */
static int filling_new(struct packer *p, struct filling **out, struct error *err)
{
	struct filling *f;
	uint32_t block_bytes;
	unsigned k, m;
	int code = place_shape(p->a, &k, &m, &block_bytes, err);

	if (code != ERR_NONE)
		return code;
	f = calloc(1, sizeof(*f));
	if (!f || !(f->writers = calloc(k, sizeof(struct block_writer *)))) {
		free(f);
		return err_nomem(err);
	}
	f->p = p;
	f->k = k;
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

/* Runs on the storer's thread, outside the lock: every frame of f is sealed. */
static int store_filling(struct packer *p, struct filling *f, struct buf *records,
			 struct place_result *place, struct error *err)
{
	struct new_block *blocks = calloc(f->k, sizeof(*blocks));
	unsigned used = 0;
	int code = blocks ? ERR_NONE : err_nomem(err);

	for (unsigned i = 0; i < f->k && code == ERR_NONE; i++) {
		struct block_writer *w = f->writers[i];
		struct new_block *b = &blocks[used];

		if (block_writer_contents(w)->frame_count == 0)
			continue;
		code = block_writer_finish(w, &b->bytes, &b->len_bytes, &b->name, err);
		b->uid = block_writer_uid(w);
		b->epoch = keys_epoch(p->a->keys);
		b->contents = block_writer_contents(w);
		used++;
	}
	if (code == ERR_NONE)
		code = place_group(p->a, p->lanes, blocks, used, records, place, err);
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
	code = failure(p, &err);
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
		fail(p, code, &err);
	}
	p->groups_alive--;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	buf_release(&records);
}

/* Hands the open group over. Called with the lock held, which it lets go for a moment. */
static void close_filling(struct packer *p)
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

static int reserve_in_turn(struct filling *f, const struct frame_plan *plan, uint32_t stretch_bytes,
			   unsigned *which, struct frame_place *place, struct error *err)
{
	int code = ERR_FULL;

	for (unsigned tried = 0; tried < f->k && code == ERR_FULL; tried++) {
		code = block_writer_reserve(f->writers[f->at], plan, place, err);
		*which = f->at;
		if (code == ERR_NONE)
			f->turn_bytes += plan->packed_bytes;
		if (code == ERR_FULL || f->turn_bytes >= stretch_bytes) {
			f->at = (f->at + 1) % f->k;
			f->turn_bytes = 0;
		}
	}
	return code;
}

/* Opens a group, once the one before the last is stored. Called with the lock held, let go
 * while it waits. */
static int open_filling(struct packer *p, struct error *err)
{
	int code;

	while (p->groups_alive == GROUPS_MAX && p->failed == ERR_NONE)
		pthread_cond_wait(&p->changed, &p->lock);
	code = failure(p, err);
	if (code == ERR_NONE)
		code = filling_new(p, &p->filling, err);
	if (code == ERR_NONE)
		p->groups_alive++;
	return code;
}

/* Finds the head frame its place in the open group, or in a new one. */
static int place_head(struct packer *p, const struct frame_plan *plan, unsigned *which,
		      struct frame_place *place, struct error *err)
{
	for (unsigned try = 0; try < 2; try++) {
		int code = failure(p, err);

		if (code == ERR_NONE && !p->filling)
			code = open_filling(p, err);
		if (code == ERR_NONE)
			code = reserve_in_turn(p->filling, plan,
					       p->a->policy.geometry.stretch_bytes, which,
					       place, err);
		if (code != ERR_FULL || !p->filling)
			return code;
		close_filling(p);
	}
	return err_set(err, ERR_FULL, "a frame does not fit in an empty block");
}

/* Keeps a copy of the first frames: if they stay this few, no block is made of them. */
static void keep_small(struct packer *p, const struct frame_job *job, const struct buf *packed,
		       const struct id *uid)
{
	struct contents_frame frame = { .offset_bytes = (uint32_t)p->small.len_bytes,
					.box_bytes = (uint32_t)packed->len_bytes,
					.plain_bytes = (uint32_t)job->plain.len_bytes,
					.method = job->method };

	if (p->small_over)
		return;
	if (p->small.len_bytes == 0)
		p->small_uid = *uid;
	if (!id_equal(&p->small_uid, uid) ||
	    p->small.len_bytes + packed->len_bytes >
		    geometry_inline_bytes(&p->a->policy.geometry) ||
	    !contents_add_frame(&p->small_contents, &frame)) {
		p->small_over = true;
		return;
	}
	for (size_t i = 0; i < job->chunk_count; i++) {
		const struct contents_chunk *c = &job->chunks[i];

		if (!contents_add_chunk(&p->small_contents, &c->id, c->len_bytes, c->manifest))
			p->small_over = true;
	}
	buf_add(&p->small, packed->data, packed->len_bytes);
}

static void recycle(struct packer *p, struct frame_job *job)
{
	buf_clear(&job->plain);
	buf_clear(&job->packed);
	job->chunk_count = 0;
	job->is_packed = false;
	job->next_free = p->free_jobs;
	p->free_jobs = job;
}

/* Places and seals the frame whose turn it is. Called with the lock held; let go for sealing. */
static void place_and_seal(struct packer *p, struct frame_job *job)
{
	const struct buf *packed = job->method == FRAME_RAW ? &job->plain : &job->packed;
	struct frame_plan plan = { .packed_bytes = (uint32_t)packed->len_bytes,
				   .plain_bytes = (uint32_t)job->plain.len_bytes,
				   .method = job->method,
				   .chunks = job->chunks,
				   .chunk_count = (uint32_t)job->chunk_count };
	struct filling *f = NULL;
	struct block_writer *w = NULL;
	struct error err;
	struct frame_place place;
	unsigned which = 0;
	int code;

	p->placing = true;
	code = place_head(p, &plan, &which, &place, &err);
	p->placing = false;
	if (code == ERR_NONE) {
		struct placed_frame *placed = &p->placed[job->number];

		f = p->filling;
		w = f->writers[which];
		placed->uid = *block_writer_uid(w);
		placed->first_chunk =
			block_writer_contents(w)->frames[place.frame_index].first_chunk;
		p->result.packed_bytes += plan.packed_bytes;
		keep_small(p, job, packed, &placed->uid);
		f->unsealed++;
	}
	p->in_flight[job->number % p->job_count] = NULL;
	p->next_place++;
	pthread_cond_broadcast(&p->changed);
	if (code == ERR_NONE) {
		pthread_mutex_unlock(&p->lock);
		code = block_writer_seal(w, &place, packed->data, &err);
		pthread_mutex_lock(&p->lock);
		f->unsealed--;
	}
	if (code != ERR_NONE)
		fail(p, code, &err);
	recycle(p, job);
	pthread_cond_broadcast(&p->changed);
}

static struct framer *take_framer(struct packer *p)
{
	struct framer *f;

	pthread_mutex_lock(&p->lock);
	assert(p->framer_count > 0); /* there are as many as workers */
	f = p->framers[--p->framer_count];
	pthread_mutex_unlock(&p->lock);
	return f;
}

/* Runs on a worker: packs its frame, then places whatever is at the head and ready. */
static void pack_job(void *arg)
{
	struct frame_job *job = arg;
	struct packer *p = job->p;
	struct framer *framer = take_framer(p);
	const uint8_t *packed;
	size_t packed_bytes;
	struct error err;
	int code = framer_pack(framer, job->plain.data, job->plain.len_bytes, &packed,
			       &packed_bytes, &job->method, &err);

	if (code == ERR_NONE && job->method != FRAME_RAW) {
		buf_add(&job->packed, packed, packed_bytes);
		if (job->packed.failed)
			code = err_nomem(&err);
	}
	pthread_mutex_lock(&p->lock);
	p->framers[p->framer_count++] = framer;
	if (code != ERR_NONE)
		fail(p, code, &err);
	job->is_packed = true;
	while (!p->placing) {
		struct frame_job *head = p->in_flight[p->next_place % p->job_count];

		if (!head || !head->is_packed || head->number != p->next_place)
			break;
		place_and_seal(p, head);
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- gathering ---- */

/* Takes a free job and gives it the next number. */
static int begin_frame(struct packer *p, struct error *err)
{
	struct frame_job *job;
	int code;

	pthread_mutex_lock(&p->lock);
	while (!p->free_jobs && p->failed == ERR_NONE)
		pthread_cond_wait(&p->changed, &p->lock);
	code = failure(p, err);
	if (code == ERR_NONE && !grow(&p->placed, &p->placed_cap, (size_t)p->next_number + 1,
				      sizeof(*p->placed)))
		code = err_nomem(err);
	if (code == ERR_NONE) {
		job = p->free_jobs;
		p->free_jobs = job->next_free;
		job->number = p->next_number++;
		p->gathering = job;
	}
	pthread_mutex_unlock(&p->lock);
	return code;
}

static void end_frame(struct packer *p)
{
	struct frame_job *job = p->gathering;

	if (!job)
		return;
	p->gathering = NULL;
	pthread_mutex_lock(&p->lock);
	p->in_flight[job->number % p->job_count] = job;
	pthread_mutex_unlock(&p->lock);
	pool_add(p->workers, pack_job, job);
}

int packer_add(struct packer *p, const struct hash *id, const void *bytes, uint32_t len_bytes,
	       bool manifest, struct packer_ref *ref, struct error *err)
{
	struct frame_job *job = p->gathering;
	int code = ERR_NONE;

	if (job && (job->plain.len_bytes + len_bytes > p->a->policy.geometry.frame_bytes ||
		    job->chunk_count == p->frame_chunks_max))
		end_frame(p);
	if (!p->gathering)
		code = begin_frame(p, err);
	if (code != ERR_NONE)
		return code;
	job = p->gathering;
	if (!grow(&job->chunks, &job->chunk_cap, job->chunk_count + 1, sizeof(*job->chunks)))
		return err_nomem(err);
	buf_add(&job->plain, bytes, len_bytes);
	if (job->plain.failed)
		return err_nomem(err);
	*ref = (struct packer_ref){ job->number, (uint32_t)job->chunk_count };
	job->chunks[job->chunk_count++] = (struct contents_chunk){ .id = *id,
								   .len_bytes = len_bytes,
								   .manifest = manifest };
	p->added_bytes += len_bytes;
	return ERR_NONE;
}

bool packer_resolve(struct packer *p, struct packer_ref ref, struct id *uid, uint32_t *index)
{
	bool known;

	pthread_mutex_lock(&p->lock);
	known = ref.frame < p->next_place && p->failed == ERR_NONE;
	if (known) {
		*uid = p->placed[ref.frame].uid;
		*index = p->placed[ref.frame].first_chunk + ref.chunk;
	}
	pthread_mutex_unlock(&p->lock);
	return known;
}

int packer_settle(struct packer *p, struct error *err)
{
	int code;

	end_frame(p);
	pthread_mutex_lock(&p->lock);
	while (p->next_place < p->next_number && p->failed == ERR_NONE)
		pthread_cond_wait(&p->changed, &p->lock);
	code = failure(p, err);
	pthread_mutex_unlock(&p->lock);
	return code;
}

uint64_t packer_added_bytes(const struct packer *p)
{
	return p->added_bytes;
}

uint64_t packer_packed_bytes(const struct packer *p)
{
	return p->result.packed_bytes;
}

struct lanes *packer_lanes(struct packer *p)
{
	return p->lanes;
}

/* ---- the end ---- */

/* Whether all there is fits in the journal: then it goes there and the open group is dropped. */
static bool go_inline(struct packer *p, struct buf *records)
{
	struct filling *f = p->filling;

	if (p->small_over || p->small.failed || !f || p->groups_alive != 1)
		return false;
	record_inline(records, &p->small_uid, &p->small_contents, p->small.data,
		      p->small.len_bytes);
	while (f->unsealed > 0)
		pthread_cond_wait(&p->changed, &p->lock);
	p->filling = NULL;
	p->groups_alive--;
	filling_free(f);
	return true;
}

static void drop_spare(struct packer *p)
{
	while (p->spare_count > 0)
		block_writer_free(p->spare[--p->spare_count].writer);
}

/* A commit follows, which needs memory of its own. */
static void start_over(struct packer *p)
{
	drop_spare(p);
	buf_release(&p->records);
	buf_clear(&p->small);
	contents_clear(&p->small_contents);
	p->small_over = false;
	p->next_number = p->next_place = 0;
	p->added_bytes = 0;
	memset(&p->result, 0, sizeof(p->result));
}

int packer_finish(struct packer *p, bool may_inline, struct buf *records,
		  struct packer_result *result, struct error *err)
{
	int code = packer_settle(p, err);

	pthread_mutex_lock(&p->lock);
	if (code == ERR_NONE && may_inline && go_inline(p, records))
		p->result.inlined = true;
	else
		close_filling(p);
	while (p->groups_alive > 0)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	/* A job may still be on its way out of place_and_seal(). */
	pool_wait(p->workers);
	pool_wait(p->storer);
	code = failure(p, err);
	if (code != ERR_NONE)
		return code;
	buf_add(records, p->records.data, p->records.len_bytes);
	*result = p->result;
	start_over(p);
	return records->failed ? err_nomem(err) : ERR_NONE;
}

void packer_salvage(struct packer *p, struct buf *records)
{
	pthread_mutex_lock(&p->lock);
	while (p->groups_alive > (p->filling ? 1u : 0u))
		pthread_cond_wait(&p->changed, &p->lock);
	buf_add(records, p->records.data, p->records.len_bytes);
	pthread_mutex_unlock(&p->lock);
}

int packer_new(struct array *a, int level, struct packer **out, struct error *err)
{
	struct packer *p = calloc(1, sizeof(*p));
	unsigned threads = a->options.threads, k, m;
	uint32_t block_bytes;
	int code;

	if (!p)
		return err_nomem(err);
	p->a = a;
	code = place_shape(a, &k, &m, &block_bytes, err);
	if (code != ERR_NONE) {
		free(p);
		return code;
	}
	p->frame_chunks_max = block_frame_chunks(&a->policy.geometry, block_bytes);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->job_count = threads * JOBS_PER_THREAD;
	p->jobs = calloc(p->job_count, sizeof(*p->jobs));
	p->in_flight = calloc(p->job_count, sizeof(struct frame_job *));
	p->framers = calloc(threads, sizeof(struct framer *));
	if (!p->jobs || !p->in_flight || !p->framers)
		code = err_nomem(err);
	for (unsigned i = 0; i < p->job_count && code == ERR_NONE; i++) {
		p->jobs[i].p = p;
		recycle(p, &p->jobs[i]);
	}
	while (p->framer_count < threads && code == ERR_NONE) {
		code = framer_new(level, &p->framers[p->framer_count], err);
		p->framer_count += code == ERR_NONE;
	}
	if (code == ERR_NONE)
		code = lanes_new(a, &p->lanes, err);
	if (code == ERR_NONE && (!(p->workers = pool_new(threads, err)) ||
				 !(p->storer = pool_new(1, err))))
		code = (int)err->code;
	if (code != ERR_NONE)
		packer_free(p);
	else
		*out = p;
	return code;
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	if (p->failed == ERR_NONE)
		p->failed = ERR_INTERRUPTED; /* nothing more is to be begun */
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pool_free(p->workers);
	pool_free(p->storer);
	filling_free(p->filling);
	drop_spare(p);
	lanes_free(p->lanes);
	for (unsigned i = 0; p->jobs && i < p->job_count; i++) {
		buf_release(&p->jobs[i].plain);
		buf_release(&p->jobs[i].packed);
		free(p->jobs[i].chunks);
	}
	for (unsigned i = 0; p->framers && i < p->framer_count; i++)
		framer_free(p->framers[i]);
	free(p->framers);
	free(p->jobs);
	free(p->in_flight);
	free(p->placed);
	buf_release(&p->small);
	contents_release(&p->small_contents);
	buf_release(&p->records);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
}
