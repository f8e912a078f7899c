/*
 * Preloaded into a server (LD_PRELOAD): its disk is full once it has written FULL_BYTES.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static atomic_llong left_bytes;

__attribute__((constructor)) static void start(void)
{
	const char *bytes = getenv("FULL_BYTES");

	left_bytes = bytes ? strtoll(bytes, NULL, 10) : 0;
}

/* What is no regular file is the connection. */
ssize_t write(int fd, const void *bytes, size_t len_bytes)
{
	static ssize_t (*real)(int, const void *, size_t);
	struct stat st;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "write");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    atomic_fetch_sub(&left_bytes, (long long)len_bytes) < (long long)len_bytes) {
		errno = ENOSPC;
		return -1;
	}
	return real(fd, bytes, len_bytes);
}

int statvfs(const char *path, struct statvfs *out)
{
	static int (*real)(const char *, struct statvfs *);
	int rc;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "statvfs");
	rc = real(path, out);
	if (rc == 0 && atomic_load(&left_bytes) <= 0)
		out->f_bavail = 0;
	return rc;
}
