/*
 * What fails together, as drives at a server tell it in about(): one text for one place, however it is
 * reached. Only the user can know of two names of one host (`domain=`).
 */
#ifndef MRMR_DRIVERS_DOMAIN_H
#define MRMR_DRIVERS_DOMAIN_H

#include "drivers/driver.h"

/* "host nas", for all kinds and ports: it is one machine. A loopback name keeps its port: what is
 * behind it may be another machine for each (ssh -L). */
void host_domain(const char *host, unsigned port, char out[DRIVE_DOMAIN_MAX]);

/* "s3 ENDPOINT account ID", for the accounts of a provider. An id that is long is hashed. id NULL: the
 * account is not known, and the whole endpoint is taken for one. port 0: the usual one. */
void account_domain(const char *kind, const char *host, unsigned port, const char *id,
		    char out[DRIVE_DOMAIN_MAX]);

#endif
