/*
 * Drives in OpenStack Swift (https://docs.openstack.org/api-ref/object-store/): a container, or what
 * begins with a prefix in one.
 */
#include "drivers/swift.h"

#include "base/hash.h"
#include "drivers/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTAINER_BYTES_MAX 256 /* as Swift has it */
#define PREFIX_BYTES_MAX 512	/* of the 1024 that a name may have */

/* ---- container, account ---- */

/*
 * Of either, what its headers say; those that are wanted and not there are "". A listing of one entry
 * tells them as HEAD does, whose answer Swift may end with the end of a body in chunks: that would be
 * taken for the answer to what is asked next.
 */
static int ask(struct swift_drive *w, const char *of, const char *what, struct http_header *wanted,
	       size_t wanted_count, struct error *err)
{
	static const char *const headers[] = { NULL };
	struct http_request r = { .method = "GET", .wanted = wanted, .wanted_count = wanted_count };
	struct http_answer a;
	char *url;
	int code;

	if (asprintf(&url, "%s?format=json&limit=1", of) < 0)
		return err_nomem(err);
	r.url = url;
	code = swift_session_do(w->session, &r, headers, &a, err);
	if (code != ERR_NONE)
		err_wrap(err, "look for the %s", what);
	else if (a.status / 100 != 2)
		code = swift_status_error(&a, "look for the", what, err);
	http_answer_release(&a);
	free(url);
	return code;
}

int swift_container_check(struct swift_drive *w, struct error *err)
{
	return ask(w, w->container, "container", NULL, 0, err);
}

static int make_container(struct swift_drive *w, struct error *err)
{
	static const char *const headers[] = { NULL };
	struct http_request r = { .method = "PUT", .url = w->container, .has_body = true };
	struct http_answer a;
	int code = swift_session_do(w->session, &r, headers, &a, err);

	if (code != ERR_NONE)
		err_wrap(err, "create the container");
	else if (a.status / 100 != 2)
		code = swift_status_error(&a, "create the", "container", err);
	http_answer_release(&a);
	return code;
}

/* ---- space ---- */

struct space {
	uint64_t total_bytes, free_bytes; /* 0 and 0: nothing bounds it */
	const char *of;			  /* the URL of what is bounded */
};

static void take_quota(struct space *s, const char *quota, const char *used, const char *of)
{
	uint64_t total_bytes, used_bytes, free_bytes;

	if (!swift_number(quota, &total_bytes) || !swift_number(used, &used_bytes))
		return;
	free_bytes = used_bytes < total_bytes ? total_bytes - used_bytes : 0;
	if (s->of && s->free_bytes <= free_bytes)
		return;
	*s = (struct space){ total_bytes, free_bytes, of };
}

static int ask_space(struct swift_drive *w, struct space *s, struct error *err)
{
	struct http_header c[] = { { .name = "X-Container-Meta-Quota-Bytes" },
				   { .name = "X-Container-Bytes-Used" } };
	struct http_header a[] = { { .name = "X-Account-Meta-Quota-Bytes" },
				   { .name = "X-Account-Quota-Bytes" },
				   { .name = "X-Account-Bytes-Used" } };
	const char *account = swift_session_storage(w->session);
	int code = ask(w, w->container, "container", c, 2, err);

	*s = (struct space){ 0 };
	if (code != ERR_NONE)
		return code;
	take_quota(s, c[0].value, c[1].value, w->container);
	code = ask(w, account, "account", a, 3, err);
	/* Who may use one container need not be told of the account. */
	if (code == ERR_DENIED || code == ERR_NOT_FOUND)
		return ERR_NONE;
	if (code != ERR_NONE)
		return code;
	take_quota(s, a[0].value, a[2].value, account);
	take_quota(s, a[1].value, a[2].value, account);
	return ERR_NONE;
}

static uint64_t number_of(const char *text)
{
	struct hash h = sha256(text, strlen(text));
	uint64_t number;

	memcpy(&number, h.b, sizeof(number));
	return number;
}

static int swift_about(struct drive *d, struct drive_about *out, struct error *err)
{
	struct swift_drive *w = (struct swift_drive *)d;
	const char *account = strstr(swift_session_storage(w->session), "://") + 3;
	struct space s;
	int code = ask_space(w, &s, err);

	*out = (struct drive_about){ 0 };
	if (code != ERR_NONE)
		return code;
	snprintf(out->domain, sizeof(out->domain), "account %s", account);
	out->total_bytes = s.total_bytes;
	out->free_bytes = s.free_bytes;
	out->space = s.of ? number_of(s.of) : 0;
	return ERR_NONE;
}

/* ---- open ---- */

static bool is_plain_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int container_name_check(const char *name, struct error *err)
{
	if (!name || !name[0])
		return err_set(err, ERR_USAGE, "the URL names no container: end it in ?container=NAME");
	if (strlen(name) > CONTAINER_BYTES_MAX || strchr(name, '/') || !is_plain_text(name))
		return err_set(err, ERR_USAGE, "no container has such a name: at most %d bytes, no '/'",
			       CONTAINER_BYTES_MAX);
	return ERR_NONE;
}

