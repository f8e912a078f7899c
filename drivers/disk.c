#include "drivers/disk.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DISKS_MAX 32
#define STACK_DEPTH_MAX 8 /* crypt on LVM on RAID on partitions is 4 */

struct disks {
	char names[DISKS_MAX][NAME_MAX + 1];
	unsigned count;
};

static void add_disk(struct disks *d, const char *name)
{
	for (unsigned i = 0; i < d->count; i++)
		if (strcmp(d->names[i], name) == 0)
			return;
	if (d->count < DISKS_MAX)
		snprintf(d->names[d->count++], sizeof(d->names[0]), "%s", name);
}

static void collect(const char *link, struct disks *out, unsigned depth);

/* Goes on with what the device at path is made of. False: nothing, it is a disk. */
static bool collect_slaves(const char *path, struct disks *out, unsigned depth)
{
	char slaves[PATH_MAX], slave[PATH_MAX];
	const struct dirent *e;
	bool some = false;
	DIR *dir;

	if (snprintf(slaves, sizeof(slaves), "%s/slaves", path) >= (int)sizeof(slaves))
		return false;
	dir = opendir(slaves);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || snprintf(slave, sizeof(slave), "%s/%s", slaves,
						    e->d_name) >= (int)sizeof(slave))
			continue;
		collect(slave, out, depth + 1);
		some = true;
	}
	if (dir)
		closedir(dir);
	return some;
}

/* link leads to a block device's folder in sysfs. A partition's folder lies in its disk's. */
static void collect(const char *link, struct disks *out, unsigned depth)
{
	char path[PATH_MAX], partition[PATH_MAX];

	if (depth > STACK_DEPTH_MAX || !realpath(link, path))
		return;
	if (snprintf(partition, sizeof(partition), "%s/partition", path) <
		    (int)sizeof(partition) &&
	    access(partition, F_OK) == 0)
		*strrchr(path, '/') = '\0';
	if (!collect_slaves(path, out, depth))
		add_disk(out, strrchr(path, '/') + 1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

void disk_domain(const char *sysfs, dev_t dev, char out[DRIVE_DOMAIN_MAX])
{
	struct disks disks = { .count = 0 };
	char link[PATH_MAX];
	size_t used = 0;

	snprintf(link, sizeof(link), "%s/dev/block/%u:%u", sysfs, major(dev), minor(dev));
	collect(link, &disks, 0);
	if (disks.count == 0) {
		snprintf(out, DRIVE_DOMAIN_MAX, "device %u:%u", major(dev), minor(dev));
		return;
	}
	qsort(disks.names, disks.count, sizeof(disks.names[0]), by_name);
	for (unsigned i = 0; i < disks.count && used < DRIVE_DOMAIN_MAX; i++)
		used += (size_t)snprintf(out + used, DRIVE_DOMAIN_MAX - used, "%s%s",
					 i == 0 ? "disk " : "+", disks.names[i]);
}
