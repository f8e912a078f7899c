/*
 * Which files (symbolic links, FIFOs, devices) with several links were restored, and where. An
 * entry lives until as many names came up as the file has links; those that never come (outside
 * the snapshot) stay until the end.
 */
#include "archive/target.h"

#include "archive/beneath.h"
#include "archive/target_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Device numbers may be given to other disks between two puts that one snapshot is made of; with
 * size and both times, equal keys are one file. */
struct link_key {
	uint64_t type, device, inode, size_bytes;
	int64_t mtime_ns, ctime_ns;
};

struct link {
	struct link_key key;
	struct link *next;
	char *path;   /* relative to the target; NULL: being written */
	dev_t device; /* of what was restored */
	ino_t inode;
	uint64_t names_left;
};

struct bucket {
	struct link *first;
};

struct links {
	struct bucket *buckets;
	size_t bucket_count, count;
};

#define BUCKETS_MIN 64

struct links *links_new(void)
{
	struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->bucket_count = BUCKETS_MIN;
	l->buckets = calloc(l->bucket_count, sizeof(*l->buckets));
	if (!l->buckets) {
		free(l);
		return NULL;
	}
	return l;
}

static void free_link(struct link *link)
{
	free(link->path);
	free(link);
}

void links_free(struct links *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->bucket_count; i++) {
		while (l->buckets[i].first) {
			struct link *next = l->buckets[i].first->next;

			free_link(l->buckets[i].first);
			l->buckets[i].first = next;
		}
	}
	free(l->buckets);
	free(l);
}

static struct link_key key_of(const struct node *n)
{
	return (struct link_key){
		.type = n->type,
		.device = n->device,
		.inode = n->inode,
		.size_bytes = n->type == NODE_FILE ? n->size_bytes : 0,
		.mtime_ns = n->mtime_ns,
		.ctime_ns = n->ctime_ns,
	};
}

static size_t bucket_of(const struct link_key *k, size_t bucket_count)
{
	return (size_t)((k->inode ^ k->device << 32) * 0x9e3779b97f4a7c15u >> 20) % bucket_count;
}

/* Where the pointer to the entry of this key is, or would be. */
static struct link **find(struct links *l, const struct link_key *k)
{
	struct link **at = &l->buckets[bucket_of(k, l->bucket_count)].first;

	while (*at && memcmp(&(*at)->key, k, sizeof(*k)) != 0)
		at = &(*at)->next;
	return at;
}

static void remove_link(struct links *l, struct link **at)
{
	struct link *link = *at;

	if (!link)
		return;
	*at = link->next;
	free_link(link);
	l->count--;
}

/* More buckets; staying with the old ones is only slower. */
static void spread(struct links *l)
{
	size_t more = l->bucket_count * 4;
	struct bucket *buckets = calloc(more, sizeof(*buckets));

	if (!buckets)
		return;
	for (size_t i = 0; i < l->bucket_count; i++) {
		while (l->buckets[i].first) {
			struct link *link = l->buckets[i].first;
			struct bucket *to = &buckets[bucket_of(&link->key, more)];

			l->buckets[i].first = link->next;
			link->next = to->first;
			to->first = link;
		}
	}
	free(l->buckets);
	l->buckets = buckets;
	l->bucket_count = more;
}

static bool add(struct links *l, const struct link_key *k, uint64_t names)
{
	struct link *link = calloc(1, sizeof(*link)), **at;

	if (!link)
		return false;
	link->key = *k;
	link->names_left = names;
	if (l->count++ > l->bucket_count)
		spread(l);
	at = find(l, k);
	link->next = *at;
	*at = link;
	return true;
}

/* Whether this is what was restored. Its inode number alone may be another's by now. */
static bool is_first(int fd, const struct link *first)
{
	struct stat st;
	struct node there;

	return fstat(fd, &st) == 0 && meta_from_stat(&st, &there) && there.type == first->key.type &&
	       st.st_dev == first->device && st.st_ino == first->inode &&
	       there.size_bytes == first->key.size_bytes && there.mtime_ns == first->key.mtime_ns;
}

/* Links what was restored to name, by its descriptor: nothing else can get in between. False: it
 * is not there any more, or errno is EEXIST. */
