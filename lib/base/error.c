#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum err_code err_from_errno(int errno_value)
{
	switch (errno_value) {
	case 0:
		return ERR_IO;
	case ENOENT:
	case ENOTDIR:
	case ENODATA:
		return ERR_NOT_FOUND;
	case EEXIST:
	case ENOTEMPTY:
		return ERR_EXISTS;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case EROFS:
		return ERR_READONLY;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	case EINTR:
	case EAGAIN:
	case ETIMEDOUT:
	case ECONNRESET:
	case ECONNABORTED:
	case ECONNREFUSED:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ESTALE:
		return ERR_TRANSIENT;
	case ENOTSUP:
	case ENOSYS:
		return ERR_UNSUPPORTED;
	default:
		return ERR_IO;
	}
}

int err_set(struct error *err, enum err_code code, const char *fmt, ...)
{
	va_list args;

	err->code = code;
	err->retry_after_s = 0;
	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	return (int)code;
}

int err_errno(struct error *err, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list args;

	err->code = err_from_errno(saved);
	err->retry_after_s = 0;
	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s", strerror(saved));
	errno = saved;
	return (int)err->code;
}

int err_wrap(struct error *err, const char *fmt, ...)
{
	char inner[ERR_MESSAGE_BYTES];
	size_t used;
	va_list args;

	memcpy(inner, err->message, sizeof(inner));
	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s", inner);
	return (int)err->code;
}

int err_nomem(struct error *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}
