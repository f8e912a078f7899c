#include "archive/pack_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define JOBS_PER_THREAD 4 /* frames in flight: enough that no worker waits for the head */

void pack_fail(struct packer *p, int code, const struct error *err)
{
	if (p->failed == ERR_NONE) {
		p->failed = code;
		p->failure = *err;
	}
	pthread_cond_broadcast(&p->changed);
}

int pack_failure(const struct packer *p, struct error *err)
{
	if (p->failed != ERR_NONE)
		*err = p->failure;
	return p->failed;
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
	code = pack_place(p, &plan, &which, &place, &err);
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
		pack_fail(p, code, &err);
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
		pack_fail(p, code, &err);
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
	code = pack_failure(p, err);
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
	code = pack_failure(p, err);
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

/* A commit follows, which needs memory of its own. */
static void start_over(struct packer *p)
{
	pack_drop_spare(p);
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
		pack_close_group(p);
	while (p->groups_alive > 0)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	/* A job may still be on its way out of place_and_seal(). */
	pool_wait(p->workers);
	pool_wait(p->storer);
	code = pack_failure(p, err);
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
	code = pack_shape(p, &k, &m, &block_bytes, err);
	if (code != ERR_NONE) {
		free(p);
		return code;
	}
	p->groups_max = pack_groups_max(p, k, m, block_bytes);
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
	if (code == ERR_NONE && (!(p->workers = pool_new(threads, err)) ||
				 !(p->storer = pool_new(p->groups_max - 1, err))))
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
	pack_drop_spare(p);
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
