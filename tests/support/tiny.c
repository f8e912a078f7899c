#include "tests/support/tiny.h"

#include "tests/support/noise.h"
#include "tests/support/temp.h"

#include "archive/content.h"
#include "archive/put.h"
#include "archive/select.h"
#include "archive/tour.h"
#include "base/file.h"
#include "care/scrub.h"
#include "drivers/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define URL_BYTES 64

static const uint8_t key[KEY_BYTES] = { 7 };

static void must(bool ok, const char *what, const struct error *err)
{
	if (ok)
		return;
	fprintf(stderr, "tiny array: %s%s%s\n", what, err ? ": " : "", err ? err->message : "");
	abort();
}

bool tiny_says(struct tiny *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, args);
	va_end(args);
	return false;
}

/* ---- drives ---- */

const char *tiny_url(const struct tiny *t, unsigned i)
{
	static _Thread_local char url[URL_BYTES];

	snprintf(url, sizeof(url), "mem:tiny-%p-%u", (const void *)t, i);
	return url;
}

static struct drive *open_place(const char *url)
{
	struct drive_options options = { .make_root = true, .temp_tag = "tiny" };
	struct drive *d;
	struct error err;
	int code = driver_mem.open(url, &options, &d, &err);

	must(code == ERR_NONE, "open a drive", &err);
	return d;
}

struct drive *tiny_drive(struct tiny *t, unsigned i)
{
	return open_place(tiny_url(t, i));
}

static int open_drive(void *ctx, const struct config_drive *entry,
		      const struct drive_options *options, struct drive **out, struct error *err)
{
	struct tiny *t = ctx;
	unsigned i;

	if (entry->name[0] == '\0')
		return driver_file.open(entry->url, options, out, err);
	i = (unsigned)strtoul(strrchr(entry->url, '-') + 1, NULL, 10);
	if (t->absent & 1u << i)
		return err_set(err, ERR_NOT_FOUND, "%s is taken away", entry->url);
	*out = open_place(entry->url);
	if (t->wrap)
		*out = t->wrap(t->wrap_ctx, i, *out);
	return *out ? ERR_NONE : err_set(err, ERR_IO, "%s does not open", entry->url);
}

static void keep_warning(void *ctx, enum tell_level level, const char *text)
{
	struct tiny *t = ctx;

	if (level == TELL_WARNING)
		snprintf(t->warning, sizeof(t->warning), "%s", text);
	if (getenv("MRMR_SWEEP_VERBOSE"))
		fprintf(stderr, "    told: %s\n", text);
}

static int give_secret(void *ctx, unsigned kinds, struct secret *out, struct error *err)
{
	(void)ctx;
	(void)kinds;
	(void)err;
	*out = (struct secret){ SLOT_KEY_FILE, key, sizeof(key) };
	return ERR_NONE;
}

static struct array_options options_of(struct tiny *t, bool writing)
{
	return (struct array_options){ .config_path = t->config_path,
				       .state_root = t->state_root,
				       .secret = give_secret,
				       .tell = keep_warning,
				       .tell_ctx = t,
				       .writing = writing,
				       .tolerate_rollback = writing && !t->strict,
				       .machine_id = "tiny",
				       .open_drive = open_drive,
				       .open_drive_ctx = t,
				       .keys = t->keys,
				       .stall_ms = t->stall_ms,
				       .hang_ms = t->hang_ms,
				       .threads = 1 };
}

int tiny_open(struct tiny *t, bool writing, struct array **a, struct error *err)
{
	struct array_options o = options_of(t, writing);

	*a = NULL;
	return array_open(&o, a, err);
}

void tiny_all_near(struct array *a)
{
	for (unsigned i = 0; i < a->count; i++)
		a->drives[i].distance = 0;
}

static struct geometry tiny_geometry(void)
{
	return (struct geometry){ .chunk_min_bytes = 256,
				  .chunk_avg_bytes = 512,
				  .chunk_max_bytes = 1024,
				  .frame_bytes = 1024,
				  .block_bytes = 4096,
				  .pad_step_bytes = 512,
				  .pad_from_bytes = 2048,
				  .pad_min_bytes = 512,
				  .stretch_bytes = 1024,
				  .segment_bytes = 65536 };
}

