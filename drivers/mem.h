/*
 * The memory driver: "mem:NAME" is a place in this process that keeps its objects between
 * close() and the next open(), as strict as the contract in driver.h allows: nothing that was
 * put is seen before sync(). "mem:" without a name is a place of its own for each open() and
 * goes with close(); it needs no make_root.
 */
#ifndef MRMR_DRIVERS_MEM_H
#define MRMR_DRIVERS_MEM_H

/* Forgets a place and frees its objects. Nobody may have it open. Unknown names are fine. */
void mem_erase(const char *url);

#endif
