/*
 * Whose name requests to an S3 server are signed in, and for which region: from the options of the
 * drive, else the variables, else the files that all S3 programs share.
 */
#ifndef MRMR_DRIVERS_S3_ACCOUNT_H
#define MRMR_DRIVERS_S3_ACCOUNT_H

#include "base/drive_option.h"
#include "base/error.h"
#include "drivers/s3_sign.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero: none. */
struct s3_account {
	struct credential access, secret, session;
	char *region;
};

/*
 * Keys: access_key, secret_key and session_token of the options; AWS_ACCESS_KEY_ID,
 * AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; the profile in ~/.aws/credentials. Never some from one
 * place and some from another. The region: wanted (of the URL; NULL: not there), the options,
 * AWS_REGION, AWS_DEFAULT_REGION, the profile in ~/.aws/config, "us-east-1".
 * ERR_DENIED: no keys, or a file with keys that others may read. ERR_USAGE: half of them given.
 */
int s3_account_find(const struct drive_option_set *given, const char *wanted_region,
		    struct s3_account *out, struct error *err);
void s3_account_release(struct s3_account *a);

/* To sign with. Lent by a. */
struct s3_keys s3_account_keys(const struct s3_account *a);

/* A value in a file of profiles; at is NULL: not given. Lent by the text. */
struct s3_span {
	const char *at;
	size_t len_bytes;
};

struct s3_profile {
	bool found;
	struct s3_span access, secret, session, region;
};

/* The section "[name]" or "[profile name]" of ~/.aws/credentials or ~/.aws/config. A key given twice
 * counts as it was last. Lines that are none are passed over, and what is indented belongs to others. */
void s3_profile_find(const char *text, size_t len_bytes, const char *name, struct s3_profile *out);

#endif
