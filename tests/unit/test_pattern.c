/* Patterns: the rules of gitignore(5), and their speed. */
#include "archive/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One rule against one path; a path that ends with a slash is a folder. */
static bool fits_below(const char *base, const char *rule, const char *path, bool ignore_case)
{
	struct patterns *p = patterns_new();
	size_t path_bytes = strlen(path);
	bool is_folder = path[path_bytes - 1] == '/', fits;
	struct error err;

	assert_int_equal(patterns_add(p, base, rule, ignore_case, &err), ERR_NONE);
	fits = patterns_match(p, path, path_bytes - is_folder, is_folder) == PATTERN_MATCH;
	patterns_free(p);
	return fits;
}

static bool fits(const char *rule, const char *path)
{
	return fits_below("/", rule, path, false);
}

static void a_name_fits_at_any_depth_and_whole(void **state)
{
	(void)state;
	assert_true(fits("core", "/core"));
	assert_true(fits("core", "/a/b/core"));
	assert_true(fits("core", "core"));
	assert_true(fits("core", "/a/core/"));
	assert_false(fits("core", "/a/cores"));
	assert_false(fits("core", "/a/score"));
	assert_false(fits("core", "/core/a"));
	assert_false(fits("core", "/"));
}

static void stars_and_question_marks_stay_within_a_component(void **state)
{
	(void)state;
	assert_true(fits("*.o", "/a/b.o"));
	assert_true(fits("*.o", "/a/.o"));
	assert_false(fits("*.o", "/a.o/b"));
	assert_true(fits("*", "/anything"));
	assert_true(fits("a*z", "/az"));
	assert_true(fits("a*z", "/a-z-z"));
	assert_false(fits("a*z", "/a-z-"));
	assert_true(fits("a*b*c", "/aXbXbXc"));
	assert_false(fits("a*b*c", "/acb"));
	assert_true(fits("?", "/x"));
	assert_false(fits("?", "/xy"));
	assert_false(fits("a?b", "/a/b"));
	assert_true(fits("/a/*/c", "/a/b/c"));
	assert_false(fits("/a/*/c", "/a/b/b/c"));
	assert_false(fits("/a/*", "/a/b/c"));
	assert_true(fits("x**y", "/xay"));
	assert_false(fits("/x**y", "/x/y"));
	assert_true(fits("log.*.gz", "/log.1.gz"));
}

static void a_slash_anchors_at_the_base(void **state)
{
	(void)state;
	assert_true(fits("/tmp", "/tmp"));
	assert_false(fits("/tmp", "/a/tmp"));
	assert_true(fits("a/b", "/a/b"));
	assert_false(fits("a/b", "/x/a/b"));
	assert_true(fits_below("/home/me", "/tmp", "/home/me/tmp", false));
	assert_false(fits_below("/home/me", "/tmp", "/tmp", false));
	assert_true(fits_below("/home/me/", "tmp", "/home/me/x/tmp", false));
	assert_false(fits_below("/home/me", "tmp", "/home/you/tmp", false));
	assert_false(fits_below("/home/me", "*", "/home/me", false));
	assert_false(fits_below("/home/me", "*", "/home/meme", false));
	assert_true(fits_below("", "/a", "/a", false));
	assert_true(fits_below("//", "/a", "/a", false));
	assert_true(fits_below(NULL, "/a", "/a", false));
}

static void two_stars_cross_folders(void **state)
{
	(void)state;
	assert_true(fits("**/b", "/b"));
	assert_true(fits("**/b", "/a/a/b"));
	assert_true(fits("a/**", "/a/b"));
	assert_true(fits("a/**", "/a/b/c"));
	assert_false(fits("a/**", "/a"));
	assert_true(fits("a/**/b", "/a/b"));
	assert_true(fits("a/**/b", "/a/x/b"));
	assert_true(fits("a/**/b", "/a/x/y/b"));
	assert_false(fits("a/**/b", "/a/xb"));
	assert_false(fits("a/**/b", "/b"));
	assert_true(fits("**/a/**/b*/c", "/x/a/b/a/y/bb/c"));
	assert_false(fits("**/a/**/b*/c", "/x/a/b/y/bb/d"));
	assert_true(fits("**/**/c", "/c"));
	assert_true(fits("**", "/c"));
	assert_true(fits("/a/**/*.[ch]", "/a/b/c/d.h"));
}

