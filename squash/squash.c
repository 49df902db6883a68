/*
 * squash.c - paths of an image (squash.h) over its structures (squash_disk.h).
 *
 * Flow: a path in, its inode out, by walking from the root; a link's text is put
 * in front of what is left of the path, as the kernel does it.
 *
 * Invariants: the trail holds every directory from the root to where we are, so
 * ".." needs nothing from the image and cannot leave it; at most SQUASH_LINKS_MAX
 * links, SQUASH_DEPTH_MAX directories, SQUASH_PATH_MAX bytes.  A walk refuses a
 * directory inside itself, enters at most as many as the image has inodes, and ends
 * after SQUASH_ENTRIES_MAX names, whatever the image pretends.
 */
#include "squash/squash.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "squash/squash_disk.h"

struct squash {
	struct disk disk;
	struct disk_reader reader;
};

/* Small: planning reads little, and from few places. */
static const struct disk_limits cache_limits = {512 << 10, 1 << 20, 1 << 20};

/* Where a resolution stands. */
struct trail {
	struct { uint64_t where; size_t path_len; } dirs[SQUASH_DEPTH_MAX];
	size_t depth;                /* dirs[depth - 1] is where we are */
	char path[SQUASH_PATH_MAX];  /* of it, or of the last name; "" is the root */
	size_t path_len;
};

int squash_open(int fd, struct squash **out, struct err *err)
{
	struct squash *squash = calloc(1, sizeof *squash);
	if (!squash)
		return err_set(err, ENOMEM, "no memory to read the image");
	int rc = disk_open(&squash->disk, fd, &cache_limits, err);
	if (rc == 0 && (rc = disk_reader_init(&squash->reader, &squash->disk, err)) < 0)
		disk_close(&squash->disk);
	if (rc == 0)
		*out = squash;
	else
		free(squash);
	return rc;
}

void squash_free(struct squash **squash)
{
	if (*squash) {
		disk_reader_free(&(*squash)->reader);
		disk_close(&(*squash)->disk);
	}
	free(*squash);
	*squash = NULL;
}

struct disk_reader *squash_reader(struct squash *squash)
{
	return &squash->reader;
}

static struct squash_node node_of(uint64_t where, const struct disk_inode *inode)
{
	bool sized = S_ISREG(inode->mode) || S_ISLNK(inode->mode);
	return (struct squash_node){
		.inode = where,
		.number = inode->number,
		.mode = inode->mode,
		.size = sized ? inode->size : 0,
	};
}

/* Finds `name` in the directory `where`: 1 found, 0 not there. */
static int directory_find(struct squash *squash, uint64_t where, const char *name, uint64_t *found,
			  struct err *err)
{
	struct disk_inode inode;
	struct disk_entry entry;
	int rc = disk_inode_get(&squash->reader, where, &inode, err);
	if (rc == 0)
		rc = disk_dir_find(&squash->reader, &inode, name, &entry, err);
	if (rc > 0)
		*found = entry.inode;
	return rc;
}

static int link_text(struct squash *squash, const struct disk_inode *inode, char *text,
		     size_t size, struct err *err)
{
	if (!S_ISLNK(inode->mode))
		return err_set(err, EINVAL, "not a symbolic link");
	if (inode->size >= size)
		return err_set(err, ENAMETOOLONG, "a symbolic link of %llu bytes",
			       (unsigned long long)inode->size);
	return disk_link_read(&squash->reader, inode, text, err);
}

static void trail_reset(struct squash *squash, struct trail *trail)
{
	trail->depth = 1;
	trail->dirs[0].where = squash->disk.super.root_inode;
	trail->dirs[0].path_len = 0;
	trail->path_len = 0;
	trail->path[0] = '\0';
}

static void trail_up(struct trail *trail)
{
	if (trail->depth > 1)
		trail->depth--;
	trail->path_len = trail->dirs[trail->depth - 1].path_len;
	trail->path[trail->path_len] = '\0';
}

static int trail_name(struct trail *trail, const char *name, struct err *err)
{
	size_t len = strlen(name);
	if (trail->path_len + 1 + len >= sizeof trail->path)
		return err_set(err, ENAMETOOLONG, "a path in the image is too long");
	trail->path[trail->path_len] = '/';
	memcpy(trail->path + trail->path_len + 1, name, len + 1);
	trail->path_len += 1 + len;
	return 0;
}

static int trail_enter(struct trail *trail, uint64_t where, struct err *err)
{
	if (trail->depth == SQUASH_DEPTH_MAX)
		return err_set(err, ENAMETOOLONG, "directories are nested too deep in the image");
	trail->dirs[trail->depth].where = where;
	trail->dirs[trail->depth].path_len = trail->path_len;
	trail->depth++;
	return 0;
}

