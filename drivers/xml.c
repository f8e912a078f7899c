#include "drivers/xml.h"

#include <expat.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Between a namespace and a local name, where expat joins them. In no name and no URI. */
#define SEPARATOR '\n'

struct state {
	const struct xml_walk *walk;
	XML_Parser parser;
	struct error *err;
	int code; /* of whatever stopped the walk */

	char path[XML_PATH_BYTES_MAX];
	size_t path_len[XML_DEPTH_MAX + 1]; /* of the path at each depth */
	unsigned depth;

	struct buf text; /* of the innermost element */
	bool is_leaf;	 /* nothing began since that one did */
};

static void stop(struct state *s, int code)
{
	if (s->code != ERR_NONE)
		return;
	s->code = code;
	XML_StopParser(s->parser, XML_FALSE);
}

/* The local name, or "*" of a name that is not of the namespace that was asked for. */
static const char *local_name(const struct state *s, const char *name)
{
	const char *separator = strrchr(name, SEPARATOR);
	size_t space_len = separator ? (size_t)(separator - name) : 0;
	const char *local = separator ? separator + 1 : name;

	if (s->walk->space && (strlen(s->walk->space) != space_len ||
			       strncmp(s->walk->space, name, space_len) != 0))
		return "*";
	return local;
}

static bool push(struct state *s, const char *name)
{
	size_t at = s->path_len[s->depth], len = strlen(name);

	if (s->depth >= XML_DEPTH_MAX || len + 2 > sizeof(s->path) - at) {
		stop(s, err_set(s->err, ERR_CORRUPT, "XML: elements too deep in each other"));
		return false;
	}
	if (s->depth > 0)
		s->path[at++] = '/';
	memcpy(s->path + at, name, len + 1);
	s->path_len[++s->depth] = at + len;
	return true;
}

static void pop(struct state *s)
{
	s->depth--;
	s->path[s->path_len[s->depth]] = '\0';
}

static void on_begin(void *ctx, const char *name, const char **attributes)
{
	struct state *s = ctx;
	int code;

	(void)attributes;
	/* expat goes on to the end of the event in which it was stopped. */
	if (s->code != ERR_NONE || !push(s, local_name(s, name)))
		return;
	buf_clear(&s->text);
	s->is_leaf = true;
	if (!s->walk->begin)
		return;
	code = s->walk->begin(s->walk->ctx, s->path, "", s->err);
	if (code != ERR_NONE)
		stop(s, code);
}

static void on_end(void *ctx, const char *name)
{
	struct state *s = ctx;
	int code = ERR_NONE;

	(void)name;
	if (s->code != ERR_NONE)
		return;
	if (!s->is_leaf)
		buf_clear(&s->text);
	buf_add_u8(&s->text, '\0');
	if (s->text.failed)
		code = err_nomem(s->err);
	else if (s->walk->end)
		code = s->walk->end(s->walk->ctx, s->path, (const char *)s->text.data, s->err);
	if (code != ERR_NONE) {
		stop(s, code);
		return;
	}
	s->is_leaf = false;
	pop(s);
}

static void on_text(void *ctx, const char *text, int len)
{
	struct state *s = ctx;

	if (s->code != ERR_NONE || !s->is_leaf)
		return;
	if (s->text.len_bytes + (size_t)len > XML_TEXT_BYTES_MAX)
		stop(s, err_set(s->err, ERR_CORRUPT, "XML: a text that is too long"));
	else
		buf_add(&s->text, text, (size_t)len);
}

/* Without a DTD there are no entities to expand, none outside to fetch, and no default attributes. */
static void on_doctype(void *ctx, const char *name, const char *system_id, const char *public_id,
		       int has_internal_subset)
{
	struct state *s = ctx;

	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	if (s->code == ERR_NONE)
		stop(s, err_set(s->err, ERR_CORRUPT, "XML: it declares a document type"));
}

static int parse(struct state *s, const char *bytes, size_t len_bytes)
{
	XML_SetUserData(s->parser, s);
	XML_SetElementHandler(s->parser, on_begin, on_end);
	XML_SetCharacterDataHandler(s->parser, on_text);
	XML_SetStartDoctypeDeclHandler(s->parser, on_doctype);
	if (XML_Parse(s->parser, bytes, (int)len_bytes, XML_TRUE) == XML_STATUS_OK)
		return ERR_NONE;
	if (s->code != ERR_NONE)
		return s->code;
	if (XML_GetErrorCode(s->parser) == XML_ERROR_NO_MEMORY)
		return err_nomem(s->err);
	return err_set(s->err, ERR_CORRUPT, "XML: %s at line %lu",
		       XML_ErrorString(XML_GetErrorCode(s->parser)),
		       (unsigned long)XML_GetCurrentLineNumber(s->parser));
}

int xml_walk(const void *bytes, size_t len_bytes, const struct xml_walk *walk, struct error *err)
{
	struct state s = { .walk = walk, .err = err };
	const char *at = bytes;
	int code;

	while (len_bytes > 0 && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
		at++;
		len_bytes--;
	}
	if (len_bytes == 0)
		return err_set(err, ERR_CORRUPT, "XML: nothing came");
	if (len_bytes > INT32_MAX)
		return err_set(err, ERR_CORRUPT, "XML: too long");
	s.parser = XML_ParserCreateNS(NULL, SEPARATOR);
	if (!s.parser)
		return err_nomem(err);
	code = parse(&s, at, len_bytes);
	XML_ParserFree(s.parser);
	buf_release(&s.text);
	return code;
}

void xml_escape(struct buf *out, const char *text)
{
	static const char special[] = "<>&\"'";
	static const char *const escaped[] = { "&lt;", "&gt;", "&amp;", "&quot;", "&apos;" };

	for (;;) {
		size_t plain = strcspn(text, special);

		buf_add(out, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		plain = (size_t)(strchr(special, *text) - special);
		buf_add(out, escaped[plain], strlen(escaped[plain]));
		text++;
	}
}
