/*
 * URLs of drives, as far as every layer may look into them. Thread-safe.
 */
#ifndef MRMR_BASE_URL_H
#define MRMR_BASE_URL_H

/* A copy to show: the password of "scheme://user:password@host" is "***". What has no "://" is
 * copied as it is. Fresh memory; NULL: out of memory. */
char *url_redacted(const char *url);

#endif
