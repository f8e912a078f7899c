#include "drivers/sftp.h"

/* Makes one. The caller has counted it already. */
static int make(struct sftp_drive *d, bool besides, struct sftp_session **out, bool *again,
		struct error *err)
{
	int code = sftp_session_open(&d->config, false, out, err);

	*again = false;
	if (code == ERR_NONE)
		return ERR_NONE;
	pthread_mutex_lock(&d->lock);
	if (!besides)
		d->borrowed--;
	/* A server may allow fewer at once than we would like: then those there are do the work. */
	if (code == ERR_TRANSIENT && !besides && d->borrowed > 0) {
		d->sessions_max = d->borrowed;
		*again = true;
	}
	pthread_cond_broadcast(&d->freed);
	pthread_mutex_unlock(&d->lock);
	return code;
}

/* One that is not in use, or leave to make one: *out NULL. Waits for either. */
static void take_or_count(struct sftp_drive *d, bool besides, struct sftp_session **out)
{
	pthread_mutex_lock(&d->lock);
	while (!d->idle && !besides && d->borrowed >= d->sessions_max)
		pthread_cond_wait(&d->freed, &d->lock);
	*out = d->idle;
	if (d->idle)
		d->idle = d->idle->next;
	if (!besides)
		d->borrowed++;
	pthread_mutex_unlock(&d->lock);
}

int sftp_borrow(struct sftp_drive *d, bool besides, struct sftp_session **out, struct error *err)
{
	bool again;
	int code;

	do {
		take_or_count(d, besides, out);
		if (*out && sftp_session_alive(*out))
			return ERR_NONE;
		if (*out) {
			pthread_mutex_lock(&d->lock);
			d->lost++;
			pthread_mutex_unlock(&d->lock);
			sftp_session_free(*out);
		}
		code = make(d, besides, out, &again, err);
	} while (again);
	return code;
}

void sftp_return(struct sftp_drive *d, bool besides, struct sftp_session *s)
{
	unsigned idle = 0;
	bool keep;

	/* The answers that are still to come have nobody to go to. */
	if (s->unanswered_count > 0)
		s->broken = true;
	pthread_mutex_lock(&d->lock);
	if (!besides)
		d->borrowed--;
	if (s->broken)
		d->lost++;
	for (const struct sftp_session *i = d->idle; i; i = i->next)
		idle++;
	keep = !s->broken && idle + d->borrowed < d->sessions_max;
	if (keep) {
		s->next = d->idle;
		d->idle = s;
	}
	pthread_cond_signal(&d->freed);
	pthread_mutex_unlock(&d->lock);
	if (!keep)
		sftp_session_free(s);
}
