#include "base/stop.h"

#include <stdatomic.h>

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
