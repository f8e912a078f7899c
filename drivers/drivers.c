#include "drivers/driver.h"

#include <stdbool.h>
#include <string.h>

#ifdef WITH_sftp
#define SFTP &driver_sftp
#else
#define SFTP NULL
#endif

#ifdef WITH_smb
#define SMB &driver_smb
#else
#define SMB NULL
#endif

/* The only list of drivers that have URLs. Memory has none: what is stored there would be gone
 * when the command ends. */
static const struct {
	const char *scheme;
	const struct mrmr_driver *driver; /* NULL: known, but not in this build */
} rows[] = {
	{ "file", &driver_file },
	{ "sftp", SFTP },
	{ "smb", SMB },
	{ "s3", &driver_s3 },
	{ "s3+http", &driver_s3 },
	{ "swift", &driver_swift },
	{ "swift+http", &driver_swift },
	{ "webdav", &driver_webdav },
	{ "webdavs", &driver_webdav },
	{ "ftp", &driver_ftp },
	{ "ftps", &driver_ftp },
	{ "rclone", &driver_rclone },
	{ "exec", &driver_exec },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* "[a-z][a-z0-9+.-]*" before "://": meant as a URL, whatever it is. */
static bool looks_like_url(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return s[0] >= 'a' && s[0] <= 'z' && strncmp(s + len, "://", 3) == 0;
}

int driver_for_url(const char *url, const struct mrmr_driver **out, struct error *err)
{
	size_t scheme_len = strcspn(url, ":");

	*out = NULL;
	if (url[0] == '\0')
		return err_set(err, ERR_USAGE, "a drive without a path or URL");
	for (size_t i = 0; i < ROWS && url[scheme_len] == ':'; i++) {
		if (strlen(rows[i].scheme) != scheme_len ||
		    strncmp(rows[i].scheme, url, scheme_len) != 0)
			continue;
		if (!rows[i].driver)
			return err_set(err, ERR_UNSUPPORTED,
				       "drives of kind %s are not part of this build",
				       rows[i].scheme);
		*out = rows[i].driver;
		return ERR_NONE;
	}
	if (looks_like_url(url))
		return err_set(err, ERR_USAGE, "no kind of drive has URLs that begin with \"%.*s://\"",
			       (int)(scheme_len < 32 ? scheme_len : 32), url);
	*out = &driver_file;
	return ERR_NONE;
}

/* Several schemes may name one driver: it counts where it comes first. */
static bool first_of_its_driver(size_t row)
{
	for (size_t i = 0; i < row; i++)
		if (rows[i].driver == rows[row].driver)
			return false;
	return true;
}

const char *driver_kind(unsigned i)
{
	for (size_t row = 0; row < ROWS; row++)
		if (rows[row].driver && first_of_its_driver(row) && i-- == 0)
			return rows[row].driver->kind;
	return NULL;
}
