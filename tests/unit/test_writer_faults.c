/* The writer when its process dies at any system call, and when system calls fail. */
#include "table/writer.h"

#include "base/file.h"
#include "tests/support/deny.h"
#include "tests/support/killed.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MACHINE "machine 1"
#define SEQS_MAX 4000

static struct keys *keys;

/* Of every number of one writer, the segment that was lent. Shared with the children. */
struct lent {
	const char *folder;
	struct hash writer;
	struct hash sha256[SEQS_MAX];
	uint64_t highest;
	bool twice; /* what must never be */
};

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

static void remember(struct lent *lent, const char *name)
{
	struct segment_name n;

	if (!segment_name_parse(name, &n) || n.first >= SEQS_MAX) {
		lent->twice = true;
		return;
	}
	if (!hash_equal(&n.writer, &lent->writer)) {
		lent->writer = n.writer;
		lent->highest = 0;
	}
	if (n.first == lent->highest + 1) {
		lent->sha256[n.first] = n.sha256;
		lent->highest = n.first;
	}
	if (n.first > lent->highest || !hash_equal(&lent->sha256[n.first], &n.sha256))
		lent->twice = true;
}

static int remember_each(void *ctx, const char *name, const void *bytes, size_t len_bytes,
			 struct error *err)
{
	(void)bytes, (void)len_bytes, (void)err;
	remember(ctx, name);
	return ERR_NONE;
}

static int sign(struct writer *w, struct lent *lent, char name[SEGMENT_NAME_BYTES])
{
	const struct buf *bytes;
	const char *lent_name;
	struct error err;
	int code = writer_sign(w, NULL, NULL, 0, NULL, 0, &lent_name, &bytes, &err);

	if (code != ERR_NONE)
		return code;
	remember(lent, lent_name);
	memcpy(name, lent_name, strlen(lent_name) + 1);
	return ERR_NONE;
}

static struct writer *open_any(const char *folder, enum writer_origin *origin)
{
	struct writer *w;
	struct error err;

	if (writer_open(folder, keys, MACHINE, &w, origin, &err) != ERR_NONE)
		return NULL;
	return w;
}

/* What a command does: two segments, one of them sent, and marks. */
static int commands(void *ctx)
{
	struct lent *lent = ctx;
	char first[SEGMENT_NAME_BYTES], second[SEGMENT_NAME_BYTES];
	struct clock clock = { 0 };
	struct id drive = { { 1 } };
	enum writer_origin origin;
	struct error err;
	struct writer *w = open_any(lent->folder, &origin);
	int code;

	if (!w || writer_outbox(w, remember_each, lent, &err) != ERR_NONE)
		return 1;
	code = sign(w, lent, first);
	if (code == ERR_NONE)
		code = sign(w, lent, second);
	if (code == ERR_NONE)
		code = writer_sent(w, first, &err);
	if (code == ERR_NONE && !clock_set(&clock, writer_head(w)))
		code = ERR_NOMEM;
	if (code == ERR_NONE)
		code = writer_set_have(w, &drive, &clock, &err);
	if (code == ERR_NONE)
		code = writer_save(w, &err);
	if (code == ERR_NONE)
		code = writer_sent(w, second, &err);
	clock_release(&clock);
	writer_close(w);
	return code;
}

static int renewal(void *ctx)
{
	struct lent *lent = ctx;
	char name[SEGMENT_NAME_BYTES];
	enum writer_origin origin;
	struct error err;
	struct writer *w = open_any(lent->folder, &origin);
	int code;

	if (!w)
		return 1;
	code = sign(w, lent, name);
	if (code == ERR_NONE)
		code = writer_renew(w, &err);
	if (code == ERR_NONE)
		code = sign(w, lent, name);
	writer_close(w);
	return code;
}