void tiny_init(struct tiny *t, unsigned drives, unsigned parity, unsigned width)
{
	struct new_drive defs[TINY_DRIVES_MAX];
	char urls[TINY_DRIVES_MAX][URL_BYTES];
	struct secret secret = { SLOT_KEY_FILE, key, sizeof(key) };
	struct new_array n = { .policy = { .parity = parity, .width = width },
			       .drives = defs, .count = drives, .secret = &secret };
	struct array_options o;
	struct error err;
	char hex[ID_HEX_BYTES];

	memset(t, 0, sizeof(*t));
	memset(defs, 0, sizeof(defs));
	must(seal_start(&err) == ERR_NONE, "start", &err);
	t->folder = temp_folder_in_memory();
	t->drives = drives;
	t->parity = parity;
	snprintf(t->config_path, sizeof(t->config_path), "%s/tiny.json", t->folder);
	snprintf(t->state_root, sizeof(t->state_root), "%s/state", t->folder);
	snprintf(t->source, sizeof(t->source), "%s/in", t->folder);
	must(folder_make(t->source, &err) == ERR_NONE, "source", &err);
	n.policy.geometry = tiny_geometry();
	for (unsigned i = 0; i < drives; i++) {
		snprintf(urls[i], URL_BYTES, "%s", tiny_url(t, i));
		snprintf(defs[i].record.name, sizeof(defs[i].record.name), "d%u", i);
		defs[i].url = urls[i];
		defs[i].make_root = true;
	}
	o = options_of(t, true);
	must(array_create(&o, &n, &err) == ERR_NONE, "create", &err);
	must(tiny_open(t, false, &t->key_holder, &err) == ERR_NONE, "open", &err);
	t->keys = t->key_holder->keys;
	hex_encode(keys_array_id(t->keys)->b, ID_BYTES, hex);
	snprintf(t->state_path, sizeof(t->state_path), "%.200s/%s", t->state_root, hex);
	/* Only its keys are wanted: they outlive the rest. */
	t->key_holder->keys_owned = NULL;
	array_close(t->key_holder);
	t->key_holder = NULL;
}

void tiny_release(struct tiny *t)
{
	keys_free((struct keys *)(uintptr_t)t->keys);
	for (unsigned i = 0; i < TINY_DRIVES_MAX; i++)
		mem_erase(tiny_url(t, i));
	for (unsigned i = 0; i < TINY_FILES; i++)
		buf_release(&t->files[i]);
	temp_folder_remove(t->folder);
}

/* ---- contents ---- */

void tiny_file(struct tiny *t, unsigned file, size_t len_bytes, uint64_t seed, bool text)
{
	struct noise noise = { seed };
	struct buf *f = &t->files[file];
	char path[300];
	struct error err;

	buf_clear(f);
	snprintf(path, sizeof(path), "%s/f%u", t->source, file);
	if (len_bytes == 0) {
		unlink(path);
		return;
	}
	must(buf_reserve(f, len_bytes), "memory", NULL);
	f->len_bytes = len_bytes;
	noise_fill(&noise, f->data, len_bytes);
	for (size_t i = 0; text && i < len_bytes; i++)
		f->data[i] = (uint8_t)('a' + f->data[i] % 4);
	must(file_store(path, f->data, f->len_bytes, &err) == ERR_NONE, "source file", &err);
}

static void digest_head(struct sha256 *s, const char *name, uint64_t len_bytes)
{
	sha256_add(s, name, strlen(name) + 1);
	sha256_add(s, &len_bytes, sizeof(len_bytes));
}

static struct hash source_digest(const struct tiny *t)
{
	struct sha256 *s = sha256_new();
	struct hash h;

	for (unsigned i = 0; i < TINY_FILES; i++) {
		char name[8];

		if (t->files[i].len_bytes == 0)
			continue;
		snprintf(name, sizeof(name), "f%u", i);
		digest_head(s, name, t->files[i].len_bytes);
		sha256_add(s, t->files[i].data, t->files[i].len_bytes);
	}
	h = sha256_final(s);
	sha256_free(s);
	return h;
}

