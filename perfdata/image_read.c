/*
 * image_read.c - random reads of 4 KiB, and what each took.
 *
 *	image_read LIST READS SEED
 *
 * LIST names files, a line each; they are opened first, then every read takes a file with a chance by
 * its size and a place in it. Out: median, 95th percentile and mean in ns, on one line.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILES_MAX = 1000, READ = 4096 };

static struct {
	int fd;
	uint64_t end;  /* in blocks of READ, of all files up to this one */
} files[FILES_MAX];
static size_t count;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void open_files(const char *list)
{
	char path[4096];
	FILE *file = fopen(list, "re");
	while (file && count < FILES_MAX && fgets(path, sizeof path, file)) {
		struct stat status;
		path[strcspn(path, "\n")] = '\0';
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &status) < 0)
			continue;
		files[count].fd = fd;
		files[count].end = (count ? files[count - 1].end : 0) + (uint64_t)status.st_size / READ;
		count++;
	}
	if (file)
		fclose(file);
}

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static char block[READ];
	size_t reads = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	uint64_t state = argc == 4 ? strtoull(argv[3], NULL, 10) * 0x9e3779b97f4a7c15u + 1 : 0, sum = 0;
	uint64_t *ns = calloc(reads + 1, sizeof *ns);
	if (argc == 4)
		open_files(argv[1]);
	if (!ns || reads == 0 || count == 0 || files[count - 1].end == 0) {
		fprintf(stderr, "usage: image_read LIST READS SEED, with a list of files of 4 KiB at least\n");
		return 1;
	}
	for (size_t i = 0; i < reads; i++) {
		uint64_t at = next_random(&state) % files[count - 1].end;
		size_t file = 0;
		while (files[file].end <= at)
			file++;
		uint64_t start = file ? files[file - 1].end : 0, begun = now_ns();
		if (pread(files[file].fd, block, READ, (off_t)((at - start) * READ)) != READ) {
			perror("image_read");
			return 1;
		}
		ns[i] = now_ns() - begun;
		sum += ns[i];
	}
	qsort(ns, reads, sizeof *ns, compare);
	printf("%llu %llu %llu\n", (unsigned long long)ns[reads / 2], (unsigned long long)ns[reads * 95 / 100],
	       (unsigned long long)(sum / reads));
	return 0;
}
