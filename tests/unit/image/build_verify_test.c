/*
 * build_verify: an image that is not what its layers say is refused, whatever differs.
 *
 * Three ways to such an image: of other layers than it is compared with; by a writer that puts down
 * something else than it was told (this program's functions stand before libsquashfs'); and by a disk that
 * changes one byte of one write (pwrite is this program's too).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sqfs/dir_writer.h>
#include <sqfs/inode.h>
#include <sqfs/meta_writer.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image/build_squash.h"
#include "image/build_stream.h"
#include "image/build_verify.h"
#include "make_tar.h"
#include "squash/squash.h"
#include "squash/squash_disk.h"

/* -- faults ------------------------------------------------------------- */

enum fault { SOUND, DEVICE, LINKS, NUMBER, PARENT, OWNER, XATTR, TWICE, DROPPED, ORDER, BLOCKS };

static enum fault fault;

static bool harm_inode(sqfs_inode_generic_t *inode)
{
	unsigned type = inode->base.type;
	if (fault == DEVICE && type == SQFS_INODE_FIFO) {
		inode->base.type = SQFS_INODE_CDEV;
		inode->data.dev.devno = 0x103;
	} else if (fault == LINKS && type == SQFS_INODE_SLINK) {
		inode->data.slink.nlink++;
	} else if (fault == NUMBER && type == SQFS_INODE_SLINK) {
		inode->base.inode_number = 1;
	} else if (fault == PARENT && type == SQFS_INODE_DIR) {
		inode->data.dir.parent_inode ^= 1;
	} else if (fault == OWNER && type == SQFS_INODE_SLINK) {
		inode->base.uid_idx = 60000;
	} else if (fault == XATTR && type == SQFS_INODE_EXT_FILE && inode->data.file_ext.xattr_idx == 0) {
		inode->data.file_ext.xattr_idx = 7;
	} else if (fault == BLOCKS && type == SQFS_INODE_FILE) {
		inode->data.file.fragment_offset++;
	} else {
		return false;
	}
	return true;
}

int sqfs_meta_writer_write_inode(sqfs_meta_writer_t *writer, const sqfs_inode_generic_t *inode)
{
	int (*real)(sqfs_meta_writer_t *, const sqfs_inode_generic_t *);
	*(void **)&real = dlsym(RTLD_NEXT, "sqfs_meta_writer_write_inode");
	if (harm_inode((sqfs_inode_generic_t *)inode))
		fault = SOUND;  /* once */
	return real(writer, inode);
}

int sqfs_dir_writer_add_entry(sqfs_dir_writer_t *writer, const char *name, sqfs_u32 number,
			      sqfs_u64 inode, sqfs_u16 mode)
{
	int (*real)(sqfs_dir_writer_t *, const char *, sqfs_u32, sqfs_u64, sqfs_u16);
	*(void **)&real = dlsym(RTLD_NEXT, "sqfs_dir_writer_add_entry");
	bool is_b = strcmp(name, "b") == 0;
	if (fault == DROPPED && is_b)
		return 0;
	return real(writer, fault == TWICE && is_b ? "a" : fault == ORDER && is_b ? "z" : name, number, inode,
		    mode);
}

static struct { unsigned count, at, byte; uint64_t place; } writes;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	if (++writes.count != writes.at || len == 0)
		return syscall(SYS_pwrite64, fd, bytes, len, at);
	AUTO_FREE char *copy = malloc(len);
	memcpy(copy, bytes, len);
	copy[writes.byte % len] ^= (char)0xff;
	writes.place = (uint64_t)at + writes.byte % len;
	return syscall(SYS_pwrite64, fd, copy, len, at);
}

/* -- images ------------------------------------------------------------- */

struct made {
	int fd;
	struct build_layer layer;
	struct layer_scan *scan;
	struct merge merge;
	uint64_t bytes_used;
};

static void make(struct made *made, const struct buf *tar)
{
	struct err err = ERR_NONE;
	const struct build_squash_options options = {.compressor = SQUASH_ZSTD, .block_size = 4096, .threads = 1};
	struct build_squash *squash = NULL;
	*made = (struct made){.fd = memfd_create("image", MFD_CLOEXEC),
			      .layer = {.fd = memfd_create("tar", MFD_CLOEXEC), .size = tar->len}};
	assert_true(made->fd >= 0);
	assert_int_equal(write(made->layer.fd, tar->data, tar->len), tar->len);
	const struct build_input input = {.layers = &made->layer, .layer_count = 1};
	if (layer_scan_new(&made->layer, &made->scan, &err) < 0 ||
	    layer_scan_file(&made->layer, made->scan, &err) < 0 ||
	    merge_layers(&made->scan, 1, &made->merge, &err) < 0 ||
	    build_squash_new(made->fd, made->merge.tree, &options, &squash, &err) < 0 ||
	    build_stream(&input, &made->merge, squash, &err) < 0 ||
	    build_squash_finish(squash, &made->bytes_used, &err) < 0)
		fail_msg("%s", err.text);
	build_squash_free(&squash);
}

