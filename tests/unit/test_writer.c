/* The writer's identity and outbox: no sequence number is ever signed twice. */
#include "table/writer.h"

#include "base/file.h"
#include "table/identity.h"
#include "table/record.h"
#include "tests/support/noise.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MACHINE "machine 1"

static struct keys *keys;

static int start(void **state)
{
	struct id array_id;
	struct error err;

	(void)state;
	if (seal_start(&err) != ERR_NONE)
		return -1;
	array_id = id_random();
	return keys_new(&array_id, &keys, &err);
}

static int finish(void **state)
{
	(void)state;
	keys_free(keys);
	return 0;
}

/* Every test has a folder of its own. */
static int give_folder(void **state)
{
	*state = temp_folder_in_memory();
	return 0;
}

static int take_folder(void **state)
{
	temp_folder_remove(*state);
	return 0;
}

static struct writer *open_writer(const char *folder, enum writer_origin want)
{
	enum writer_origin origin;
	struct writer *w;
	struct error err;

	assert_int_equal(writer_open(folder, keys, MACHINE, &w, &origin, &err), ERR_NONE);
	assert_int_equal(origin, want);
	return w;
}

/* Some records that differ from those of every other call. */
static void some_records(struct buf *out)
{
	struct id id = id_random();

	buf_clear(out);
	record_commit(out, &id);
}

static struct segment opened(const struct buf *bytes)
{
	struct segment s;
	struct error err;

	assert_int_equal(segment_open(keys, bytes->data, bytes->len_bytes, &s, &err), ERR_NONE);
	return s;
}

/* Signs something; returns its name, which is lent until the next call of w. */
static const char *sign(struct writer *w)
{
	struct buf records = { 0 };
	const struct buf *bytes;
	const char *name;
	struct error err;

	some_records(&records);
	assert_int_equal(
		writer_sign(w, NULL, NULL, 0, records.data, records.len_bytes, &name, &bytes, &err),
		ERR_NONE);
	buf_release(&records);
	return name;
}

static int try_sign(struct writer *w)
{
	struct buf records = { 0 };
	const struct buf *bytes;
	const char *name;
	struct error err;
	int code;

	some_records(&records);
	code = writer_sign(w, NULL, NULL, 0, records.data, records.len_bytes, &name, &bytes, &err);
	buf_release(&records);
	return code;
}

static void sent(struct writer *w, const char *name)
{
	struct error err;

	assert_int_equal(writer_sent(w, name, &err), ERR_NONE);
}

