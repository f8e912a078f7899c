/*
 * A group at work: its members and rows are known by (slot or row, drive, length, a way to
 * read a range), never by what kind of block a member is.
 *
 * Memory is bounded by about 16 MiB, however long and however many the objects are. Different
 * groups may be worked on by different threads; a struct group_object belongs to one call at a
 * time.
 */
#ifndef MRMR_GROUP_GROUP_H
#define MRMR_GROUP_GROUP_H

#include "group/code.h"
#include "group/row.h"

#include <stdint.h>

/* Fills len_bytes from offset_bytes; beyond the object's end is never asked. Any thread. */
typedef int group_read_fn(void *ctx, uint64_t offset_bytes, void *out, size_t len_bytes,
			  struct error *err);

struct group_object {
	struct code_ref ref;
	uint64_t len_bytes; /* member: of the block. row: coded bytes only */
	group_read_fn *read;
	void *ctx;
	bool bad; /* set by the functions below after a failed read: not asked again */
};

/*
 * Reconstructs bytes [offset, offset + len) of one wanted object from any k of the others, by
 * ranges: it reads the same range from k objects that are not bad (in the order given: put the
 * nearest first, and members before rows where that is all the same, since members cost less to
 * compute with), and goes on to others when a read fails. objects: all
 * that may be readable, the wanted one not among them; one object at two places may be there
 * twice. Bad ones may be there too: beyond their end they are known to be zero, and count.
 * slots: all k slots of the group. The range must lie within want_len_bytes (asserted).
 * The caller judges the result (AEAD, chunk ids); on a wrong one it marks objects bad and
 * calls again. ERR_LOST: fewer than k could be read, with the last cause. ERR_INTERRUPTED and
 * ERR_NOMEM of a read end the call and mark nothing.
 */
int group_read_range(const uint8_t *slots, unsigned k, struct group_object *objects,
		     unsigned object_count, struct code_ref want, uint64_t want_len_bytes,
		     uint64_t offset_bytes, void *out, size_t len_bytes, struct error *err);

/*
 * Makes whole objects anew from k inputs, streaming in slices: out(ctx, i, bytes, len) gets the
 * coded bytes of want[i] in order (a row's descriptor and trailer are added by the caller).
 * want_len_bytes[i]: its length. Inputs must have been hashed whole by the caller before; they
 * are read one after the other. A read that fails marks its input bad and ends the call with
 * its error (ERR_INTERRUPTED and ERR_NOMEM mark nothing), as does an error of out: what was
 * written is then to be thrown away. Stops with ERR_INTERRUPTED when asked to (base/stop.h).
 */
typedef int group_write_fn(void *ctx, unsigned want_index, const void *bytes, size_t len_bytes,
			   struct error *err);
int group_rebuild(const uint8_t *slots, unsigned k, struct group_object *inputs,
		  const struct code_ref *want, const uint64_t *want_len_bytes, unsigned want_count,
		  group_write_fn *out, void *ctx, struct error *err);

/*
 * Makes row objects 0..row_count-1 of a group whose members are all in memory, tails and all, each
 * into an empty buffer of its own. d: the group's descriptor, two members at least (asserted); its
 * row number is changed. members: in any order. ERR_NOMEM.
 */
int group_encode_rows(struct row_descriptor *d, const struct code_input *members,
		      unsigned row_count, struct buf *rows, struct error *err);

#endif