static void brackets_are_sets_of_bytes(void **state)
{
	(void)state;
	assert_true(fits("[abc]", "/b"));
	assert_false(fits("[abc]", "/d"));
	assert_true(fits("[a-cx-z]", "/y"));
	assert_false(fits("[!a-c]", "/b"));
	assert_true(fits("[^a-c]", "/d"));
	assert_true(fits("[]]", "/]"));
	assert_true(fits("[!]]", "/x"));
	assert_true(fits("[a-]", "/-"));
	assert_true(fits("[\\]]", "/]"));
	assert_true(fits("[\\a-c]", "/b"));
	assert_false(fits("a[/]b", "/a/b"));
	assert_false(fits("a[!x]b", "/a/b"));
	assert_true(fits("[[:digit:]]*", "/7th"));
	assert_false(fits("[[:digit:]]*", "/seventh"));
	assert_true(fits("[![:space:]x]", "/y"));
	assert_true(fits("[[:nothing]", "/n"));
	assert_true(fits("[\xc0-\xff]", "/\xe4"));
}

static void a_backslash_takes_the_meaning_away(void **state)
{
	(void)state;
	assert_true(fits("\\*", "/*"));
	assert_false(fits("\\*", "/x"));
	assert_true(fits("a\\?*", "/a?b"));
	assert_false(fits("a\\?*", "/abb"));
	assert_true(fits("\\!x", "/!x"));
	assert_true(fits("\\a", "/a"));
	assert_true(fits("*\\*", "/x*"));
	assert_false(fits("*\\*", "/x"));
}

static void a_slash_at_the_end_means_folders_only(void **state)
{
	(void)state;
	assert_true(fits("build/", "/a/build/"));
	assert_false(fits("build/", "/a/build"));
	assert_true(fits("/build/", "/build/"));
	assert_false(fits("/build/", "/a/build/"));
	assert_true(fits("*/", "/x/"));
}

static void case_is_ignored_when_asked_for(void **state)
{
	(void)state;
	assert_true(fits_below("/", "*.JPG", "/a.jpg", true));
	assert_true(fits_below("/", "a?[x-z]*", "/ABYC", true));
	assert_true(fits_below("/", "[X-Z]", "/y", true));
	assert_true(fits_below("/", "[[:upper:]]", "/y", true));
	assert_true(fits_below("/", "/Tmp/*", "/tMP/x", true));
	assert_true(fits_below("/", "Core", "/cORE", true));
	assert_false(fits_below("/", "*.JPG", "/a.jpg", false));
	assert_false(fits_below("/", "[x-z]", "/A", true));
	assert_false(fits_below("/", "\xc4", "/\xe4", true));
}

static void the_last_rule_that_fits_decides(void **state)
{
	struct patterns *p = patterns_new();
	struct error err;

	(void)state;
	assert_true(patterns_empty(NULL));
	assert_true(patterns_empty(p));
	assert_int_equal(patterns_match(p, "/a", 2, false), PATTERN_NO_RULE);
	assert_int_equal(patterns_add(p, "/", "*.o", false, &err), ERR_NONE);
	assert_int_equal(patterns_add(p, "/", "!keep.*", false, &err), ERR_NONE);
	assert_int_equal(patterns_add(p, "/", "/x/keep.o", false, &err), ERR_NONE);
	assert_false(patterns_empty(p));
	assert_int_equal(patterns_match(p, "/a.o", 4, false), PATTERN_MATCH);
	assert_int_equal(patterns_match(p, "/keep.o", 7, false), PATTERN_RETURNED);
	assert_int_equal(patterns_match(p, "/x/keep.o", 9, false), PATTERN_MATCH);
	assert_int_equal(patterns_match(p, "/a.c", 4, false), PATTERN_NO_RULE);
	assert_int_equal(patterns_match(p, "/", 1, true), PATTERN_NO_RULE);
	assert_int_equal(patterns_match(p, "", 0, true), PATTERN_NO_RULE);
	patterns_free(p);
	patterns_free(NULL);
}

static void what_lies_below_a_matched_folder_is_covered(void **state)
{
	struct patterns *p = patterns_new();
	struct error err;

	(void)state;
	assert_int_equal(patterns_add(p, "/", "build/", false, &err), ERR_NONE);
	assert_int_equal(patterns_add(p, "/", "!build/keep", false, &err), ERR_NONE);
	assert_true(patterns_covers(p, "/build/x/y", 10, false));
	assert_true(patterns_covers(p, "/a/build", 8, true));
	assert_false(patterns_covers(p, "/a/build", 8, false));
	assert_true(patterns_covers(p, "/build/keep", 11, false));
	assert_false(patterns_covers(p, "/a/b", 4, false));
	assert_true(patterns_covers(p, "a/build/x", 9, false));
	assert_false(patterns_covers(p, "", 0, true));
	patterns_free(p);
}