static unsigned files_in(const char *folder, const char *name)
{
	DIR *dir = opendir(temp_path(folder, name));
	unsigned count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

/* "name.<first 16 hex digits of the key>" in the folder. */
static const char *aside(const char *folder, const char *name, const struct hash *h)
{
	char hex[17], file[64];

	hex_encode(h->b, 8, hex);
	snprintf(file, sizeof(file), "%s.%s", name, hex);
	return temp_path(folder, file);
}

static void load(const char *path, struct buf *out)
{
	struct error err;

	buf_clear(out);
	assert_int_equal(file_load(path, 1 << 20, out, &err), ERR_NONE);
}

static void store(const char *path, const void *bytes, size_t len_bytes)
{
	struct error err;

	assert_int_equal(file_store(path, bytes, len_bytes, &err), ERR_NONE);
}

static const char *outbox_path(const char *folder, const char *segment_name)
{
	char file[SEGMENT_NAME_BYTES + 16];

	snprintf(file, sizeof(file), "outbox%s", strrchr(segment_name, '/'));
	return temp_path(folder, file);
}

/* ---- identity ---- */

static void an_empty_folder_gets_a_new_writer_that_is_found_again(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct hash id = *writer_id(w);

	assert_int_equal(writer_head(w)->seq, 0);
	assert_true(hash_is_zero(&writer_head(w)->head));
	writer_close(w);
	w = open_writer(*state, WRITER_FOUND);
	assert_true(hash_equal(&id, writer_id(w)));
	writer_close(w);
}

static void segments_chain_from_the_first_on(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct mark before = *writer_head(w);

	for (uint64_t seq = 1; seq <= 5; seq++) {
		struct buf records = { 0 };
		const struct buf *bytes;
		struct segment_name parts;
		struct segment s;
		const char *name;
		struct error err;
		struct hash h;

		some_records(&records);
		assert_int_equal(writer_sign(w, NULL, NULL, 0, records.data, records.len_bytes,
					     &name, &bytes, &err),
				 ERR_NONE);
		s = opened(bytes);
		assert_int_equal(s.kind, SEGMENT_PLAIN);
		assert_int_equal(s.first, seq);
		assert_true(hash_equal(&s.previous, &before.head));
		assert_true(hash_equal(&s.head, &writer_head(w)->head));
		assert_true(hash_equal(&s.writer, writer_id(w)));
		assert_int_equal(s.records.len_bytes, records.len_bytes);
		assert_memory_equal(s.records.data, records.data, records.len_bytes);
		assert_true(segment_name_parse(name, &parts));
		h = sha256(bytes->data, bytes->len_bytes);
		assert_true(hash_equal(&parts.sha256, &h));
		before = *writer_head(w);
		assert_int_equal(before.seq, seq);
		segment_release(&s);
		buf_release(&records);
	}
	writer_close(w);
}

static void clock_and_have_are_part_of_the_segment(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct mark m = { .seq = 3, .writer.b = { 1 } };
	struct have have = { .drive_id.b = { 2 } };
	struct clock clock = { 0 };
	const struct buf *bytes;
	struct segment s;
	const char *name;
	struct error err;

	assert_true(clock_set(&clock, &m));
	assert_true(clock_copy(&have.clock, &clock));
	assert_int_equal(writer_sign(w, &clock, &have, 1, NULL, 0, &name, &bytes, &err), ERR_NONE);
	s = opened(bytes);
	assert_int_equal(clock_seq(&s.clock, &m.writer), 3);
	assert_int_equal(s.have_count, 1);
	assert_true(id_equal(&s.have[0].drive_id, &have.drive_id));
	assert_int_equal(clock_seq(&s.have[0].clock, &m.writer), 3);
	segment_release(&s);
	clock_release(&clock);
	clock_release(&have.clock);
	writer_close(w);
}

static void records_that_could_not_be_replayed_are_not_signed(void **state)
{
	static const uint8_t cut[] = { RECORD_COMMIT * 2 + 1, 16, 0 };
	struct writer *w = open_writer(*state, WRITER_CREATED);
	const struct buf *bytes;
	const char *name;
	struct error err;

	assert_int_equal(writer_sign(w, NULL, NULL, 0, cut, sizeof(cut), &name, &bytes, &err),
			 ERR_CORRUPT);
	assert_int_equal(writer_head(w)->seq, 0);
	assert_int_equal(files_in(*state, "outbox"), 0);
	sign(w);
	assert_int_equal(writer_head(w)->seq, 1);
	writer_close(w);
}

static void a_copied_identity_is_given_up(void **state)
{
	const char *folder = *state;
	char *other = temp_folder_in_memory();
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct hash id = *writer_id(w);
	struct buf file = { 0 }, kept = { 0 };
	enum writer_origin origin;
	struct error err;

	sign(w);
	writer_close(w);
	load(temp_path(folder, "writer"), &file);
	store(temp_path(other, "writer"), file.data, file.len_bytes);

	w = open_writer(other, WRITER_COPIED); /* another folder: another inode */
	assert_false(hash_equal(&id, writer_id(w)));
	assert_int_equal(writer_head(w)->seq, 0);
	writer_close(w);
	load(aside(other, "writer", &id), &kept);
	assert_int_equal(kept.len_bytes, file.len_bytes);
	assert_memory_equal(kept.data, file.data, file.len_bytes);
	writer_close(open_writer(other, WRITER_FOUND));
	assert_int_equal(writer_open(other, keys, "machine 2", &w, &origin, &err), ERR_NONE);
	assert_int_equal(origin, WRITER_COPIED);
	writer_close(w);

	w = open_writer(folder, WRITER_FOUND); /* the one it was copied from goes on */
	assert_true(hash_equal(&id, writer_id(w)));
	assert_int_equal(writer_head(w)->seq, 1);
	writer_close(w);
	temp_folder_remove(other);
	buf_release(&file);
	buf_release(&kept);
}

static void a_copied_outbox_is_kept_but_never_sent(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct hash id = *writer_id(w);
	enum writer_origin origin;
	struct error err;

	sign(w);
	sign(w);
	writer_close(w);
	assert_int_equal(writer_open(folder, keys, "machine 2", &w, &origin, &err), ERR_NONE);
	assert_int_equal(origin, WRITER_COPIED);
	assert_int_equal(files_in(folder, "outbox"), 0);
	writer_close(w);
	assert_true(file_exists(aside(folder, "writer", &id)));
	assert_true(file_exists(aside(folder, "outbox", &id)));
}

static void without_a_given_machine_id_the_system_s_is_taken(void **state)
{
	enum writer_origin origin;
	struct writer *w;
	struct error err;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(writer_open(*state, keys, NULL, &w, &origin, &err), ERR_NONE);
		assert_int_equal(origin, i == 0 ? WRITER_CREATED : WRITER_FOUND);
		writer_close(w);
	}
}

static void a_damaged_identity_is_kept_aside(void **state)
{
	const char *folder = *state;
	struct noise noise = { 3 };
	struct buf file = { 0 }, kept = { 0 };

	for (int i = 0; i < 40; i++) {
		struct writer *w = open_writer(folder, i == 0 ? WRITER_CREATED : WRITER_FOUND);
		struct hash id = *writer_id(w), h;
		/* Beyond the fields that a newer mrmr may have changed in good faith. */
		size_t at;

		sign(w);
		writer_close(w);
		load(temp_path(folder, "writer"), &file);
		at = 24 + noise_below(&noise, file.len_bytes - 24);
		if (i % 2)
			file.len_bytes = at;
		else
			file.data[at] ^= (uint8_t)(1 << noise_below(&noise, 8));
		store(temp_path(folder, "writer"), file.data, file.len_bytes);
		h = sha256(file.data, file.len_bytes);
		w = open_writer(folder, WRITER_CREATED);
		assert_false(hash_equal(&id, writer_id(w)));
		assert_int_equal(writer_head(w)->seq, 0);
		writer_close(w);
		load(aside(folder, "writer", &h), &kept);
		assert_int_equal(kept.len_bytes, file.len_bytes);
		assert_true(file_exists(aside(folder, "outbox", &h)));
		assert_int_equal(files_in(folder, "outbox"), 0);
	}
	buf_release(&file);
	buf_release(&kept);
}

