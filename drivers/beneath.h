/*
 * Path work below a folder that is kept open. Every step opens one component with O_NOFOLLOW,
 * so a symbolic link planted there leads nowhere: it is ENOTDIR or ELOOP, as a plain file in the
 * way is. Names have passed object_name_check(). Failure is -1 with errno set.
 */
#ifndef MRMR_DRIVERS_BENEATH_H
#define MRMR_DRIVERS_BENEATH_H

#include <stdbool.h>
#include <stddef.h>

/* Folders by their path below the base; "" is the base itself. All zero is empty. */
struct folder_set {
	char **paths;
	size_t count, cap;
};

/* Adds, or looks for, the folder that name is in; adds all of another set. False with ENOMEM. */
bool folder_set_add_parent(struct folder_set *s, const char *name);
bool folder_set_has_parent(const struct folder_set *s, const char *name);
bool folder_set_add_all(struct folder_set *s, const struct folder_set *from);
void folder_set_release(struct folder_set *s);

/* Opens the folder at path, which may be "". The caller closes it. */
int beneath_open_folder(int base_fd, const char *path);

/* Opens the folder that name is in and lends the last component. The caller closes it. */
int beneath_open_parent(int base_fd, const char *name, const char **leaf);

/*
 * The same, with missing folders made (mode 0700). The folders that got a new entry, or that
 * another process is giving one at this moment, are added to changed.
 */
int beneath_make_parent(int base_fd, const char *name, const char **leaf,
			struct folder_set *changed);

/* Renames unless the new name is taken: EEXIST. Both folders are on one file system. */
int rename_without_replacing(int from_fd, const char *from, int to_fd, const char *to);

#endif
