/*
 * Several hosts at once. None waits for another, and no drive can be made to keep two of them
 * apart; so what one host makes of old groups has to be right in the union of all journals,
 * whatever another one made of the same groups without having seen it. These rules see to that:
 *
 *  - A group ends only for groups that were made by one who knew it: by the same commit (widened,
 *    joined, split), by earlier commits of the same writer (blocks gathered into several groups),
 *    or because each of its blocks is in a later one, too (table_is_later()). So a block's groups
 *    form no ring, and whatever order segments come in, some group of each block is live. Two
 *    successors of one group are both live: surplus, which rebalance makes one.
 *  - New rows are made of objects that were hashed, and are durable before their commit. The names
 *    of rows of several members are unlike any other: once their group has ended, they may go.
 *    Blocks, their copies, and rows that moved keep their names, and another host may have come to
 *    need them where they are. So a deletion is announced (committed), then journals are read, and
 *    only what no journal names there is deleted: of two hosts that each need what the other one is
 *    about to delete, one at least sees it, and leaves it.
 *  - A copy that two groups name on one drive may be deleted by a host that knows one of these
 *    only. Whoever deletes has made other rows for the block, which so stays protected; the other
 *    group lacks a row, and scrub makes it again. So no group is ended for one that is there
 *    already before the rows of that one were read.
 *  - One host may put an object of a group where another one puts another. Whoever commits last
 *    sees it: after a commit that moves blocks, makes rows or groups, journals are read, and two
 *    objects of a group on one drive are parted at once, before anything is deleted. A row that
 *    both made goes from one of its drives: which one is the same to all who know the same.
 *  - A row that was dropped is deleted only where, by all journals, the group has enough without
 *    it; else it is one again.
 *
 * What is left over - rows that were made for groups that had ended, places that lost against
 * another host's - is in no journal: scrub finds it, and deletes it after the grace.
 */
#ifndef MRMR_ARRAY_MEANWHILE_H
#define MRMR_ARRAY_MEANWHILE_H

#include "array/array.h"

/*
 * Commits what was done with groups and blocks, reads what other hosts committed, and parts objects
 * that came together by it. records is empty afterwards. For one thread, which does not hold
 * table_lock, beside others that use the array.
 */
int meanwhile_commit(struct array *a, struct buf *records, struct error *err);

#endif
