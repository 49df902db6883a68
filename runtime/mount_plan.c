/*
 * mount_plan.c - the list of mount operations as a value (mount_plan.h).  Pure.
 *
 * The launcher and mpi-abi/ add operations, sort, print and pack them; cmpi-init parses the packed
 * form and hands the list to mount_apply.c.  Invariant: every target in a plan is absolute and
 * normal: no "//", "." or "..", no slash at the end, and never "/" itself, which is the image.
 * So depth is a count of slashes, and equal targets are equal strings.
 *
 * Caveat: sorting knows the targets as they are written.  When the image's own links make a shallow
 * target land below a deeper one, the deeper one hides it; nobody has such an image.
 */
#include "runtime/mount_plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define PLAN_MAGIC 0x6e6c7063u  /* "cpln" */

static void op_free(struct mount_op *op)
{
	free(op->source);
	free(op->target);
	free(op->content);
	*op = (struct mount_op){0};
}

void mount_plan_free(struct mount_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		op_free(&plan->ops[i]);
	free(plan->ops);
	*plan = (struct mount_plan){0};
}

/* Copies `path` without empty and "." parts.  `where` is for the error. */
static int path_normalise(const char *path, const char *where, char **out, struct err *err)
{
	if (path == NULL || path[0] != '/')
		return err_set(err, EINVAL, "%s \"%s\" is not an absolute path", where, path ? path : "");
	if (strlen(path) >= MOUNT_PLAN_PATH_MAX)
		return err_set(err, ENAMETOOLONG, "%s is longer than %d bytes", where, MOUNT_PLAN_PATH_MAX);
	AUTO_FREE char *normal = malloc(strlen(path) + 2);
	if (normal == NULL)
		return err_errno(err, ENOMEM, "mount plan");
	size_t len = 0;
	for (const char *at = path; *at != '\0';) {
		size_t part = strcspn(at, "/");
		if (part == 2 && memcmp(at, "..", 2) == 0)
			return err_set(err, EINVAL, "%s \"%s\" has a \"..\" in it", where, path);
		if (part > 0 && !(part == 1 && at[0] == '.')) {
			normal[len++] = '/';
			memcpy(normal + len, at, part);
			len += part;
		}
		at += part + (at[part] == '/');
	}
	if (len == 0)
		normal[len++] = '/';
	normal[len] = '\0';
	*out = take_ptr(&normal);
	return 0;
}

static int target_normalise(const char *path, char **out, struct err *err)
{
	AUTO_FREE char *target = NULL;
	int rc = path_normalise(path, "mount target", &target, err);
	if (rc < 0)
		return rc;
	if (strcmp(target, "/") == 0)
		return err_set(err, EINVAL, "nothing can be mounted over /, which is the image");
	*out = take_ptr(&target);
	return 0;
}

/* A new operation at the end of the list, zeroed but for kind and target. */
static int op_append(struct mount_plan *plan, enum mount_kind kind, const char *target,
		     struct mount_op **out, struct err *err)
{
	AUTO_FREE char *normal = NULL;
	int rc = target_normalise(target, &normal, err);
	if (rc < 0)
		return rc;
	if (plan->count == MOUNT_PLAN_OPS_MAX)
		return err_set(err, E2BIG, "more than %d mounts", MOUNT_PLAN_OPS_MAX);
	if (plan->count == plan->size) {
		size_t size = plan->size ? 2 * plan->size : 16;
		struct mount_op *ops = realloc(plan->ops, size * sizeof *ops);
		if (ops == NULL)
			return err_errno(err, ENOMEM, "mount plan");
		plan->ops = ops;
		plan->size = size;
	}
	struct mount_op *op = &plan->ops[plan->count++];
	*op = (struct mount_op){.kind = kind, .target = take_ptr(&normal)};
	*out = op;
	return 0;
}

static int op_set_content(struct mount_plan *plan, struct mount_op *op, const void *content,
			  size_t len, struct err *err)
{
	op->content = malloc(len + 1);
	if (op->content == NULL) {
		op_free(&plan->ops[--plan->count]);
		return err_errno(err, ENOMEM, "mount plan");
	}
	memcpy(op->content, content, len);
	op->content[len] = '\0';
	op->content_len = len;
	return 0;
}

