/*
 * A drive around a remote drive (DRIVER_REMOTE) that tries again what failed with ERR_TRANSIENT, and
 * nothing else: an error of any other code is final, and so is one of sync().
 *
 * Waits grow threefold from 0.2 s and are drawn anew each time, from nothing up to that, so that hosts do
 * not come back all at once; a server that asks for more (error.retry_after_s) gets it. A call is tried 5
 * times at most, and not again once 40 s have gone by, or would by waiting: a drive that shows no sign
 * of life for 60 s is given up (array/watched.h), and no try begins that, taking as long as the longest
 * before it, would end later than that. Opening is tried 3 times.
 *
 * What a try did that failed is not known. A put whose repetition finds the name taken is compared with
 * what is there: the same bytes are done, others are ERR_EXISTS. A move whose repetition finds its object
 * gone, or the new name taken, is done if the object had been there, the new name had not, and now the
 * object has the new name alone and its length. A listing that broke off begins again, and names handed
 * out already are left out: each() sees none twice. (It keeps 16 bytes of each; after the first million
 * of them it is not tried again.)
 *
 * As a struct drive it does all else as the one inside. Any thread.
 */
#ifndef MRMR_ARRAY_RETRY_H
#define MRMR_ARRAY_RETRY_H

#include "drivers/driver.h"

#include <stdint.h>

struct retry_rules {
	unsigned tries, open_tries;
	unsigned first_ms; /* the longest that the first wait may be */
	unsigned total_ms; /* no wait ends later */
	unsigned end_ms;   /* no try is to end later */
};
extern const struct retry_rules retry_default;

/* Opens a drive by its driver, and wraps it; what is tried again is counted by the meter of the
 * options. rules: copied; NULL: retry_default. */
int retry_open(const struct mrmr_driver *driver, const char *url,
	       const struct drive_options *options, const struct retry_rules *rules,
	       struct drive **out, struct error *err);

#endif