/* Cuts the first name off `rest`; NULL when there is none. */
static char *name_cut(char **rest)
{
	*rest += strspn(*rest, "/");
	if (**rest == '\0')
		return NULL;
	char *name = *rest;
	*rest += strcspn(*rest, "/");
	if (**rest != '\0')
		*(*rest)++ = '\0';
	return name;
}

/* Puts the link's text in front of what is left. */
static int rest_prepend(struct squash *squash, const struct disk_inode *inode, char *buffer,
			char **rest, struct err *err)
{
	char text[SQUASH_PATH_MAX];
	int rc = link_text(squash, inode, text, sizeof text, err);
	if (rc < 0)
		return rc;
	size_t left = strlen(*rest), len = strlen(text);
	if (len + 1 + left >= SQUASH_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "a path in the image is too long");
	memmove(buffer + len + 1, *rest, left + 1);
	memcpy(buffer, text, len);
	buffer[len] = '/';
	*rest = buffer;
	return 0;
}

/* The whole resolution. `trail->path` and *node are the result. */
static int resolve(struct squash *squash, const char *path, bool follow, struct trail *trail,
		   struct squash_node *node, struct err *err)
{
	char buffer[SQUASH_PATH_MAX];
	if (strlen(path) >= sizeof buffer)
		return err_set(err, ENAMETOOLONG, "a path in the image is too long");
	memcpy(buffer, path, strlen(path) + 1);
	char *rest = buffer, *name;
	unsigned links = 0;
	struct disk_inode inode;
	uint64_t where = squash->disk.super.root_inode;

	trail_reset(squash, trail);
	int rc = disk_inode_get(&squash->reader, where, &inode, err);
	while (rc == 0 && (name = name_cut(&rest))) {
		if (!S_ISDIR(inode.mode))
			return err_set(err, ENOTDIR, "%s is not a directory in the image", trail->path);
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			trail_up(trail);
			where = trail->dirs[trail->depth - 1].where;
			rc = disk_inode_get(&squash->reader, where, &inode, err);
			continue;
		}
		uint64_t parent = where;
		if ((rc = directory_find(squash, parent, name, &where, err)) < 0)
			return rc;
		if (rc == 0)
			return err_set(err, ENOENT, "%s/%s is not in the image", trail->path, name);
		if ((rc = disk_inode_get(&squash->reader, where, &inode, err)) < 0)
			return rc;
		bool last = rest[strspn(rest, "/")] == '\0';
		if (S_ISLNK(inode.mode) && (follow || !last)) {
			if (++links > SQUASH_LINKS_MAX)
				return err_set(err, ELOOP, "too many symbolic links at %s/%s in the image",
					       trail->path, name);
			if ((rc = rest_prepend(squash, &inode, buffer, &rest, err)) < 0)
				return rc;
			if (*rest == '/')
				trail_reset(squash, trail);
			where = trail->dirs[trail->depth - 1].where;
			rc = disk_inode_get(&squash->reader, where, &inode, err);
			continue;
		}
		if ((rc = trail_name(trail, name, err)) < 0)
			return rc;
		if (S_ISDIR(inode.mode))
			rc = trail_enter(trail, where, err);
	}
	if (rc < 0)
		return rc;
	*node = node_of(where, &inode);
	return 0;
}

int squash_lookup(struct squash *squash, const char *path, bool follow, struct squash_node *node,
		  struct err *err)
{
	struct trail trail;
	return resolve(squash, path, follow, &trail, node, err);
}

int squash_realpath_new(struct squash *squash, const char *path, char **real,
			struct squash_node *node, struct err *err)
{
	struct trail trail;
	struct squash_node found;
	int rc = resolve(squash, path, true, &trail, &found, err);
	if (rc < 0)
		return rc;
	if (!(*real = strdup(trail.path_len ? trail.path : "/")))
		return err_set(err, ENOMEM, "no memory for a path");
	if (node)
		*node = found;
	return 0;
}

int squash_readlink_new(struct squash *squash, const struct squash_node *node, char **target,
			struct err *err)
{
	struct disk_inode inode;
	char text[SQUASH_PATH_MAX];
	int rc = disk_inode_get(&squash->reader, node->inode, &inode, err);
	if (rc == 0)
		rc = link_text(squash, &inode, text, sizeof text, err);
	if (rc < 0)
		return rc;
	*target = strdup(text);
	return *target ? 0 : err_set(err, ENOMEM, "no memory for a path");
}

ssize_t squash_read(struct squash *squash, const struct squash_node *node, uint64_t offset,
		    void *bytes, size_t len, struct err *err)
{
	struct disk_inode inode;
	int rc = disk_inode_get(&squash->reader, node->inode, &inode, err);
	if (rc < 0)
		return rc;
	return disk_file_read(&squash->reader, &inode, offset, bytes, len, err);
}

