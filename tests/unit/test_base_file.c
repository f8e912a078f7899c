/*
 * lib/base: files of this host, queues and pools of threads.
 */
#include "base/file.h"
#include "base/pool.h"
#include "tests/support/temp.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct error err;

static int folder_setup(void **state)
{
	*state = temp_folder_in_memory();
	return 0;
}

static int folder_teardown(void **state)
{
	temp_folder_remove(*state);
	return 0;
}

static void assert_file(const char *path, const char *text)
{
	struct buf b = {0};

	assert_int_equal(file_load(path, 1000, &b, &err), ERR_NONE);
	assert_int_equal(b.len_bytes, strlen(text));
	if (b.len_bytes > 0)
		assert_memory_equal(b.data, text, b.len_bytes);
	buf_release(&b);
}

static void store(const char *path, const char *text)
{
	assert_int_equal(file_store(path, text, strlen(text), &err), ERR_NONE);
}

/* ---- reading and writing ---- */

static void short_writes_and_reads_are_continued(void **state)
{
	static char out[300000], in[300000];
	int ends[2];
	pid_t child;

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251);
	assert_int_equal(pipe(ends), 0); /* holds 64 KiB: both sides see short counts */
	child = fork();
	if (child == 0)
		_exit(write_all(ends[1], out, sizeof(out)) ? 0 : 1);
	close(ends[1]);
	assert_int_equal(read_full(ends[0], in, sizeof(in)), sizeof(in));
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(read_full(ends[0], in, 1), 0);
	close(ends[0]);
}

static void a_read_at_the_end_tells_how_much_there_was(void **state)
{
	const char *path = temp_path(*state, "f");
	char got[10];
	int fd;

	store(path, "12345");
	fd = open(path, O_RDONLY);
	assert_int_equal(pread_full(fd, got, 10, 3), 2);
	assert_memory_equal(got, "45", 2);
	assert_int_equal(pread_full(fd, got, 2, 1), 2);
	assert_memory_equal(got, "23", 2);
	assert_int_equal(pread_full(fd, got, 10, 5), 0);
	assert_int_equal(read_full(fd, got, 10), 5);
	close(fd);
	assert_int_equal(read_full(fd, got, 1), -1);
	assert_int_equal(pread_full(fd, got, 1, 0), -1);
	assert_false(write_all(fd, got, 1));
	assert_true(write_all(fd, got, 0));
}

static void a_file_is_appended_to_the_buffer(void **state)
{
	const char *path = temp_path(*state, "f");
	struct buf b = {0};

	store(path, "world");
	buf_add(&b, "hello ", 6);
	assert_int_equal(file_load(path, 5, &b, &err), ERR_NONE);
	assert_int_equal(b.len_bytes, 11);
	assert_memory_equal(b.data, "hello world", 11);
	buf_release(&b);
	store(path, "");
	assert_file(path, "");
}

static void a_file_above_the_bound_is_corrupt_and_not_read(void **state)
{
	const char *path = temp_path(*state, "f");
	struct buf b = {0};

	store(path, "12345");
	assert_int_equal(file_load(path, 4, &b, &err), ERR_CORRUPT);
	assert_int_equal(b.len_bytes, 0);
	assert_int_equal(file_load(path, 0, &b, &err), ERR_CORRUPT);
	buf_release(&b);
}

static void what_is_no_regular_file_is_not_loaded(void **state)
{
	const char *pipe_path = temp_path(*state, "pipe");
	struct buf b = {0};

	assert_int_equal(file_load(temp_path(*state, "none"), 9, &b, &err), ERR_NOT_FOUND);
	assert_int_equal(file_load(*state, 9, &b, &err), ERR_IO);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(file_load(pipe_path, 9, &b, &err), ERR_IO);
	buf_release(&b);
}

static unsigned count_files(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *e;
	unsigned count = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	return count;
}

static void a_stored_file_replaces_the_old_one_and_is_private(void **state)
{
	const char *path = temp_path(*state, "f");
	struct stat st;

	store(path, "a long first version");
	store(path, "short");
	assert_file(path, "short");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(count_files(*state), 1);
}