static void release(struct made *made)
{
	merge_free(&made->merge);
	layer_scan_free(&made->scan);
	close(made->layer.fd);
	close(made->fd);
}

/* -- other layers ------------------------------------------------------- */

/* The members of the base, in which one thing at a time is replaced. */
enum { ROOT, DIRECTORY, FILE_A, FILE_B, LINK, PIPE, AGAIN, MEMBERS };

struct facts {
	struct member members[MEMBERS];
	const char *xattr, *value;  /* of FILE_A; "": none */
	const char *more;           /* a second one */
};

static struct facts base(void)
{
	return (struct facts){
		.members = {
			[ROOT] = {.path = "./", .type = '5', .mode = 0755},
			[DIRECTORY] = {.path = "dir/", .type = '5', .mode = 0755, .uid = 3, .gid = 4, .mtime = 50},
			[FILE_A] = {.path = "dir/a", .content = "same", .uid = 5, .gid = 6, .mtime = 70},
			[FILE_B] = {.path = "dir/b", .content = "same", .uid = 5, .gid = 6, .mtime = 70},
			[LINK] = {.path = "link", .type = '2', .target = "dir/a", .mode = 0777, .mtime = 9},
			[PIPE] = {.path = "pipe", .type = '6', .mode = 0600},
			[AGAIN] = {.path = "again", .type = '1', .target = "dir/b"},
		},
		.xattr = "SCHILY.xattr.user.x", .value = "1",
	};
}

static void make_facts(struct made *made, const struct facts *facts)
{
	struct buf tar = {0}, records = {0};
	for (int i = 0; i < MEMBERS; i++) {
		if (i == FILE_A && *facts->xattr)
			pax_record(&records, facts->xattr, facts->value, strlen(facts->value));
		if (i == FILE_A && facts->more)
			pax_record(&records, facts->more, "", 0);
		if (records.len)
			tar_pax(&tar, &records);
		if (facts->members[i].path)
			tar_add(&tar, facts->members[i]);
	}
	tar_end(&tar);
	make(made, &tar);
	buf_free(&tar);
}

static void change(struct facts *facts, size_t index)
{
	switch (index) {
	case 1: facts->members[FILE_A].uid++; break;
	case 2: facts->members[FILE_A].gid++; break;
	case 3: facts->members[FILE_A].mtime++; break;
	case 4: facts->members[FILE_A].mode = 04644; break;
	case 5: facts->members[FILE_A].content = "SAME"; break;
	case 6: facts->members[FILE_A].content = "longer"; break;
	case 7: facts->members[FILE_A].path = "dir/A"; break;
	case 8: facts->members[DIRECTORY].uid++; break;
	case 9: facts->members[DIRECTORY].mode = 0700; break;
	case 10: facts->members[DIRECTORY].mtime++; break;
	case 11: facts->members[ROOT].mode = 0700; break;
	case 12: facts->members[ROOT].gid = 1; break;
	case 13: facts->members[LINK].target = "dir/b"; break;
	case 14: facts->members[LINK].mtime++; break;
	case 15: facts->members[LINK].type = 0; break;
	case 16: facts->members[PIPE].path = NULL; break;
	case 17: facts->members[PIPE].type = 0; break;
	case 18: facts->members[AGAIN].target = "dir/a"; break;
	case 19: facts->members[AGAIN] = facts->members[FILE_B]; facts->members[AGAIN].path = "again"; break;
	case 20: facts->value = "2"; break;
	case 21: facts->value = "11"; break;
	case 22: facts->xattr = "SCHILY.xattr.user.y"; break;
	case 23: facts->xattr = ""; break;
	case 24: facts->more = "SCHILY.xattr.user.more"; break;
	default: break;
	}
}

static void other_layers(void **state)
{
	(void)state;
	static const char *const texts[] = {
		[1] = "/dir/a: another owner", "/dir/a: another group", "/dir/a: another time",
		"/dir/a: another mode", "/dir/a: another content", "/dir/a: another size",
		"/dir/A: is in none", "/dir: another owner", "/dir: another mode", "/dir: another time",
		"/: another mode", "/: another group", "/link: another link", "/link: another time",
		"/link: another type", "/: another number of inodes", "/pipe: another type",
		"/again: another inode", "/: another number of inodes",
		"/dir/a: another value", "/dir/a: another value", "/dir/a: an extended attribute that is none",
		"/dir/a: extended attributes are missing", "/dir/a: an extended attribute that is none",
	};
	struct facts facts = base();
	struct made sound;
	make_facts(&sound, &facts);
	struct err err = ERR_NONE;
	assert_int_equal(build_verify(sound.fd, &sound.merge, 1, &err), 0);
	for (size_t i = 1; i < sizeof texts / sizeof *texts; i++) {
		struct made other;
		facts = base();
		change(&facts, i);
		make_facts(&other, &facts);
		assert_int_equal(build_verify(other.fd, &other.merge, 2, &err), 0);
		int rc = build_verify(other.fd, &sound.merge, 2, &err);
		if (rc != -EIO || !strstr(err.text, texts[i]))
			fail_msg("change %zu: %d %s", i, rc, err.text);
		release(&other);
	}
	/* Fewer: the same, with the sides changed. */
	struct made more;
	facts = base();
	change(&facts, 24);
	make_facts(&more, &facts);
	assert_int_equal(build_verify(sound.fd, &more.merge, 1, &err), -EIO);
	assert_non_null(strstr(err.text, "/dir/a: another number of extended attributes"));
	release(&more);
	release(&sound);
}