static void the_outbox_of_a_missing_identity_is_not_sent_by_the_next(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);

	sign(w);
	writer_close(w);
	assert_int_equal(unlink(temp_path(folder, "writer")), 0);
	w = open_writer(folder, WRITER_CREATED);
	assert_int_equal(files_in(folder, "outbox"), 0);
	assert_int_equal(writer_head(w)->seq, 0);
	writer_close(w);
}

static void an_identity_that_cannot_be_judged_is_left_alone(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	enum writer_origin origin;
	struct buf file = { 0 }, after = { 0 };
	struct error err;

	writer_close(w);
	load(temp_path(folder, "writer"), &file);
	file.data[8]++; /* a newer format */
	store(temp_path(folder, "writer"), file.data, file.len_bytes);
	assert_int_equal(writer_open(folder, keys, MACHINE, &w, &origin, &err), ERR_UNSUPPORTED);
	assert_null(w);
	load(temp_path(folder, "writer"), &after);
	assert_memory_equal(file.data, after.data, file.len_bytes);

	assert_int_equal(unlink(temp_path(folder, "writer")), 0);
	assert_int_equal(mkdir(temp_path(folder, "writer"), 0700), 0);
	assert_int_equal(writer_open(folder, keys, MACHINE, &w, &origin, &err), ERR_IO);
	assert_int_equal(writer_open(temp_path(folder, "none"), keys, MACHINE, &w, &origin, &err),
			 ERR_NOT_FOUND);
	buf_release(&file);
	buf_release(&after);
}

static void an_identity_behind_its_box_is_still_checked(void **state)
{
	const char *path = temp_path(*state, "identity");
	const struct home home = { .inode = 7 };
	struct mark m = { .seq = 3, .writer.b = { 1 } };
	struct id drives[2] = { { { 1 } }, { { 2 } } };
	struct identity id, back;
	struct clock clock = { 0 };
	bool changed = false;
	struct error err;

	assert_true(clock_set(&clock, &m));
	assert_int_equal(identity_new(&home, &id, &err), ERR_NONE);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(identity_merge(&id, &drives[i], &clock, &changed, &err), ERR_NONE);
	assert_true(changed);
	assert_int_equal(identity_store(path, keys, &id, &err), ERR_NONE);
	assert_int_equal(identity_load(path, keys, &back, &err), ERR_NONE);
	assert_memory_equal(back.secret_key, id.secret_key, SECRET_KEY_BYTES);
	assert_int_equal(back.home.inode, 7);
	identity_release(&back);

	id.have[1].drive_id.b[0] = 0; /* drives out of order */
	assert_int_equal(identity_store(path, keys, &id, &err), ERR_NONE);
	assert_int_equal(identity_load(path, keys, &back, &err), ERR_CORRUPT);
	id.have[1].drive_id.b[0] = 1; /* the same drive twice */
	assert_int_equal(identity_store(path, keys, &id, &err), ERR_NONE);
	assert_int_equal(identity_load(path, keys, &back, &err), ERR_CORRUPT);
	id.have[1].drive_id.b[0] = 2;
	id.last.writer.b[0] ^= 1; /* not the key's other half */
	assert_int_equal(identity_store(path, keys, &id, &err), ERR_NONE);
	assert_int_equal(identity_load(path, keys, &back, &err), ERR_CORRUPT);
	identity_release(&id);
	clock_release(&clock);
}

static void a_renewed_writer_keeps_the_marks_and_nothing_else(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct hash old = *writer_id(w), id;
	struct id drive = id_random();
	struct clock clock = { 0 };
	size_t count;
	struct error err;

	sign(w);
	assert_true(clock_set(&clock, writer_head(w)));
	assert_int_equal(writer_set_have(w, &drive, &clock, &err), ERR_NONE);
	assert_int_equal(writer_renew(w, &err), ERR_NONE);
	id = *writer_id(w);
	assert_false(hash_equal(&id, &old));
	assert_int_equal(writer_head(w)->seq, 0);
	assert_int_equal(files_in(folder, "outbox"), 0);
	assert_true(file_exists(aside(folder, "writer", &old)));
	assert_true(file_exists(aside(folder, "outbox", &old)));
	assert_int_equal(writer_head(w)->seq, 0);
	sign(w);
	assert_int_equal(writer_head(w)->seq, 1);
	writer_close(w);
	w = open_writer(folder, WRITER_FOUND);
	assert_true(hash_equal(&id, writer_id(w)));
	assert_int_equal(clock_seq(&writer_have(w, &count)[0].clock, &old), 1);
	assert_int_equal(count, 1);
	clock_release(&clock);
	writer_close(w);
}

/* ---- a number is signed once ---- */

static void a_cut_right_after_signing_costs_no_number_and_repeats_none(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct mark first, second;

	sign(w);
	first = *writer_head(w);
	writer_close(w); /* the identity still says 0 */
	w = open_writer(*state, WRITER_FOUND);
	assert_memory_equal(&first, writer_head(w), sizeof(first));
	sign(w);
	sign(w);
	second = *writer_head(w);
	assert_int_equal(second.seq, 3);
	writer_close(w);
	w = open_writer(*state, WRITER_FOUND);
	assert_memory_equal(&second, writer_head(w), sizeof(second));
	writer_close(w);
}

