/*
 * Lines of a program that is a drive. What is taken has the form that the man page says, and says the
 * same when it is written anew.
 */
#include "drivers/exec_answer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
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
	char *line = malloc(size + 1);
	struct exec_answer a;
	struct error err = { .code = ERR_NONE };

	must_be(line != NULL);
	memcpy(line, data, size);
	line[size] = '\0';
	if (exec_answer_parse(line, size, &a, &err) != ERR_NONE) {
		must_be(err.code == ERR_IO && strlen(err.message) > 0);
		for (const char *at = err.message; *at; at++)
			must_be(*at >= ' ' && *at < 0x7f);
		free(line);
		return 0;
	}
	/* All of the line was looked at: it is words, and what is lent ends where it ends. */
	must_be(strlen(line) == size && size >= 2);
	must_be(a.text[0] == '\0' || a.text + strlen(a.text) == line + size);
	must_be((a.word == EXEC_REFUSED) == (a.code != ERR_NONE));
	must_be(a.retry_after_s <= 3600 && (a.retry_after_s == 0 || a.code == ERR_TRANSIENT));
	must_be(a.second == 0 || a.word == EXEC_SPACE);
	if (a.word == EXEC_OBJECT) {
		char anew[64];
		int len = snprintf(anew, sizeof(anew), "%llu", (unsigned long long)a.number);
		const char *number = line + strlen("OBJECT ");

		must_be(a.text[0] != '\0');
		while (*number == '0' && number[1] != ' ')
			number++;
		must_be(strncmp(number, anew, (size_t)len) == 0 && number[len] == ' ');
		must_be(number + len + 1 == a.text);
	}
	free(line);
	return 0;
}
