/*
 * imgfs_serve.c - libfuse's low-level callbacks, each a few lines over imgfs.h (imgfs_serve.h).
 *
 * The image never changes, so the kernel may keep everything for ever: entries, also those that are
 * not there, attributes, links, pages.  It need not tell us of open and close (ENOSYS, once, for
 * all), and where the image has no extended attributes it need not ask for them at each exec.  What
 * is left is one request for each name, and one for each 128 KiB.
 *
 * One thread now.  A later one that waits for missing parts of the image, or decompresses ahead,
 * goes in behind serve_read: libfuse allows to answer a request later and from elsewhere.
 */
#define FUSE_USE_VERSION 314
#include "runtime/imgfs_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fuse3/fuse_lowlevel.h>

#include "common/cleanup.h"

/* Seconds; "for ever" without an overflow in the kernel's conversion. */
static const double forever = 1e9;
enum { READ_BYTES_MAX = 1 << 20, LINK_BYTES_MAX = 65536 };

struct server {
	struct imgfs *imgfs;
	char *room;  /* READ_BYTES_MAX, for answers */
	unsigned capabilities;  /* FUSE_CAP_* of the kernel */
};

static struct server *server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct imgfs *imgfs_of(fuse_req_t req)
{
	return server_of(req)->imgfs;
}

static struct fuse_entry_param param_of(const struct imgfs_entry *entry)
{
	return (struct fuse_entry_param){.ino = entry->ino,
					 .attr = entry->attr,
					 .attr_timeout = forever,
					 .entry_timeout = forever};
}

static void reply_entry(fuse_req_t req, int rc, const struct imgfs_entry *entry)
{
	if (rc < 0) {
		fuse_reply_err(req, -rc);
		return;
	}
	struct fuse_entry_param param = param_of(entry);
	fuse_reply_entry(req, &param);
}

static void serve_init(void *userdata, struct fuse_conn_info *conn)
{
	static const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS |
				       FUSE_CAP_NO_OPEN_SUPPORT | FUSE_CAP_NO_OPENDIR_SUPPORT |
				       FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS |
				       FUSE_CAP_READDIRPLUS_AUTO;
	struct server *server = userdata;
	/* Not wanted: AUTO_INVAL_DATA asks for attributes at reads; splicing costs more than it saves
	 * for data that was just decompressed. */
	conn->want = conn->capable & wanted;
	server->capabilities = conn->capable;
}

static void serve_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct imgfs_entry entry = {0};
	int rc = imgfs_lookup(imgfs_of(req), parent, name, &entry);
	/* An inode number of 0 makes the kernel remember that there is none. */
	if (rc == -ENOENT)
		entry = (struct imgfs_entry){0};
	reply_entry(req, rc == -ENOENT ? 0 : rc, &entry);
}

static void serve_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct stat attr;
	(void)info;
	int rc = imgfs_getattr(imgfs_of(req), ino, &attr);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_attr(req, &attr, forever);
}

static void serve_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char *text = server_of(req)->room;
	int rc = imgfs_readlink(imgfs_of(req), ino, text, LINK_BYTES_MAX);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_readlink(req, text);
}

static void serve_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	char *room = server_of(req)->room;
	(void)info;
	if (size > READ_BYTES_MAX)
		size = READ_BYTES_MAX;
	ssize_t length = imgfs_read(imgfs_of(req), ino, room, size, (uint64_t)offset);
	if (length < 0)
		fuse_reply_err(req, (int)-length);
	else
		fuse_reply_buf(req, room, (size_t)length);
}

struct listing {
	fuse_req_t req;
	char *bytes;
	size_t used, size;
	bool plus;
};

static bool list_entry(void *context, const char *name, const struct imgfs_entry *entry,
		       uint64_t next)
{
	struct listing *listing = context;
	char *at = listing->bytes + listing->used;
	size_t left = listing->size - listing->used, len;
	if (listing->plus) {
		struct fuse_entry_param param = param_of(entry);
		len = fuse_add_direntry_plus(listing->req, at, left, name, &param, (off_t)next);
	} else {
		len = fuse_add_direntry(listing->req, at, left, name, &entry->attr, (off_t)next);
	}
	if (len > left)
		return false;
	listing->used += len;
	return true;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct listing listing = {.req = req, .bytes = server_of(req)->room, .plus = plus};
	listing.size = size < READ_BYTES_MAX ? size : READ_BYTES_MAX;
	int rc = imgfs_readdir(imgfs_of(req), ino, (uint64_t)offset, plus, list_entry, &listing);
	if (rc < 0 && listing.used == 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_buf(req, listing.bytes, listing.used);
}

/* ENOSYS to the first tells the kernel that it never needs to ask again, where it can be told. */
static void open_nothing(fuse_req_t req, unsigned capability, struct fuse_file_info *info)
{
	info->keep_cache = info->cache_readdir = 1;
	if (server_of(req)->capabilities & capability)
		fuse_reply_err(req, ENOSYS);
	else
		fuse_reply_open(req, info);
}

static void serve_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	open_nothing(req, FUSE_CAP_NO_OPEN_SUPPORT, info);
}

