#include "tests/support/http_script.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define RULES_MAX 16
#define SEEN_MAX 40000

struct http_script {
	int listener;
	unsigned port;
	pthread_t thread, workers[CONNECTIONS_MAX];
	int fds[CONNECTIONS_MAX];
	unsigned connections;
	http_fallback_fn *fallback;
	void *ctx;

	pthread_mutex_t lock;
	struct http_rule rules[RULES_MAX];
	unsigned matched[RULES_MAX];
	size_t rule_count;
	struct http_seen *seen;
	unsigned seen_count;
};

struct worker {
	struct http_script *s;
	int fd;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool send_all(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* The lines up to the empty one, and not a byte of what follows. False: the connection is over. */
static bool read_head(int fd, char *head, size_t size)
{
	size_t used = 0;

	while (used + 1 < size) {
		ssize_t n = recv(fd, head + used, size - 1 - used, MSG_PEEK);
		const char *end;
		size_t take;

		if (n <= 0)
			return false;
		head[used + (size_t)n] = '\0';
		end = strstr(head, "\r\n\r\n");
		take = end ? (size_t)(end + 4 - head) - used : (size_t)n;
		if (recv(fd, head + used, take, 0) != (ssize_t)take)
			return false;
		used += take;
		head[used] = '\0';
		if (end)
			return true;
	}
	return false;
}

static size_t content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");

	return at ? strtoul(at + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

static bool read_request(int fd, struct http_seen *r)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char head[4096], waste[65536];
	size_t left;

	if (!read_head(fd, head, sizeof(head)) ||
	    sscanf(head, "%15s %599s", r->method, r->path) != 2)
		return false;
	snprintf(r->headers, sizeof(r->headers), "%.1999s", strstr(head, "\r\n"));
	left = r->body_bytes = content_length(head);
	if (strcasestr(head, "100-continue") && !send_all(fd, go_on, strlen(go_on)))
		return false;
	while (left > 0) {
		ssize_t n = recv(fd, waste, left < sizeof(waste) ? left : sizeof(waste), 0);

		if (n <= 0)
			return false;
		left -= (size_t)n;
	}
	return true;
}

static bool answer(int fd, const struct http_rule *rule, bool with_body)
{
	static const char zeros[65536];
	const char *body = rule->body ? rule->body : "";
	char head[4096];
	uint64_t left = with_body ? rule->zeros : 0;

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %llu\r\n\r\n", rule->head,
		 (unsigned long long)(strlen(body) + rule->zeros));
	if (!send_all(fd, head, strlen(head)) || (with_body && !send_all(fd, body, strlen(body))))
		return false;
	while (left > 0) {
		size_t piece = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		if (!send_all(fd, zeros, piece))
			return false;
		left -= piece;
	}
	return true;
}

static struct http_rule choose(struct http_script *s, const struct http_seen *r)
{
	for (size_t i = 0; i < s->rule_count; i++) {
		const struct http_rule *rule = &s->rules[i];

		if ((rule->method && strcmp(rule->method, r->method) != 0) ||
		    (rule->path && !strstr(r->path, rule->path)))
			continue;
		if (s->matched[i]++ < rule->skip)
			continue;
		if (rule->times == 0 || s->matched[i] <= rule->skip + rule->times)
			return *rule;
	}
	return s->fallback(s->ctx, r);
}

static void *serve(void *arg)
{
	struct worker *w = arg;
	struct http_seen r;
	struct http_rule rule;

	while (read_request(w->fd, &r)) {
		pthread_mutex_lock(&w->s->lock);
		if (w->s->seen_count < SEEN_MAX)
			w->s->seen[w->s->seen_count++] = r;
		rule = choose(w->s, &r);
		pthread_mutex_unlock(&w->s->lock);
		if (!answer(w->fd, &rule, strcmp(r.method, "HEAD") != 0))
			break;
	}
	shutdown(w->fd, SHUT_RDWR);
	free(w);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct http_script *s = arg;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		struct worker *w = malloc(sizeof(*w));

		must(w && s->connections < CONNECTIONS_MAX);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		*w = (struct worker){s, fd};
		s->fds[s->connections] = fd;
		must(pthread_create(&s->workers[s->connections++], NULL, serve, w) == 0);
	}
	return NULL;
}

struct http_script *http_script_start(const struct http_rule *rules, size_t count,
				      http_fallback_fn *fallback, void *ctx)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct http_script *s = calloc(1, sizeof(*s));
	socklen_t len = sizeof(at);

	must(s != NULL);
	s->seen = calloc(SEEN_MAX, sizeof(*s->seen));
	must(s->seen != NULL);
	s->fallback = fallback;
	s->ctx = ctx;
	pthread_mutex_init(&s->lock, NULL);
	http_script_rules(s, rules, count);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(s->listener >= 0 && bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	     listen(s->listener, 64) == 0 &&
	     getsockname(s->listener, (struct sockaddr *)&at, &len) == 0);
	s->port = ntohs(at.sin_port);
	must(pthread_create(&s->thread, NULL, accept_all, s) == 0);
	return s;
}

unsigned http_script_port(const struct http_script *s)
{
	return s->port;
}

void http_script_rules(struct http_script *s, const struct http_rule *rules, size_t count)
{
	must(count <= RULES_MAX);
	pthread_mutex_lock(&s->lock);
	if (count > 0)
		memcpy(s->rules, rules, count * sizeof(*rules));
	s->rule_count = count;
	memset(s->matched, 0, sizeof(s->matched));
	s->seen_count = 0;
	pthread_mutex_unlock(&s->lock);
}

unsigned http_script_count(struct http_script *s, const char *method, const char *part)
{
	unsigned count = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->seen_count; i++)
		count += (!method || strcmp(method, s->seen[i].method) == 0) &&
			 (strstr(s->seen[i].path, part) || strstr(s->seen[i].headers, part));
	pthread_mutex_unlock(&s->lock);
	return count;
}

void http_script_stop(struct http_script *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	for (unsigned i = 0; i < s->connections; i++)
		shutdown(s->fds[i], SHUT_RDWR);
	for (unsigned i = 0; i < s->connections; i++) {
		pthread_join(s->workers[i], NULL);
		close(s->fds[i]);
	}
	pthread_mutex_destroy(&s->lock);
	free(s->seen);
	free(s);
}