static void a_store_that_fails_leaves_the_old_file_and_nothing_else(void **state)
{
	const struct rlimit small = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};
	const char *path = temp_path(*state, "f"), *folder = temp_path(*state, "d");
	struct rlimit before;
	char text[200];

	store(path, "old");
	memset(text, 'x', sizeof(text));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(file_store(path, text, sizeof(text), &err), ERR_FULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_file(path, "old");
	assert_int_equal(count_files(*state), 1);

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_not_equal(file_store(folder, "x", 1, &err), ERR_NONE);
	assert_int_equal(count_files(*state), 2);
	assert_int_equal(file_store(temp_path(*state, "no/f"), "x", 1, &err), ERR_NOT_FOUND);
}

static void a_bare_name_is_stored_in_the_current_folder(void **state)
{
	char *before = getcwd(NULL, 0);

	assert_int_equal(chdir(*state), 0);
	store("f", "here");
	assert_int_equal(folder_make("d", &err), ERR_NONE);
	assert_int_equal(chdir(before), 0);
	assert_file(temp_path(*state, "f"), "here");
	assert_true(file_exists(temp_path(*state, "d")));
	free(before);
}

/* ---- folders, locks, paths ---- */

static void missing_parents_are_made_and_private(void **state)
{
	static const char *const paths[] = {"a", "b/c/d", "e/", "g//h/", "b/c/d", "b/./i"};
	struct stat st;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		const char *path = temp_path(*state, paths[i]);

		assert_int_equal(folder_make(path, &err), ERR_NONE);
		assert_int_equal(stat(path, &st), 0);
		assert_true(S_ISDIR(st.st_mode));
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	assert_int_equal(folder_make("/", &err), ERR_NONE);
	assert_int_equal(folder_make(*state, &err), ERR_NONE);
}

static void a_file_in_the_way_of_a_folder_is_an_error(void **state)
{
	store(temp_path(*state, "f"), "x");
	assert_int_equal(folder_make(temp_path(*state, "f"), &err), ERR_IO);
	assert_int_not_equal(folder_make(temp_path(*state, "f/g"), &err), ERR_NONE);
	assert_int_not_equal(folder_make("", &err), ERR_NONE);
	assert_file(temp_path(*state, "f"), "x");
}

static void only_a_folder_that_is_there_can_be_synced(void **state)
{
	assert_int_equal(folder_sync(*state, &err), ERR_NONE);
	assert_int_equal(folder_sync(temp_path(*state, "none"), &err), ERR_NOT_FOUND);
	assert_true(file_exists(*state));
	assert_false(file_exists(temp_path(*state, "none")));
}

static void a_lock_is_held_until_its_descriptor_closes(void **state)
{
	const char *path = temp_path(*state, "lock");
	int first, second;

	assert_int_equal(file_lock(path, &first, &err), ERR_NONE);
	assert_int_equal(file_lock(path, &second, &err), ERR_LOCKED);
	close(first);
	assert_int_equal(file_lock(path, &second, &err), ERR_NONE);
	close(second);
	assert_int_equal(file_lock(temp_path(*state, "no/lock"), &first, &err), ERR_NOT_FOUND);
}

