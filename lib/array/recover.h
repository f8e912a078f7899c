/*
 * Recovering: an array without its config, found again from drives given by their places.
 */
#ifndef MRMR_ARRAY_RECOVER_H
#define MRMR_ARRAY_RECOVER_H

#include "array/array.h"

struct recovery_place {
	char *url;	    /* owned by the caller */
	char *options_json; /* likewise; NULL: none */
};

/*
 * Opens the array whose drives lie at these places, and makes its config: the places given, and of
 * every other drive the way that the journals tell. ERR_EXISTS: a config is there already, and
 * stays. ERR_NOT_FOUND: a place without a drive. ERR_UNSAFE: drives of two arrays. Nothing is
 * written to drives; on an error no config is left. With store false none is written at all.
 * *out: array_close().
 */
int array_recover(const struct array_options *o, const struct recovery_place *places,
		  unsigned count, bool store, struct array **out, struct error *err);

#endif
