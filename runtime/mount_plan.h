/*
 * mount_plan.h - how a root is made, as a value.
 *
 * A list of operations, as bubblewrap has it: built by the launcher, printed by --dry-run, sent
 * packed to cmpi-init (foreign bytes there: mount_plan_parse), carried out by mount_apply.c.
 *
 * Targets are absolute paths of the container.  They are resolved inside its root, following the
 * image's own symbolic links, never the host's; a target that is missing is made.  The root itself
 * is read-only afterwards; what is writable is what a plan binds or mounts.  The image's own tree
 * is visible once more at MOUNT_PLAN_IMAGE, so what a bind hides stays usable.  Everything below
 * MOUNT_PLAN_HOME is free for other folders ("/.cmpirun/mpi"); it is a tmpfs, read-only in the end.
 *
 * Every function copies what it is given.  Those that can fail return -ENOMEM, or -EINVAL with the
 * reason (a relative path, a ".." in a target, ...).
 */
#ifndef RUNTIME_MOUNT_PLAN_H
#define RUNTIME_MOUNT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

#define MOUNT_PLAN_HOME "/.cmpirun"
#define MOUNT_PLAN_IMAGE "/.cmpirun/image"

enum { MOUNT_PLAN_OPS_MAX = 4096, MOUNT_PLAN_PATH_MAX = 4096, MOUNT_PLAN_BYTES_MAX = 64 << 20 };

enum mount_kind {
	MOUNT_BIND = 1,  /* source (a path of the host, with all that is mounted below it) */
	MOUNT_TMPFS,     /* size in bytes (0: the kernel's default), mode */
	MOUNT_FILE,      /* content, mode: a small file, made by us, read-only */
	MOUNT_USER_DB,   /* the image's passwd(5) and group(5) plus the caller: content is packed */
	MOUNT_SYMLINK,   /* content: what the link says; no error if the target exists */
};

enum mount_flags {
	MOUNT_READ_ONLY = 1 << 0,
	MOUNT_OPTIONAL = 1 << 1,    /* no error when the source is missing or may not be read */
	MOUNT_KEEP_IMAGE = 1 << 2,  /* not when the image has a file or a non-empty directory there */
};

struct mount_op {
	enum mount_kind kind;
	uint32_t flags;      /* enum mount_flags */
	uint32_t mode;       /* permission bits of TMPFS and FILE */
	uint64_t size;
	char *source;        /* BIND, else NULL */
	char *target;
	char *content;       /* FILE, SYMLINK, USER_DB; else NULL */
	size_t content_len;
};

struct mount_plan {
	struct mount_op *ops;
	size_t count, size;
};

/* The calling user, for programs that ask getpwuid(3). */
struct mount_user {
	uid_t uid;
	gid_t gid;
	const char *name, *group, *home, *shell;
};

/* The defaults, each of which can be switched off.  home and cwd may be NULL. */
struct mount_defaults {
	const char *home, *cwd;
	bool no_home, no_cwd, no_tmp, no_dev, no_proc, no_sys, no_etc, no_user_db;
	struct mount_user user;
};

int mount_plan_add_bind(struct mount_plan *plan, const char *source, const char *target,
			uint32_t flags, struct err *err);
int mount_plan_add_tmpfs(struct mount_plan *plan, const char *target, uint64_t size, uint32_t mode,
			 struct err *err);
int mount_plan_add_file(struct mount_plan *plan, const char *target, const void *content,
			size_t len, uint32_t mode, struct err *err);
int mount_plan_add_symlink(struct mount_plan *plan, const char *target, const char *points_to,
			   struct err *err);
int mount_plan_add_user_db(struct mount_plan *plan, const struct mount_user *user,
			   struct err *err);

/* "SRC[:DST][:ro|rw]" of -v.  DST is SRC when it is left out; SRC must be absolute. */
int mount_plan_add_volume(struct mount_plan *plan, const char *text, struct err *err);

/* /proc /sys /dev /tmp home cwd /etc/resolv.conf /etc/hosts and the user; call it first, so that
 * what the caller adds later wins over a default of the same target. */
int mount_plan_add_defaults(struct mount_plan *plan, const struct mount_defaults *defaults,
			    struct err *err);

/* Is the host's `source` bound to `target`, and is that the last word on it? */
bool mount_plan_has_bind(const struct mount_plan *plan, const char *source, const char *target);

/* Puts parents before children; of several operations on one target the last stays.
 * mount_plan_pack() demands it. */
void mount_plan_sort(struct mount_plan *plan);

/* One line for people, e.g. "bind /home/u (read-only)"; no newline. */
void mount_op_format(const struct mount_op *op, struct buf *out);

void mount_plan_pack(const struct mount_plan *plan, struct buf *out);
/* -EPROTO for anything that pack did not write; *plan must be empty before. */
int mount_plan_parse(const void *bytes, size_t len, struct mount_plan *plan, struct err *err);

/* What MOUNT_USER_DB's content says; strings point into `text`, which the caller frees. */
int mount_user_parse(const struct mount_op *op, struct mount_user *user, char **text,
		     struct err *err);

void mount_plan_free(struct mount_plan *plan);
#define AUTO_MOUNT_PLAN __attribute__((cleanup(mount_plan_free)))

#endif
