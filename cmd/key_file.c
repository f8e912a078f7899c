#include "base/file.h"
#include "base/guarded.h"
#include "cmd/secret.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_FILE_BYTES_MAX 256

static int key_hold(struct held_secret *out, struct error *err)
{
	memset(out, 0, sizeof(*out));
	out->memory = sodium_malloc(KEY_BYTES);
	if (!out->memory)
		return err_nomem(err);
	out->secret = (struct secret){ SLOT_KEY_FILE, out->memory, KEY_BYTES };
	return ERR_NONE;
}

int secret_from_key_file(const char *path, struct held_secret *out, struct error *err)
{
	char *text = sodium_malloc(KEY_FILE_BYTES_MAX);
	int fd = -1, code = key_hold(out, err);
	ssize_t got;

	if (code == ERR_NONE && !text)
		code = err_nomem(err);
	if (code != ERR_NONE)
		goto out;
	code = private_open(path, &fd, err);
	if (code != ERR_NONE)
		goto out;
	got = read_full(fd, text, KEY_FILE_BYTES_MAX);
	if (got < 0)
		code = err_errno(err, "read it");
	else
		code = key_file_parse(text, (size_t)got, out->memory, err);
out:
	if (fd >= 0)
		close(fd);
	sodium_free(text);
	if (code != ERR_NONE) {
		held_secret_release(out);
		err_wrap(err, "key file %s", path);
	}
	if (code != ERR_NONE && code != ERR_NOMEM)
		err->code = ERR_KEY;
	return code == ERR_NONE ? ERR_NONE : (int)err->code;
}

/* The folder's entry is durable too before a slot relies on the file. */
static int key_file_write(int fd, const char *path, const struct buf *text, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int code;

	if (!write_all(fd, text->data, text->len_bytes) || fsync(fd) < 0)
		return err_errno(err, "write it");
	folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!folder)
		return err_nomem(err);
	code = folder_sync(folder, err);
	free(folder);
	return code;
}

int secret_make_key_file(const char *path, struct held_secret *out, struct error *err)
{
	struct buf text = { 0 };
	int fd = -1, code = key_hold(out, err);

	if (code != ERR_NONE)
		return code;
	randombytes_buf(out->memory, KEY_BYTES);
	if (!buf_reserve(&text, KEY_FILE_BYTES_MAX)) { /* so that no copy is left by growing */
		code = err_nomem(err);
		goto out;
	}
	key_file_text(out->memory, &text);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	code = fd < 0 ? err_errno(err, "create it") : key_file_write(fd, path, &text, err);
out:
	if (fd >= 0)
		close(fd);
	if (text.data)
		sodium_memzero(text.data, text.cap_bytes);
	buf_release(&text);
	if (code != ERR_NONE) {
		if (fd >= 0)
			unlink(path);
		held_secret_release(out);
		err_wrap(err, "key file %s", path);
	}
	return code;
}