/* Whoever comes next finds what was lent, and goes on from there. */
static void go_on(struct lent *lent, bool must_be_found)
{
	char name[SEGMENT_NAME_BYTES];
	enum writer_origin origin;
	struct writer *w = open_any(lent->folder, &origin);
	struct error err;

	assert_non_null(w);
	if (must_be_found)
		assert_int_equal(origin, WRITER_FOUND);
	assert_int_equal(writer_outbox(w, remember_each, lent, &err), ERR_NONE);
	assert_int_equal(sign(w, lent, name), ERR_NONE);
	assert_int_equal(writer_sent(w, name, &err), ERR_NONE);
	assert_false(lent->twice);
	writer_close(w);
}

static void die_everywhere(int (*what)(void *ctx), bool must_be_found, unsigned calls_at_least)
{
	struct lent *lent = killed_shared(sizeof(*lent));
	char *folder = temp_folder_in_memory();
	enum killed killed = KILLED_THERE;
	unsigned n;

	lent->folder = folder;
	go_on(lent, false);
	for (n = 0; killed == KILLED_THERE; n++) {
		killed = killed_at(n, what, lent);
		assert_int_not_equal(killed, KILLED_BY_ITSELF);
		if (killed == KILLED_IMPOSSIBLE) {
			temp_folder_remove(folder);
			skip();
		}
		go_on(lent, must_be_found);
	}
	assert_true(n > calls_at_least);
	temp_folder_remove(folder);
}

static void a_writer_killed_at_any_call_signs_no_number_twice(void **state)
{
	(void)state;
	die_everywhere(commands, true, 15);
}

static void a_renewal_killed_at_any_call_signs_no_number_twice(void **state)
{
	(void)state;
	die_everywhere(renewal, false, 10);
}

static int first_opening(void *ctx)
{
	struct lent *lent = ctx;
	enum writer_origin origin;
	struct writer *w = open_any(lent->folder, &origin);

	writer_close(w);
	return w ? 0 : 1;
}

static void a_first_opening_killed_at_any_call_is_made_up_for(void **state)
{
	struct lent *lent = killed_shared(sizeof(*lent));
	enum killed killed = KILLED_THERE;

	(void)state;
	for (unsigned n = 0; killed == KILLED_THERE; n++) {
		char *folder = temp_folder_in_memory();

		lent->folder = folder;
		killed = killed_at(n, first_opening, lent);
		if (killed != KILLED_IMPOSSIBLE)
			go_on(lent, false);
		temp_folder_remove(folder);
		assert_int_not_equal(killed, KILLED_BY_ITSELF);
		if (killed == KILLED_IMPOSSIBLE)
			skip();
	}
}

/* ---- calls that fail ---- */

enum step { SIGN, SENT, SAVE, RENEW, OUTBOX, OPEN };

struct fault {
	enum step step;
	struct denied calls[DENY_MAX];
	int code;
};

struct trial {
	const struct fault *fault;
	struct lent *lent;
};

static int do_step(struct writer *w, enum step step, const char *name, struct lent *lent)
{
	struct clock clock = { 0 };
	struct id drive = { { 1 } };
	char next[SEGMENT_NAME_BYTES];
	struct error err;
	int code;

	switch (step) {
	case SIGN:
		return sign(w, lent, next);
	case SENT:
		return writer_sent(w, name, &err);
	case RENEW:
		return writer_renew(w, &err);
	case OUTBOX:
		return writer_outbox(w, remember_each, lent, &err);
	case SAVE:
		if (!clock_set(&clock, writer_head(w)))
			return ERR_NOMEM;
		code = writer_set_have(w, &drive, &clock, &err);
		if (code == ERR_NONE)
			code = writer_save(w, &err);
		clock_release(&clock);
		return code;
	default:
		writer_close(w);
		return ERR_NONE;
	}
}

