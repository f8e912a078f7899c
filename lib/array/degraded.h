/*
 * Reading what is not where it should be: a range of a block from the other objects of a group
 * that it belongs to. Any thread; table calls take the array's table_lock.
 */
#ifndef MRMR_ARRAY_DEGRADED_H
#define MRMR_ARRAY_DEGRADED_H

#include "array/array.h"
#include "array/watched.h"
#include "group/group.h"

/* An object of a group on a drive, ready for group_read_range(): its ctx. */
struct stored_object {
	struct array_drive *drive;
	char name[OBJECT_NAME_MAX + 1];
	uint64_t object_bytes; /* of the whole object; a row's coded bytes are fewer */
	/* of degraded_read(): */
	struct array *array;
	const struct degraded_how *how;
	struct read_call *call; /* of the range, begun and not taken yet */
	uint32_t distance;
	bool patient; /* wait for it as long as the drive lives */
};

/* A live group with the objects of it that lie on present drives. */
struct live_group {
	struct table_group group;
	uint8_t slots[GROUP_SLOTS_MAX];
	struct group_object *objects; /* owned; ctx points into stored */
	struct stored_object *stored;
	unsigned count;
};

/* Objects on drives that are present and readable, those on billed drives last; the object (want) itself left out when
 * leave_out is not NULL. Caller: live_group_release(). */
int live_group_load(struct array *a, const struct id *group_id, const struct code_ref *leave_out,
		    struct live_group *out, struct error *err);
void live_group_release(struct live_group *g);

/* Hashes every object not yet bad whole and marks the liars bad; counts the damage. */
void live_group_expose_liars(struct array *a, struct live_group *g);

/* How to judge reconstructed bytes: ERR_NONE when they are right. */
typedef int judge_fn(void *ctx, const uint8_t *bytes, struct error *err);

struct degraded_how {
	judge_fn *judge;
	void *ctx;
	/* The same range on its way from the block itself. When that ends, so does degraded_read(),
	 * with ERR_INTERRUPTED: the block may be the better answer. NULL: there is none. */
	struct read_call *rival;
	/* It could be asked, and was not: ERR_TRANSIENT rather than to wait for what is late. */
	bool may_ask;
	/* ERR_LOST rather than to read from drives where that is paid for. */
	bool free_only;
	uint64_t limit_us; /* ERR_TRANSIENT where it is to be expected to take longer; 0: no limit */
};

/*
 * Fills out with len_bytes from offset_bytes of the block, reconstructed from any group it is in,
 * and judged; on a wrong result liars are found and left out, and it tries again. Read are the
 * nearest objects that suffice (those on billed drives last), all at once; for one that is late, another. ERR_LOST.
 */
int degraded_read(struct array *a, const struct table_block *b, uint64_t offset_bytes, uint8_t *out,
		  size_t len_bytes, const struct degraded_how *how, struct error *err);

/* The drive of a block when it is there to be read, else NULL. */
struct array_drive *block_drive(struct array *a, const struct table_block *b);

#endif