static void what_was_sent_stays_signed(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct mark last;

	sent(w, sign(w));
	last = *writer_head(w);
	assert_int_equal(files_in(*state, "outbox"), 0);
	writer_close(w);
	w = open_writer(*state, WRITER_FOUND);
	assert_memory_equal(&last, writer_head(w), sizeof(last));
	writer_close(w);
}

static void an_identity_put_back_is_caught_up_by_the_outbox(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct buf file = { 0 };
	struct error err;

	load(temp_path(folder, "writer"), &file);
	sign(w);
	sign(w);
	assert_int_equal(writer_save(w, &err), ERR_NONE);
	writer_close(w);
	store(temp_path(folder, "writer"), file.data, file.len_bytes); /* says 0 again */
	w = open_writer(folder, WRITER_FOUND);
	assert_int_equal(writer_head(w)->seq, 2);
	writer_close(w);
	buf_release(&file);
}

static void an_outbox_with_a_hole_or_damage_beyond_the_identity_ends_it(void **state)
{
	const char *folder = *state;
	struct buf file = { 0 };

	for (int damage = 0; damage < 3; damage++) {
		struct writer *w = open_writer(folder, damage == 0 ? WRITER_CREATED : WRITER_FOUND);
		struct hash id = *writer_id(w);
		char first[SEGMENT_NAME_BYTES];
		const char *path;

		snprintf(first, sizeof(first), "%s", sign(w));
		sign(w);
		writer_close(w);
		path = outbox_path(folder, first);
		load(path, &file);
		if (damage == 0) {
			assert_int_equal(unlink(path), 0);
		} else {
			file.data[file.len_bytes / 2] ^= 1;
			store(path, file.data, damage == 1 ? file.len_bytes : 10);
		}
		w = open_writer(folder, WRITER_CREATED);
		assert_false(hash_equal(&id, writer_id(w)));
		assert_int_equal(files_in(folder, "outbox"), 0);
		writer_close(w);
		assert_true(file_exists(aside(folder, "writer", &id)));
	}
	buf_release(&file);
}

static void two_segments_of_one_number_end_the_identity(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct hash id = *writer_id(w);
	char first[SEGMENT_NAME_BYTES];
	struct buf file = { 0 };

	snprintf(first, sizeof(first), "%s", sign(w));
	writer_close(w);
	load(outbox_path(folder, first), &file);
	assert_int_equal(unlink(outbox_path(folder, first)), 0);
	w = open_writer(folder, WRITER_FOUND);
	sign(w); /* another one, of the number that was lost */
	writer_close(w);
	store(outbox_path(folder, first), file.data, file.len_bytes);
	w = open_writer(folder, WRITER_CREATED);
	assert_false(hash_equal(&id, writer_id(w)));
	writer_close(w);
	buf_release(&file);
}

static void an_outbox_whose_heads_do_not_follow_ends_the_identity(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	char first[SEGMENT_NAME_BYTES], other[SEGMENT_NAME_BYTES];
	struct buf file = { 0 };

	snprintf(first, sizeof(first), "%s", sign(w));
	writer_close(w);
	load(outbox_path(folder, first), &file);
	assert_int_equal(unlink(outbox_path(folder, first)), 0);
	w = open_writer(folder, WRITER_FOUND);
	snprintf(other, sizeof(other), "%s", sign(w)); /* of the same number */
	sign(w);				       /* follows from other */
	writer_close(w);
	assert_int_equal(unlink(outbox_path(folder, other)), 0);
	store(outbox_path(folder, first), file.data, file.len_bytes);
	writer_close(open_writer(folder, WRITER_CREATED));
	buf_release(&file);
}

/* Of every number, the hash of the segment that was lent. */
struct lent {
	struct hash sha256[2000];
	uint64_t highest;
};

static void remember(struct lent *lent, const char *name)
{
	struct segment_name n;

	assert_true(segment_name_parse(name, &n));
	assert_true(n.first == n.last && n.first < 2000);
	/* The next number, or the same segment once more. */
	if (n.first == lent->highest + 1) {
		lent->sha256[n.first] = n.sha256;
		lent->highest = n.first;
	}
	assert_true(n.first <= lent->highest);
	assert_true(hash_equal(&lent->sha256[n.first], &n.sha256));
}

static int remember_each(void *ctx, const char *name, const void *bytes, size_t len_bytes,
			 struct error *err)
{
	struct hash h = sha256(bytes, len_bytes);
	struct segment_name n;

	(void)err;
	remember(ctx, name);
	assert_true(segment_name_parse(name, &n));
	assert_true(hash_equal(&h, &n.sha256));
	return ERR_NONE;
}

/*
 * Any order of calls through two handles, with the process dying between any two of them, and
 * removals from the outbox coming back with a power cut, since they are not synced.
 */
