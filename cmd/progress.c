#include "cmd/progress.h"

#include "base/pool.h"
#include "base/units.h"
#include "cmd/traffic.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_TICK_MS 100
#define STATUS_TICK_MS 1000
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX 400

/* Rates are those of the last seconds: so long ago counts a third. */
#define SMOOTH_MS 2000
#define SHOWN_BYTES_PER_S 1024
#define LINKS_SHOWN_MAX 16 /* more find no room */

/* What is remembered of the traffic of a drive. */
struct link {
	uint64_t up_bytes, down_bytes;
	double up_bytes_per_s, down_bytes_per_s;
};

struct progress {
	struct out *out;
	const char *verb;
	struct counters *counters;
	uint64_t started_ms;
	struct link links[COUNTERS_DRIVES_MAX]; /* of the thread, like what follows */
	uint64_t links_ms; /* as of then */
	bool running; /* there is a thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping; /* under lock */
};

static uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS_DEFAULT;
	return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

/* seen_ms: how long they were looked at before; ms: since the last look. */
static void smooth(double *bytes_per_s, uint64_t *before_bytes, uint64_t now_bytes,
		   uint64_t seen_ms, uint64_t ms)
{
	/* One that was opened again begins anew. */
	uint64_t more_bytes = now_bytes > *before_bytes ? now_bytes - *before_bytes : 0;
	double now = (double)more_bytes * 1000 / (double)ms;

	/* What opening the drives took is none of this. */
	if (seen_ms > 0)
		*bytes_per_s += (now - *bytes_per_s) * (double)ms /
				(double)(ms + (seen_ms < SMOOTH_MS ? seen_ms : SMOOTH_MS));
	*before_bytes = now_bytes;
}

static uint64_t shown(double bytes_per_s)
{
	return bytes_per_s < SHOWN_BYTES_PER_S ? 0 : (uint64_t)bytes_per_s;
}

/* The remote drives at this moment. */
static void links_draw(struct progress *p, uint64_t elapsed_ms, unsigned columns, char *line,
		       size_t line_bytes)
{
	struct progress_link links[LINKS_SHOWN_MAX];
	uint64_t ms = elapsed_ms > p->links_ms ? elapsed_ms - p->links_ms : 1;
	struct counters_traffic t;
	unsigned count = 0;

	for (unsigned i = 0; counters_traffic(p->counters, i, &t); i++) {
		struct link *l = &p->links[i];

		smooth(&l->up_bytes_per_s, &l->up_bytes, t.moved.of[METER_UP_BYTES],
		       p->links_ms, ms);
		smooth(&l->down_bytes_per_s, &l->down_bytes, t.moved.of[METER_DOWN_BYTES],
		       p->links_ms, ms);
		if (!t.remote || count == LINKS_SHOWN_MAX)
			continue;
		links[count].up_bytes_per_s = shown(l->up_bytes_per_s);
		links[count].down_bytes_per_s = shown(l->down_bytes_per_s);
		memcpy(links[count].name, t.name, sizeof(links[count].name));
		count += links[count].up_bytes_per_s || links[count].down_bytes_per_s;
	}
	p->links_ms = elapsed_ms;
	progress_links(links, count, columns, line, line_bytes);
}

static void bar_draw(struct progress *p, uint64_t elapsed_ms)
{
	char line[4 * COLUMNS_MAX], links[4 * COLUMNS_MAX];
	unsigned columns = terminal_columns() - 1;
	struct counters_sample sample;

	counters_sample(p->counters, &sample);
	progress_line(&sample, p->verb, elapsed_ms, columns, line, sizeof(line));
	links_draw(p, elapsed_ms, columns, links, sizeof(links));
	out_bar(p->out, line, links);
}

static void status_print(struct progress *p, uint64_t elapsed_ms)
{
	json_t *object = out_object("status");
	struct counters_sample s;

	counters_sample(p->counters, &s);
	json_object_set_new(object, "action", json_string(p->verb));
	json_object_set_new(object, "seconds", json_integer((json_int_t)(elapsed_ms / 1000)));
	json_object_set_new(object, "files_done", json_integer((json_int_t)s.files_done));
	json_object_set_new(object, "files_total", json_integer((json_int_t)s.files_total));
	json_object_set_new(object, "bytes_done", json_integer((json_int_t)s.bytes_done));
	json_object_set_new(object, "bytes_total", json_integer((json_int_t)s.bytes_total));
	json_path_set(object, "current", s.name, strlen(s.name));
	if (s.slowest_queue > 0)
		json_object_set_new(object, "slowest_drive", json_string(s.slowest_drive));
	json_object_set_new(object, "traffic", traffic_of_counters_json(p->counters));
	out_json(p->out, object);
}

/* Waits one tick. False: it is time to stop. */
static bool tick_wait(struct progress *p, unsigned tick_ms)
{
	struct timespec until;
	bool stopping;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(tick_ms % 1000) * 1000000;
	until.tv_sec += tick_ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&p->lock);
	while (!p->stopping && pthread_cond_timedwait(&p->wake, &p->lock, &until) != ETIMEDOUT)
		;
	stopping = p->stopping;
	pthread_mutex_unlock(&p->lock);
	return !stopping;
}

static void *ticker(void *arg)
{
	struct progress *p = arg;
	bool json = out_flags(p->out) & OUT_JSON;

	while (tick_wait(p, json ? STATUS_TICK_MS : BAR_TICK_MS)) {
		uint64_t elapsed_ms = monotonic_ms() - p->started_ms;

		if (json)
			status_print(p, elapsed_ms);
		else
			bar_draw(p, elapsed_ms);
	}
	return NULL;
}

/* Whether anybody is there to see it. */
static bool wanted(const struct out *o)
{
	const char *terminal = getenv("TERM");

	if (out_flags(o) & (OUT_QUIET | OUT_NO_PROGRESS))
		return false;
	if (out_flags(o) & OUT_JSON)
		return true;
	return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

struct progress *progress_start(struct out *o, const char *verb, struct error *err)
{
	struct progress *p = calloc(1, sizeof(*p));
	pthread_condattr_t monotonic;
	int failed;

	if (!p) {
		err_nomem(err);
		return NULL;
	}
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&p->lock, NULL);
	p->out = o;
	p->verb = verb;
	p->started_ms = monotonic_ms();
	p->counters = counters_new();
	if (!p->counters) {
		err_nomem(err);
		progress_stop(p);
		return NULL;
	}
	if (!wanted(o))
		return p;
	failed = thread_start(&p->thread, ticker, p);
	if (failed) {
		err_set(err, err_from_errno(failed), "start a thread: %s", strerror(failed));
		progress_stop(p);
		return NULL;
	}
	p->running = true;
	return p;
}

bool progress_is_watched(const struct progress *p)
{
	return p->running;
}

struct counters *progress_counters(struct progress *p)
{
	return p->counters;
}

void progress_stop(struct progress *p)
{
	if (!p)
		return;
	if (p->running) {
		pthread_mutex_lock(&p->lock);
		p->stopping = true;
		pthread_cond_signal(&p->wake);
		pthread_mutex_unlock(&p->lock);
		pthread_join(p->thread, NULL);
		out_bar(p->out, NULL, NULL);
	}
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	counters_free(p->counters);
	free(p);
}
