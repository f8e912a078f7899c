/* The version of the program; the manual and `make dist` take it from here. */
#ifndef MRMR_CMD_VERSION_H
#define MRMR_CMD_VERSION_H

#define MRMR_VERSION "0.1.0"

#endif
