#include "archive/sizing.h"

#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct sizing {
	struct walk_options options;
	const struct roots *roots;
	struct counters *counters;
	pthread_t thread;
	atomic_bool stopping;
	uint64_t files, bytes;
};

static void add_folder(struct sizing *s, struct walk *w, struct error *err)
{
	struct walk_entry e;

	while (walk_next_entry(w, &e, err)) {
		if (e.node.type != NODE_FILE)
			continue;
		s->files++;
		s->bytes += e.node.size_bytes;
	}
}

static void *size_all(void *arg)
{
	struct sizing *s = arg;
	struct walk_folder folder;
	struct walk *w;
	struct error err;

	/* What is wrong with it, the put's own walk says. */
	if (walk_open(&s->options, s->roots, &w, &err) != ERR_NONE)
		return NULL;
	err.code = ERR_NONE;
	while (!atomic_load(&s->stopping) && walk_next_folder(w, &folder, &err))
		add_folder(s, w, &err);
	walk_close(w);
	if (err.code == ERR_NONE && !atomic_load(&s->stopping))
		counters_total(s->counters, s->files, s->bytes);
	return NULL;
}

struct sizing *sizing_start(const struct walk_options *o, const struct roots *roots,
			    struct counters *c)
{
	struct sizing *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->options = *o;
	s->options.note = NULL;
	s->roots = roots;
	s->counters = c;
	if (thread_start(&s->thread, size_all, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

void sizing_stop(struct sizing *s)
{
	if (!s)
		return;
	atomic_store(&s->stopping, true);
	pthread_join(s->thread, NULL);
	free(s);
}
