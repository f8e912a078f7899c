#include "drivers/sftp_known.h"

#include "base/file.h"
#include "base/hash.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES_MAX 8192
#define HASHED_BYTES 20 /* SHA-1 */

/* A piece of a line. */
struct word {
	const char *at;
	size_t len;
};

struct known_line {
	struct word marker; /* empty: none */
	struct word hosts, type, key;
};

static bool word_is(struct word w, const char *text)
{
	return w.len == strlen(text) && memcmp(w.at, text, w.len) == 0;
}

static struct word next_word(struct word *line)
{
	struct word w;

	while (line->len > 0 && (*line->at == ' ' || *line->at == '\t'))
		line->at++, line->len--;
	w.at = line->at;
	for (w.len = 0; w.len < line->len && w.at[w.len] != ' ' && w.at[w.len] != '\t';)
		w.len++;
	line->at += w.len;
	line->len -= w.len;
	return w;
}

/* Where *at stands in text there begins a line. False: there is none any more. */
static bool next_line(const struct buf *text, size_t *at, struct known_line *out)
{
	while (*at < text->len_bytes) {
		struct word line = { (const char *)text->data + *at, 0 };
		const char *end = memchr(line.at, '\n', text->len_bytes - *at);

		line.len = end ? (size_t)(end - line.at) : text->len_bytes - *at;
		*at += line.len + (end ? 1 : 0);
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		*out = (struct known_line){ .hosts = next_word(&line) };
		if (out->hosts.len == 0 || out->hosts.at[0] == '#')
			continue;
		if (out->hosts.at[0] == '@') {
			out->marker = out->hosts;
			out->hosts = next_word(&line);
		}
		out->type = next_word(&line);
		out->key = next_word(&line);
		if (out->key.len > 0)
			return true;
	}
	return false;
}

/* '*' stands for any bytes, '?' for one. name is lower case. */
static bool fits(struct word pattern, const char *name)
{
	const char *star_name = NULL;
	size_t i = 0, star = 0;

	while (*name) {
		if (i < pattern.len && pattern.at[i] == '*') {
			star = ++i;
			star_name = name;
		} else if (i < pattern.len && (pattern.at[i] == '?' ||
					       tolower((unsigned char)pattern.at[i]) == *name)) {
			i++;
			name++;
		} else if (star_name) {
			i = star;
			name = ++star_name;
		} else {
			return false;
		}
	}
	while (i < pattern.len && pattern.at[i] == '*')
		i++;
	return i == pattern.len;
}

static bool from_base64(struct word w, uint8_t *out, size_t cap_bytes, size_t *len_bytes)
{
	return sodium_base642bin(out, cap_bytes, w.at, w.len, NULL, len_bytes, NULL,
				 sodium_base64_VARIANT_ORIGINAL) == 0;
}

/* "|1|salt|hash", both base64: HMAC-SHA1 of the name. */
static bool fits_hashed(struct word hosts, const char *name)
{
	const char *bar = memchr(hosts.at + 3, '|', hosts.len - 3);
	uint8_t salt[64], hash[64], ours[EVP_MAX_MD_SIZE];
	size_t salt_bytes, hash_bytes;
	unsigned ours_bytes;

	if (!bar || !from_base64((struct word){ hosts.at + 3, (size_t)(bar - hosts.at - 3) }, salt,
				 sizeof(salt), &salt_bytes))
		return false;
	bar++;
	if (!from_base64((struct word){ bar, (size_t)(hosts.at + hosts.len - bar) }, hash,
			 sizeof(hash), &hash_bytes) ||
	    hash_bytes != HASHED_BYTES)
		return false;
	return HMAC(EVP_sha1(), salt, (int)salt_bytes, (const uint8_t *)name, strlen(name), ours,
		    &ours_bytes) &&
	       ours_bytes == HASHED_BYTES && memcmp(ours, hash, HASHED_BYTES) == 0;
}

/* Whether the line's hosts have name among them, and none that is "!name". */
static bool is_about(struct word hosts, const char *name)
{
	bool found = false;

	if (hosts.len > 3 && memcmp(hosts.at, "|1|", 3) == 0)
		return fits_hashed(hosts, name);
	while (hosts.len > 0) {
		const char *comma = memchr(hosts.at, ',', hosts.len);
		struct word one = { hosts.at, comma ? (size_t)(comma - hosts.at) : hosts.len };
		bool negated = one.len > 0 && one.at[0] == '!';

		hosts.at += one.len + (comma ? 1 : 0);
		hosts.len -= one.len + (comma ? 1 : 0);
		if (negated)
			one.at++, one.len--;
		if (one.len == 0 || !fits(one, name))
			continue;
		if (negated)
			return false;
		found = true;
	}
	return found;
}