static void no_number_is_lent_for_two_segments_in_any_order_of_calls_and_deaths(void **state)
{
	const char *folder = *state;
	struct lent *lent = calloc(1, sizeof(*lent));
	struct noise noise = { 11 };
	struct writer *w[2];
	struct buf removed = { 0 };
	char removed_name[SEGMENT_NAME_BYTES] = "";
	struct error err;

	assert_non_null(lent);
	w[0] = open_writer(folder, WRITER_CREATED);
	w[1] = open_writer(folder, WRITER_FOUND);
	for (int i = 0; i < 1500; i++) {
		struct writer **h = &w[noise_below(&noise, 2)];

		switch (noise_below(&noise, 8)) {
		case 0:
		case 1:
		case 2:
			remember(lent, sign(*h));
			break;
		case 3:
			assert_int_equal(writer_outbox(*h, remember_each, lent, &err), ERR_NONE);
			break;
		case 4:
			assert_int_equal(writer_save(*h, &err), ERR_NONE);
			break;
		case 5:
			snprintf(removed_name, sizeof(removed_name), "%s", sign(*h));
			remember(lent, removed_name);
			load(outbox_path(folder, removed_name), &removed);
			sent(*h, removed_name);
			break;
		case 6:
			if (removed.len_bytes > 0)
				store(outbox_path(folder, removed_name), removed.data,
				      removed.len_bytes);
			break;
		default:
			writer_close(*h);
			*h = open_writer(folder, WRITER_FOUND);
			break;
		}
	}
	assert_true(lent->highest > 250);
	writer_close(w[0]);
	writer_close(w[1]);
	buf_release(&removed);
	free(lent);
}

static void sign_in_child(const char *folder, int count)
{
	for (int i = 0; i < count; i++) {
		enum writer_origin origin;
		struct writer *w;
		struct error err;

		if (writer_open(folder, keys, MACHINE, &w, &origin, &err) != ERR_NONE ||
		    try_sign(w) != ERR_NONE || try_sign(w) != ERR_NONE)
			_exit(1);
		writer_close(w);
	}
	_exit(0);
}

static void processes_that_sign_at_once_sign_one_chain(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct lent *lent = calloc(1, sizeof(*lent));
	pid_t child[4];
	struct error err;

	assert_non_null(lent);
	for (size_t i = 0; i < 4; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0)
			sign_in_child(folder, 10);
	}
	for (size_t i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(writer_outbox(w, remember_each, lent, &err), ERR_NONE);
	assert_int_equal(lent->highest, 80);
	sign(w); /* a handle that knew nothing of all that */
	assert_int_equal(writer_head(w)->seq, 81);
	writer_close(w);
	writer_close(open_writer(folder, WRITER_FOUND)); /* which verifies the chain */
	free(lent);
}

/* No file can grow beyond this: a full disk. 0: as before. */
static void limit_files(size_t bytes)
{
	static struct rlimit before;
	struct rlimit limit;

	if (bytes > 0) {
		signal(SIGXFSZ, SIG_IGN);
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
		limit = before;
		limit.rlim_cur = bytes;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		return;
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_DFL);
}

static void a_failed_store_ends_signing_until_the_next_open(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);

	sign(w);
	limit_files(100);
	assert_int_not_equal(try_sign(w), ERR_NONE);
	limit_files(0);
	assert_int_equal(try_sign(w), ERR_IO);
	assert_int_equal(writer_head(w)->seq, 1);
	writer_close(w);
	w = open_writer(*state, WRITER_FOUND);
	assert_int_equal(writer_head(w)->seq, 1);
	sign(w);
	assert_int_equal(writer_head(w)->seq, 2);
	writer_close(w);
}

static void nothing_leaves_the_outbox_before_the_identity_knows_its_number(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	const char *name = sign(w);
	struct error err;

	limit_files(100);
	assert_int_not_equal(writer_sent(w, name, &err), ERR_NONE);
	limit_files(0);
	assert_int_equal(files_in(*state, "outbox"), 1);
	sent(w, name);
	assert_int_equal(files_in(*state, "outbox"), 0);
	writer_close(w);
}

static void a_failed_renewal_ends_signing_until_the_next_open(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct hash old = *writer_id(w);
	struct error err;

	sign(w);
	limit_files(100);
	assert_int_not_equal(writer_renew(w, &err), ERR_NONE);
	limit_files(0);
	assert_int_equal(try_sign(w), ERR_IO);
	writer_close(w);
	/* The old one is given up already. */
	w = open_writer(*state, WRITER_CREATED);
	assert_false(hash_equal(&old, writer_id(w)));
	assert_int_equal(files_in(*state, "outbox"), 0);
	writer_close(w);
}

static void a_handle_of_a_renewed_identity_signs_nothing(void **state)
{
	struct writer *a = open_writer(*state, WRITER_CREATED);
	struct writer *b = open_writer(*state, WRITER_FOUND);
	struct error err;

	assert_int_equal(writer_renew(a, &err), ERR_NONE);
	assert_int_equal(try_sign(b), ERR_LOCKED);
	assert_int_equal(writer_save(b, &err), ERR_LOCKED);
	assert_int_equal(writer_renew(b, &err), ERR_LOCKED);
	assert_int_equal(try_sign(a), ERR_NONE);
	writer_close(a);
	writer_close(b);
}

/* ---- the outbox ---- */

struct walk {
	uint64_t last;
	unsigned count, stop_after;
	struct writer *remove_by;
};