/* -- another writer ----------------------------------------------------- */

static void wrong_writer(void **state)
{
	(void)state;
	static const struct { enum fault fault; const char *text; } faults[] = {
		{DEVICE, "/pipe: another type"},    {LINKS, "/link: another number of links"},
		{NUMBER, "/link: another inode"},   {PARENT, "another parent"},
		{OWNER, "an owner that is not listed"}, {XATTR, "broken image"},
		{TWICE, "not in order"},	    {DROPPED, "names are missing"},
		{ORDER, "/dir/z: is in none"},	    {BLOCKS, "another content"},
	};
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct facts facts = base();
		struct err err = ERR_NONE;
		struct made made;
		facts.members[AGAIN] = (struct member){.path = "other", .content = "another"};
		fault = faults[i].fault;
		make_facts(&made, &facts);
		fault = SOUND;
		int rc = build_verify(made.fd, &made.merge, 1, &err);
		if (rc != -EIO || !strstr(err.text, faults[i].text))
			fail_msg("fault %d: %d %s", faults[i].fault, rc, err.text);
		release(&made);
	}
}

/* -- another disk ------------------------------------------------------- */

struct whole {
	int fd, rc;
	struct build_result result;
	struct err err;
};

static void build_whole(struct whole *whole, int layer_fd, uint64_t size)
{
	const struct build_layer layer = {.fd = layer_fd, .size = size};
	const struct build_input input = {.layers = &layer, .layer_count = 1, .reference = "test",
					  .block_size = 4096};
	*whole = (struct whole){.fd = memfd_create("image", MFD_CLOEXEC)};
	writes.count = 0;
	whole->rc = build_image(&input, whole->fd, &whole->result, &whole->err);
}

/* What no reader of ours looks at: the level among the compressor's options, the unused word of the one fragment's
 * entry, the table for NFS servers; and what is behind the squashfs, which image/config_tail.h's digests keep. */
enum { FREE_RANGES = 4 };

struct free_range {
	uint64_t from, to;
};

static void read_free(int fd, struct free_range *ranges, struct err *err)
{
	struct squash *squash;
	assert_int_equal(squash_open(fd, &squash, err), 0);
	const struct squash_super *super = &squash_reader(squash)->disk->super;
	assert_int_equal(super->fragments, 1);
	ranges[0] = (struct free_range){SQUASH_SUPER_SIZE, SQUASH_SUPER_SIZE + 6};
	ranges[1] = (struct free_range){super->fragment_table - 4, super->fragment_table};
	ranges[2] = (struct free_range){super->fragment_table + 8, super->export_table + 8};
	ranges[3] = (struct free_range){super->bytes_used, UINT64_MAX};
	squash_free(&squash);
}

static bool matters(const struct free_range *ranges, uint64_t place)
{
	for (size_t i = 0; i < FREE_RANGES; i++)
		if (place >= ranges[i].from && place < ranges[i].to)
			return false;
	return true;
}

/* One byte of each write is changed in turn: the image is refused, or the byte was written over later. */
static void wrong_disk(void **state)
{
	(void)state;
	struct buf tar = {0};
	struct facts facts = base();
	struct made sound;
	struct whole whole;
	struct free_range free_ranges[FREE_RANGES];
	char noise[20000];
	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (char)(i * i >> 3);
	facts.members[FILE_B].content = noise;
	facts.members[FILE_B].len = sizeof noise;
	for (int i = 0; i < MEMBERS; i++)
		tar_add(&tar, facts.members[i]);
	tar_end(&tar);
	make(&sound, &tar);
	writes.at = 0;
	build_whole(&whole, sound.layer.fd, tar.len);
	assert_int_equal(whole.rc, 0);
	char digest[DIGEST_TEXT_SIZE];
	memcpy(digest, whole.result.digest, sizeof digest);
	unsigned count = writes.count, refused = 0;
	read_free(whole.fd, free_ranges, &whole.err);
	close(whole.fd);
	for (unsigned i = 0; i < 8 * count; i++) {
		writes.at = 1 + i / 8;
		writes.byte = i % 8 < 4 ? 1 + i % 8 * 5 : 1009 * i;
		build_whole(&whole, sound.layer.fd, tar.len);
		refused += whole.rc < 0;
		if (whole.rc == 0 && matters(free_ranges, writes.place) && strcmp(digest, whole.result.digest))
			fail_msg("write %u: a wrong byte at %llu was taken", writes.at,
				 (unsigned long long)writes.place);
		close(whole.fd);
	}
	print_message("%u writes, %u of %u images refused\n", count, refused, 8 * count);
	assert_true(refused > count);
	writes.at = 0;
	release(&sound);
	buf_free(&tar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_layers),
		cmocka_unit_test(wrong_writer),
		cmocka_unit_test(wrong_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