int mount_plan_add_bind(struct mount_plan *plan, const char *source, const char *target,
			uint32_t flags, struct err *err)
{
	if (source == NULL || source[0] != '/' || strlen(source) >= MOUNT_PLAN_PATH_MAX)
		return err_set(err, EINVAL, "bind mount: the source \"%s\" is not an absolute path",
			       source ? source : "");
	AUTO_FREE char *copy = strdup(source);
	if (copy == NULL)
		return err_errno(err, ENOMEM, "mount plan");
	struct mount_op *op;
	int rc = op_append(plan, MOUNT_BIND, target, &op, err);
	if (rc < 0)
		return rc;
	op->source = take_ptr(&copy);
	op->flags = flags;
	return 0;
}

int mount_plan_add_tmpfs(struct mount_plan *plan, const char *target, uint64_t size, uint32_t mode,
			 struct err *err)
{
	struct mount_op *op;
	int rc = op_append(plan, MOUNT_TMPFS, target, &op, err);
	if (rc < 0)
		return rc;
	op->size = size;
	op->mode = mode & 07777;
	return 0;
}

int mount_plan_add_file(struct mount_plan *plan, const char *target, const void *content,
			size_t len, uint32_t mode, struct err *err)
{
	struct mount_op *op;
	int rc = op_append(plan, MOUNT_FILE, target, &op, err);
	if (rc < 0)
		return rc;
	op->mode = mode & 0777;
	return op_set_content(plan, op, content, len, err);
}

int mount_plan_add_symlink(struct mount_plan *plan, const char *target, const char *points_to,
			   struct err *err)
{
	if (points_to[0] == '\0')
		return err_set(err, EINVAL, "symbolic link %s: it points nowhere", target);
	struct mount_op *op;
	int rc = op_append(plan, MOUNT_SYMLINK, target, &op, err);
	if (rc < 0)
		return rc;
	return op_set_content(plan, op, points_to, strlen(points_to), err);
}

/* Content of USER_DB: u32 uid, u32 gid, then name, group, home, shell, each ending in NUL. */
int mount_plan_add_user_db(struct mount_plan *plan, const struct mount_user *user, struct err *err)
{
	AUTO_BUF struct buf content = {0};
	buf_add_u32(&content, user->uid);
	buf_add_u32(&content, user->gid);
	const char *fields[] = {user->name, user->group, user->home, user->shell};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const char *text = fields[i] ? fields[i] : "";
		if (strpbrk(text, ":\n") != NULL)
			return err_set(err, EINVAL, "user database: \"%s\" has a colon or newline", text);
		buf_add(&content, text, strlen(text) + 1);
	}
	if (content.failed)
		return err_errno(err, ENOMEM, "mount plan");
	struct mount_op *op;
	int rc = op_append(plan, MOUNT_USER_DB, "/etc/passwd", &op, err);
	if (rc < 0)
		return rc;
	return op_set_content(plan, op, content.data, content.len, err);
}

int mount_user_parse(const struct mount_op *op, struct mount_user *user, char **text,
		     struct err *err)
{
	struct cursor cursor = cursor_of(op->content, op->content_len);
	struct mount_user found = {.uid = cursor_u32(&cursor), .gid = cursor_u32(&cursor)};
	size_t len = cursor_left(&cursor);
	AUTO_FREE char *copy = malloc(len + 1);
	if (copy == NULL)
		return err_errno(err, ENOMEM, "user database");
	if (len > 0)
		memcpy(copy, cursor.at, len);
	copy[len] = '\0';
	const char **fields[] = {&found.name, &found.group, &found.home, &found.shell};
	const char *at = copy;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		if (cursor.bad || at >= copy + len || strpbrk(at, ":\n") != NULL)
			return err_set(err, EPROTO, "mount plan: the user database is garbled");
		*fields[i] = at;
		at += strlen(at) + 1;
	}
	*user = found;
	*text = take_ptr(&copy);
	return 0;
}

int mount_plan_add_volume(struct mount_plan *plan, const char *text, struct err *err)
{
	AUTO_FREE char *copy = strdup(text);
	if (copy == NULL)
		return err_errno(err, ENOMEM, "mount plan");
	char *rest = copy, *source = strsep(&rest, ":"), *target = strsep(&rest, ":");
	char *option = strsep(&rest, ":");
	uint32_t flags = 0;
	/* "SRC:ro" would be a relative target: take it for the option that it is. */
	if (target != NULL && option == NULL && target[0] != '/' &&
	    (strcmp(target, "ro") == 0 || strcmp(target, "rw") == 0)) {
		option = target;
		target = NULL;
	}
	if (option != NULL && strcmp(option, "ro") == 0)
		flags = MOUNT_READ_ONLY;
	else if (option != NULL && strcmp(option, "rw") != 0)
		return err_set(err, EINVAL, "volume \"%s\": the option \"%s\" is neither ro nor rw", text,
			       option);
	if (rest != NULL)
		return err_set(err, EINVAL, "volume \"%s\": more than SRC:DST:ro", text);
	int rc = mount_plan_add_bind(plan, source, target ? target : source, flags, err);
	if (rc < 0)
		return err_prefix(err, "volume \"%s\"", text);
	return 0;
}