static int walk_each(void *ctx, const char *name, const void *bytes, size_t len_bytes,
		     struct error *err)
{
	struct buf lent = { .data = (uint8_t *)(uintptr_t)bytes, .len_bytes = len_bytes };
	struct segment s = opened(&lent);
	struct walk *walk = ctx;

	assert_true(s.first > walk->last);
	walk->last = s.first;
	segment_release(&s);
	if (walk->remove_by)
		sent(walk->remove_by, name);
	if (++walk->count == walk->stop_after)
		return err_set(err, ERR_TRANSIENT, "link reset");
	return ERR_NONE;
}

static void the_outbox_is_walked_from_the_oldest_and_may_be_emptied(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct walk walk = { .stop_after = 4 };
	struct error err;

	for (int i = 0; i < 12; i++)
		sign(w);
	assert_int_equal(writer_outbox(w, walk_each, &walk, &err), ERR_TRANSIENT);
	assert_int_equal(walk.count, 4);
	assert_int_equal(files_in(*state, "outbox"), 12);
	walk = (struct walk){ .remove_by = w };
	assert_int_equal(writer_outbox(w, walk_each, &walk, &err), ERR_NONE);
	assert_int_equal(walk.count, 12);
	assert_int_equal(walk.last, 12);
	walk = (struct walk){ 0 };
	assert_int_equal(writer_outbox(w, walk_each, &walk, &err), ERR_NONE);
	assert_int_equal(walk.count, 0);
	writer_close(w);
}

static void what_is_no_segment_is_left_out_of_the_outbox(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct walk walk = { 0 };
	char temporary[SEGMENT_NAME_BYTES + 64];
	struct error err;

	snprintf(temporary, sizeof(temporary), "%s.99999999.tmp", outbox_path(folder, sign(w)));
	store(temporary, "half", 4);
	store(temp_path(folder, "outbox/notes"), "", 0);
	assert_int_equal(writer_outbox(w, walk_each, &walk, &err), ERR_NONE);
	assert_int_equal(walk.count, 1);
	writer_close(w);
	assert_true(file_exists(temporary));
	writer_close(open_writer(folder, WRITER_FOUND));
	assert_false(file_exists(temporary)); /* what a cut left behind is swept */
	assert_true(file_exists(temp_path(folder, "outbox/notes")));
}

static void a_damaged_segment_of_the_outbox_is_reported(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct walk walk = { 0 };
	struct buf file = { 0 };
	const char *path = outbox_path(folder, sign(w));
	struct error err;

	assert_int_equal(writer_save(w, &err), ERR_NONE);
	writer_close(w);
	load(path, &file);
	file.data[100] ^= 4;
	store(path, file.data, file.len_bytes);
	w = open_writer(folder, WRITER_FOUND); /* its number is known to be used */
	assert_int_equal(writer_head(w)->seq, 1);
	assert_int_equal(writer_outbox(w, walk_each, &walk, &err), ERR_CORRUPT);
	assert_int_equal(walk.count, 0);
	writer_close(w);
	buf_release(&file);
}

static void only_own_segments_can_be_sent(void **state)
{
	char *other_folder = temp_folder_in_memory();
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct writer *other = open_writer(other_folder, WRITER_CREATED);
	const char *name = sign(w);
	struct error err;

	assert_int_equal(writer_sent(other, name, &err), ERR_USAGE);
	assert_int_equal(writer_sent(w, "journal/x", &err), ERR_USAGE);
	sent(w, name);
	sent(w, name); /* twice is fine */
	writer_close(w);
	writer_close(other);
	temp_folder_remove(other_folder);
}

/* ---- compaction ---- */

struct history {
	struct hash heads[9]; /* heads[seq] */
	uint8_t kept[8][16];  /* of seqs 1 to 8 */
};

static void sign_8(struct writer *w, struct history *h)
{
	memset(h, 0, sizeof(*h));
	for (size_t seq = 1; seq <= 8; seq++) {
		sent(w, sign(w));
		h->heads[seq] = writer_head(w)->head;
		memcpy(h->kept[seq - 1], h->heads[seq].b, 16);
	}
}

static int compact(struct writer *w, struct history *h, uint64_t first, uint64_t last,
		   struct segment *out)
{
	struct buf records = { 0 };
	const struct buf *bytes;
	const char *name;
	struct error err;
	int code;

	some_records(&records);
	code = writer_sign_compacted(w, SEGMENT_COMPACTED, first, last, &h->heads[first - 1],
				     &h->heads[last], &h->kept[first - 1], NULL, records.data,
				     records.len_bytes, &name, &bytes, &err);
	if (code == ERR_NONE)
		*out = opened(bytes);
	buf_release(&records);
	return code;
}

static void compacted_segments_use_up_no_number(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct mark last;
	struct history h;
	struct segment s;

	sign_8(w, &h);
	last = *writer_head(w);
	assert_int_equal(compact(w, &h, 2, 7, &s), ERR_NONE);
	assert_int_equal(s.kind, SEGMENT_COMPACTED);
	assert_int_equal(s.first, 2);
	assert_int_equal(s.last, 7);
	assert_true(hash_equal(&s.head, &h.heads[7]));
	assert_memory_equal(s.heads, h.kept[1], 6 * 16);
	segment_release(&s);
	assert_int_equal(compact(w, &h, 1, 8, &s), ERR_NONE);
	segment_release(&s);
	assert_int_equal(compact(w, &h, 3, 3, &s), ERR_NONE);
	segment_release(&s);
	assert_int_equal(files_in(*state, "outbox"), 3);
	sign(w);
	writer_close(w);
	w = open_writer(*state, WRITER_FOUND);
	assert_int_equal(writer_head(w)->seq, 9);
	assert_int_equal(last.seq, 8);
	writer_close(w);
}

