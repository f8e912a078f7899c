#include "net/curl_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>

#include <curl/curl.h>

#define LIBRARY "libcurl.so.4"

static struct {
	__typeof__(&curl_easy_cleanup) easy_cleanup;
	__typeof__(&curl_easy_getinfo) easy_getinfo;
	__typeof__(&curl_easy_init) easy_init;
	__typeof__(&curl_easy_pause) easy_pause;
	__typeof__(&curl_easy_reset) easy_reset;
	__typeof__(&curl_easy_setopt) easy_setopt;
	__typeof__(&curl_easy_strerror) easy_strerror;
	__typeof__(&curl_easy_unescape) easy_unescape;
	__typeof__(&curl_free) free;
	__typeof__(&curl_getdate) getdate;
	__typeof__(&curl_global_init) global_init;
	__typeof__(&curl_multi_add_handle) multi_add_handle;
	__typeof__(&curl_multi_cleanup) multi_cleanup;
	__typeof__(&curl_multi_info_read) multi_info_read;
	__typeof__(&curl_multi_init) multi_init;
	__typeof__(&curl_multi_perform) multi_perform;
	__typeof__(&curl_multi_poll) multi_poll;
	__typeof__(&curl_multi_remove_handle) multi_remove_handle;
	__typeof__(&curl_multi_setopt) multi_setopt;
	__typeof__(&curl_multi_strerror) multi_strerror;
	__typeof__(&curl_multi_wakeup) multi_wakeup;
	__typeof__(&curl_share_cleanup) share_cleanup;
	__typeof__(&curl_share_init) share_init;
	__typeof__(&curl_share_setopt) share_setopt;
	__typeof__(&curl_slist_append) slist_append;
	__typeof__(&curl_slist_free_all) slist_free_all;
	__typeof__(&curl_url) url;
	__typeof__(&curl_url_cleanup) url_cleanup;
	__typeof__(&curl_url_get) url_get;
	__typeof__(&curl_url_set) url_set;
	__typeof__(&curl_url_strerror) url_strerror;
} library;

#define SYMBOL(name)                                                                               \
	{                                                                                          \
		"curl_" #name, (void **)&library.name                                              \
	}

static const struct {
	const char *name;
	void **at;
} symbols[] = {
	SYMBOL(easy_cleanup),  SYMBOL(easy_getinfo),	SYMBOL(easy_init),
	SYMBOL(easy_pause),    SYMBOL(easy_reset),	SYMBOL(easy_setopt),
	SYMBOL(easy_strerror), SYMBOL(easy_unescape),	SYMBOL(free),
	SYMBOL(getdate),       SYMBOL(global_init),	SYMBOL(multi_add_handle),
	SYMBOL(multi_cleanup), SYMBOL(multi_info_read), SYMBOL(multi_init),
	SYMBOL(multi_perform), SYMBOL(multi_poll),	SYMBOL(multi_remove_handle),
	SYMBOL(multi_setopt),  SYMBOL(multi_strerror),	SYMBOL(multi_wakeup),
	SYMBOL(share_cleanup), SYMBOL(share_init),	SYMBOL(share_setopt),
	SYMBOL(slist_append),  SYMBOL(slist_free_all),	SYMBOL(url),
	SYMBOL(url_cleanup),   SYMBOL(url_get),		SYMBOL(url_set),
	SYMBOL(url_strerror),
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct error failure;

static void load(void)
{
	/* RTLD_LOCAL: its names are not to meet others. It is never unloaded. */
	void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	failure.code = ERR_NONE;
	if (!handle)
		err_set(&failure, ERR_UNSUPPORTED, "load %s: %s", LIBRARY, dlerror());
	for (size_t i = 0; handle && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		*symbols[i].at = dlsym(handle, symbols[i].name);
		if (!*symbols[i].at)
			err_set(&failure, ERR_UNSUPPORTED, "%s has no %s: it is too old", LIBRARY,
				symbols[i].name);
	}
}

int curl_load(struct error *err)
{
	pthread_once(&once, load);
	if (failure.code != ERR_NONE)
		*err = failure;
	return (int)failure.code;
}

static __typeof__(&library) real(void)
{
	pthread_once(&once, load);
	return &library;
}

/* Hidden: libcurl must call its own functions, never these. */
#pragma GCC visibility push(hidden)

void curl_easy_cleanup(CURL *easy)
{
	real()->easy_cleanup(easy);
}

CURL *curl_easy_init(void)
{
	return real()->easy_init();
}

CURLcode curl_easy_pause(CURL *easy, int what)
{
	return real()->easy_pause(easy, what);
}

void curl_easy_reset(CURL *easy)
{
	real()->easy_reset(easy);
}

const char *curl_easy_strerror(CURLcode code)
{
	return real()->easy_strerror(code);
}

char *curl_easy_unescape(CURL *easy, const char *text, int len, int *out_len)
{
	return real()->easy_unescape(easy, text, len, out_len);
}

void curl_free(void *lent)
{
	real()->free(lent);
}

time_t curl_getdate(const char *text, const time_t *unused)
{
	return real()->getdate(text, unused);
}

CURLcode curl_global_init(long flags)
{
	return real()->global_init(flags);
}

CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
	return real()->multi_add_handle(multi, easy);
}

