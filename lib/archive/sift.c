#include "archive/sift.h"

#include "archive/meta.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHEDIR_TAG "CACHEDIR.TAG:Signature: 8a477f597d28d172789f06886806bc55"

static void add_note(struct crawl *c, enum note_level level, const char *name, const char *what)
{
	batch_add_note(c->batch, level, &c->path, name, what);
}

static void add_errno_note(struct crawl *c, const char *name, const char *step, int errno_value)
{
	char what[256];

	snprintf(what, sizeof(what), "%s: %s", step, strerror(errno_value));
	add_note(c, NOTE_ERROR, name, what);
}

static bool file_begins_with(int folder_fd, const char *name, const char *header)
{
	size_t header_bytes = strlen(header);
	char begin[256] = {0};
	struct stat st;
	ssize_t got = -1;
	int fd;

	if (header_bytes > sizeof(begin))
		return false;
	fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		got = pread(fd, begin, header_bytes, 0);
	close(fd);
	return got == (ssize_t)header_bytes && memcmp(begin, header, header_bytes) == 0;
}

/* Whether the folder has the file that tag ("NAME" or "NAME:HEADER") names. */
static struct listed *find_tag(struct crawl *c, const char *tag)
{
	size_t name_bytes = strcspn(tag, ":");
	struct listed *e = listing_find(&c->listing, tag, name_bytes);

	if (e && tag[name_bytes] == ':' &&
	    !file_begins_with(crawl_top(c)->dir->fd, (const char *)e->name, tag + name_bytes + 1))
		return NULL;
	return e;
}

/* Adds the names that lead from the folder at hand to roots. */
static bool list_leading(struct crawl *c)
{
	size_t first, end;

	roots_below(c->roots, c->path.data, c->path.len_bytes, &first, &end);
	for (size_t i = first; i < end; i++) {
		const char *name = c->roots->paths[i] + c->path.len_bytes + 1;

		if (!listing_add(&c->listing, name, strcspn(name, "/"), DT_UNKNOWN, 0))
			return false;
	}
	return true;
}

/* A root below another one is met by nobody when it is not there. */
static void note_missing_roots(struct crawl *c)
{
	size_t first, end;

	roots_below(c->roots, c->path.data, c->path.len_bytes, &first, &end);
	for (size_t i = first; i < end; i++) {
		const char *name = c->roots->paths[i] + c->path.len_bytes + 1;

		if (!listing_find(&c->listing, name, strcspn(name, "/")))
			add_errno_note(c, name, "stat", ENOENT);
	}
}

/* If one of the tags is there, the folder is bare but for the tag. */
static bool apply_tags(struct crawl *c)
{
	const struct walk_options *o = c->options;
	struct listed *tag = o->exclude_caches ? find_tag(c, CACHEDIR_TAG) : NULL;
	char name[NAME_BYTES_MAX + 1];

	for (size_t i = 0; i < o->exclude_if_present_count && !tag; i++)
		tag = find_tag(c, o->exclude_if_present[i]);
	if (!tag)
		return true;
	snprintf(name, sizeof(name), "%s", (const char *)tag->name);
	listing_clear(&c->listing);
	crawl_top(c)->full = false;
	if (!list_leading(c) || !listing_add(&c->listing, name, strlen(name), DT_UNKNOWN, 0))
		return false;
	listing_sort(&c->listing);
	return true;
}

/* Fills c->listing. False: out of memory. */
bool sift_list(struct crawl *c, bool *unreadable)
{
	struct frame *f = crawl_top(c);
	struct error err;
	int code;

	*unreadable = !f->dir;
	listing_clear(&c->listing);
	if (!f->dir) {
		add_errno_note(c, NULL, "open", f->open_errno);
		return true;
	}
	if (!f->full) {
		bool listed = list_leading(c);

		listing_sort(&c->listing);
		return listed;
	}
	code = listing_read(&c->listing, f->dir->fd, &err);
	if (code == ERR_NOMEM)
		return false;
	if (code != ERR_NONE) {
		*unreadable = true;
		add_note(c, NOTE_ERROR, NULL, err.message);
	} else if (f->leads) {
		note_missing_roots(c);
	}
	return apply_tags(c);
}

static bool is_excluded(struct crawl *c, const struct listed *e, bool is_folder)
{
	const struct patterns *p = c->options->excludes;
	size_t path_bytes = c->path.len_bytes;
	bool excluded;

	if (patterns_empty(p))
		return false;
	buf_add_u8(&c->path, '/');
	buf_add(&c->path, e->name, e->name_bytes);
	excluded = !c->path.failed &&
		   patterns_match(p, c->path.data, c->path.len_bytes, is_folder) == PATTERN_MATCH;
	c->path.len_bytes = path_bytes;
	return excluded;
}

/* How a name stands to the roots. */
struct lead {
	bool is_root, leads;
};

static struct lead lead_of(struct crawl *c, const struct listed *e)
{
	size_t path_bytes = c->path.len_bytes, first, end;
	struct lead lead;

