/*
 * Garbage: objects that the journals place on a drive no more, to be deleted there. Any thread;
 * table calls take the array's table_lock.
 */
#ifndef MRMR_ARRAY_GARBAGE_H
#define MRMR_ARRAY_GARBAGE_H

#include "array/array.h"

/*
 * Deletes the garbage of a drive, of which the journals know by now, and appends the records that
 * say so. Where another host may have come to need something of that name, journals are read first;
 * a dropped row without which its group has too few now is kept, and recorded as one again
 * (array/meanwhile.h). What cannot be deleted stays owed, and is no error; a drive that cannot sync
 * is poisoned. removed grows. A drive that is not there is left alone; so are all of them once a
 * commit of this process reached too few.
 */
int garbage_sweep(struct array *a, struct array_drive *d, struct buf *records, uint64_t *removed,
		  struct error *err);

#endif
