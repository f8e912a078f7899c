/* The environment variables of secrets, out of the environment. For secret.c and tests. */
#ifndef MRMR_CMD_SECRET_ENV_H
#define MRMR_CMD_SECRET_ENV_H

enum secret_set { SECRET_OLD, SECRET_NEW }; /* MRMR_PASSPHRASE*, MRMR_NEW_PASSPHRASE* */
enum secret_source { SECRET_TEXT, SECRET_FILE, SECRET_COMMAND, SECRET_FD, SECRET_SOURCES };

/* The value as it was in the environment, "" included; NULL: not set. Lent until
 * secrets_forget(). */
const char *secret_variable(enum secret_set set, enum secret_source source);

#endif
