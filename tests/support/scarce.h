/*
 * Memory that runs out: the one program that includes this gets a malloc of its own, of which any
 * one call can be made to fail. Under a sanitizer, which has its own too, tests are to be skipped:
 * SANITIZED. After cmocka.h.
 */
#ifndef MRMR_TESTS_SCARCE_H
#define MRMR_TESTS_SCARCE_H

#include "base/error.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static bool counting;	   /* allocations count, and one of them fails */
static long until_failure; /* how many succeed before it */
static bool failed;	   /* it was reached */
static long live;	   /* blocks not freed, of those counted */

#if !SANITIZED
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void __libc_free(void *p);

/* libcrypto's own failures abort (base/hash.c says why), those of SQLite are tried by
 * test_table_faults.c: they are not what is tested. */
static bool of_library(void *caller)
{
	static struct known {
		void *caller;
		bool of_library;
	} known[4096]; /* dladdr() walks through all symbols of the library */
	struct known *k = &known[(uintptr_t)caller % 4096];
	Dl_info info;

	if (k->caller != caller) {
		k->caller = caller;
		k->of_library = dladdr(caller, &info) && info.dli_fname &&
				(strstr(info.dli_fname, "libcrypto") ||
				 strstr(info.dli_fname, "libsqlite3"));
	}
	return k->of_library;
}

static bool refused(void *caller)
{
	if (!counting || of_library(caller) || until_failure-- != 0)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t bytes)
{
	if (refused(__builtin_return_address(0)))
		return NULL;
	live += counting;
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	if (refused(__builtin_return_address(0)))
		return NULL;
	live += counting;
	return __libc_calloc(count, bytes);
}

void *realloc(void *p, size_t bytes)
{
	if (refused(__builtin_return_address(0)))
		return NULL;
	live += counting && !p;
	return __libc_realloc(p, bytes);
}

void free(void *p)
{
	live -= counting && p;
	__libc_free(p);
}
#endif

/* Calls what() with every allocation of it failing once. It leaks nothing, cleans up after itself,
 * and gives ERR_NOMEM or ERR_NONE. */
static void fail_everywhere(int (*what)(void *ctx), void *ctx, long allocations_at_least)
{
	long refusals = 0;

	assert_int_equal(what(ctx), ERR_NONE); /* libraries set themselves up */
	failed = true;
	for (long n = 0; failed; n++) {
		int code;

		failed = false;
		live = 0;
		until_failure = n;
		counting = true;
		code = what(ctx);
		counting = false;
		/* Sweeping leftovers is only tried, and asprintf() has a second way: without that
		 * memory all is well. */
		if (!failed || code != ERR_NOMEM)
			assert_int_equal(code, ERR_NONE);
		refusals += code == ERR_NOMEM;
		assert_int_equal(live, 0);
	}
	assert_true(refusals >= allocations_at_least);
}

#endif