/* In a child: one step with calls denied gives its code. */
static bool step_fails(void *ctx)
{
	struct trial *t = ctx;
	char name[SEGMENT_NAME_BYTES];
	enum writer_origin origin;
	struct writer *w = open_any(t->lent->folder, &origin);
	struct error err;

	if (!w || sign(w, t->lent, name) != ERR_NONE || !deny_calls(t->fault->calls))
		return false;
	if (t->fault->step == OPEN) {
		writer_close(w);
		return writer_open(t->lent->folder, keys, MACHINE, &w, &origin, &err) ==
			       t->fault->code &&
		       !w;
	}
	return do_step(w, t->fault->step, name, t->lent) == t->fault->code;
}

static void a_step_whose_calls_fail_fails_and_signs_no_number_twice(void **state)
{
#ifdef SYS_rename
	const long rename_call = SYS_rename, unlink_call = SYS_unlink, mkdir_call = SYS_mkdir;
#else
	const long rename_call = SYS_renameat, unlink_call = SYS_unlinkat, mkdir_call = SYS_mkdirat;
#endif
	const struct fault faults[] = {
		{ SIGN, { { SYS_write, ENOSPC } }, ERR_FULL },
		{ SIGN, { { SYS_fsync, EIO } }, ERR_IO },
		{ SIGN, { { rename_call, EIO } }, ERR_IO },
		{ SIGN, { { SYS_flock, ENOLCK } }, ERR_IO },
		{ SIGN, { { SYS_openat, EMFILE } }, ERR_IO },
		{ SIGN, { { SYS_getdents64, EIO } }, ERR_IO },
		{ SENT, { { SYS_write, EDQUOT } }, ERR_FULL },
		{ SENT, { { SYS_fsync, EIO } }, ERR_IO },
		{ SENT, { { unlink_call, EROFS } }, ERR_READONLY },
		{ SENT, { { SYS_flock, ENOLCK } }, ERR_IO },
		{ SAVE, { { SYS_write, ENOSPC } }, ERR_FULL },
		{ SAVE, { { SYS_fsync, EIO } }, ERR_IO },
		{ SAVE, { { rename_call, EACCES } }, ERR_DENIED },
		{ SAVE, { { SYS_openat, EACCES } }, ERR_DENIED },
		{ RENEW, { { rename_call, EROFS } }, ERR_READONLY },
		{ RENEW, { { SYS_renameat, EIO } }, ERR_IO },
		{ RENEW, { { mkdir_call, ENOSPC } }, ERR_FULL },
		{ RENEW, { { SYS_fsync, EIO } }, ERR_IO },
		{ RENEW, { { SYS_write, ENOSPC } }, ERR_FULL },
		{ RENEW, { { SYS_flock, ENOLCK } }, ERR_IO },
		{ OUTBOX, { { SYS_openat, EACCES } }, ERR_DENIED },
		{ OUTBOX, { { SYS_getdents64, EIO } }, ERR_IO },
		{ OPEN, { { SYS_openat, EACCES } }, ERR_DENIED },
		{ OPEN, { { SYS_fsync, EIO } }, ERR_IO },
		{ OPEN, { { SYS_getdents64, EIO } }, ERR_IO },
		{ OPEN, { { SYS_flock, ENOLCK } }, ERR_IO },
	};
	struct lent *lent = killed_shared(sizeof(*lent));
	char *folder = temp_folder_in_memory();

	(void)state;
	lent->folder = folder;
	go_on(lent, false);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct trial t = { &faults[i], lent };

		if (!in_child(step_fails, &t))
			fail_msg("fault %zu was not reported as it should be", i);
		go_on(lent, faults[i].step != RENEW);
	}
	temp_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_writer_killed_at_any_call_signs_no_number_twice),
		cmocka_unit_test(a_renewal_killed_at_any_call_signs_no_number_twice),
		cmocka_unit_test(a_first_opening_killed_at_any_call_is_made_up_for),
		cmocka_unit_test(a_step_whose_calls_fail_fails_and_signs_no_number_twice),
	};

	return cmocka_run_group_tests_name("writer faults", tests, start, finish);
}