void tiny_expect(struct tiny *t)
{
	must(t->snapshots < TINY_SNAPSHOTS_MAX, "too many snapshots", NULL);
	t->expected[t->snapshots++] = source_digest(t);
}

int tiny_put(struct tiny *t, struct array *a, bool *thin, struct error *err)
{
	const char *paths[] = { t->source };
	struct put_options o = { .paths = paths, .path_count = 1, .host = "tiny", .level = 1,
				 .time_ns = (int64_t)(t->snapshots + 1) * 1000000000 };
	struct put_result r;
	int code = put(a, &o, &r, err);

	if (code == ERR_NONE && r.files_failed > 0)
		code = err_set(err, ERR_IO, "a source file could not be read");
	if (code != ERR_NONE)
		return code;
	tiny_expect(t);
	if (thin)
		*thin = r.thin || a->short_commit;
	return ERR_NONE;
}

struct reading {
	struct sha256 *digest;
	bool lost;
};

static int take_data(void *ctx, uint64_t offset_bytes, const uint8_t *bytes, size_t len_bytes,
		     struct error *err)
{
	struct reading *r = ctx;

	(void)offset_bytes;
	(void)err;
	sha256_add(r->digest, bytes, len_bytes);
	return ERR_NONE;
}

static int take_hole(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, struct error *err)
{
	(void)ctx;
	(void)offset_bytes;
	(void)len_bytes;
	return err_set(err, ERR_CORRUPT, "a hole where none was stored");
}

static int take_lost(void *ctx, uint64_t offset_bytes, uint64_t len_bytes, const char *why,
		     struct error *err)
{
	struct reading *r = ctx;

	(void)offset_bytes;
	(void)len_bytes;
	r->lost = true;
	return err_set(err, ERR_LOST, "%s", why);
}

static bool digest_snapshot(struct tiny *t, struct array *a, struct fetcher *f,
			    const struct table_snapshot *s, struct hash *out)
{
	struct reading r = { .digest = sha256_new() };
	struct content_sink sink = { take_data, take_hole, take_lost, &r };
	struct tour *tour = NULL;
	const uint8_t *path;
	size_t path_bytes;
	struct node node;
	struct error err;
	int code = tour_begin(a->table, s, t->source, strlen(t->source), true, &tour, &err);

	while (code == ERR_NONE && tour_next(tour, &path, &path_bytes, &node, &err)) {
		struct content_file file = { s, path, path_bytes, &node };

		digest_head(r.digest, strrchr((const char *)path, '/') + 1, node.size_bytes);
		code = content_each(a, f, &file, &sink, &err);
		if (code != ERR_NONE)
			tiny_says(t, "%s: %s", (const char *)path, err.message);
	}
	if (code == ERR_NONE && err.code != ERR_NONE) {
		code = (int)err.code;
		tiny_says(t, "tour: %s", err.message);
	}
	tour_end(tour);
	*out = sha256_final(r.digest);
	sha256_free(r.digest);
	return code == ERR_NONE;
}

static bool read_file(struct tiny *t, struct array *a, struct fetcher *f,
		      const struct table_snapshot *s, unsigned file, struct tiny_file_state *out)
{
	struct reading r = { .digest = sha256_new() };
	struct content_sink sink = { take_data, take_hole, take_lost, &r };
	struct hash found, want = sha256(t->files[file].data, t->files[file].len_bytes);
	char path[300];
	struct content_file content = { s, (const uint8_t *)path, 0, &out->node };
	struct error err;
	int code;

	snprintf(path, sizeof(path), "%s/f%u", t->source, file);
	content.path_bytes = strlen(path);
	code = table_node(a->table, s, path, content.path_bytes, &out->node, &err);
	if (code == ERR_NONE) {
		buf_add(&out->content, out->node.content, out->node.content_bytes);
		out->node.content = out->content.data;
		code = content_each(a, f, &content, &sink, &err);
	}
	found = sha256_final(r.digest);
	sha256_free(r.digest);
	out->state = hash_equal(&found, &want) ? TINY_RIGHT : TINY_WRONG;
	if (code != ERR_NONE) {
		out->state = TINY_LOST;
		snprintf(out->why, sizeof(out->why), "%s", err.message);
	}
	return code == ERR_NONE || r.lost || tiny_says(t, "%s: %s", path, err.message);
}