static bool link_to(struct target_folder *f, const struct link *first, const char *name)
{
	int fd = beneath_open(f->target->root->fd, first->path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	char path[32];
	bool linked;
	int saved;

	if (fd < 0)
		return false;
	errno = ESTALE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	linked = is_first(fd, first) && linkat(AT_FDCWD, path, f->fd, name, AT_SYMLINK_FOLLOW) == 0;
	saved = errno;
	close(fd);
	errno = saved;
	return linked;
}

/* Links over what is there, as the policy says. */
static int link_over(struct target_folder *f, const struct link *first, const char *name,
		     const struct node *n, enum target_outcome *outcome, struct error *err)
{
	char temp[NAME_ROOM];
	enum place place;
	struct stat st;

	if (target_look(f, name, n, &place, &st, err) != ERR_NONE)
		return (int)err->code;
	*outcome = TARGET_KEPT;
	if (place == PLACE_KEPT)
		return ERR_NONE;
	*outcome = TARGET_MADE;
	/* Renaming one name of a file over another does nothing at all, says POSIX. */
	if (place != PLACE_FREE && st.st_dev == first->device && st.st_ino == first->inode)
		return ERR_NONE;
	target_temp_name(temp);
	if (!link_to(f, first, temp))
		return err_errno(err, "link");
	return target_move_over(f, temp, name, err);
}

/* Makes a hard link. A failure of the first name is none of this one: then it is written anew. */
static int make_link(struct target_folder *f, const struct link *first, const char *name,
		     const struct node *n, enum target_outcome *outcome, struct error *err)
{
	*outcome = TARGET_MADE;
	if (link_to(f, first, name))
		return ERR_NONE;
	if (errno == EEXIST)
		return link_over(f, first, name, n, outcome, err);
	*outcome = TARGET_WRITE;
	return ERR_NONE;
}

/* A copy that no other thread can free. */
static int look_up(struct target_folder *f, const struct node *n, struct link *out,
		   enum target_outcome *outcome, struct error *err)
{
	struct link_key k = key_of(n);
	struct link **at;
	int code = ERR_NONE;

	*outcome = TARGET_WRITE;
	pthread_mutex_lock(&f->target->lock);
	at = find(f->target->links, &k);
	if (!*at) {
		if (!add(f->target->links, &k, n->links))
			code = err_nomem(err);
	} else if (!(*at)->path) {
		*outcome = TARGET_WAIT;
	} else {
		*out = **at;
		out->path = strdup((*at)->path);
		*outcome = TARGET_MADE;
		if (!out->path)
			code = err_nomem(err);
	}
	pthread_mutex_unlock(&f->target->lock);
	return code;
}

int links_claim(struct target_folder *f, const char *name, const struct node *n,
		enum target_outcome *outcome, struct error *err)
{
	struct link_key k = key_of(n);
	struct link first = {0}, **at;
	int code = look_up(f, n, &first, outcome, err);

	if (code != ERR_NONE || *outcome != TARGET_MADE)
		return code;
	code = make_link(f, &first, name, n, outcome, err);
	free(first.path);
	if (code != ERR_NONE)
		return code;
	pthread_mutex_lock(&f->target->lock);
	at = find(f->target->links, &k);
	if (*at && *outcome == TARGET_WRITE) {
		/* The name before is gone, or has as many links as may be: this is the first now.
		 */
		free((*at)->path);
		(*at)->path = NULL;
	} else if (*at && --(*at)->names_left == 0) {
		remove_link(f->target->links, at);
	}
	pthread_mutex_unlock(&f->target->lock);
	return ERR_NONE;
}

void links_done(struct target_folder *f, const char *name, const struct node *n,
		const struct stat *st)
{
	struct link_key k = key_of(n);
	struct buf path = {0};
	struct link **at;

	target_path(f, name, &path);
	buf_add_u8(&path, 0);
	pthread_mutex_lock(&f->target->lock);
	at = find(f->target->links, &k);
	if (*at && !path.failed && --(*at)->names_left > 0) {
		(*at)->path = (char *)path.data;
		(*at)->device = st->st_dev;
		(*at)->inode = st->st_ino;
		path = (struct buf){0};
	} else {
		remove_link(f->target->links, at);
	}
	pthread_mutex_unlock(&f->target->lock);
	buf_release(&path);
}

void links_forget(struct target_folder *f, const struct node *n)
{
	struct link_key k = key_of(n);

	pthread_mutex_lock(&f->target->lock);
	remove_link(f->target->links, find(f->target->links, &k));
	pthread_mutex_unlock(&f->target->lock);
}
