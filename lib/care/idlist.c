#include "care/idlist.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void id_list_release(struct id_list *l)
{
	free(l->ids);
	memset(l, 0, sizeof(*l));
}

int id_list_add(void *list, const struct id *id, struct error *err)
{
	struct id_list *l = list;

	if (!grow(&l->ids, &l->cap, l->count + 1, sizeof(*l->ids)))
		return err_nomem(err);
	l->ids[l->count++] = *id;
	return ERR_NONE;
}
