/*
 * What S3 servers say: a page of a listing has as many keys as it counts, each a text of bounded
 * length; words are printable and end; every answer that is refused is an error with a message.
 */
#include "drivers/s3_answer.h"
#include "drivers/s3_list.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

static void page(const uint8_t *data, size_t size)
{
	struct s3_page page;
	struct error err;
	struct reader r;
	size_t keys = 0;
	int code = s3_page_parse(data, size, &page, &err);

	must_be(code == ERR_NONE || code == ERR_CORRUPT);
	r = reader_of(page.keys.data, page.keys.len_bytes);
	for (; r.left_bytes > 0 && !r.failed; keys++) {
		const uint8_t *key;
		size_t len;

		must_be(read_u64(&r) <= INT64_MAX);
		key = read_block(&r, 4097, &len);
		must_be(key && len > 0 && strlen((const char *)key) == len - 1);
	}
	must_be(reader_done(&r) && keys == page.count);
	must_be(code == ERR_NONE || (keys == 0 && !page.next));
	s3_page_release(&page);
}

static void printable(const char *text, size_t size)
{
	must_be(strnlen(text, size) < size);
	for (; *text; text++)
		must_be(*text >= ' ' && *text < 0x7f);
}

static void answer(const uint8_t *data, size_t size, unsigned status)
{
	struct http_answer a = {.status = status};
	struct s3_said said;
	struct error err = {0};
	struct md5 m;
	int code;

	buf_add(&a.document, data, size);
	if (status == 200)
		code = s3_answer_result(&a, "put", "r", &said, &err);
	else
		code = s3_answer_error(&a, "put", "r", "", &err);
	if (status == 200 && code == ERR_NONE) {
		must_be(said.is_result && said.code[0] == '\0');
		printable(said.etag, sizeof(said.etag));
		must_be(strnlen(said.upload_id, sizeof(said.upload_id)) < sizeof(said.upload_id));
		s3_etag_md5(said.etag, &m);
	} else {
		must_be(code == (int)err.code && code != ERR_NONE && err.message[0]);
	}
	http_answer_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	page(data, size);
	answer(data, size, 200);
	answer(data, size, 403);
	answer(data, size, 301);
	return 0;
}
