#include "tests/support/temp.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATHS 8

static char *make(const char *parent)
{
	char *path = NULL;

	if (asprintf(&path, "%s/mrmr-test-XXXXXX", parent) < 0 || !mkdtemp(path)) {
		perror("temporary folder");
		abort();
	}
	return path;
}

char *temp_folder(void)
{
	const char *parent = getenv("TMPDIR");

	return make(parent && parent[0] ? parent : "/tmp");
}

char *temp_folder_in_memory(void)
{
	return access("/dev/shm", W_OK) == 0 ? make("/dev/shm") : temp_folder();
}

static int open_up(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)where;
	return kind == FTW_D || kind == FTW_DNR ? chmod(path, 0700) : 0;
}

static int take_away(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void temp_folder_remove(char *path)
{
	nftw(path, open_up, 16, FTW_PHYS);
	if (nftw(path, take_away, 16, FTW_PHYS | FTW_DEPTH) != 0 && errno != ENOENT) {
		perror(path);
		abort();
	}
	free(path);
}

void temp_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		perror(path);
		abort();
	}
}

const char *temp_path(const char *folder, const char *name)
{
	static _Thread_local char paths[PATHS][PATH_MAX];
	static _Thread_local unsigned next;
	char *path = paths[next++ % PATHS];
	int len = snprintf(path, PATH_MAX, "%s/%s", folder, name);

	if (len < 0 || len >= PATH_MAX)
		abort();
	return path;
}