CURLMcode curl_multi_cleanup(CURLM *multi)
{
	return real()->multi_cleanup(multi);
}

CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
	return real()->multi_info_read(multi, left);
}

CURLM *curl_multi_init(void)
{
	return real()->multi_init();
}

CURLMcode curl_multi_perform(CURLM *multi, int *running)
{
	return real()->multi_perform(multi, running);
}

CURLMcode curl_multi_poll(CURLM *multi, struct curl_waitfd *more, unsigned count, int wait_ms,
			  int *ready)
{
	return real()->multi_poll(multi, more, count, wait_ms, ready);
}

CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
	return real()->multi_remove_handle(multi, easy);
}

const char *curl_multi_strerror(CURLMcode code)
{
	return real()->multi_strerror(code);
}

CURLMcode curl_multi_wakeup(CURLM *multi)
{
	return real()->multi_wakeup(multi);
}

CURLSHcode curl_share_cleanup(CURLSH *share)
{
	return real()->share_cleanup(share);
}

CURLSH *curl_share_init(void)
{
	return real()->share_init();
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
	return real()->slist_append(list, text);
}

void curl_slist_free_all(struct curl_slist *list)
{
	real()->slist_free_all(list);
}

CURLU *curl_url(void)
{
	return real()->url();
}

void curl_url_cleanup(CURLU *url)
{
	real()->url_cleanup(url);
}

/* curl 8 made the first const: either header is satisfied. */
CURLUcode url_get(CURLU *url, CURLUPart what, char **part, unsigned flags) __asm__("curl_url_get");
CURLUcode url_get(CURLU *url, CURLUPart what, char **part, unsigned flags)
{
	return real()->url_get(url, what, part, flags);
}

CURLUcode curl_url_set(CURLU *url, CURLUPart what, const char *part, unsigned flags)
{
	return real()->url_set(url, what, part, flags);
}

const char *curl_url_strerror(CURLUcode code)
{
	return real()->url_strerror(code);
}

/* ---- those that take any type: in parentheses, as they are macros too ---- */

/* The number of an option tells the type of its value. */
CURLcode(curl_easy_setopt)(CURL *easy, CURLoption option, ...)
{
	curl_off_t size;
	CURLcode code;
	va_list args;
	long number;

	va_start(args, option);
	if ((int)option < CURLOPTTYPE_OBJECTPOINT) {
		number = va_arg(args, long);
		code = real()->easy_setopt(easy, option, number);
	} else if ((int)option >= CURLOPTTYPE_OFF_T && (int)option < CURLOPTTYPE_BLOB) {
		size = va_arg(args, curl_off_t);
		code = real()->easy_setopt(easy, option, size);
	} else { /* functions are as large, which dlsym() relies on too */
		code = real()->easy_setopt(easy, option, va_arg(args, void *));
	}
	va_end(args);
	return code;
}

CURLcode(curl_easy_getinfo)(CURL *easy, CURLINFO info, ...)
{
	CURLcode code;
	va_list args;

	va_start(args, info);
	code = real()->easy_getinfo(easy, info, va_arg(args, void *));
	va_end(args);
	return code;
}

/* Only numbers are set of these two. */
CURLMcode(curl_multi_setopt)(CURLM *multi, CURLMoption option, ...)
{
	CURLMcode code;
	va_list args;

	va_start(args, option);
	code = real()->multi_setopt(multi, option, va_arg(args, long));
	va_end(args);
	return code;
}

CURLSHcode(curl_share_setopt)(CURLSH *share, CURLSHoption option, ...)
{
	CURLSHcode code;
	va_list args;

	va_start(args, option);
	code = real()->share_setopt(share, option, va_arg(args, int));
	va_end(args);
	return code;
}

#pragma GCC visibility pop
