#include "cmd/exit.h"

#include "base/stop.h"

#include <signal.h>
#include <stddef.h>

/* From the gravest down: first what ended a command, then what it noticed. */
static const enum exit_code by_gravity[] = {
	EXIT_SIGTERM, EXIT_SIGINT, EXIT_USAGE,	  EXIT_NO_ARRAY, EXIT_LOCKED, EXIT_KEY,
	EXIT_FAILED,  EXIT_LOST,   EXIT_UNREPAIRED, EXIT_UNSAFE,   EXIT_FULL,	EXIT_ABSENT,
	EXIT_DEGRADED, EXIT_REPAIRED, EXIT_SOURCES, EXIT_WORK_REMAINS, EXIT_DONE,
};

#define EXIT_CODES (sizeof(by_gravity) / sizeof(by_gravity[0]))

enum exit_code exit_from_error(const struct error *err)
{
	switch (err->code) {
	case ERR_NONE:
		return EXIT_DONE;
	case ERR_USAGE:
		return EXIT_USAGE;
	case ERR_NO_ARRAY:
		return EXIT_NO_ARRAY;
	case ERR_LOCKED:
		return EXIT_LOCKED;
	case ERR_KEY:
		return EXIT_KEY;
	case ERR_LOST:
		return EXIT_LOST;
	case ERR_ABSENT:
		return EXIT_ABSENT;
	case ERR_FULL:
		return EXIT_FULL;
	case ERR_UNSAFE:
		return EXIT_UNSAFE;
	case ERR_INTERRUPTED:
		return stop_signal() == SIGTERM ? EXIT_SIGTERM : EXIT_SIGINT;
	default:
		return EXIT_FAILED;
	}
}

enum exit_code exit_graver(enum exit_code a, enum exit_code b)
{
	for (size_t i = 0; i < EXIT_CODES; i++)
		if (by_gravity[i] == a || by_gravity[i] == b)
			return by_gravity[i];
	return EXIT_FAILED;
}
