/*
 * imgfs_serve.c - libfuse's low-level callbacks, each a few lines over imgfs.h (imgfs_serve.h).
 *
 * The image never changes, so the kernel may keep everything for ever: entries, also those that are
 * not there, attributes, links, pages.  It need not tell us of open and close (ENOSYS, once, for
 * all), and where the image has no extended attributes it need not ask for them at each exec.  What
 * is left is one request for each name, and one for each 128 KiB.
 *
 * Threads: each takes a request from the device, answers it, and takes the next.  The first serves
 * alone until somebody reads a file, for what a start-up asks before that takes a single thread less
 * time than starting others.  A read that has to wait for a part of the image does not hold its
 * thread (imgfs_reads.h); libfuse allows to answer later and from elsewhere.
 */
#define FUSE_USE_VERSION 314
#include "runtime/imgfs_serve.h"

#include <linux/limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <fuse3/fuse_lowlevel.h>

#include "common/cleanup.h"
#include "runtime/imgfs_ahead.h"
#include "runtime/imgfs_reads.h"

/* Seconds; "for ever" without an overflow in the kernel's conversion. */
static const double forever = 1e9;
enum { READ_BYTES_MAX = 1 << 20, LINK_BYTES_MAX = 65536 };
enum { THREADS_MIN = 2, THREADS_MAX = 4, BACKGROUND_MAX = 512 };

struct server {
	struct imgfs *imgfs;
	struct imgfs_reads *reads;
	struct imgfs_ahead *ahead;
	struct fuse_session *session;
	pthread_t threads[THREADS_MAX];  /* but the first */
	size_t thread_count;
	atomic_flag threads_started;
	atomic_uint reads_now;   /* in the hands of a thread */
	bool records;           /* every name must be looked up */
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
	if (server->records)
		conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
	/* Reads ahead that wait for a part of the image must not use up what the kernel asks at one
	 * time. */
	conn->max_background = BACKGROUND_MAX;
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
	char text[LINK_BYTES_MAX];
	int rc = imgfs_readlink(imgfs_of(req), ino, text, sizeof text);
	if (rc < 0)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_readlink(req, text);
}

/* Of the type imgfs_answer_fn. */
static void answer_read(void *context, void *token, const char *bytes, ssize_t length)
{
	(void)context;
	if (length < 0)
		fuse_reply_err(token, (int)-length);
	else
		fuse_reply_buf(token, bytes, (size_t)length);
}

static void threads_start(struct server *server);

static void serve_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	struct server *server = server_of(req);
	(void)info;
	if (size > READ_BYTES_MAX)
		size = READ_BYTES_MAX;
	threads_start(server);
	/* Who has asked for more already needs nobody to guess what he will ask for. */
	bool alone = atomic_fetch_add(&server->reads_now, 1) == 0;
	imgfs_ahead_note(server->ahead, ino, (uint64_t)offset, size, alone);
	imgfs_reads_submit(server->reads, req, ino, size, (uint64_t)offset);
	atomic_fetch_sub(&server->reads_now, 1);
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
	struct listing listing = {.req = req, .plus = plus};
	listing.size = size < READ_BYTES_MAX ? size : READ_BYTES_MAX;
	AUTO_FREE char *bytes = listing.bytes = malloc(listing.size);
	if (bytes == NULL) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
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

static void reply_xattr(fuse_req_t req, ssize_t length, const char *value, size_t size)
{
	if (length < 0)
		fuse_reply_err(req, (int)-length);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)length);
	else
		fuse_reply_buf(req, value, (size_t)length);
}

static void serve_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char value[XATTR_SIZE_MAX];
	size_t room = size < sizeof value ? size : sizeof value;
	if (!imgfs_has_xattrs(imgfs_of(req)))
		fuse_reply_err(req, ENOSYS);
	else
		reply_xattr(req, imgfs_getxattr(imgfs_of(req), ino, name, value, room), value, size);
}

static void serve_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char names[XATTR_LIST_MAX];
	size_t room = size < sizeof names ? size : sizeof names;
	if (!imgfs_has_xattrs(imgfs_of(req)))
		fuse_reply_err(req, ENOSYS);
	else
		reply_xattr(req, imgfs_listxattr(imgfs_of(req), ino, names, room), names, size);
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

/* ---- threads ---- */

static void *serve_requests(void *context)
{
	struct server *server = context;
	struct fuse_buf buffer = {0};
	while (!fuse_session_exited(server->session)) {
		int rc = fuse_session_receive_buf(server->session, &buffer);
		if (rc == -EINTR)
			continue;
		if (rc <= 0)
			break;
		fuse_session_process_buf(server->session, &buffer);
	}
	free(buffer.mem);
	return NULL;
}

/* Once.  Fewer threads than wished for serve as well. */
static void threads_start(struct server *server)
{
	cpu_set_t cpus;
	if (atomic_flag_test_and_set(&server->threads_started))
		return;
	int wanted = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : THREADS_MIN;
	if (wanted < THREADS_MIN)
		wanted = THREADS_MIN;
	if (wanted > THREADS_MAX)
		wanted = THREADS_MAX;
	while (server->thread_count + 1 < (size_t)wanted &&
	       pthread_create(&server->threads[server->thread_count], NULL, serve_requests, server) == 0)
		server->thread_count++;
}

/* The first thread is the caller's. */
static int threads_run(struct server *server)
{
	serve_requests(server);
	/* Nothing more is started from here on; the device says to all threads what it said to us. */
	atomic_flag_test_and_set(&server->threads_started);
	for (size_t i = 0; i < server->thread_count; i++)
		pthread_join(server->threads[i], NULL);
	return fuse_session_exited(server->session) ? 0 : -EIO;
}

static void server_free(struct server *server)
{
	imgfs_ahead_free(&server->ahead);
	imgfs_reads_free(&server->reads);
	if (server->session != NULL)
		fuse_session_destroy(server->session);
}

int imgfs_serve(struct imgfs *imgfs, int device_fd, bool records, struct err *err)
{
	char name[] = "cmpi-imgfs", *argv[] = {name, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	__attribute__((cleanup(server_free))) struct server server = {
		.imgfs = imgfs, .records = records, .threads_started = ATOMIC_FLAG_INIT};
	char mount_point[32];
	int rc = imgfs_reads_new(imgfs, answer_read, NULL, &server.reads, err);
	if (rc == 0)
		rc = imgfs_ahead_new(imgfs, &server.ahead, err);
	if (rc < 0)
		return rc;
	server.session = fuse_session_new(&args, &operations, sizeof operations, &server);
	if (server.session == NULL)
		return err_set(err, EIO, "libfuse cannot make a session");
	/* libfuse's way to be given a device that is mounted already. */
	snprintf(mount_point, sizeof mount_point, "/dev/fd/%d", device_fd);
	if (fuse_session_mount(server.session, mount_point) != 0)
		return err_set(err, EIO, "libfuse does not take the device");
	rc = threads_run(&server);
	return rc == 0 ? 0 : err_set(err, EIO, "the FUSE session failed");
}