int squash_slurp_new(struct squash *squash, const struct squash_node *node, size_t max,
		     char **out, size_t *len, struct err *err)
{
	if (node->size > max)
		return err_set(err, EFBIG, "a file of %llu bytes in the image, at most %zu expected",
			       (unsigned long long)node->size, max);
	AUTO_FREE char *bytes = malloc((size_t)node->size + 1);
	if (!bytes)
		return err_set(err, ENOMEM, "no memory for a file of the image");
	ssize_t got = squash_read(squash, node, 0, bytes, (size_t)node->size, err);
	if (got < 0)
		return (int)got;
	bytes[got] = '\0';
	*len = (size_t)got;
	*out = take_ptr(&bytes);
	return 0;
}

struct walk {
	struct squash *squash;
	struct disk_dir dirs[SQUASH_DEPTH_MAX];
	struct trail trail;
	uint64_t entries, entered;
	bool deep;
	squash_visit_fn *visit;
	void *context;
};

static int walk_enter(struct walk *walk, uint64_t where, const struct disk_inode *inode,
		      struct err *err)
{
	for (size_t i = 0; i < walk->trail.depth; i++)
		if (walk->trail.dirs[i].where == where)
			return err_set(err, EIO, "broken image: %s contains itself", walk->trail.path);
	if (walk->entered++ > walk->squash->disk.super.inodes)
		return err_set(err, EIO, "broken image: more directories than inodes");
	int rc = trail_enter(&walk->trail, where, err);
	if (rc < 0)
		return rc;
	return disk_dir_open(inode, &walk->dirs[walk->trail.depth - 1], err);
}

/* Visits one entry of the innermost directory, and enters it. */
static int walk_entry(struct walk *walk, const struct disk_entry *entry, struct err *err)
{
	struct disk_inode inode;
	if (++walk->entries > SQUASH_ENTRIES_MAX)
		return err_set(err, EIO, "the image has more than %d names", SQUASH_ENTRIES_MAX);
	int rc = disk_inode_get(&walk->squash->reader, entry->inode, &inode, err);
	if (rc < 0 || (rc = trail_name(&walk->trail, entry->name, err)) < 0)
		return rc;
	struct squash_node node = node_of(entry->inode, &inode);
	rc = walk->visit(walk->context, walk->trail.path, &node, err);
	if (rc == SQUASH_VISIT_ON && walk->deep && S_ISDIR(inode.mode))
		return walk_enter(walk, entry->inode, &inode, err);
	walk->trail.path_len = walk->trail.dirs[walk->trail.depth - 1].path_len;
	walk->trail.path[walk->trail.path_len] = '\0';
	return rc == SQUASH_VISIT_PRUNE ? 0 : rc;
}

static int walk_run(struct walk *walk, const char *path, struct err *err)
{
	struct squash_node top;
	struct disk_inode inode;
	struct disk_entry entry;
	int rc = resolve(walk->squash, path, true, &walk->trail, &top, err);
	if (rc < 0 || (rc = disk_inode_get(&walk->squash->reader, top.inode, &inode, err)) < 0)
		return rc;
	if (!S_ISDIR(inode.mode))
		return err_set(err, ENOTDIR, "%s is not a directory in the image", path);
	size_t bottom = walk->trail.depth;  /* resolve() has entered it */
	if ((rc = disk_dir_open(&inode, &walk->dirs[bottom - 1], err)) < 0)
		return rc;
	while (walk->trail.depth >= bottom) {
		rc = disk_dir_next(&walk->squash->reader, &walk->dirs[walk->trail.depth - 1], &entry, err);
		if (rc > 0)
			rc = walk_entry(walk, &entry, err);
		else if (rc == 0 && walk->trail.depth == bottom)
			return 0;
		else if (rc == 0)
			trail_up(&walk->trail);
		if (rc != 0)
			return rc == SQUASH_VISIT_STOP ? 0 : rc;
	}
	return 0;
}

static int walk_start(struct squash *squash, const char *path, bool deep, squash_visit_fn *visit,
		      void *context, struct err *err)
{
	AUTO_FREE struct walk *walk = calloc(1, sizeof *walk);
	if (!walk)
		return err_set(err, ENOMEM, "no memory to walk the image");
	walk->squash = squash;
	walk->deep = deep;
	walk->visit = visit;
	walk->context = context;
	return walk_run(walk, path, err);
}

int squash_walk(struct squash *squash, const char *path, squash_visit_fn *visit, void *context,
		struct err *err)
{
	return walk_start(squash, path, true, visit, context, err);
}

int squash_list(struct squash *squash, const char *path, squash_visit_fn *visit, void *context,
		struct err *err)
{
	return walk_start(squash, path, false, visit, context, err);
}