	if (!crawl_top(c)->leads)
		return (struct lead){false, false};
	buf_add_u8(&c->path, '/');
	buf_add(&c->path, e->name, e->name_bytes);
	lead.is_root = !c->path.failed && roots_has(c->roots, c->path.data, c->path.len_bytes);
	lead.leads = !c->path.failed &&
		     roots_below(c->roots, c->path.data, c->path.len_bytes, &first, &end);
	c->path.len_bytes = path_bytes;
	return lead;
}

static bool is_own_drive(int folder_fd, const struct listed *e)
{
	struct stat st;

	return e->name_bytes == 5 && memcmp(e->name, ".mrmr", 5) == 0 &&
	       fstatat(folder_fd, ".mrmr/config.json", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

static bool add_subfolder(struct crawl *c, const struct listed *e, const struct node *n,
			  struct lead lead, bool excluded)
{
	struct frame *f = crawl_top(c);
	unsigned flags = 0;

	if (!excluded && lead.is_root)
		flags = SUB_FULL | SUB_ROOT;
	else if (!excluded && f->full)
		flags = SUB_FULL;
	if (flags == SUB_FULL && c->options->one_file_system && n->device != f->root_device)
		flags = lead.leads ? 0 : SUB_FULL | SUB_EMPTY;
	buf_add_u8(&f->subfolders, (uint8_t)flags);
	buf_add_block(&f->subfolders, e->name, (size_t)e->name_bytes + 1);
	return !f->subfolders.failed;
}

/* lstat, but a parent of roots may be reached through a symbolic link. */
static bool stat_entry(struct crawl *c, const struct listed *e, struct lead lead, struct stat *st)
{
	bool follow = !crawl_top(c)->full && lead.leads && !lead.is_root;

	if (meta_stat(crawl_top(c)->dir->fd, (const char *)e->name,
		      AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW), st) == 0)
		return true;
	if (errno == ENOENT && crawl_top(c)->full)
		add_note(c, NOTE_ERROR, (const char *)e->name,
			 "vanished while its folder was read");
	else
		add_errno_note(c, (const char *)e->name, "stat", errno);
	return false;
}

/* Whether patterns and size leave the name out; n NULL: as far as its d_type tells. */
static bool leaves_out(struct crawl *c, const struct listed *e, struct lead lead,
		       const struct node *n)
{
	uint64_t above = c->options->exclude_above_bytes;
	bool is_folder = n ? n->type == NODE_FOLDER : e->type == DT_DIR;

	/* Of a parent of roots nobody asked for anything but the way through it. */
	if (!crawl_top(c)->full && lead.leads && !lead.is_root)
		return false;
	if (n && above > 0 && n->type == NODE_FILE && n->size_bytes > above)
		return true;
	return (n || e->type != DT_UNKNOWN) && is_excluded(c, e, is_folder);
}

/* Whether the name becomes an entry, and with what node. */
enum choice sift_choose(struct crawl *c, const struct listed *e, struct node *n)
{
	struct lead lead = lead_of(c, e);
	const char *name = (const char *)e->name;
	bool excluded, is_folder;
	struct stat st;

	if (!name_ok(e->name, e->name_bytes)) {
		add_note(c, NOTE_ERROR, name, "a name that cannot be stored");
		return CHOICE_OUT;
	}
	if (c->path.len_bytes + 1 + e->name_bytes > PATH_BYTES_MAX) {
		add_note(c, NOTE_ERROR, name, "a path too long to be stored");
		return CHOICE_OUT;
	}
	/* Before stat, which may hang where an exclusion is meant to keep us away from. */
	excluded = leaves_out(c, e, lead, NULL);
	if (excluded && !lead.leads && !lead.is_root)
		return CHOICE_OUT;
	if (!stat_entry(c, e, lead, &st))
		return CHOICE_OUT;
	if (!meta_from_stat(&st, n)) {
		add_note(c, NOTE_INFO, name,
			 S_ISSOCK(st.st_mode) ? "socket, not stored" : "unknown type, not stored");
		return CHOICE_OUT;
	}
	is_folder = n->type == NODE_FOLDER;
	if (is_folder && is_own_drive(crawl_top(c)->dir->fd, e)) {
		add_note(c, NOTE_DETAIL, name, "drive of an archive, not stored");
		return CHOICE_OUT;
	}
	if (!excluded)
		excluded = leaves_out(c, e, lead, n);
	if (excluded && lead.is_root)
		add_note(c, NOTE_INFO, name, "asked for and excluded, not stored");
	if (lead.leads && !is_folder)
		add_note(c, NOTE_ERROR, name, "no folder: nothing below it can be stored");
	if (excluded && !(lead.leads && is_folder))
		return CHOICE_OUT;
	if (is_folder && !add_subfolder(c, e, n, lead, excluded))
		return CHOICE_NOMEM;
	return CHOICE_IN;
}
