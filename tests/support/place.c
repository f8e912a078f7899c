#include "tests/support/place.h"

#include "drivers/mem.h"
#include "tests/support/calls.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void make_mem(struct place *p)
{
	struct drive *d;

	p->url = format("mem:%s", "contract");
	p->missing_url = format("mem:%s", "nowhere");
	if (call_try_open(p->url, true, &d) != ERR_NONE)
		abort();
	call_close(d);
}

static void clear_mem(struct place *p)
{
	mem_erase(p->url);
	mem_erase(p->missing_url);
}

static const struct kind kinds[] = {
	{"mem", make_mem, clear_mem},
	{"file", make_file, clear_file},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

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
	return 0;
}

struct drive *place_open(void **state)
{
	struct place *p = *state;
	struct drive *d = call_open(p->url);

	assert_string_equal(d->driver->kind, current->name);
	return d;
}

int place_run_tests(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < KINDS; i++) {
		current = &kinds[i];
		/* The macro around it wants an array whose size it can see. */
		failed += _cmocka_run_group_tests(current->name, tests, count, NULL, NULL);
	}
	return failed;
}