static void lines_of_a_file_are_rules_comments_or_blank(void **state)
{
	static const char text[] = "# a comment\n\n*.o  \nspace\\ \n\\#hash\nwindows\r\n   \n!a.o";
	struct patterns *p = patterns_new();
	struct error err;

	(void)state;
	assert_int_equal(patterns_add_lines(p, "/", text, strlen(text), false, &err), ERR_NONE);
	assert_int_equal(patterns_match(p, "/b.o", 4, false), PATTERN_MATCH);
	assert_int_equal(patterns_match(p, "/a.o", 4, false), PATTERN_RETURNED);
	assert_int_equal(patterns_match(p, "/space ", 7, false), PATTERN_MATCH);
	assert_int_equal(patterns_match(p, "/#hash", 6, false), PATTERN_MATCH);
	assert_int_equal(patterns_match(p, "/windows", 8, false), PATTERN_MATCH);
	assert_int_equal(patterns_match(p, "/# a comment", 12, false), PATTERN_NO_RULE);
	assert_int_equal(patterns_match(p, "/   ", 4, false), PATTERN_NO_RULE);
	assert_int_equal(patterns_add_lines(p, "/", "a\nb[\n", 5, false, &err), ERR_USAGE);
	assert_non_null(strstr(err.message, "line 2: "));
	patterns_free(p);
}

static void a_rule_that_can_never_fit_is_refused(void **state)
{
	static const char *const rules[] = {"",	   "!",	  "/",	 "!/",	       "[",    "a[b",
					    "a[]", "[!]", "x\\", "[[:digit:]", "[a\\", "//"};
	struct patterns *p = patterns_new();
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		assert_int_equal(patterns_add(p, "/", rules[i], false, &err), ERR_USAGE);
	assert_true(patterns_empty(p));
	patterns_free(p);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_million_paths_meet_twenty_rules_in_about_a_second(void **state)
{
	static const char *const rules[] = {
		"*.o",	       "*.tmp",	     "*~",	  ".git/",    "node_modules/",
		"/proc",       "/sys",	     "/dev",	  "/tmp/*",   "*.py[co]",
		"core.[0-9]*", "Thumbs.db",  ".DS_Store", "**/cache", "/var/**/lock",
		"build*/",     "!build.txt", "*.bak",	  "#*#",      "/home/*/.cache/",
	};
	struct patterns *p = patterns_new();
	struct error err;
	unsigned found = 0;
	double start;

	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		assert_int_equal(patterns_add(p, "/", rules[i], false, &err), ERR_NONE);
	start = seconds();
	for (unsigned i = 0; i < 1000000; i++) {
		char path[96];
		int len = snprintf(path, sizeof(path), "/usr/share/doc/package-%u/file%u.%s",
				   i / 20, i, i % 10 ? "gz" : "tmp");

		found += patterns_match(p, path, (size_t)len, false) == PATTERN_MATCH;
	}
	print_message("10^6 paths, 20 rules: %.2f s\n", seconds() - start);
	assert_int_equal(found, 100000);
	/* Far above what is measured: for the sanitizers' sake. */
	assert_true(seconds() - start < 20);
	patterns_free(p);
}

static void a_rule_made_to_be_slow_is_not(void **state)
{
	char rule[512], path[4097];
	struct patterns *p = patterns_new();
	struct error err;
	double start = seconds();

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		memcpy(rule + i * 8, "**/*a*a*", 8);
	rule[480] = '\0';
	for (unsigned i = 0; i < 4096; i++)
		path[i] = i % 16 ? 'a' : '/';
	path[4095] = 'b';
	path[4096] = '\0';
	assert_int_equal(patterns_add(p, "/", rule, false, &err), ERR_NONE);
	assert_int_equal(patterns_add(p, "/", "**/a*a*a*a*a*a*a*a*a*a*a*a*a*ac", false, &err),
			 ERR_NONE);
	assert_int_equal(patterns_match(p, path, 4096, false), PATTERN_MATCH);
	path[4095] = '/';
	assert_int_equal(patterns_match(p, path, 4096, false), PATTERN_NO_RULE);
	assert_true(seconds() - start < 5);
	patterns_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_fits_at_any_depth_and_whole),
		cmocka_unit_test(stars_and_question_marks_stay_within_a_component),
		cmocka_unit_test(a_slash_anchors_at_the_base),
		cmocka_unit_test(two_stars_cross_folders),
		cmocka_unit_test(brackets_are_sets_of_bytes),
		cmocka_unit_test(a_backslash_takes_the_meaning_away),
		cmocka_unit_test(a_slash_at_the_end_means_folders_only),
		cmocka_unit_test(case_is_ignored_when_asked_for),
		cmocka_unit_test(the_last_rule_that_fits_decides),
		cmocka_unit_test(what_lies_below_a_matched_folder_is_covered),
		cmocka_unit_test(lines_of_a_file_are_rules_comments_or_blank),
		cmocka_unit_test(a_rule_that_can_never_fit_is_refused),
		cmocka_unit_test(a_million_paths_meet_twenty_rules_in_about_a_second),
		cmocka_unit_test(a_rule_made_to_be_slow_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
