/*
 * Rules from anybody against any path: no crash, no slow match, and the verdict of a matcher that
 * tries everything. Input: a flag byte, the rule, a newline, the path.
 */
#include "archive/pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS_MAX 20000

/* Tries every way a glob of literals, "?", "*" and whole "**" can fit; a rule with brackets or
 * escapes is not for it. budget at 0: it gave up. */
static int fits(const uint8_t *p, const uint8_t *s, int start, unsigned *budget)
{
	if (*budget == 0 || --*budget == 0)
		return 0;
	if (*p == 0)
		return *s == 0;
	if (start && p[0] == '*' && p[1] == '*' && (p[2] == '/' || p[2] == 0)) {
		const uint8_t *rest = s;

		if (p[2] == 0)
			return *s != 0;
		for (;;) {
			if (fits(p + 3, rest, 1, budget))
				return 1;
			rest = (const uint8_t *)strchr((const char *)rest, '/');
			if (!rest)
				return 0;
			rest++;
		}
	}
	if (*p == '*')
		return fits(p + 1, s, 0, budget) || (*s && *s != '/' && fits(p, s + 1, 0, budget));
	if (*s == 0 || (*p == '?' ? *s == '/' : *p != *s))
		return 0;
	return fits(p + 1, s + 1, *p == '/', budget);
}

static void compare(const char *rule, const char *path, enum pattern_verdict verdict)
{
	const char *name = strrchr(path, '/');
	unsigned budget = STEPS_MAX;
	int expected;

	if (rule[0] == '!' || strpbrk(rule, "[\\") || rule[strlen(rule) - 1] == '/')
		return;
	if (path[0] == '/')
		path++;
	name = name ? name + 1 : path;
	if (strchr(rule, '/'))
		expected = fits((const uint8_t *)rule + (rule[0] == '/'), (const uint8_t *)path, 1,
				&budget);
	else
		expected = fits((const uint8_t *)rule, (const uint8_t *)name, 1, &budget);
	if (budget > 0 && *path && expected != (verdict == PATTERN_MATCH))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patterns *p = patterns_new();
	const uint8_t *newline;
	char *rule, *path;
	struct error err;
	bool ignore_case;

	if (!p || size < 2 || size > 4096)
		goto out;
	ignore_case = data[0] & 1;
	newline = memchr(data + 1, '\n', size - 1);
	if (!newline)
		goto out;
	rule = strndup((const char *)data + 1, (size_t)(newline - data) - 1);
	path = strndup((const char *)newline + 1, size - (size_t)(newline + 1 - data));
	if (rule && path && patterns_add(p, "/", rule, ignore_case, &err) == ERR_NONE) {
		enum pattern_verdict verdict = patterns_match(p, path, strlen(path), data[0] & 2);

		if (!ignore_case)
			compare(rule, path, verdict);
		patterns_covers(p, path, strlen(path), data[0] & 2);
	}
	if (patterns_add_lines(p, "/base", data, size, ignore_case, &err) == ERR_NONE)
		patterns_match(p, data, size, true);
	free(rule);
	free(path);
out:
	patterns_free(p);
	return 0;
}
