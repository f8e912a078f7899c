#include "base/stop.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#define POLL_MS 200

static atomic_int wanted;

void stop_request(int signal_number)
{
	atomic_store(&wanted, signal_number);
}

int stop_signal(void)
{
	return atomic_load(&wanted);
}

int stop_check(struct error *err)
{
	return stop_signal() ? err_set(err, ERR_INTERRUPTED, "interrupted") : ERR_NONE;
}

int stop_wait_readable(int fd, struct error *err)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		int got;

		if (stop_check(err) != ERR_NONE)
			return ERR_INTERRUPTED;
		got = poll(&ready, 1, POLL_MS);
		if (got > 0)
			return ERR_NONE;
		if (got < 0 && errno != EINTR)
			return err_errno(err, "wait for input");
	}
}