static void serve_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)ino;
	open_nothing(req, FUSE_CAP_NO_OPENDIR_SUPPORT, info);
}

static void serve_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			  struct fuse_file_info *info)
{
	(void)info;
	list(req, ino, size, offset, false);
}

static void serve_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			      struct fuse_file_info *info)
{
	(void)info;
	list(req, ino, size, offset, true);
}

static void reply_xattr(fuse_req_t req, ssize_t length, size_t size)
{
	if (length < 0)
		fuse_reply_err(req, (int)-length);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)length);
	else
		fuse_reply_buf(req, server_of(req)->room, (size_t)length);
}

static void serve_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct server *server = server_of(req);
	if (!imgfs_has_xattrs(server->imgfs)) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	size_t room = size < READ_BYTES_MAX ? size : READ_BYTES_MAX;
	reply_xattr(req, imgfs_getxattr(server->imgfs, ino, name, server->room, room), size);
}

static void serve_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct server *server = server_of(req);
	if (!imgfs_has_xattrs(server->imgfs)) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	size_t room = size < READ_BYTES_MAX ? size : READ_BYTES_MAX;
	reply_xattr(req, imgfs_listxattr(server->imgfs, ino, server->room, room), size);
}

static void serve_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs status;
	(void)ino;
	imgfs_statfs(imgfs_of(req), &status);
	fuse_reply_statfs(req, &status);
}

static void serve_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct imgfs_entry entry;
	int rc = imgfs_make(imgfs_of(req), parent, name, S_IFDIR | (mode & 0777), NULL, &entry);
	reply_entry(req, rc, &entry);
}

static void serve_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
			dev_t device)
{
	struct imgfs_entry entry;
	(void)device;
	int rc = imgfs_make(imgfs_of(req), parent, name, mode & (S_IFMT | 0777), NULL, &entry);
	reply_entry(req, rc, &entry);
}

static void serve_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	struct imgfs_entry entry;
	int rc = imgfs_make(imgfs_of(req), parent, name, S_IFLNK | 0777, link, &entry);
	reply_entry(req, rc, &entry);
}

/* Inode numbers are places in the image: there is nothing to forget. */
static void serve_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)ino;
	(void)count;
	fuse_reply_none(req);
}

static const struct fuse_lowlevel_ops operations = {
	.init = serve_init,
	.lookup = serve_lookup,
	.forget = serve_forget,
	.getattr = serve_getattr,
	.readlink = serve_readlink,
	.open = serve_open,
	.read = serve_read,
	.opendir = serve_opendir,
	.readdir = serve_readdir,
	.readdirplus = serve_readdirplus,
	.getxattr = serve_getxattr,
	.listxattr = serve_listxattr,
	.statfs = serve_statfs,
	.mkdir = serve_mkdir,
	.mknod = serve_mknod,
	.symlink = serve_symlink,
};

int imgfs_serve(struct imgfs *imgfs, int device_fd, struct err *err)
{
	char name[] = "cmpi-imgfs", *argv[] = {name, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct server server = {.imgfs = imgfs};
	char mount_point[32];
	AUTO_FREE char *room = malloc(READ_BYTES_MAX);
	if (room == NULL)
		return err_errno(err, ENOMEM, "serve the image");
	server.room = room;
	struct fuse_session *session =
		fuse_session_new(&args, &operations, sizeof operations, &server);
	if (session == NULL)
		return err_set(err, EIO, "libfuse cannot make a session");
	/* libfuse's way to be given a device that is mounted already. */
	snprintf(mount_point, sizeof mount_point, "/dev/fd/%d", device_fd);
	int rc = fuse_session_mount(session, mount_point);
	if (rc == 0)
		rc = fuse_session_loop(session);
	fuse_session_destroy(session);
	return rc == 0 ? 0 : err_set(err, EIO, "the FUSE session failed (%d)", rc);
}
