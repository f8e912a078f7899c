/*
 * Every kind of drive with a place for a test to use: the driver contract is tried on each.
 * A new kind of this host joins by a row in place.c; one that needs a server by the environment:
 *
 *	MRMR_PLACE_KIND		"sftp": then the tests run on this kind alone
 *	MRMR_PLACE_URL		where it is; each test gets a place of its own by a name put in for "{}", or
 *				appended to the path
 *	MRMR_PLACE_MISSING_URL	the same of places that are not there, if it is not the same
 *	MRMR_PLACE_OPTIONS	the options of the drive as in the config: {"user":"me"}
 *
 *	MRMR_PLACE_LISTED	how many names are listed, 2500 without it
 *
 * tests/servers/run starts servers and sets them. MRMR_PLACE_TESTS=PATTERN runs only tests whose names
 * match.
 */
#ifndef MRMR_TESTS_PLACE_H
#define MRMR_TESTS_PLACE_H

#include "drivers/driver.h"

#include <stddef.h>

struct CMUnitTest;

struct place {
	char *folder; /* NULL: not in the file system of this host */
	char *url;
	char *missing_url; /* of a place that is not there, and can be made */
};

/* Runs these tests once for each kind; *state is a fresh struct place (see ON_A_PLACE). Returns how
 * many failed. */
int place_run_tests(const struct CMUnitTest *tests, size_t count);

int place_setup(void **state);
int place_teardown(void **state);

/* A handle of the place. The caller closes it. */
struct drive *place_open(void **state);
/* The same as arrays open it (call_open_patient), for many calls at once: servers may refuse one of
 * those for the moment. */
struct drive *place_open_patient(void **state);

#define ON_A_PLACE(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

#endif
