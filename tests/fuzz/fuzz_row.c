/*
 * Row objects from a hostile drive. The input is a whole object; its tail is read as any
 * reader would, and its beginning as a descriptor on its own. What decodes must encode to the
 * same bytes.
 */
#include "group/row.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void check_encoding(const struct row_descriptor *d, const uint8_t *bytes, size_t len_bytes)
{
	struct buf again = {0};

	row_tail_encode(d, &again);
	must_be(!again.failed && again.len_bytes == row_tail_bytes(d));
	must_be(len_bytes <= again.len_bytes && memcmp(again.data, bytes, len_bytes) == 0);
	buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t tail = size < ROW_TAIL_MAX_BYTES ? size : ROW_TAIL_MAX_BYTES;
	struct row_descriptor d;
	struct error err;

	if (row_tail_decode(data + size - tail, tail, size, &d, &err) == ERR_NONE) {
		must_be(row_object_bytes(&d) == size);
		check_encoding(&d, data + row_coded_bytes(&d), row_tail_bytes(&d));
	}
	if (row_descriptor_decode(data, size, &d, &err) == ERR_NONE)
		check_encoding(&d, data, size);
	return 0;
}
