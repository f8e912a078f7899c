#include "base/guarded.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int guarded_variable(const char *name, char **out, struct error *err)
{
	char *value = getenv(name);
	size_t size_bytes;

	*out = NULL;
	if (!value)
		return ERR_NONE;
	size_bytes = strlen(value) + 1;
	*out = sodium_malloc(size_bytes);
	if (!*out)
		return err_nomem(err);
	memcpy(*out, value, size_bytes);
	explicit_bzero(value, size_bytes);
	return ERR_NONE;
}

static int owner_check(int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, "look at it");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_DENIED, "it is not a regular file");
	if (st.st_uid != geteuid())
		return err_set(err, ERR_DENIED, "it belongs to user %u, not to %u", st.st_uid,
			       geteuid());
	if (st.st_mode & 0177)
		return err_set(err, ERR_DENIED, "its mode is %04o: refused until chmod 600",
			       st.st_mode & 07777);
	return ERR_NONE;
}

int private_open(const char *path, int *fd, struct error *err)
{
	int code;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return err_errno(err, "open it");
	code = owner_check(*fd, err);
	if (code == ERR_NONE)
		return ERR_NONE;
	close(*fd);
	*fd = -1;
	return code;
}

size_t first_line_bytes(const void *bytes, size_t len_bytes)
{
	const char *newline = len_bytes > 0 ? memchr(bytes, '\n', len_bytes) : NULL;

	return newline ? (size_t)(newline - (const char *)bytes) : len_bytes;
}
