/*
 * Time that passes, whatever the wall clock says.
 */
#ifndef MRMR_BASE_CLOCK_H
#define MRMR_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_us(void); /* CLOCK_MONOTONIC */
void clock_sleep_until_us(uint64_t until_us);

#endif
