/*
 * libcurl brings some twenty-five libraries, which take longer to load than most commands take that
 * speak to no server. It is loaded by the first call of one of its functions: curl_load.c has a
 * stand-in for each that is used, by its own name, so that callers include <curl/curl.h> and call
 * them as ever.
 */
#ifndef MRMR_NET_CURL_LOAD_H
#define MRMR_NET_CURL_LOAD_H

#include "base/error.h"

/* ERR_UNSUPPORTED: it is not there, or too old. No function of libcurl may be called then: whatever
 * leads to one, which is a URL to begin with, asks here first. Any thread, any number of times. */
int curl_load(struct error *err);

#endif
