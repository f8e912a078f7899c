/*
 * Which physical disks a file system of this host lies on, as sysfs tells
 * (linux Documentation/ABI/stable/sysfs-block): what fails together.
 */
#ifndef MRMR_DRIVERS_DISK_H
#define MRMR_DRIVERS_DISK_H

#include "drivers/driver.h"

#include <sys/types.h>

/*
 * "disk sda" for the disk behind a partition, "disk sda+sdb" (sorted) for those under a RAID, LVM
 * or crypt device, "device 0:35" for one that sysfs does not know (tmpfs, NFS, overlay). sysfs is
 * "/sys".
 */
void disk_domain(const char *sysfs, dev_t dev, char out[DRIVE_DOMAIN_MAX]);

#endif
