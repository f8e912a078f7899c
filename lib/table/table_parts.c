/* Every object of every group in one pass: for what asks of all of them how they lie. */
#include "table/table_internal.h"

#include <stdlib.h>

/* Ids of drives by their numbers here. */
struct drive_ids {
	struct id *ids;
	size_t count;
};

static int note_drive(struct drive_ids *d, int64_t number, const struct id *id, struct error *err)
{
	size_t count = (size_t)number + 1;
	struct id *grown;

	if (count > d->count) {
		grown = realloc(d->ids, count * sizeof(*grown));
		if (!grown)
			return err_nomem(err);
		for (size_t i = d->count; i < count; i++)
			grown[i] = (struct id){ { 0 } };
		d->ids = grown;
		d->count = count;
	}
	d->ids[number] = *id;
	return ERR_NONE;
}

static int load_drives(struct table *t, struct drive_ids *d, struct error *err)
{
	struct query q = query_of(t, "SELECT id, uid FROM drive WHERE id > 0");
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		struct id id;

		column_exact(&q, 1, id.b, ID_BYTES);
		code = note_drive(d, column_int(&q, 0), &id, err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}

static void read_part(struct query *q, const struct drive_ids *drives, struct table_part *out)
{
	int64_t drive = column_int(q, 4);

	*out = (struct table_part){ .group = column_int(q, 0),
				    .is_row = column_int(q, 1),
				    .row = (uint8_t)column_int(q, 2),
				    .block = column_int(q, 3),
				    .len_bytes = (uint64_t)column_int(q, 5),
				    .lost = column_int(q, 6) };
	if (drive > 0 && (uint64_t)drive < drives->count)
		out->drive_id = drives->ids[drive];
}

int table_parts(struct table *t, table_part_fn *each, void *ctx, struct error *err)
{
	struct drive_ids drives = { 0 };
	struct table_part part;
	struct query q;
	bool row;
	int code = load_drives(t, &drives, err);

	if (code != ERR_NONE) {
		free(drives.ids);
		return code;
	}
	/* Members and rows lie in the order of groups: nothing is sorted but blocks alone. */
	q = query_of(t, "SELECT m.grp, 0, 0, m.block, b.drive, b.len, b.lost"
			" FROM member m CROSS JOIN block b ON b.id = m.block"
			" UNION ALL SELECT grp, 1, row, 0, drive, len, 0 FROM row WHERE present = 1"
			" UNION ALL SELECT 0, 0, 0, id, drive, len, 0 FROM block"
			" WHERE state = 1 AND lost = 0 AND fossil = 0 AND NOT EXISTS"
			" (SELECT 1 FROM member WHERE member.block = block.id) ORDER BY 1");
	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		read_part(&q, &drives, &part);
		code = each(ctx, &part, err);
		if (code != ERR_NONE)
			break;
	}
	free(drives.ids);
	return query_end(&q, code, err);
}

int table_shared_blocks(struct table *t, table_number_fn *each, void *ctx, struct error *err)
{
	struct query q = query_of(t, "SELECT block FROM member GROUP BY block HAVING count(*) > 1"
				     " ORDER BY block");
	bool row;
	int code;

	while ((code = query_next(&q, &row, err)) == ERR_NONE && row) {
		code = each(ctx, column_int(&q, 0), err);
		if (code != ERR_NONE)
			break;
	}
	return query_end(&q, code, err);
}