bool tiny_read_files(struct tiny *t, struct array *a, struct tiny_file_state out[TINY_FILES])
{
	struct select_filter all = { .host = NULL };
	struct snapshot_list list = { 0 };
	struct fetcher *f = NULL;
	struct error err = { .code = ERR_NONE };
	bool ok = true;

	memset(out, 0, TINY_FILES * sizeof(*out));
	if (select_list(a->table, &all, &list, &err) != ERR_NONE ||
	    fetcher_new(a, 65536, &f, &err) != ERR_NONE || list.count < t->snapshots)
		ok = tiny_says(t, "list: %s", err.message);
	for (unsigned i = 0; i < TINY_FILES && ok; i++)
		ok = read_file(t, a, f, &list.items[t->snapshots - 1], i, &out[i]);
	fetcher_free(f);
	snapshot_list_release(&list);
	return ok;
}

bool tiny_check(struct tiny *t, struct array *a, unsigned more)
{
	struct select_filter all = { .host = NULL };
	struct snapshot_list list = { 0 };
	struct fetcher *f = NULL;
	struct error err = { .code = ERR_NONE };
	bool ok = true;

	if (select_list(a->table, &all, &list, &err) != ERR_NONE ||
	    fetcher_new(a, 65536, &f, &err) != ERR_NONE)
		ok = tiny_says(t, "list: %s", err.message);
	if (ok && (list.count < t->snapshots || list.count > t->snapshots + more))
		ok = tiny_says(t, "%zu snapshots instead of %u", list.count, t->snapshots);
	for (size_t i = 0; i < list.count && ok; i++) {
		struct hash found, want = i < t->snapshots ? t->expected[i] : source_digest(t);

		ok = digest_snapshot(t, a, f, &list.items[i], &found);
		if (ok && !hash_equal(&found, &want))
			ok = tiny_says(t, "snapshot %zu restores DIFFERENT bytes", i);
	}
	fetcher_free(f);
	snapshot_list_release(&list);
	return ok;
}

bool tiny_check_opened(struct tiny *t, unsigned more)
{
	struct array *a;
	struct error err;
	bool ok;

	if (tiny_open(t, false, &a, &err) != ERR_NONE)
		return tiny_says(t, "open: %s", err.message);
	ok = tiny_check(t, a, more);
	array_close(a);
	return ok;
}

bool tiny_scrub_clean(struct tiny *t)
{
	struct scrub_options o = { .repair = true, .grace_s = 86400 };
	struct scrub_result *r = calloc(1, sizeof(*r));
	struct array *a;
	struct error err;
	bool ok = true;

	must(r != NULL, "memory", NULL);
	if (tiny_open(t, true, &a, &err) != ERR_NONE)
		ok = tiny_says(t, "open to scrub: %s", err.message);
	if (ok && scrub(a, &o, r, &err) != ERR_NONE)
		ok = tiny_says(t, "scrub: %s", err.message);
	if (ok && (r->damaged != r->repaired || r->lost_blocks > 0))
		ok = tiny_says(t, "scrub: %llu damaged, %llu repaired, %llu blocks lost: %s",
			       (unsigned long long)r->damaged, (unsigned long long)r->repaired,
			       (unsigned long long)r->lost_blocks, t->warning);
	array_close(a);
	free(r);
	return ok;
}

unsigned tiny_every(void)
{
	const char *s = getenv("MRMR_SWEEP_EVERY");
	unsigned long n = s ? strtoul(s, NULL, 10) : 1;

	return n ? (unsigned)n : 1;
}

bool tiny_all(void)
{
	return getenv("MRMR_SWEEP_ALL") != NULL;
}

uint64_t tiny_seed(void)
{
	const char *s = getenv("MRMR_SWEEP_SEED");

	return s ? strtoull(s, NULL, 10) : 0;
}
