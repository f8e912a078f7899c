/* Exit codes: scripts rely on them. */
#include "base/stop.h"
#include "cmd/exit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>

static void the_gravest_code_wins_in_the_documented_order(void **state)
{
	static const enum exit_code order[] = { EXIT_LOST,     EXIT_UNREPAIRED, EXIT_UNSAFE,
						EXIT_FULL,     EXIT_ABSENT,	EXIT_DEGRADED,
						EXIT_REPAIRED, EXIT_SOURCES,	EXIT_WORK_REMAINS,
						EXIT_DONE };
	size_t count = sizeof(order) / sizeof(order[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = i; j < count; j++) {
			assert_int_equal(exit_graver(order[i], order[j]), order[i]);
			assert_int_equal(exit_graver(order[j], order[i]), order[i]);
		}
	}
}

static void what_ended_a_command_outranks_what_it_noticed(void **state)
{
	static const enum exit_code ends[] = { EXIT_FAILED, EXIT_USAGE, EXIT_NO_ARRAY, EXIT_LOCKED,
					       EXIT_KEY,    EXIT_SIGINT, EXIT_SIGTERM };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		assert_int_equal(exit_graver(ends[i], EXIT_LOST), ends[i]);
		assert_int_equal(exit_graver(EXIT_DEGRADED, ends[i]), ends[i]);
	}
}

static void every_error_has_its_exit_code(void **state)
{
	static const enum exit_code expected[ERR_CODES] = {
		[ERR_NONE] = EXIT_DONE,		 [ERR_NOT_FOUND] = EXIT_FAILED,
		[ERR_EXISTS] = EXIT_FAILED,	 [ERR_FULL] = EXIT_FULL,
		[ERR_CORRUPT] = EXIT_FAILED,	 [ERR_TRANSIENT] = EXIT_FAILED,
		[ERR_DENIED] = EXIT_FAILED,	 [ERR_READONLY] = EXIT_FAILED,
		[ERR_IO] = EXIT_FAILED,		 [ERR_NOMEM] = EXIT_FAILED,
		[ERR_USAGE] = EXIT_USAGE,	 [ERR_UNSUPPORTED] = EXIT_FAILED,
		[ERR_NO_ARRAY] = EXIT_NO_ARRAY,	 [ERR_LOCKED] = EXIT_LOCKED,
		[ERR_KEY] = EXIT_KEY,		 [ERR_LOST] = EXIT_LOST,
		[ERR_ABSENT] = EXIT_ABSENT,	 [ERR_UNSAFE] = EXIT_UNSAFE,
		[ERR_INTERRUPTED] = EXIT_SIGINT,
	};

	(void)state;
	for (unsigned code = 0; code < ERR_CODES; code++) {
		struct error err = { .code = (enum err_code)code };

		assert_int_equal(exit_from_error(&err), expected[code]);
	}
}

static void an_interruption_tells_its_signal(void **state)
{
	struct error err = { .code = ERR_INTERRUPTED };

	(void)state;
	stop_request(SIGTERM);
	assert_int_equal(exit_from_error(&err), 128 + SIGTERM);
	stop_request(SIGINT);
	assert_int_equal(exit_from_error(&err), 128 + SIGINT);
	stop_request(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_gravest_code_wins_in_the_documented_order),
		cmocka_unit_test(what_ended_a_command_outranks_what_it_noticed),
		cmocka_unit_test(every_error_has_its_exit_code),
		cmocka_unit_test(an_interruption_tells_its_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
