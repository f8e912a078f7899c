/*
 * A web server of this process that says what a test wants it to, on a free port of 127.0.0.1. Rules
 * are tried in order, and each answers a limited number of requests; what none answers goes to the
 * fallback of the test.
 */
#ifndef MRMR_TESTS_HTTP_SCRIPT_H
#define MRMR_TESTS_HTTP_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

struct http_rule {
	const char *method, *path; /* NULL: any; a part of it */
	unsigned skip;		   /* requests that match and are passed on before it answers */
	unsigned times;		   /* 0: always */
	const char *head;	   /* "507 Insufficient Storage\r\nRetry-After: 3"; Content-Length is added */
	const char *body;
	/* The body goes on with as many NUL bytes; more than a client that wants to be done waits for. */
	uint64_t zeros;
};

struct http_seen {
	char method[16], path[600];
	char headers[2000];
	size_t body_bytes;
};

/* An answer for what no rule answers, as in a rule. Called on threads of the server, one at a time. */
typedef struct http_rule http_fallback_fn(void *ctx, const struct http_seen *r);

struct http_script;
struct http_script *http_script_start(const struct http_rule *rules, size_t count,
				      http_fallback_fn *fallback, void *ctx);
unsigned http_script_port(const struct http_script *s);
/* Other rules from now on, counted anew. */
void http_script_rules(struct http_script *s, const struct http_rule *rules, size_t count);
/* How many requests there were of this method (NULL: any) with this in their line or headers. */
unsigned http_script_count(struct http_script *s, const char *method, const char *part);
void http_script_stop(struct http_script *s);

#endif
