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
#define LINE_BYTES 4096

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

/* False: there are none. */
static bool write_disks(struct disks *d, char out[DRIVE_DOMAIN_MAX])
{
	size_t used = 0;

	qsort(d->names, d->count, sizeof(d->names[0]), by_name);
	for (unsigned i = 0; i < d->count && used < DRIVE_DOMAIN_MAX; i++)
		used += (size_t)snprintf(out + used, DRIVE_DOMAIN_MAX - used, "%s%s",
					 i == 0 ? "disk " : "+", d->names[i]);
	return d->count > 0;
}

static bool domain_by_number(const char *sysfs, dev_t dev, char out[DRIVE_DOMAIN_MAX])
{
	struct disks disks = { .count = 0 };
	char link[PATH_MAX];

	snprintf(link, sizeof(link), "%s/dev/block/%u:%u", sysfs, major(dev), minor(dev));
	collect(link, &disks, 0);
	return write_disks(&disks, out);
}

void disk_domain_of_device(const char *sysfs, dev_t dev, char out[DRIVE_DOMAIN_MAX])
{
	if (!domain_by_number(sysfs, dev, out))
		snprintf(out, DRIVE_DOMAIN_MAX, "device %u:%u", major(dev), minor(dev));
}

/* The next line of f in line, without its end; longer ones are cut. False: there is none. */
static bool next_line(FILE *f, char *line, int size)
{
	int c = 0;

	if (!fgets(line, size, f))
		return false;
	if (!strchr(line, '\n'))
		while (c != EOF && c != '\n')
			c = getc(f);
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static FILE *open_proc(const char *proc, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	return fopen(path, "re");
}

/* The id of the mount that fd is on; -1: unknown. */
static long mount_of(const char *proc, int fd)
{
	char name[40], line[LINE_BYTES];
	long id = -1;
	FILE *f;

	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	f = open_proc(proc, name);
	while (f && id < 0 && next_line(f, line, sizeof(line)))
		if (strncmp(line, "mnt_id:", 7) == 0)
			id = strtol(line + 7, NULL, 10);
	if (f)
		fclose(f);
	return id;
}

/* "36 35 0:32 / /home rw,noatime shared:1 - btrfs /dev/sda2 rw": type and source of mount 36. */
static bool source_of_mount(const char *proc, long id, char type[LINE_BYTES],
			    char source[LINE_BYTES])
{
	FILE *f = open_proc(proc, "mountinfo");
	char line[LINE_BYTES];
	bool found = false;

	while (f && !found && next_line(f, line, sizeof(line))) {
		const char *tail = strstr(line, " - ");

		found = tail && strtol(line, NULL, 10) == id &&
			sscanf(tail + 3, "%4095s %4095s", type, source) == 2;
	}
	if (f)
		fclose(f);
	return found;
}

static bool domain_by_mount(const char *sysfs, const char *proc, int fd,
			    char out[DRIVE_DOMAIN_MAX])
{
	char type[LINE_BYTES], source[LINE_BYTES], device[PATH_MAX], link[2 * PATH_MAX];
	struct disks disks = { .count = 0 };
	long id = mount_of(proc, fd);

	if (id < 0 || !source_of_mount(proc, id, type, source))
		return false;
	if (strcmp(type, "zfs") == 0) {
		snprintf(out, DRIVE_DOMAIN_MAX, "pool %.*s", (int)strcspn(source, "/"), source);
		return true;
	}
	if (strncmp(source, "/dev/", 5) != 0)
		return false;
	if (!realpath(source, device)) /* /dev/mapper/x leads to /dev/dm-0 */
		snprintf(device, sizeof(device), "%s", source);
	snprintf(link, sizeof(link), "%s/class/block/%s", sysfs, strrchr(device, '/') + 1);
	collect(link, &disks, 0);
	return write_disks(&disks, out);
}

bool disk_domain(const char *sysfs, const char *proc, int fd, char out[DRIVE_DOMAIN_MAX])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	if (!domain_by_number(sysfs, st.st_dev, out) && !domain_by_mount(sysfs, proc, fd, out))
		disk_domain_of_device(sysfs, st.st_dev, out);
	return true;
}
