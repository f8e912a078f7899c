/* ~/.aws/credentials, as their owners edit them: what is found lies in the text and is trimmed. */
#include "drivers/s3_account.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"default", "x", ""};
	const char *text = (const char *)data;

	for (size_t i = 0; i < 3; i++) {
		struct s3_profile p;

		s3_profile_find(text, size, names[i], &p);

		const struct s3_span spans[] = {p.access, p.secret, p.session, p.region};

		for (size_t j = 0; j < 4; j++) {
			if (!spans[j].at)
				continue;
			must_be(p.found && spans[j].len_bytes > 0);
			must_be(spans[j].at > text);
			must_be(spans[j].at + spans[j].len_bytes <= text + size);
			must_be(!memchr(spans[j].at, '\0', spans[j].len_bytes));
			must_be(!memchr(spans[j].at, '\n', spans[j].len_bytes));
			must_be(!strchr(" \t\r", spans[j].at[0]));
			must_be(!strchr(" \t\r", spans[j].at[spans[j].len_bytes - 1]));
		}
	}
	return 0;
}