static void only_what_was_signed_is_compacted(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	static const uint8_t cut[] = { RECORD_COMMIT * 2 + 1, 16 };
	const struct buf *bytes;
	const char *name;
	struct history h, wrong;
	struct segment s;
	struct error err;

	sign_8(w, &h);
	wrong = h;
	wrong.heads[8].b[31] ^= 1; /* beyond what the list of heads keeps */
	assert_int_equal(compact(w, &wrong, 1, 8, &s), ERR_USAGE);
	wrong = h;
	wrong.kept[4][0] ^= 1;
	assert_int_equal(compact(w, &wrong, 1, 5, &s), ERR_USAGE);
	assert_int_equal(writer_sign_compacted(w, SEGMENT_COMPACTED, 1, 9, &h.heads[0], &h.heads[8],
					       h.kept, NULL, NULL, 0, &name, &bytes, &err),
			 ERR_USAGE);
	assert_int_equal(writer_sign_compacted(w, SEGMENT_PLAIN, 8, 8, &h.heads[7], &h.heads[8],
					       &h.kept[7], NULL, NULL, 0, &name, &bytes, &err),
			 ERR_USAGE);
	assert_int_equal(writer_sign_compacted(w, SEGMENT_CHECKPOINT, 1, 8, &h.heads[0],
					       &h.heads[8], h.kept, NULL, cut, sizeof(cut), &name,
					       &bytes, &err),
			 ERR_CORRUPT);
	assert_int_equal(files_in(*state, "outbox"), 0);
	assert_int_equal(compact(w, &h, 1, 8, &s), ERR_NONE);
	segment_release(&s);
	writer_close(w);
}

static void a_compacted_segment_of_unknown_numbers_ends_the_identity(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct buf file = { 0 };
	struct history h;
	struct segment s;

	load(temp_path(folder, "writer"), &file);
	sign_8(w, &h);
	assert_int_equal(compact(w, &h, 1, 8, &s), ERR_NONE);
	segment_release(&s);
	writer_close(w);
	store(temp_path(folder, "writer"), file.data, file.len_bytes); /* says 0 */
	writer_close(open_writer(folder, WRITER_CREATED));
	buf_release(&file);
}

/* ---- marks ---- */

static void set_mark(struct writer *w, uint8_t drive, uint8_t writer, uint64_t seq)
{
	struct id drive_id = { .b = { drive } };
	struct mark m = { .writer.b = { writer }, .seq = seq, .head.b = { (uint8_t)seq } };
	struct clock clock = { 0 };
	struct error err;

	assert_true(clock_set(&clock, &m));
	assert_int_equal(writer_set_have(w, &drive_id, &clock, &err), ERR_NONE);
	clock_release(&clock);
}

static uint64_t mark_seq(const struct writer *w, size_t index, uint8_t drive, uint8_t writer)
{
	struct hash id = { .b = { writer } };
	const struct have *have;
	size_t count;

	have = writer_have(w, &count);
	assert_true(index < count);
	assert_int_equal(have[index].drive_id.b[0], drive);
	return clock_seq(&have[index].clock, &id);
}

static void marks_only_grow_and_are_durable_when_saved(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	size_t count;
	struct error err;

	set_mark(w, 9, 1, 5);
	set_mark(w, 2, 1, 7);
	set_mark(w, 9, 1, 4);
	set_mark(w, 9, 2, 1);
	assert_int_equal(writer_save(w, &err), ERR_NONE);
	set_mark(w, 9, 1, 100); /* not saved */
	writer_close(w);
	w = open_writer(*state, WRITER_FOUND);
	writer_have(w, &count);
	assert_int_equal(count, 2);
	assert_int_equal(mark_seq(w, 0, 2, 1), 7);
	assert_int_equal(mark_seq(w, 1, 9, 1), 5);
	assert_int_equal(mark_seq(w, 1, 9, 2), 1);
	writer_close(w);
}

static void marks_of_two_handles_are_merged(void **state)
{
	struct writer *a = open_writer(*state, WRITER_CREATED);
	struct writer *b = open_writer(*state, WRITER_FOUND);
	struct error err;

	set_mark(a, 1, 1, 5);
	set_mark(a, 2, 1, 9);
	set_mark(b, 1, 1, 6);
	set_mark(b, 3, 1, 2);
	assert_int_equal(writer_save(a, &err), ERR_NONE);
	assert_int_equal(writer_save(b, &err), ERR_NONE);
	set_mark(a, 1, 2, 1);
	assert_int_equal(writer_save(a, &err), ERR_NONE);
	writer_close(a);
	writer_close(b);
	a = open_writer(*state, WRITER_FOUND);
	assert_int_equal(mark_seq(a, 0, 1, 1), 6);
	assert_int_equal(mark_seq(a, 0, 1, 2), 1);
	assert_int_equal(mark_seq(a, 1, 2, 1), 9);
	assert_int_equal(mark_seq(a, 2, 3, 1), 2);
	writer_close(a);
}

