/*
 * Domains: which drives fail together (folders of one disk, disks of one host, buckets of one account),
 * and what one such failure would destroy. By the journals: nothing is read from drives.
 */
#ifndef MRMR_ARRAY_DOMAINS_H
#define MRMR_ARRAY_DOMAINS_H

#include "array/array.h"

/* What a drive fails together with: as set, else as its driver says; "" when unknown. */
const char *drive_domain(const struct array_drive *d);

/* Drives in one domain: one failure takes them all. */
struct shared_domain {
	const char *domain;
	uint16_t drives[DRIVES_MAX]; /* indices; two at least */
	unsigned count;
	/* What can be read now and could not be made again from what is left. */
	uint64_t groups, blocks, bytes; /* groups, in which blocks would be lost; blocks also of no group */
};
typedef int shared_domain_fn(void *ctx, const struct shared_domain *d, struct error *err);

/* Each domain with several counting drives at hand. A value other than 0 from each stops and is
 * returned. One pass over all groups, if there is one. */
int shared_domains(struct array *a, shared_domain_fn *each, void *ctx, struct error *err);

#endif
