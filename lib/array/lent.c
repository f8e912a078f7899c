/* Memory that a call may need longer than its caller. */
#include "array/watched.h"

#include <stdatomic.h>
#include <stdlib.h>

struct lent {
	atomic_uint holders;
	void *owner;
	void (*release)(void *owner);
};

struct lent *lent_new(void *owner, void (*release)(void *owner))
{
	struct lent *l = malloc(sizeof(*l));

	if (l) {
		l->owner = owner;
		l->release = release;
		atomic_init(&l->holders, 1);
	}
	return l;
}

struct lent *lent_hold(struct lent *l)
{
	if (l)
		atomic_fetch_add(&l->holders, 1);
	return l;
}

void lent_drop(struct lent *l)
{
	if (!l || atomic_fetch_sub(&l->holders, 1) > 1)
		return;
	l->release(l->owner);
	free(l);
}

bool lent_take_back(struct lent *l)
{
	/* Nobody can come to hold it but from a holder: alone is alone for good. */
	if (atomic_load(&l->holders) > 1) {
		lent_drop(l);
		return false;
	}
	free(l);
	return true;
}