/* Without slashes at its ends, and none that follows another. */
static int prefix_check(const char *prefix, struct error *err)
{
	size_t len = strlen(prefix);

	if (len > PREFIX_BYTES_MAX || prefix[0] == '/' || (len > 0 && prefix[len - 1] == '/') ||
	    strstr(prefix, "//") || !is_plain_text(prefix))
		return err_set(err, ERR_USAGE, "prefix=: at most %d bytes, slashes only in between",
			       PREFIX_BYTES_MAX);
	return ERR_NONE;
}

static int query_check(const struct url *u, struct error *err)
{
	const char *at = u->query;

	while (at && *at) {
		size_t len = strcspn(at, "&"), key_len = strcspn(at, "=&");

		if (!(key_len == 9 && memcmp(at, "container", 9) == 0) &&
		    !(key_len == 6 && memcmp(at, "prefix", 6) == 0))
			return err_set(err, ERR_USAGE, "a URL of Swift takes ?container= and &prefix=, "
						       "not %.*s", (int)(key_len < 32 ? key_len : 32), at);
		at += len + (at[len] == '&');
	}
	return ERR_NONE;
}

/* Where the objects are: below which container, beginning with what. */
static int find_names(struct swift_drive *w, const char *container, const char *prefix,
		      struct error *err)
{
	const char *storage = swift_session_storage(w->session);
	struct buf b = { 0 };

	buf_add(&b, storage, strlen(storage));
	buf_add_u8(&b, '/');
	url_encode(&b, container, false);
	buf_add_u8(&b, 0);
	if (b.failed) {
		buf_release(&b);
		return err_nomem(err);
	}
	w->container = (char *)b.data;
	if (asprintf(&w->top, "%s%s.mrmr/", prefix, prefix[0] ? "/" : "") < 0) {
		w->top = NULL;
		return err_nomem(err);
	}
	return ERR_NONE;
}

static int log_in(struct swift_drive *w, const struct url *u, const struct drive_options *options,
		  struct error *err)
{
	char *container = NULL, *prefix = NULL;
	int code = query_check(u, err);

	if (code == ERR_NONE && u->user)
		code = err_set(err, ERR_USAGE, "the user is given as -o user=NAME, not in the URL");
	if (code == ERR_NONE)
		code = url_query(u, "container", &container, err);
	if (code == ERR_NONE)
		code = container_name_check(container, err);
	if (code == ERR_NONE)
		code = url_query(u, "prefix", &prefix, err);
	if (code == ERR_NONE && prefix)
		code = prefix_check(prefix, err);
	if (code == ERR_NONE)
		code = swift_session_open(u, options, &w->session, err);
	if (code == ERR_NONE)
		code = find_names(w, container, prefix ? prefix : "", err);
	free(container);
	free(prefix);
	return code;
}

static int learn(struct swift_drive *w, const struct drive_options *options, struct error *err)
{
	int code = swift_probe(w, options->temp_tag, &w->conditional_put, err);

	if (code != ERR_NONE)
		return err_wrap(err, "try whether a put looks if the name is taken");
	options->learned(options->learned_ctx, "conditional-put", w->conditional_put ? "yes" : "no");
	return ERR_NONE;
}

static int look_around(struct swift_drive *w, const struct drive_options *options, struct error *err)
{
	int code = swift_container_check(w, err);

	if (code == ERR_NOT_FOUND && options->make_root)
		code = make_container(w, err);
	if (code != ERR_NONE)
		return code;
	if (options->learned)
		return learn(w, options, err);
	return drive_option_flag(options->given, "conditional-put", false, &w->conditional_put, err);
}

static void swift_close(struct drive *d)
{
	struct swift_drive *w = (struct swift_drive *)d;

	swift_session_close(w->session);
	free(w->container);
	free(w->top);
	free(w);
}

static int swift_open(const char *url, const struct drive_options *options, struct drive **out,
		      struct error *err)
{
	struct swift_drive *w;
	struct url u;
	int code = temp_tag_check(options->temp_tag, err);

	*out = NULL;
	if (code == ERR_NONE)
		code = url_parse(url, &u, err);
	if (code != ERR_NONE)
		return code;
	w = calloc(1, sizeof(*w));
	if (!w) {
		url_release(&u);
		return err_nomem(err);
	}
	w->base.driver = &driver_swift;
	code = log_in(w, &u, options, err);
	url_release(&u);
	if (code == ERR_NONE)
		code = look_around(w, options, err);
	if (code == ERR_NONE)
		*out = &w->base;
	else
		swift_close(&w->base);
	return code;
}

static const char *const options_taken[] = {
	"user",	  "key",       "ca",		"project",	   "user_domain", "project_domain",
	"region", "interface", "application_credential", "conditional-put", NULL,
};

const struct mrmr_driver driver_swift = {
	.kind = "swift",
	.flags = DRIVER_KNOWS_SPACE | DRIVER_REMOTE | DRIVER_RACES,
	.connections_max = SWIFT_CONNECTIONS_MAX,
	.options = options_taken,
	.open = swift_open,
	.close = swift_close,
	.put = swift_put,
	.get = swift_get,
	.stat = swift_stat,
	.list = swift_list,
	.move = swift_move,
	.remove = swift_remove,
	.sync = swift_sync,
	.about = swift_about,
};