static void lent_marks_may_be_signed_whatever_other_handles_stored(void **state)
{
	struct writer *a = open_writer(*state, WRITER_CREATED);
	struct writer *b = open_writer(*state, WRITER_FOUND);
	const struct have *have;
	const struct buf *bytes;
	struct segment s;
	const char *name;
	struct error err;
	size_t count;

	set_mark(a, 100, 1, 5);
	for (uint8_t drive = 1; drive < 50; drive++)
		set_mark(b, drive, 1, 9);
	assert_int_equal(writer_save(b, &err), ERR_NONE);
	have = writer_have(a, &count);
	assert_int_equal(count, 1);
	assert_int_equal(writer_sign(a, NULL, have, count, NULL, 0, &name, &bytes, &err), ERR_NONE);
	s = opened(bytes);
	assert_int_equal(s.have_count, 50);
	segment_release(&s);
	writer_close(a);
	writer_close(b);
}

static void saving_writes_nothing_when_nothing_changed(void **state)
{
	const char *folder = *state;
	struct writer *w = open_writer(folder, WRITER_CREATED);
	struct stat before, after;
	const char *name;
	struct error err;

	set_mark(w, 1, 1, 5);
	name = sign(w);
	assert_int_equal(writer_save(w, &err), ERR_NONE);
	assert_int_equal(stat(temp_path(folder, "writer"), &before), 0);
	set_mark(w, 1, 1, 5);
	assert_int_equal(writer_save(w, &err), ERR_NONE);
	sent(w, name); /* the identity knows its number: no store either */
	assert_int_equal(stat(temp_path(folder, "writer"), &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	writer_close(w);
}

static void more_drives_than_can_be_read_back_are_refused(void **state)
{
	struct writer *w = open_writer(*state, WRITER_CREATED);
	struct mark m = { .seq = 1 };
	struct clock clock = { 0 };
	struct id drive_id = { .b = { 0 } };
	struct error err;

	assert_true(clock_set(&clock, &m));
	for (uint32_t i = 0; i < HAVES_MAX; i++) {
		store_u32(drive_id.b, i);
		assert_int_equal(writer_set_have(w, &drive_id, &clock, &err), ERR_NONE);
	}
	store_u32(drive_id.b, HAVES_MAX);
	assert_int_equal(writer_set_have(w, &drive_id, &clock, &err), ERR_FULL);
	assert_int_equal(writer_save(w, &err), ERR_NONE);
	writer_close(w);
	writer_close(open_writer(*state, WRITER_FOUND));
	clock_release(&clock);
}

#define test(name) cmocka_unit_test_setup_teardown(name, give_folder, take_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_empty_folder_gets_a_new_writer_that_is_found_again),
		test(segments_chain_from_the_first_on),
		test(clock_and_have_are_part_of_the_segment),
		test(records_that_could_not_be_replayed_are_not_signed),
		test(a_copied_identity_is_given_up),
		test(a_copied_outbox_is_kept_but_never_sent),
		test(without_a_given_machine_id_the_system_s_is_taken),
		test(a_damaged_identity_is_kept_aside),
		test(the_outbox_of_a_missing_identity_is_not_sent_by_the_next),
		test(an_identity_that_cannot_be_judged_is_left_alone),
		test(an_identity_behind_its_box_is_still_checked),
		test(a_renewed_writer_keeps_the_marks_and_nothing_else),
		test(a_cut_right_after_signing_costs_no_number_and_repeats_none),
		test(what_was_sent_stays_signed),
		test(an_identity_put_back_is_caught_up_by_the_outbox),
		test(an_outbox_with_a_hole_or_damage_beyond_the_identity_ends_it),
		test(two_segments_of_one_number_end_the_identity),
		test(an_outbox_whose_heads_do_not_follow_ends_the_identity),
		test(no_number_is_lent_for_two_segments_in_any_order_of_calls_and_deaths),
		test(processes_that_sign_at_once_sign_one_chain),
		test(a_failed_store_ends_signing_until_the_next_open),
		test(nothing_leaves_the_outbox_before_the_identity_knows_its_number),
		test(a_failed_renewal_ends_signing_until_the_next_open),
		test(a_handle_of_a_renewed_identity_signs_nothing),
		test(the_outbox_is_walked_from_the_oldest_and_may_be_emptied),
		test(what_is_no_segment_is_left_out_of_the_outbox),
		test(a_damaged_segment_of_the_outbox_is_reported),
		test(only_own_segments_can_be_sent),
		test(compacted_segments_use_up_no_number),
		test(only_what_was_signed_is_compacted),
		test(a_compacted_segment_of_unknown_numbers_ends_the_identity),
		test(marks_only_grow_and_are_durable_when_saved),
		test(marks_of_two_handles_are_merged),
		test(lent_marks_may_be_signed_whatever_other_handles_stored),
		test(saving_writes_nothing_when_nothing_changed),
		test(more_drives_than_can_be_read_back_are_refused),
	};

	return cmocka_run_group_tests_name("writer", tests, start, finish);
}
