/*
 * XML as servers answer with it, by expat, of bytes that anybody may have made: a document that has
 * a DTD (and so all entities but the five of XML itself) is refused, depth, paths and texts are
 * bounded. Thread-safe.
 */
#ifndef MRMR_DRIVERS_XML_H
#define MRMR_DRIVERS_XML_H

#include "base/bytes.h"
#include "base/error.h"

#include <stddef.h>

#define XML_DEPTH_MAX 24
#define XML_PATH_BYTES_MAX 512
#define XML_TEXT_BYTES_MAX ((size_t)64 << 10)

/*
 * Called for an element. path: the local names from the root to it, "ListBucketResult/Contents/Key".
 * text, lent until it returns, in UTF-8 and without NUL: what stands in an element that holds no
 * others (white space as it is); "" of those that do. A value other than ERR_NONE stops the walk and
 * is returned by it, with err filled.
 */
typedef int xml_element_fn(void *ctx, const char *path, const char *text, struct error *err);

struct xml_walk {
	/* Elements of other namespaces are "*" in a path. NULL: local names are all that counts. */
	const char *space;
	xml_element_fn *begin; /* before what is in it; text is "". NULL: not needed */
	xml_element_fn *end;   /* when all of it was seen */
	void *ctx;
};

/* ERR_CORRUPT: not well-formed, not whole, or beyond the bounds above. Elements were handed out up to
 * there. White space before the document is passed over (servers send it to keep a connection up). */
int xml_walk(const void *bytes, size_t len_bytes, const struct xml_walk *walk, struct error *err);

/* Appends text with the five characters escaped that mean something in XML. */
void xml_escape(struct buf *out, const char *text);

#endif
