/*
 * Which drive gets an object that a group lacks: by the allocator's rules, given where the
 * group's other objects are.
 */
#ifndef MRMR_CARE_TARGET_H
#define MRMR_CARE_TARGET_H

#include "array/array.h"

/* taken: drives by index that have an object of the group (extra rows give way); grows by the drive
 * chosen. ERR_FULL or ERR_ABSENT: none. */
struct taken_drives {
	uint16_t index[DRIVES_MAX];
	unsigned count;
};
bool target_is_taken(const struct taken_drives *t, unsigned drive_index);
void target_take(struct taken_drives *t, unsigned drive_index);
void target_give_back(struct taken_drives *t, unsigned drive_index); /* it is not taken any more */
void taken_from_group(struct array *a, const struct table_group *g, struct taken_drives *t);
int target_choose(struct array *a, struct taken_drives *t, bool for_row, uint64_t object_bytes,
		  struct array_drive **out, struct error *err);

/* Rows of the group on drives that count, less one drive, as bits; and whether a row that lies on that
 * one needs another place: with extra rows, those elsewhere may be enough. *others grows by it. */
uint32_t target_rows_elsewhere(struct array *a, const struct table_group *g,
			       const struct array_drive *from);
bool target_needs_row(const struct array *a, unsigned row, uint32_t *others);

/* Of the longest member: the coded bytes of a row. */
uint64_t target_longest_bytes(const struct table_group *g);

#endif
