#include "cmd/signals.h"

#include "base/stop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Without SA_RESTART: what blocks comes back with EINTR and can look at the wish. */
static void on_stop_signal(int signal_number)
{
	if (stop_signal()) {
		signal(signal_number, SIG_DFL);
		raise(signal_number); /* runs when this handler returns */
		return;
	}
	stop_request(signal_number);
}

void signals_start(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = on_stop_signal;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

void signals_die_of_broken_pipe(void)
{
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
	abort(); /* only if somebody blocks SIGPIPE */
}
