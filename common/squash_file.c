/*
 * squash_file.c - finds the squashfs in a file (squash_file.h): the reading beside the pure
 * parsers sif.c and squash_super.c.
 */
#include "common/squash_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/file_read.h"
#include "common/sif.h"

/* Up to `len` bytes: fewer at the end of the file. */
static ssize_t read_at(int fd, uint64_t at, void *bytes, size_t len, struct err *err)
{
	ssize_t got = file_read_at(fd, bytes, len, at);
	return got < 0 ? err_errno(err, (int)-got, "read the image") : got;
}

static int find_in_sif(int fd, uint64_t file_size, struct squash_part *part, struct err *err)
{
	unsigned char header[SIF_HEADER_SIZE];
	uint64_t table_at, table_len;
	ssize_t got = read_at(fd, 0, header, sizeof header, err);
	if (got < 0)
		return (int)got;
	int rc = sif_parse_header(header, (size_t)got, file_size, &table_at, &table_len, err);
	if (rc < 0)
		return rc;
	AUTO_FREE unsigned char *table = malloc(table_len + 1);
	if (!table)
		return err_set(err, ENOMEM, "no memory for a SIF file's table");
	got = read_at(fd, table_at, table, table_len, err);
	if (got >= 0 && (uint64_t)got != table_len)
		return err_set(err, EBADMSG, "it became shorter while it was read");
	return got < 0 ? (int)got
		       : sif_find_partition(table, table_len, file_size, &part->at, &part->size, err);
}

static int find(int fd, char head[SQUASH_SUPER_SIZE], size_t *len, struct squash_part *part,
		struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "fstat the image");
	*part = (struct squash_part){0, (uint64_t)st.st_size};
	ssize_t got = read_at(fd, 0, head, SQUASH_SUPER_SIZE, err);
	if (got < 0)
		return (int)got;
	*len = (size_t)got;
	return sif_is(head, *len) ? find_in_sif(fd, part->size, part, err) : 0;
}

int squash_file_part(int fd, struct squash_part *part, struct err *err)
{
	char head[SQUASH_SUPER_SIZE];
	size_t len;
	return find(fd, head, &len, part, err);
}

int squash_file_look(int fd, struct squash_part *part, struct squash_super *super, struct err *err)
{
	char head[SQUASH_SUPER_SIZE];
	size_t len = 0;
	int rc = find(fd, head, &len, part, err);
	if (rc == 0 && part->at > 0) {
		size_t most = part->size < sizeof head ? (size_t)part->size : sizeof head;
		ssize_t got = read_at(fd, part->at, head, most, err);
		rc = got < 0 ? (int)got : 0;
		len = got < 0 ? 0 : (size_t)got;
	}
	return rc < 0 ? rc : squash_super_parse(head, len, part->size, super, err);
}
