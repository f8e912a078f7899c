#include "group/code.h"

#include <assert.h>
#include <isa-l/erasure_code.h>
#include <stdlib.h>
#include <string.h>

/* All inputs and outputs of one slice fit in a second-level cache for usual widths, so rows
 * that ISA-L computes in several passes read memory once. */
#define SLICE_BYTES ((size_t)64 << 10)

/* What ec_init_tables() makes of one coefficient. */
#define TABLE_BYTES 32u

/* outs[i] = sum over j of coefs[i * in_count + j] * in[j]: all that encoding and rebuilding do. */
struct product {
	const uint8_t *coefs;
	const struct code_input *in;
	unsigned in_count, out_count;

	/* Of the slice at hand: the inputs that reach into it, their columns and tables. */
	unsigned live_count;
	uint8_t *live_coefs, *tables;
	unsigned char **live, **to;
};

bool code_ref_equal(struct code_ref a, struct code_ref b)
{
	return a.is_row == b.is_row && a.index == b.index;
}

static int product_init(struct product *p, struct error *err)
{
	size_t cells = (size_t)p->in_count * p->out_count;

	p->live_count = 0;
	p->live_coefs = malloc(cells);
	p->tables = malloc(cells * TABLE_BYTES);
	p->live = calloc(p->in_count, sizeof(*p->live));
	p->to = calloc(p->out_count, sizeof(*p->to));
	if (!p->live_coefs || !p->tables || !p->live || !p->to)
		return err_nomem(err);
	return ERR_NONE;
}

static void product_release(struct product *p)
{
	free(p->live_coefs);
	free(p->tables);
	free(p->live);
	free(p->to);
}

/* Where the slice that begins at `at` ends: no input ends inside it. */
static size_t slice_end(const struct product *p, size_t at, size_t range_bytes)
{
	size_t end = range_bytes - at > SLICE_BYTES ? at + SLICE_BYTES : range_bytes;

	for (unsigned j = 0; j < p->in_count; j++)
		if (p->in[j].len_bytes > at && p->in[j].len_bytes < end)
			end = p->in[j].len_bytes;
	return end;
}

/* Inputs only ever drop out as `at` rises, so an equal count is the same set. */
static void product_use_live(struct product *p, size_t at)
{
	unsigned live = 0;

	for (unsigned j = 0; j < p->in_count; j++)
		if (p->in[j].len_bytes > at)
			p->live[live++] = (unsigned char *)p->in[j].bytes + at;
	if (live == p->live_count)
		return;
	p->live_count = live;
	for (unsigned i = 0, cell = 0; i < p->out_count; i++)
		for (unsigned j = 0; j < p->in_count; j++)
			if (p->in[j].len_bytes > at)
				p->live_coefs[cell++] = p->coefs[i * p->in_count + j];
	if (live > 0)
		ec_init_tables((int)live, (int)p->out_count, p->live_coefs, p->tables);
}

static int product_run(const uint8_t *coefs, const struct code_input *in, unsigned in_count,
		       uint8_t *const *outs, unsigned out_count, size_t range_bytes,
		       struct error *err)
{
	struct product p = {.coefs = coefs, .in = in, .in_count = in_count, .out_count = out_count};
	size_t at, end;
	int code;

	if (out_count == 0)
		return ERR_NONE;
	code = product_init(&p, err);
	for (at = 0; code == ERR_NONE && at < range_bytes; at = end) {
		end = slice_end(&p, at, range_bytes);
		product_use_live(&p, at);
		for (unsigned i = 0; i < out_count; i++)
			p.to[i] = outs[i] + at;
		if (p.live_count > 0)
			ec_encode_data((int)(end - at), (int)p.live_count, (int)out_count, p.tables,
				       p.live, p.to);
		else
			for (unsigned i = 0; i < out_count; i++)
				memset(p.to[i], 0, end - at);
	}
	product_release(&p);
	return code;
}

static void assert_distinct(const struct code_input *in, unsigned count)
{
	bool seen[2][256] = {{false}};

	for (unsigned i = 0; i < count; i++) {
		bool *here = &seen[in[i].ref.is_row][in[i].ref.index];

		assert(!*here);
		*here = true;
	}
}

static uint8_t coef_in_group(unsigned k, unsigned row, unsigned slot)
{
	return k == 1 ? 1 : group_coef(row, slot);
}

int code_encode(const struct code_input *members, unsigned k, const uint8_t *row_index,
		unsigned row_count, uint8_t *const *outs, size_t range_bytes, struct error *err)
{
	uint8_t coefs[GROUP_ROWS_MAX * GROUP_SLOTS_MAX];

	assert(k >= 1 && k <= GROUP_SLOTS_MAX && row_count <= GROUP_ROWS_MAX);
	assert_distinct(members, k);
	for (unsigned i = 0; i < row_count; i++)
		for (unsigned j = 0; j < k; j++) {
			assert(!members[j].ref.is_row);
			coefs[i * k + j] = coef_in_group(k, row_index[i], members[j].ref.index);
		}
	return product_run(coefs, members, k, outs, row_count, range_bytes, err);
}

