/*
 * Which physical disks a file system of this host lies on: what fails together. From sysfs
 * (linux Documentation/ABI/stable/sysfs-block) and, for file systems that have no device number
 * of a disk (btrfs, zfs), from the list of mounts (proc_pid_mountinfo(5)).
 */
#ifndef MRMR_DRIVERS_DISK_H
#define MRMR_DRIVERS_DISK_H

#include "drivers/driver.h"

#include <sys/types.h>

/*
 * "disk sda" for the disk behind a partition, "disk sda+sdb" (sorted) for those under a RAID, LVM
 * or crypt device, "pool tank" for zfs, "device 0:35" for what has no disk here (tmpfs, NFS,
 * overlay). fd is any file or folder there; sysfs is "/sys" and proc "/proc/self". False with
 * errno set: nothing is known about fd.
 */
bool disk_domain(const char *sysfs, const char *proc, int fd, char out[DRIVE_DOMAIN_MAX]);

/* The same for a device number alone. */
void disk_domain_of_device(const char *sysfs, dev_t dev, char out[DRIVE_DOMAIN_MAX]);

#endif
