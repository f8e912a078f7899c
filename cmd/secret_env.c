#include "cmd/secret_env.h"

#include "cmd/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Written once before there are threads, read afterwards. */
static char *taken[2][SECRET_SOURCES];

static const char *const names[2][SECRET_SOURCES] = {
	{ "MRMR_PASSPHRASE", "MRMR_PASSPHRASE_FILE", "MRMR_PASSPHRASE_COMMAND",
	  "MRMR_PASSPHRASE_FD" },
	{ "MRMR_NEW_PASSPHRASE", "MRMR_NEW_PASSPHRASE_FILE", "MRMR_NEW_PASSPHRASE_COMMAND",
	  "MRMR_NEW_PASSPHRASE_FD" },
};

/* Copies it to guarded memory and wipes it where the kernel shows it (/proc/PID/environ). */
static int variable_take(const char *name, char **out, struct error *err)
{
	char *value = getenv(name);
	size_t size_bytes;

	if (!value)
		return ERR_NONE;
	size_bytes = strlen(value) + 1;
	*out = sodium_malloc(size_bytes);
	if (!*out)
		return err_nomem(err);
	memcpy(*out, value, size_bytes);
	explicit_bzero(value, size_bytes);
	unsetenv(name);
	return ERR_NONE;
}

int secrets_take_environment(struct error *err)
{
	for (int set = 0; set < 2; set++) {
		for (int source = 0; source < SECRET_SOURCES; source++) {
			int code = variable_take(names[set][source], &taken[set][source], err);

			if (code != ERR_NONE)
				return code;
		}
	}
	return ERR_NONE;
}

void secrets_forget(void)
{
	for (int set = 0; set < 2; set++) {
		for (int source = 0; source < SECRET_SOURCES; source++) {
			sodium_free(taken[set][source]);
			taken[set][source] = NULL;
		}
	}
}

const char *secret_variable(enum secret_set set, enum secret_source source)
{
	return taken[set][source];
}