static void a_lock_dies_with_its_process(void **state)
{
	const char *path = temp_path(*state, "lock");
	int ends[2], fd;
	char byte;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		if (file_lock(path, &fd, &err) == ERR_NONE && write(ends[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(file_lock(path, &fd, &err), ERR_LOCKED);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(file_lock(path, &fd, &err), ERR_NONE);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void paths_are_joined_with_one_slash(void **state)
{
	static const struct {
		const char *dir, *name, *joined;
	} rows[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"a", "b/c", "a/b/c"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *joined = path_join(rows[i].dir, rows[i].name);

		assert_string_equal(joined, rows[i].joined);
		free(joined);
	}
}

/* ---- queue ---- */

static void a_queue_gives_items_in_their_order_and_drains_after_close(void **state)
{
	struct queue *q = queue_new(3);
	int items[5];

	(void)state;
	assert_non_null(q);
	for (unsigned round = 0; round < 4; round++) { /* the ring wraps */
		assert_true(queue_push(q, &items[0]));
		assert_true(queue_push(q, &items[1]));
		assert_ptr_equal(queue_pop(q), &items[0]);
		assert_ptr_equal(queue_pop(q), &items[1]);
	}
	assert_true(queue_push(q, &items[2]));
	assert_true(queue_push(q, &items[3]));
	queue_close(q);
	assert_false(queue_push(q, &items[4]));
	assert_ptr_equal(queue_pop(q), &items[2]);
	assert_ptr_equal(queue_pop(q), &items[3]);
	assert_null(queue_pop(q));
	assert_null(queue_pop(q));
	queue_free(q);
	queue_free(NULL);
}

/* Waits for the number, ten seconds at most, and then whether it goes beyond. */
static void assert_stops_at(atomic_uint *count, unsigned expected)
{
	for (unsigned i = 0; i < 10000 && *count < expected; i++)
		usleep(1000);
	usleep(20000);
	assert_int_equal(*count, expected);
}

struct side {
	struct queue *q;
	atomic_uint items;
	atomic_ullong sum;
};

static void *push_many(void *arg)
{
	struct side *s = arg;

	for (uintptr_t i = 1; i <= 2000; i++)
		if (queue_push(s->q, (void *)i))
			atomic_fetch_add(&s->items, 1);
	return NULL;
}

static void *pop_many(void *arg)
{
	struct side *s = arg;
	void *item;

	while ((item = queue_pop(s->q))) {
		atomic_fetch_add(&s->items, 1);
		atomic_fetch_add(&s->sum, (uintptr_t)item);
	}
	return NULL;
}

static void no_item_is_lost_or_doubled_between_threads(void **state)
{
	struct side in = {.q = queue_new(4)}, out = {.q = in.q};
	pthread_t threads[6];

	(void)state;
	for (unsigned i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, i < 3 ? push_many : pop_many, i < 3 ? &in : &out);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	queue_close(in.q);
	for (unsigned i = 3; i < 6; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(in.items, 6000);
	assert_int_equal(out.items, 6000);
	assert_int_equal(out.sum, 3 * 2000 * 2001 / 2);
	queue_free(in.q);
}

static void a_full_queue_makes_its_producer_wait(void **state)
{
	struct side in = {.q = queue_new(2)};
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, push_many, &in);
	assert_stops_at(&in.items, 2);
	assert_ptr_equal(queue_pop(in.q), (void *)1);
	assert_stops_at(&in.items, 3);
	queue_close(in.q); /* also wakes it */
	pthread_join(thread, NULL);
	assert_int_equal(in.items, 3);
	queue_free(in.q);
}

/* ---- pool ---- */

static atomic_uint jobs_done, jobs_given;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void count_job(void *job)
{
	(void)job;
	atomic_fetch_add(&jobs_done, 1);
}

static void job_behind_the_gate(void *job)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	count_job(job);
}

static void a_pool_runs_every_job_and_can_be_waited_for(void **state)
{
	struct pool *p = pool_new(3, &err);

	(void)state;
	assert_non_null(p);
	jobs_done = 0;
	pool_wait(p); /* nothing to do */
	for (unsigned round = 1; round <= 3; round++) {
		for (unsigned i = 0; i < 500; i++)
			pool_add(p, count_job, NULL);
		pool_wait(p);
		assert_int_equal(jobs_done, 500 * round);
	}
	pool_free(p);
	pool_free(NULL);
}

static void a_freed_pool_has_finished_its_jobs(void **state)
{
	struct pool *p = pool_new(2, &err);

	(void)state;
	jobs_done = 0;
	pthread_mutex_lock(&gate);
	for (unsigned i = 0; i < 6; i++)
		pool_add(p, job_behind_the_gate, NULL);
	assert_int_equal(jobs_done, 0);
	pthread_mutex_unlock(&gate);
	pool_free(p);
	assert_int_equal(jobs_done, 6);
}

static void *give_jobs(void *arg)
{
	for (unsigned i = 0; i < 10; i++) {
		pool_add(arg, job_behind_the_gate, NULL);
		atomic_fetch_add(&jobs_given, 1);
	}
	return NULL;
}

static void a_producer_cannot_run_ahead_of_its_pool(void **state)
{
	struct pool *p = pool_new(2, &err);
	pthread_t thread;

	(void)state;
	jobs_done = jobs_given = 0;
	pthread_mutex_lock(&gate);
	pthread_create(&thread, NULL, give_jobs, p);
	assert_stops_at(&jobs_given, 2 + 2 * 2); /* running, and queued */
	pthread_mutex_unlock(&gate);
	pthread_join(thread, NULL);
	pool_wait(p);
	assert_int_equal(jobs_done, 10);
	pool_free(p);
}

static void note_order(void *job)
{
	static unsigned next;

	assert(*(unsigned *)job == next);
	next++;
	count_job(job);
}

static void one_thread_runs_the_jobs_in_their_order(void **state)
{
	struct pool *p = pool_new(1, &err);
	unsigned numbers[100];

	(void)state;
	jobs_done = 0;
	for (unsigned i = 0; i < 100; i++) {
		numbers[i] = i;
		pool_add(p, note_order, &numbers[i]);
	}
	pool_free(p);
	assert_int_equal(jobs_done, 100);
}

static void ask_signals(void *job)
{
	pthread_sigmask(SIG_SETMASK, NULL, job);
}

static void signals_are_not_delivered_to_workers(void **state)
{
	struct pool *p = pool_new(1, &err);
	sigset_t mask, own;

	(void)state;
	sigemptyset(&mask);
	pool_add(p, ask_signals, &mask);
	pool_free(p);
	assert_true(sigismember(&mask, SIGINT) && sigismember(&mask, SIGTERM));
	pthread_sigmask(SIG_SETMASK, NULL, &own);
	assert_false(sigismember(&own, SIGINT));
}

static void there_is_at_least_one_processor(void **state)
{
	(void)state;
	assert_in_range(cpu_count(), 1, 4096);
}

#define IN_A_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest files[] = {
		cmocka_unit_test(short_writes_and_reads_are_continued),
		IN_A_FOLDER(a_read_at_the_end_tells_how_much_there_was),
		IN_A_FOLDER(a_file_is_appended_to_the_buffer),
		IN_A_FOLDER(a_file_above_the_bound_is_corrupt_and_not_read),
		IN_A_FOLDER(what_is_no_regular_file_is_not_loaded),
		IN_A_FOLDER(a_stored_file_replaces_the_old_one_and_is_private),
		IN_A_FOLDER(a_store_that_fails_leaves_the_old_file_and_nothing_else),
		IN_A_FOLDER(a_bare_name_is_stored_in_the_current_folder),
		IN_A_FOLDER(missing_parents_are_made_and_private),
		IN_A_FOLDER(a_file_in_the_way_of_a_folder_is_an_error),
		IN_A_FOLDER(only_a_folder_that_is_there_can_be_synced),
		IN_A_FOLDER(a_lock_is_held_until_its_descriptor_closes),
		IN_A_FOLDER(a_lock_dies_with_its_process),
		cmocka_unit_test(paths_are_joined_with_one_slash),
	};
	const struct CMUnitTest threads[] = {
		cmocka_unit_test(a_queue_gives_items_in_their_order_and_drains_after_close),
		cmocka_unit_test(no_item_is_lost_or_doubled_between_threads),
		cmocka_unit_test(a_full_queue_makes_its_producer_wait),
		cmocka_unit_test(a_pool_runs_every_job_and_can_be_waited_for),
		cmocka_unit_test(a_freed_pool_has_finished_its_jobs),
		cmocka_unit_test(a_producer_cannot_run_ahead_of_its_pool),
		cmocka_unit_test(one_thread_runs_the_jobs_in_their_order),
		cmocka_unit_test(signals_are_not_delivered_to_workers),
		cmocka_unit_test(there_is_at_least_one_processor),
	};

	return cmocka_run_group_tests_name("files", files, NULL, NULL) +
	       cmocka_run_group_tests_name("threads", threads, NULL, NULL);
}
