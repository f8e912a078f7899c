#include "archive/pattern.h"

#include "base/bytes.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Most rules of real lists are plain words or "*.ext": these never reach the glob matcher. */
enum rule_kind {
	RULE_NAME_IS,	/* the last component equals text */
	RULE_NAME_ENDS, /* ... ends with text */
	RULE_NAME_GLOB, /* ... fits the glob text */
	RULE_PATH_IS,	/* the path below base equals text */
	RULE_PATH_GLOB, /* ... fits the glob text, which begins with literal_bytes plain bytes */
};

struct rule {
	enum rule_kind kind;
	bool negated, folders_only, ignore_case;
	uint8_t *text;
	size_t text_bytes, literal_bytes;
	uint8_t *base; /* with its final slash, without its first */
	size_t base_bytes;
};

struct patterns {
	struct rule *rules;
	size_t count, cap;
};

struct span {
	const uint8_t *at, *end;
};

struct patterns *patterns_new(void)
{
	return calloc(1, sizeof(struct patterns));
}

void patterns_free(struct patterns *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->count; i++) {
		free(p->rules[i].text);
		free(p->rules[i].base);
	}
	free(p->rules);
	free(p);
}

bool patterns_empty(const struct patterns *p)
{
	return !p || p->count == 0;
}

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t len_bytes, bool ignore_case)
{
	if (!ignore_case)
		return memcmp(a, b, len_bytes) == 0;
	for (size_t i = 0; i < len_bytes; i++) {
		if (fold(a[i]) != fold(b[i]))
			return false;
	}
	return true;
}

