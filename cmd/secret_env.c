#include "cmd/secret_env.h"

#include "base/guarded.h"
#include "cmd/secret.h"

#include <sodium.h>
#include <stdlib.h>

/* Written once before there are threads, read afterwards. */
static char *taken[2][SECRET_SOURCES];

static const char *const names[2][SECRET_SOURCES] = {
	{ "MRMR_PASSPHRASE", "MRMR_PASSPHRASE_FILE", "MRMR_PASSPHRASE_COMMAND",
	  "MRMR_PASSPHRASE_FD" },
	{ "MRMR_NEW_PASSPHRASE", "MRMR_NEW_PASSPHRASE_FILE", "MRMR_NEW_PASSPHRASE_COMMAND",
	  "MRMR_NEW_PASSPHRASE_FD" },
};

static int variable_take(const char *name, char **out, struct error *err)
{
	int code = guarded_variable(name, out, err);

	if (code == ERR_NONE && *out)
		unsetenv(name);
	return code;
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