enum host_key_is known_hosts_judge(const struct buf *text, const char *name, const void *key,
				   size_t key_bytes)
{
	enum host_key_is verdict = HOST_KEY_UNKNOWN;
	uint8_t known[KEY_BYTES_MAX];
	struct known_line line;
	size_t at = 0, known_bytes;

	while (next_line(text, &at, &line)) {
		bool revoked = word_is(line.marker, "@revoked"), same;

		if ((line.marker.len > 0 && !revoked) || !is_about(line.hosts, name))
			continue;
		same = from_base64(line.key, known, sizeof(known), &known_bytes) &&
		       known_bytes == key_bytes && memcmp(known, key, key_bytes) == 0;
		if (revoked && same)
			return HOST_KEY_REVOKED;
		if (same)
			verdict = HOST_KEY_KNOWN;
		else if (!revoked && verdict == HOST_KEY_UNKNOWN)
			verdict = HOST_KEY_OTHER;
	}
	return verdict;
}

/* Whether the comma-separated list has it. */
static bool list_has(const char *list, struct word item)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == item.len && memcmp(list, item.at, len) == 0)
			return true;
		list += len + (list[len] ? 1 : 0);
	}
	return false;
}

void known_hosts_types(const struct buf *text, const char *name, char *out, size_t size)
{
	struct known_line line;
	size_t at = 0, used = 0;

	out[0] = '\0';
	while (next_line(text, &at, &line)) {
		if (line.marker.len > 0 || !is_about(line.hosts, name) || list_has(out, line.type) ||
		    memchr(line.type.at, ',', line.type.len) || used + line.type.len + 2 > size)
			continue;
		if (used > 0)
			out[used++] = ',';
		memcpy(out + used, line.type.at, line.type.len);
		used += line.type.len;
		out[used] = '\0';
	}
}

/* "host type base64\n", after a '\n' if the file ends in the middle of a line. */
static int line_of(const char *name, const void *key, size_t key_bytes, bool begun, struct buf *out,
		   struct error *err)
{
	const uint8_t *bytes = key;
	size_t type_bytes = key_bytes >= 4 ? (size_t)bytes[2] << 8 | bytes[3] : 0;
	size_t text_bytes = sodium_base64_ENCODED_LEN(key_bytes, sodium_base64_VARIANT_ORIGINAL);

	if (type_bytes == 0 || type_bytes > key_bytes - 4)
		return err_set(err, ERR_CORRUPT, "the host key has no type");
	if (begun)
		buf_add_u8(out, '\n');
	buf_add(out, name, strlen(name));
	buf_add_u8(out, ' ');
	buf_add(out, bytes + 4, type_bytes);
	buf_add_u8(out, ' ');
	if (!buf_reserve(out, text_bytes))
		return err_nomem(err);
	sodium_bin2base64((char *)out->data + out->len_bytes, text_bytes, bytes, key_bytes,
			  sodium_base64_VARIANT_ORIGINAL);
	out->len_bytes += text_bytes - 1;
	buf_add_u8(out, '\n');
	return out->failed ? err_nomem(err) : ERR_NONE;
}

static bool ends_within_line(int fd)
{
	char last = '\n';
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 &&
	       last != '\n';
}

static int make_folder_of(const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int code;

	if (!slash || slash == path)
		return ERR_NONE;
	folder = strndup(path, (size_t)(slash - path));
	code = folder ? folder_make(folder, err) : err_nomem(err);
	free(folder);
	return code;
}

int known_hosts_append(const char *path, const char *name, const void *key, size_t key_bytes,
		       struct error *err)
{
	struct buf line = { 0 };
	int fd, code = make_folder_of(path, err);

	if (code != ERR_NONE)
		return code;
	fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "open %s", path);
	code = line_of(name, key, key_bytes, ends_within_line(fd), &line, err);
	if (code == ERR_NONE) {
		ssize_t written = write(fd, line.data, line.len_bytes);

		if (written >= 0 && (size_t)written < line.len_bytes)
			errno = ENOSPC;
		if (written < 0 || (size_t)written < line.len_bytes || fsync(fd) < 0)
			code = err_errno(err, "write %s", path);
	}
	close(fd);
	buf_release(&line);
	return code;
}

void host_key_fingerprint(const void *key, size_t key_bytes, char out[FINGERPRINT_BYTES])
{
	struct hash sum = sha256(key, key_bytes);

	memcpy(out, "SHA256:", 8);
	sodium_bin2base64(out + 7, FINGERPRINT_BYTES - 7, sum.b, sizeof(sum.b),
			  sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
}
