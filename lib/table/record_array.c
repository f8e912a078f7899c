/* Records about the array as a whole: its policy, its drives and how they are reached. */
#include "table/record.h"

#include "table/record_codec.h"

#include <stdlib.h>
#include <string.h>

#define DRIVE_IS_REMOVABLE 1
#define DRIVE_HOLDS_JOURNAL 2
#define DRIVE_FLAGS 3

void record_policy(struct buf *out, const struct policy *p)
{
	const struct geometry *g = &p->geometry;
	const uint32_t sizes[] = {
		g->chunk_min_bytes, g->chunk_avg_bytes, g->chunk_max_bytes, g->frame_bytes,
		g->block_bytes,	    g->pad_step_bytes,	g->pad_from_bytes,  g->pad_min_bytes,
		g->stretch_bytes,   g->segment_bytes,
	};
	struct buf body = { 0 };

	buf_add_varint(&body, p->parity);
	buf_add_bool(&body, p->copies);
	buf_add_varint(&body, p->width);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		buf_add_varint(&body, sizes[i]);
	record_finish(out, RECORD_POLICY, true, &body);
}

bool policy_same(const struct policy *x, const struct policy *y)
{
	return x->parity == y->parity && x->copies == y->copies && x->width == y->width &&
	       memcmp(&x->geometry, &y->geometry, sizeof(x->geometry)) == 0;
}

int parse_policy(struct reader body, struct policy *p, struct error *err)
{
	struct geometry *g = &p->geometry;
	uint32_t *const sizes[] = {
		&g->chunk_min_bytes, &g->chunk_avg_bytes, &g->chunk_max_bytes, &g->frame_bytes,
		&g->block_bytes,     &g->pad_step_bytes,  &g->pad_from_bytes,  &g->pad_min_bytes,
		&g->stretch_bytes,   &g->segment_bytes,
	};
	struct error why;
	int code;

	memset(p, 0, sizeof(*p));
	p->parity = (unsigned)read_varint_max(&body, PARITY_MAX);
	p->copies = read_bool(&body);
	p->width = (unsigned)read_varint_max(&body, WIDTH_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		*sizes[i] = (uint32_t)read_varint_max(&body, UINT32_MAX);
	code = parse_end(&body, "policy", err);
	if (code != ERR_NONE)
		return code;
	if (geometry_check(g, &why) != ERR_NONE)
		return parse_refuse("policy", why.message, err);
	return ERR_NONE;
}

void record_extra(struct buf *out, bool extra)
{
	struct buf body = { 0 };

	buf_add_bool(&body, extra);
	record_finish(out, RECORD_EXTRA, false, &body);
}

int parse_extra(struct reader body, bool *extra, struct error *err)
{
	*extra = read_bool(&body);
	return parse_end(&body, "extra", err);
}

static bool letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool drive_name_ok(const char *name)
{
	size_t len = strnlen(name, DRIVE_NAME_MAX + 1);

	if (len == 0 || len > DRIVE_NAME_MAX || !letter_or_digit(name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!letter_or_digit(name[i]) && !strchr("._-", name[i]))
			return false;
	return true;
}

static bool is_drive_state(uint8_t state)
{
	return state >= DRIVE_JOINING && state <= DRIVE_REMOVED;
}

void record_drive(struct buf *out, const struct drive_record *d)
{
	struct buf body = { 0 };

	buf_add_id(&body, &d->id);
	buf_add_string(&body, d->name);
	buf_add_u8(&body, (uint8_t)d->state);
	buf_add_u8(&body, d->role);
	buf_add_u8(&body, (uint8_t)((d->removable ? DRIVE_IS_REMOVABLE : 0) |
				    (d->journal ? DRIVE_HOLDS_JOURNAL : 0)));
	buf_add_varint(&body, d->reserve_bytes);
	buf_add_varint(&body, d->max_bytes);
	buf_add_string(&body, d->domain);
	record_finish(out, RECORD_DRIVE, true, &body);
}

int parse_drive(struct reader body, struct drive_record *d, struct error *err)
{
	uint8_t state, flags;
	int code;

	memset(d, 0, sizeof(*d));
	d->id = read_id(&body);
	read_text_into(&body, d->name, DRIVE_NAME_MAX);
	state = read_u8(&body);
	d->role = read_u8(&body);
	flags = read_u8(&body);
	d->removable = flags & DRIVE_IS_REMOVABLE;
	d->journal = flags & DRIVE_HOLDS_JOURNAL;
	d->reserve_bytes = read_varint(&body);
	d->max_bytes = read_varint(&body);
	read_text_into(&body, d->domain, DOMAIN_MAX);
	code = parse_end(&body, "drive", err);
	if (code != ERR_NONE)
		return code;
	if (!drive_name_ok(d->name))
		return parse_refuse("drive", "not a drive's name", err);
	if (!is_drive_state(state) || d->role >= DRIVE_ROLES || (flags & ~DRIVE_FLAGS))
		return parse_refuse("drive", "no such state, role or flags", err);
	d->state = (enum drive_state)state;
	return ERR_NONE;
}

void record_since(struct buf *out, const struct since_record *s)
{
	struct buf body = { 0 };

	buf_add_id(&body, &s->drive_id);
	buf_add_u8(&body, (uint8_t)s->state);
	buf_add_bool(&body, s->returning);
	buf_add_signed(&body, s->time_s);
	record_finish(out, RECORD_SINCE, false, &body);
}

int parse_since(struct reader body, struct since_record *s, struct error *err)
{
	uint8_t state;
	int code;

	s->drive_id = read_id(&body);
	state = read_u8(&body);
	s->returning = read_bool(&body);
	s->time_s = read_signed(&body);
	code = parse_end(&body, "since", err);
	if (code == ERR_NONE && !is_drive_state(state))
		code = parse_refuse("since", "no such state", err);
	s->state = code == ERR_NONE ? (enum drive_state)state : DRIVE_MEMBER;
	return code;
}

void record_access(struct buf *out, const struct id *drive_id, const char *url,
		   const char *options_json)
{
	struct buf body = { 0 };

	buf_add_id(&body, drive_id);
	buf_add_string(&body, url);
	buf_add_string(&body, options_json);
	record_finish(out, RECORD_ACCESS, false, &body);
}

int parse_access(struct reader body, struct id *drive_id, char **url, char **options_json,
		 struct error *err)
{
	const uint8_t *url_bytes, *options_bytes;
	size_t url_len, options_len;
	int code;

	*url = *options_json = NULL;
	*drive_id = read_id(&body);
	url_bytes = read_text(&body, URL_MAX, &url_len);
	options_bytes = read_text(&body, OPTIONS_MAX, &options_len);
	code = parse_end(&body, "access", err);
	if (code != ERR_NONE)
		return code;
	if (url_len == 0)
		return parse_refuse("access", "no URL", err);
	*url = strndup((const char *)url_bytes, url_len);
	*options_json = strndup((const char *)options_bytes, options_len);
	if (!*url || !*options_json) {
		free(*url);
		free(*options_json);
		*url = *options_json = NULL;
		return err_nomem(err);
	}
	return ERR_NONE;
}