int code_update_row(uint8_t *row, unsigned row_index, const struct code_input *member,
		    struct error *err)
{
	uint8_t coef = group_coef(row_index, member->ref.index), table[TABLE_BYTES];

	(void)err;
	assert(!member->ref.is_row);
	ec_init_tables(1, 1, &coef, table);
	for (size_t at = 0, len; at < member->len_bytes; at += len) {
		unsigned char *to = row + at;

		len = member->len_bytes - at;
		if (len > SLICE_BYTES)
			len = SLICE_BYTES;
		ec_encode_data_update((int)len, 1, 1, 0, table, (unsigned char *)member->bytes + at,
				      &to);
	}
	return ERR_NONE;
}

/*
 * The members that are not among the k inputs, as many as there are rows among them. With
 *   row_r = sum over present p of c(r,p) * d_p  +  sum over missing l of c(r,l) * d_l
 * the missing ones are the inverse of the small square c(r,l) times (row_r - present part):
 * only as many unknowns as losses, whatever k is.
 */
struct solution {
	unsigned k, missing_count;
	uint8_t missing[GROUP_ROWS_MAX];		 /* slots */
	uint8_t coefs[GROUP_ROWS_MAX * GROUP_SLOTS_MAX]; /* [missing][input] */
};

static bool has_member(const struct code_input *have, unsigned k, uint8_t slot)
{
	for (unsigned j = 0; j < k; j++)
		if (!have[j].ref.is_row && have[j].ref.index == slot)
			return true;
	return false;
}

static void solve(struct solution *s, const uint8_t *slots, unsigned k,
		  const struct code_input *have)
{
	uint8_t square[GROUP_ROWS_MAX * GROUP_ROWS_MAX], inverse[GROUP_ROWS_MAX * GROUP_ROWS_MAX];
	uint8_t rows[GROUP_ROWS_MAX];
	unsigned n = 0, row_count = 0;
	int singular;

	for (unsigned j = 0; j < k; j++)
		if (have[j].ref.is_row) {
			assert(row_count < GROUP_ROWS_MAX);
			rows[row_count++] = have[j].ref.index;
		}
	for (unsigned c = 0; c < k; c++)
		if (!has_member(have, k, slots[c]))
			s->missing[n++] = slots[c];
	assert(n == row_count);
	s->k = k;
	s->missing_count = n;
	for (unsigned r = 0; r < n; r++)
		for (unsigned l = 0; l < n; l++)
			square[r * n + l] = coef_in_group(k, rows[r], s->missing[l]);
	singular = gf_invert_matrix(square, inverse, (int)n);
	assert(!singular);
	(void)singular;
	for (unsigned l = 0; l < n; l++)
		for (unsigned j = 0, r = 0; j < k; j++) {
			uint8_t *cell = &s->coefs[l * k + j];

			if (have[j].ref.is_row) {
				*cell = inverse[l * n + r++];
				continue;
			}
			*cell = 0;
			for (unsigned t = 0; t < n; t++)
				*cell ^= gf_mul(inverse[l * n + t],
						coef_in_group(k, rows[t], have[j].ref.index));
		}
}

/* One wanted object as a sum of the inputs. */
static void wanted_coefs(const struct solution *s, const struct code_input *have,
			 struct code_ref want, uint8_t *coefs)
{
	for (unsigned j = 0; j < s->k; j++) {
		if (have[j].ref.is_row)
			coefs[j] = 0;
		else if (want.is_row)
			coefs[j] = coef_in_group(s->k, want.index, have[j].ref.index);
		else
			coefs[j] = want.index == have[j].ref.index;
	}
	for (unsigned l = 0; l < s->missing_count; l++) {
		uint8_t weight = want.is_row ? coef_in_group(s->k, want.index, s->missing[l])
					     : want.index == s->missing[l];

		for (unsigned j = 0; j < s->k; j++)
			coefs[j] ^= gf_mul(weight, s->coefs[l * s->k + j]);
	}
}

int code_rebuild(const uint8_t *slots, unsigned k, const struct code_input *have,
		 unsigned have_count, const struct code_ref *want, unsigned want_count,
		 uint8_t *const *outs, size_t range_bytes, struct error *err)
{
	uint8_t *coefs;
	struct solution s;
	int code;

	assert(k >= 1 && k <= GROUP_SLOTS_MAX);
	if (have_count < k)
		return err_set(err, ERR_LOST, "%u of the %u objects needed are left", have_count,
			       k);
	if (want_count == 0)
		return ERR_NONE;
	assert_distinct(have, k);
	solve(&s, slots, k, have);
	coefs = malloc((size_t)want_count * k);
	if (!coefs)
		return err_nomem(err);
	for (unsigned i = 0; i < want_count; i++)
		wanted_coefs(&s, have, want[i], coefs + (size_t)i * k);
	code = product_run(coefs, have, k, outs, want_count, range_bytes, err);
	free(coefs);
	return code;
}