static const struct {
	const char *name;
	int (*has)(int c);
} classes[] = {
	{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
	{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
	{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

/* At "[:name:]" within a bracket: moves past it. The index of the class, or -1: none such. */
static int take_class(struct span *p)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		size_t len_bytes = strlen(classes[i].name);

		if ((size_t)(p->end - p->at) >= len_bytes + 4 && p->at[1] == ':' &&
		    memcmp(p->at + 2, classes[i].name, len_bytes) == 0 &&
		    memcmp(p->at + 2 + len_bytes, ":]", 2) == 0) {
			p->at += len_bytes + 4;
			return (int)i;
		}
	}
	return -1;
}

static uint8_t take_escaped(struct span *p)
{
	if (*p->at == '\\' && p->at + 1 < p->end)
		p->at++;
	return *p->at++;
}

/* One element of a bracket: a class, a range or a byte. */
static bool take_element(struct span *p, uint8_t c, bool ignore_case)
{
	int class = *p->at == '[' ? take_class(p) : -1;
	uint8_t low, high, upper = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;

	if (class >= 0)
		return classes[class].has(c) ||
		       (ignore_case && (classes[class].has(fold(c)) || classes[class].has(upper)));
	low = high = take_escaped(p);
	if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
		p->at++;
		high = take_escaped(p);
	}
	return (low <= c && c <= high) || (ignore_case && ((low <= fold(c) && fold(c) <= high) ||
							   (low <= upper && upper <= high)));
}

/*
 * At "[": moves past the bracket and says whether it has the byte c. A bracket that does not
 * end moves p to NULL. The slash is in no bracket.
 */
static bool take_bracket(struct span *p, uint8_t c, bool ignore_case)
{
	bool negated = false, found = false, first = true;

	p->at++;
	if (p->at < p->end && (*p->at == '!' || *p->at == '^')) {
		negated = true;
		p->at++;
	}
	while (p->at < p->end && (first || *p->at != ']')) {
		first = false;
		if (take_element(p, c, ignore_case))
			found = true;
	}
	if (p->at >= p->end) {
		p->at = NULL;
		return false;
	}
	p->at++;
	return found != negated && c != '/';
}

/* At an element of the glob that is no star: whether it takes the byte c. Moves past it. */
static bool take_one(struct span *p, uint8_t c, bool ignore_case)
{
	switch (*p->at) {
	case '?':
		p->at++;
		return c != '/';
	case '[':
		return take_bracket(p, c, ignore_case);
	default: {
		uint8_t want = take_escaped(p);

		return want == c || (ignore_case && fold(want) == fold(c));
	}
	}
}

/*
 * Whether the glob p fits all of s. Two places to come back to are enough: the last star
 * within the component at hand (an earlier one could only take what the later one can take as
 * well), and the last run of whole folders. So the time is bounded by the product of the lengths.
 */
static bool glob_fits(struct span p, struct span s, bool ignore_case)
{
	struct span star_p = {NULL, p.end}, folders_p = {NULL, p.end};
	const uint8_t *star_s = NULL, *folders_s = NULL;
	bool component_start = true; /* of the glob */

	for (;;) {
		if (p.at < p.end && component_start && p.end - p.at >= 2 &&
		    memcmp(p.at, "**", 2) == 0 && (p.at + 2 == p.end || p.at[2] == '/')) {
			if (p.at + 2 == p.end)
				return s.at < s.end;
			p.at += 3;
			folders_p.at = p.at;
			folders_s = s.at;
			continue;
		}
		if (p.at < p.end && *p.at == '*') {
			while (p.at < p.end && *p.at == '*')
				p.at++;
			star_p.at = p.at;
			star_s = s.at;
			component_start = false;
			continue;
		}
		if (p.at == p.end && s.at == s.end)
			return true;
		if (p.at < p.end && s.at < s.end) {
			bool slash = *p.at == '/';

			if (take_one(&p, *s.at, ignore_case)) {
				s.at++;
				component_start = slash;
				if (slash)
					star_p.at = NULL;
				continue;
			}
		}
		if (star_p.at && star_s < s.end && *star_s != '/') {
			p.at = star_p.at;
			s.at = ++star_s;
			component_start = false;
			continue;
		}
		if (!folders_p.at)
			return false;
		folders_s = memchr(folders_s, '/', (size_t)(s.end - folders_s));
		if (!folders_s)
			return false;
		p.at = folders_p.at;
		s.at = ++folders_s;
		star_p.at = NULL;
		component_start = true;
	}
}

/* Whether every bracket ends and no "\" stands alone at the end. */
static bool glob_valid(struct span p)
{
	while (p.at < p.end) {
		if (*p.at == '\\' && p.at + 1 == p.end)
			return false;
		if (*p.at == '*')
			p.at++;
		else
			take_one(&p, 0, false);
		if (!p.at)
			return false;
	}
	return true;
}

static bool is_special(uint8_t c)
{
	return c == '*' || c == '?' || c == '[';
}

/* Removes the escapes of a glob that has nothing else. */
static void unescape(struct rule *r)
{
	struct span p = {r->text, r->text + r->text_bytes};
	uint8_t *out = r->text;

	while (p.at < p.end)
		*out++ = take_escaped(&p);
	r->text_bytes = (size_t)(out - r->text);
}

static void rule_classify(struct rule *r, bool anchored)
{
	size_t plain = 0, suffix = 1;
	bool has_special = false;

	for (size_t i = 0; i < r->text_bytes && !has_special; i++) {
		if (r->text[i] == '\\')
			i++;
		else
			has_special = is_special(r->text[i]);
	}
	if (!has_special) {
		unescape(r);
		r->kind = anchored ? RULE_PATH_IS : RULE_NAME_IS;
		return;
	}
	while (!is_special(r->text[plain]) && r->text[plain] != '\\')
		plain++;
	r->literal_bytes = plain;
	while (suffix < r->text_bytes && !is_special(r->text[suffix]) && r->text[suffix] != '\\')
		suffix++;
	if (anchored) {
		r->kind = RULE_PATH_GLOB;
	} else if (r->text[0] == '*' && suffix == r->text_bytes) {
		r->kind = RULE_NAME_ENDS;
		memmove(r->text, r->text + 1, --r->text_bytes);
	} else {
		r->kind = RULE_NAME_GLOB;
	}
}

static bool copy_base(struct rule *r, const char *base)
{
	size_t len_bytes;

	if (!base)
		return true;
	while (*base == '/')
		base++;
	len_bytes = strlen(base);
	while (len_bytes > 0 && base[len_bytes - 1] == '/')
		len_bytes--;
	if (len_bytes == 0)
		return true;
	r->base = malloc(len_bytes + 1);
	if (!r->base)
		return false;
	memcpy(r->base, base, len_bytes);
	r->base[len_bytes] = '/';
	r->base_bytes = len_bytes + 1;
	return true;
}

static int add_rule(struct patterns *p, const char *base, struct span text, bool ignore_case,
		    struct error *err)
{
	struct rule r = {.ignore_case = ignore_case};
	bool anchored;

	if (text.at < text.end && *text.at == '!') {
		r.negated = true;
		text.at++;
	}
	if (text.at < text.end && text.end[-1] == '/') {
		r.folders_only = true;
		text.end--;
	}
	anchored = text.at < text.end && memchr(text.at, '/', (size_t)(text.end - text.at));
	if (text.at < text.end && *text.at == '/')
		text.at++;
	if (text.at >= text.end)
		return err_set(err, ERR_USAGE, "pattern is empty");
	if (!glob_valid(text))
		return err_set(err, ERR_USAGE, "pattern ends within a [ or after a \\");
	r.text_bytes = (size_t)(text.end - text.at);
	r.text = malloc(r.text_bytes);
	if (!r.text || !copy_base(&r, base) ||
	    !grow(&p->rules, &p->cap, p->count + 1, sizeof(*p->rules))) {
		free(r.text);
		free(r.base);
		return err_nomem(err);
	}
	memcpy(r.text, text.at, r.text_bytes);
	rule_classify(&r, anchored);
	p->rules[p->count++] = r;
	return ERR_NONE;
}

int patterns_add(struct patterns *p, const char *base, const char *rule, bool ignore_case,
		 struct error *err)
{
	const uint8_t *at = (const uint8_t *)rule;

	if (add_rule(p, base, (struct span){at, at + strlen(rule)}, ignore_case, err) != ERR_NONE)
		return err_wrap(err, "\"%s\"", rule);
	return ERR_NONE;
}

/* Without the spaces at its end, unless a "\" stands before them; and without a CR. */
static struct span line_trimmed(struct span line)
{
	if (line.at < line.end && line.end[-1] == '\r')
		line.end--;
	while (line.at < line.end && line.end[-1] == ' ' &&
	       !(line.end - line.at >= 2 && line.end[-2] == '\\'))
		line.end--;
	return line;
}

int patterns_add_lines(struct patterns *p, const char *base, const void *bytes, size_t len_bytes,
		       bool ignore_case, struct error *err)
{
	const uint8_t *at = bytes, *end = at + len_bytes;

	for (unsigned long number = 1; at < end; number++) {
		const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
		struct span line = line_trimmed((struct span){at, newline ? newline : end});

		at = newline ? newline + 1 : end;
		if (line.at == line.end || *line.at == '#')
			continue;
		if (add_rule(p, base, line, ignore_case, err) != ERR_NONE)
			return err_wrap(err, "line %lu", number);
	}
	return ERR_NONE;
}

static bool rule_fits(const struct rule *r, struct span path, struct span name)
{
	size_t name_bytes = (size_t)(name.end - name.at), path_bytes;
	struct span text = {r->text, r->text + r->text_bytes};

	if (r->base_bytes > 0) {
		if ((size_t)(path.end - path.at) <= r->base_bytes ||
		    memcmp(path.at, r->base, r->base_bytes) != 0)
			return false;
		path.at += r->base_bytes;
	}
	path_bytes = (size_t)(path.end - path.at);
	switch (r->kind) {
	case RULE_NAME_IS:
		return name_bytes == r->text_bytes &&
		       bytes_equal(name.at, r->text, name_bytes, r->ignore_case);
	case RULE_NAME_ENDS:
		return name_bytes >= r->text_bytes && bytes_equal(name.end - r->text_bytes, r->text,
								  r->text_bytes, r->ignore_case);
	case RULE_NAME_GLOB:
		return name_bytes >= r->literal_bytes &&
		       bytes_equal(name.at, r->text, r->literal_bytes, r->ignore_case) &&
		       glob_fits(text, name, r->ignore_case);
	case RULE_PATH_IS:
		return path_bytes == r->text_bytes &&
		       bytes_equal(path.at, r->text, path_bytes, r->ignore_case);
	case RULE_PATH_GLOB:
		return path_bytes >= r->literal_bytes &&
		       bytes_equal(path.at, r->text, r->literal_bytes, r->ignore_case) &&
		       glob_fits(text, path, r->ignore_case);
	}
	return false;
}

enum pattern_verdict patterns_match(const struct patterns *p, const void *path, size_t path_bytes,
				    bool is_folder)
{
	struct span whole = {path, (const uint8_t *)path + path_bytes}, name;
	const uint8_t *slash;

	if (path_bytes > 0 && *whole.at == '/')
		whole.at++;
	if (whole.at >= whole.end)
		return PATTERN_NO_RULE;
	slash = memrchr(whole.at, '/', (size_t)(whole.end - whole.at));
	name = (struct span){slash ? slash + 1 : whole.at, whole.end};
	for (size_t i = p->count; i-- > 0;) {
		const struct rule *r = &p->rules[i];

		if ((is_folder || !r->folders_only) && rule_fits(r, whole, name))
			return r->negated ? PATTERN_RETURNED : PATTERN_MATCH;
	}
	return PATTERN_NO_RULE;
}

bool patterns_covers(const struct patterns *p, const void *path, size_t path_bytes, bool is_folder)
{
	const uint8_t *start = path, *end = start + path_bytes, *at = start;

	while (at < end) {
		const uint8_t *slash =
			at + 1 < end ? memchr(at + 1, '/', (size_t)(end - at - 1)) : NULL;

		at = slash ? slash : end;
		if (patterns_match(p, start, (size_t)(at - start), slash || is_folder) ==
		    PATTERN_MATCH)
			return true;
	}
	return false;
}
