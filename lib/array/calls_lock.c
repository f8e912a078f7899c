/* The lock of watched drives and their calls. Who waits for a call is woken when the lock is free:
 * woken before, he would only wait for the lock, and twice as much time goes into changing threads. */
#include "array/watched_internal.h"

#include <time.h>

#define PLACES 64  /* to wait at; more calls than that share some */
#define WOKEN_MAX 8 /* more at once are woken before */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* They stay until the process ends: the call that someone waits for need not. */
static pthread_cond_t places[PLACES], idle;

/* Under the lock: whom to wake when it is let go. */
static struct wakes {
	pthread_cond_t *places[WOKEN_MAX];
	unsigned count, hands;
} wakes;

static void wake_all(const struct wakes *w)
{
	for (unsigned i = 0; i < w->count; i++)
		pthread_cond_broadcast(w->places[i]);
	for (unsigned i = 0; i < w->hands; i++)
		pthread_cond_signal(&idle);
}

static void init_places(void)
{
	for (unsigned i = 0; i < PLACES; i++)
		calls_cond_init(&places[i]);
	calls_cond_init(&idle);
}

void calls_lock(void)
{
	pthread_mutex_lock(&lock);
}

void calls_unlock(void)
{
	struct wakes now;

	if (wakes.count == 0 && wakes.hands == 0) {
		pthread_mutex_unlock(&lock);
		return;
	}
	now = wakes;
	wakes.count = wakes.hands = 0;
	pthread_mutex_unlock(&lock);
	wake_all(&now);
}

/* Before the lock is let go by waiting. */
static void wake_now(void)
{
	wake_all(&wakes);
	wakes.count = wakes.hands = 0;
}

void calls_forget_waiting(void)
{
	pthread_mutex_init(&lock, NULL);
	wakes.count = wakes.hands = 0;
	init_places();
}

pthread_cond_t *calls_place(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static unsigned next;

	pthread_once(&once, init_places);
	return &places[next++ % PLACES];
}

void calls_wake(pthread_cond_t *place)
{
	for (unsigned i = 0; i < wakes.count; i++) {
		if (wakes.places[i] == place)
			return;
	}
	if (wakes.count == WOKEN_MAX)
		wake_now();
	wakes.places[wakes.count++] = place;
}

void calls_wake_hand(void)
{
	wakes.hands++;
}

void calls_wait_idle(void)
{
	wake_now();
	pthread_cond_wait(&idle, &lock);
}

void calls_cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

void calls_wait(pthread_cond_t *c)
{
	wake_now();
	pthread_cond_wait(c, &lock);
}

bool calls_wait_until(pthread_cond_t *c, uint64_t until_us)
{
	struct timespec t = { .tv_sec = (time_t)(until_us / 1000000),
			      .tv_nsec = (long)(until_us % 1000000) * 1000 };

	wake_now();
	return pthread_cond_timedwait(c, &lock, &t) == 0;
}
