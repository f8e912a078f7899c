#include "tests/support/place.h"

#include "base/bytes.h"
#include "drivers/mem.h"
#include "tests/support/calls.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct kind {
	const char *name;
	void (*make)(struct place *p);
	void (*clear)(struct place *p);
};

static char *format(const char *fmt, const char *a)
{
	size_t size = strlen(fmt) + strlen(a) + 1;
	char *s = malloc(size);

	if (!s)
		abort();
	snprintf(s, size, fmt, a);
	return s;
}

static void make_file(struct place *p)
{
	p->folder = temp_folder_in_memory();
	p->url = format("file:%s", p->folder);
	p->missing_url = format("%s/not/there", p->folder);
}

static void clear_file(struct place *p)
{
	temp_folder_remove(p->folder);
}

/* The place itself is there from the start, and the drive there has joined an array. */
static void make_root(const char *url)
{
	struct drive *d;

	call_options(getenv("MRMR_PLACE_OPTIONS"));
	if (call_join(url, &d) != ERR_NONE) {
		fprintf(stderr, "%s: %s\n", url, call_err.message);
		abort();
	}
	call_close(d);
}

static void make_mem(struct place *p)
{
	p->url = format("mem:%s", "contract");
	p->missing_url = format("mem:%s", "nowhere");
	make_root(p->url);
}

static void clear_mem(struct place *p)
{
	mem_erase(p->url);
	mem_erase(p->missing_url);
}

/* The URL with the name where "{}" stands, or as one more component of its path. */
static char *url_with(const char *url, const char *name)
{
	const char *hole = strstr(url, "{}");
	size_t before = hole ? (size_t)(hole - url) : strcspn(url, "?");
	struct buf b = {0};

	buf_add(&b, url, before);
	if (!hole && before > 0 && url[before - 1] != '/')
		buf_add_u8(&b, '/');
	buf_add(&b, name, strlen(name));
	buf_add(&b, url + before + (hole ? 2 : 0), strlen(url + before) + 1 - (hole ? 2 : 0));
	if (b.failed)
		abort();
	return (char *)b.data;
}

/* Of its own for every test of every process that ever used the server. */
static void make_served(struct place *p)
{
	static unsigned count;
	const char *url = getenv("MRMR_PLACE_URL"), *missing = getenv("MRMR_PLACE_MISSING_URL");
	char name[40];

	if (!url)
		abort();
	snprintf(name, sizeof(name), "p%ld-%u", (long)getpid(), count);
	p->url = url_with(url, name);
	snprintf(name, sizeof(name), "m%ld-%u", (long)getpid(), count++);
	p->missing_url = url_with(missing ? missing : url, name);
	make_root(p->url);
}

/* What is there goes with the server. */
static void clear_served(struct place *p)
{
	(void)p;
}

static const struct kind kinds[] = {
	{"mem", make_mem, clear_mem},
	{"file", make_file, clear_file},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct kind served = {NULL, make_served, clear_served};
static const struct kind *current;

int place_setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	current->make(p);
	*state = p;
	return 0;
}

int place_teardown(void **state)
{
	struct place *p = *state;

	current->clear(p);
	free(p->url);
	free(p->missing_url);
	free(p);
	call_options(NULL);
	return 0;
}

static struct drive *of_this_kind(struct drive *d)
{
	assert_string_equal(d->driver->kind, current->name);
	return d;
}

struct drive *place_open(void **state)
{
	return of_this_kind(call_open(((struct place *)*state)->url));
}

struct drive *place_open_patient(void **state)
{
	return of_this_kind(call_open_patient(((struct place *)*state)->url));
}

/* The macro around it wants an array whose size it can see. */
static int run_on(const struct kind *kind, const struct CMUnitTest *tests, size_t count)
{
	current = kind;
	return _cmocka_run_group_tests(kind->name, tests, count, NULL, NULL);
}

int place_run_tests(const struct CMUnitTest *tests, size_t count)
{
	const char *pattern = getenv("MRMR_PLACE_TESTS");
	int failed = 0;

	if (sodium_init() < 0)
		abort();
	if (pattern)
		cmocka_set_test_filter(pattern);
	served.name = getenv("MRMR_PLACE_KIND");
	if (served.name)
		return run_on(&served, tests, count);
	for (size_t i = 0; i < KINDS; i++)
		failed += run_on(&kinds[i], tests, count);
	return failed;
}