/* Is `path` what a bind of `parent` onto itself shows already? */
static bool path_below(const char *path, const char *parent)
{
	size_t len = strlen(parent);
	return strncmp(path, parent, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Is `path` inside a writable bind of a host directory onto its own name? */
static bool plan_shows(const struct mount_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct mount_op *op = &plan->ops[i];
		if (op->kind == MOUNT_BIND && strcmp(op->source, op->target) == 0 &&
		    path_below(path, op->target))
			return true;
	}
	return false;
}

static int add_same(struct mount_plan *plan, const char *path, uint32_t flags, struct err *err)
{
	AUTO_FREE char *normal = NULL;
	int rc = path_normalise(path, "directory", &normal, err);
	if (rc < 0 || strcmp(normal, "/") == 0 || plan_shows(plan, normal))
		return rc;
	return mount_plan_add_bind(plan, normal, normal, flags, err);
}

int mount_plan_add_defaults(struct mount_plan *plan, const struct mount_defaults *defaults,
			    struct err *err)
{
	/* A working directory like /usr must not hide the image's; a home may (it is asked for by
	 * name in every dot file), and the image's stays visible at MOUNT_PLAN_IMAGE. */
	const struct {
		const char *path;
		bool off;
		uint32_t flags;
	} binds[] = {
		{"/proc", defaults->no_proc, 0},
		{"/sys", defaults->no_sys, 0},
		{"/dev", defaults->no_dev, 0},
		{"/tmp", defaults->no_tmp, 0},
		{defaults->home, defaults->no_home, MOUNT_OPTIONAL},
		{defaults->cwd, defaults->no_cwd, MOUNT_OPTIONAL | MOUNT_KEEP_IMAGE},
		{"/etc/resolv.conf", defaults->no_etc, MOUNT_OPTIONAL | MOUNT_READ_ONLY},
		{"/etc/hosts", defaults->no_etc, MOUNT_OPTIONAL | MOUNT_READ_ONLY},
	};
	for (size_t i = 0; i < sizeof binds / sizeof *binds; i++) {
		if (binds[i].off || binds[i].path == NULL)
			continue;
		int rc = add_same(plan, binds[i].path, binds[i].flags, err);
		if (rc < 0)
			return rc;
	}
	if (defaults->no_user_db)
		return 0;
	return mount_plan_add_user_db(plan, &defaults->user, err);
}

static unsigned target_depth(const char *target)
{
	unsigned depth = 0;
	for (; *target != '\0'; target++)
		depth += *target == '/';
	return depth;
}

static void drop_overridden(struct mount_plan *plan)
{
	size_t kept = 0;
	for (size_t i = 0; i < plan->count; i++) {
		bool again = false;
		for (size_t j = i + 1; j < plan->count && !again; j++)
			again = strcmp(plan->ops[i].target, plan->ops[j].target) == 0;
		if (again)
			op_free(&plan->ops[i]);
		else
			plan->ops[kept++] = plan->ops[i];
	}
	plan->count = kept;
}

bool mount_plan_has_bind(const struct mount_plan *plan, const char *source, const char *target)
{
	for (size_t i = plan->count; i-- > 0;) {
		const struct mount_op *op = &plan->ops[i];
		if (strcmp(op->target, target) == 0)
			return op->kind == MOUNT_BIND && strcmp(op->source, source) == 0;
	}
	return false;
}

void mount_plan_sort(struct mount_plan *plan)
{
	drop_overridden(plan);
	/* Insertion: stable, and a plan is short and nearly in order. */
	for (size_t i = 1; i < plan->count; i++) {
		struct mount_op op = plan->ops[i];
		unsigned depth = target_depth(op.target);
		size_t at = i;
		for (; at > 0 && target_depth(plan->ops[at - 1].target) > depth; at--)
			plan->ops[at] = plan->ops[at - 1];
		plan->ops[at] = op;
	}
}

void mount_op_format(const struct mount_op *op, struct buf *out)
{
	switch (op->kind) {
	case MOUNT_BIND:
		buf_printf(out, "bind %s", op->target);
		if (strcmp(op->source, op->target) != 0)
			buf_printf(out, " from %s", op->source);
		break;
	case MOUNT_TMPFS:
		buf_printf(out, "tmpfs %s", op->target);
		if (op->size > 0)
			buf_printf(out, " of %llu bytes", (unsigned long long)op->size);
		break;
	case MOUNT_FILE:
		buf_printf(out, "file %s of %zu bytes", op->target, op->content_len);
		break;
	case MOUNT_USER_DB:
		buf_printf(out, "user database /etc/passwd, /etc/group plus the caller");
		break;
	case MOUNT_SYMLINK:
		buf_printf(out, "link %s to %s", op->target, op->content);
		break;
	}
	if (op->flags & MOUNT_READ_ONLY)
		buf_printf(out, " (read-only)");
	if (op->flags & MOUNT_OPTIONAL)
		buf_printf(out, " (if it exists)");
	if (op->flags & MOUNT_KEEP_IMAGE)
		buf_printf(out, " (unless the image has it)");
}

void mount_plan_pack(const struct mount_plan *plan, struct buf *out)
{
	buf_add_u32(out, PLAN_MAGIC);
	buf_add_u32(out, (uint32_t)plan->count);
	for (size_t i = 0; i < plan->count; i++) {
		const struct mount_op *op = &plan->ops[i];
		buf_add_u8(out, (uint8_t)op->kind);
		buf_add_u32(out, op->flags);
		buf_add_u32(out, op->mode);
		buf_add_u64(out, op->size);
		buf_add_str(out, op->source);
		buf_add_str(out, op->target);
		buf_add_blob(out, op->content, op->content_len);
	}
}

static int op_parse(struct cursor *cursor, struct mount_plan *plan, struct err *err)
{
	uint8_t kind = cursor_u8(cursor);
	uint32_t flags = cursor_u32(cursor), mode = cursor_u32(cursor);
	uint64_t size = cursor_u64(cursor);
	AUTO_FREE char *source = cursor_str_new(cursor), *target = cursor_str_new(cursor);
	size_t len;
	const char *content = cursor_blob(cursor, &len);
	if (cursor->bad || source == NULL || target == NULL)
		return err_set(err, EPROTO, "mount plan: cut short");
	if (flags & ~(uint32_t)(MOUNT_READ_ONLY | MOUNT_OPTIONAL | MOUNT_KEEP_IMAGE))
		return err_set(err, EPROTO, "mount plan: unknown flags 0x%x", flags);
	switch (kind) {
	case MOUNT_BIND:
		return mount_plan_add_bind(plan, source, target, flags, err);
	case MOUNT_TMPFS:
		return mount_plan_add_tmpfs(plan, target, size, mode, err);
	case MOUNT_FILE:
		return mount_plan_add_file(plan, target, content, len, mode, err);
	case MOUNT_SYMLINK: {
		AUTO_FREE char *text = strndup(content, len);
		if (text == NULL)
			return err_errno(err, ENOMEM, "mount plan");
		if (strlen(text) != len)
			return err_set(err, EPROTO, "mount plan: a NUL in a symbolic link");
		return mount_plan_add_symlink(plan, target, text, err);
	}
	case MOUNT_USER_DB: {
		struct mount_op packed = {.content = (char *)content, .content_len = len};
		struct mount_user user;
		AUTO_FREE char *text = NULL;
		int rc = mount_user_parse(&packed, &user, &text, err);
		return rc < 0 ? rc : mount_plan_add_user_db(plan, &user, err);
	}
	default:
		return err_set(err, EPROTO, "mount plan: unknown operation %u", kind);
	}
}

int mount_plan_parse(const void *bytes, size_t len, struct mount_plan *plan, struct err *err)
{
	struct cursor cursor = cursor_of(bytes, len);
	if (cursor_u32(&cursor) != PLAN_MAGIC)
		return err_set(err, EPROTO, "mount plan: wrong magic number");
	uint32_t count = cursor_u32(&cursor);
	for (uint32_t i = 0; i < count; i++) {
		int rc = op_parse(&cursor, plan, err);
		if (rc < 0)
			return rc;
	}
	if (cursor.bad || cursor_left(&cursor) > 0)
		return err_set(err, EPROTO, "mount plan: cut short or too long");
	return 0;
}
