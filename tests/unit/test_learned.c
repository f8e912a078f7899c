/* What drivers find out about a place when its drive joins is kept, and found again. */
#include "array/array.h"
#include "array/config.h"
#include "array/recover.h"
#include "tests/support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct error err;
static char *folder;
static char config_path[200], state_root[200], urls[3][200];
static unsigned probes;
static const uint8_t key[KEY_BYTES] = {1, 2, 3};

/* Folders, as a driver that probes sees them. */
static int open_drive(void *ctx, const struct config_drive *entry,
		      const struct drive_options *options, struct drive **out, struct error *why)
{
	(void)ctx;
	if (options->learned) {
		probes++;
		options->learned(options->learned_ctx, "conditional-put", "no");
		options->learned(options->learned_ctx, "conditional-put", "yes");
		options->learned(options->learned_ctx, "dot-names", "no");
	}
	return driver_file.open(entry->url, options, out, why);
}

static int give_secret(void *ctx, unsigned kinds, struct secret *out, struct error *why)
{
	(void)ctx;
	(void)kinds;
	(void)why;
	*out = (struct secret){SLOT_KEY_FILE, key, sizeof(key)};
	return ERR_NONE;
}

static struct array_options options(void)
{
	return (struct array_options){.config_path = config_path,
				      .state_root = state_root,
				      .secret = give_secret,
				      .writing = true,
				      .machine_id = "test",
				      .open_drive = open_drive};
}

static struct new_drive drive_at(unsigned i, const char *json)
{
	struct new_drive d = {.url = urls[i], .options_json = json, .make_root = true};

	snprintf(d.record.name, sizeof(d.record.name), "d%u", i);
	return d;
}

static void make_array(void)
{
	struct secret secret = {SLOT_KEY_FILE, key, sizeof(key)};
	struct new_drive drives[2] = {drive_at(0, "{\"connections\":\"3\"}"), drive_at(1, NULL)};
	char domains[2][DRIVE_DOMAIN_MAX] = {"", ""};
	struct new_array n = {.policy = {.parity = 1, .geometry = geometry_default()},
			      .drives = drives,
			      .count = 2,
			      .secret = &secret,
			      .domains = domains};
	struct array_options o = options();

	assert_int_equal(array_create(&o, &n, &err), ERR_NONE);
	assert_true(domains[0][0] && strcmp(domains[0], domains[1]) == 0);
}

static int begin(void **state)
{
	(void)state;
	folder = temp_folder_in_memory();
	snprintf(config_path, sizeof(config_path), "%s/config/a.json", folder);
	snprintf(state_root, sizeof(state_root), "%s/state", folder);
	for (unsigned i = 0; i < 3; i++)
		snprintf(urls[i], sizeof(urls[i]), "%s/d%u", folder, i);
	probes = 0;
	make_array();
	return 0;
}

static int end(void **state)
{
	(void)state;
	temp_folder_remove(folder);
	return 0;
}

static void assert_options(const char *name, const char *json)
{
	struct config c = {.count = 0};

	assert_int_equal(config_load(config_path, &c, &err), ERR_NONE);
	assert_non_null(config_find(&c, name));
	assert_string_equal(config_find(&c, name)->options_json, json);
	config_release(&c);
}

static void what_is_learned_joins_the_options_that_were_given(void **state)
{
	(void)state;
	assert_int_equal(probes, 2);
	assert_options("d0", "{\"conditional-put\":\"yes\",\"connections\":\"3\",\"dot-names\":\"no\"}");
	assert_options("d1", "{\"conditional-put\":\"yes\",\"dot-names\":\"no\"}");
}

static void a_drive_is_probed_when_it_joins_and_never_again(void **state)
{
	struct array_options o = options();
	struct new_drive d = drive_at(2, "{}");
	struct array *a;

	(void)state;
	assert_int_equal(array_open(&o, &a, &err), ERR_NONE);
	assert_int_equal(probes, 2);
	assert_int_equal(array_probe_drive(a, &d, &err), ERR_NONE); /* to look writes nothing */
	assert_int_equal(probes, 2);
	assert_int_equal(array_add_drive(a, &d, DRIVE_MEMBER, &err), ERR_NONE);
	assert_int_equal(probes, 3);
	array_close(a);
	assert_options("d2", "{\"conditional-put\":\"yes\",\"dot-names\":\"no\"}");
	assert_int_equal(array_open(&o, &a, &err), ERR_NONE);
	array_close(a);
	assert_int_equal(probes, 3);
}

/* The config is gone; d0 is told by its place, with these options. */
static void recover(const char *given)
{
	struct recovery_place place = {urls[0], (char *)(uintptr_t)given};
	struct array_options o = options();
	struct array *a;

	assert_int_equal(unlink(config_path), 0);
	assert_int_equal(array_recover(&o, &place, 1, true, &a, &err), ERR_NONE);
	array_close(a);
	assert_int_equal(probes, 2);
}

static void recovering_finds_what_was_learned_without_probing(void **state)
{
	(void)state;
	recover("{\"connections\":\"4\"}");
	assert_options("d0", "{\"conditional-put\":\"yes\",\"connections\":\"4\",\"dot-names\":\"no\"}");
	assert_options("d1", "{\"conditional-put\":\"yes\",\"dot-names\":\"no\"}");
}

static void what_was_learned_of_another_place_does_not_hold_here(void **state)
{
	char moved[200];

	(void)state;
	snprintf(moved, sizeof(moved), "%s/moved", folder);
	assert_int_equal(rename(urls[0], moved), 0);
	memcpy(urls[0], moved, sizeof(moved));
	recover("{}");
	assert_options("d0", "{}");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_learned_joins_the_options_that_were_given),
		TEST(a_drive_is_probed_when_it_joins_and_never_again),
		TEST(recovering_finds_what_was_learned_without_probing),
		TEST(what_was_learned_of_another_place_does_not_hold_here),
	};
	struct error why;

	if (seal_start(&why) != ERR_NONE)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
