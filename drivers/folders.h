/*
 * Listing a place that has folders, where each takes a turn or more: several are read at once, by
 * threads of their own that end with the call.
 */
#ifndef MRMR_DRIVERS_FOLDERS_H
#define MRMR_DRIVERS_FOLDERS_H

#include "base/bytes.h"
#include "drivers/driver.h"

#define FOLDERS_AT_ONCE 8 /* at most; what one is read into is held by so many at a time */

/* What reading one folder has found. */
struct folder_found {
	struct buf objects; /* length (u64), name (block with a NUL) */
	struct buf folders; /* names (blocks with a NUL) */
};
/* Names are whole ones, as of objects. Out of memory shows when the folder was read. */
void folder_has_object(struct folder_found *f, const char *name, uint64_t len_bytes);
void folder_has_folder(struct folder_found *f, const char *name);

/* Reads one folder ("blocks/ab"; "": all). On several threads at once. Absent is empty. */
typedef int folder_read_fn(void *ctx, const char *folder, struct folder_found *f,
			   struct error *err);

/*
 * The folder and all below it; each() is called for their objects, on the thread of the caller. A value
 * other than 0 from each() stops and is returned. ERR_CORRUPT: folders without end.
 */
int folders_list(const char *folder, unsigned at_once, folder_read_fn *read, void *read_ctx,
		 object_fn *each, void *each_ctx, struct error *err);

#endif
