/*
 * build_stream.c - streams layers into squashfs (build_stream.h).
 *
 * Flow: a blob is decompressed again, and the plain stream is cut by the places that pass 1
 * noted: no tar is parsed here.  Decompressing twice costs less than keeping the plain
 * stream: a gzip layer unpacks at some 350 MB/s, on this thread, while the workers of the
 * block processor compress on theirs; nothing lies on the disk.
 *
 * Invariant: `next` is the file whose data comes next or has begun; the places ascend.
 */
#include "image/build_stream.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "image/layer_expand.h"
#include "image/layer_unzip.h"

enum { READ = 256 * 1024, DONE = 1 };
#define PROGRESS_NS (200 * NS_PER_MS)

struct stream {
	const struct build_input *input;
	const struct merge *merge;
	struct build_squash *squash;
	size_t next, end;           /* in merge->files, of this layer */
	uint64_t at;                /* in the plain stream */
	bool open;
	struct layer_expand expand;
	struct build_progress progress;
	uint64_t told_ns;
};

static const struct layer_entry *entry_of(const struct stream *stream)
{
	return layer_tree_inode_at(stream->merge->tree, stream->merge->files[stream->next])->entry;
}

static int tell(struct stream *stream, struct err *err)
{
	if (!stream->input->progress || clock_now_ns() - stream->told_ns < PROGRESS_NS)
		return 0;
	stream->told_ns = clock_now_ns();
	if (stream->input->progress(stream->input->context, &stream->progress) == 0)
		return 0;
	return err_set(err, ECANCELED, "building the image was cancelled");
}

static int on_content(void *context, const void *bytes, size_t len, struct err *err)
{
	struct stream *stream = context;
	int rc = build_squash_append(stream->squash, bytes, len, err);
	stream->progress.done += len;
	return rc < 0 ? rc : tell(stream, err);
}

static int open_file(struct stream *stream, struct err *err)
{
	stream->open = true;
	stream->expand = layer_expand_of(entry_of(stream));
	return build_squash_begin(stream->squash, stream->merge->files[stream->next], err);
}

static int close_file(struct stream *stream, struct err *err)
{
	int rc = layer_expand_end(&stream->expand, on_content, stream, err);
	if (rc == 0)
		rc = build_squash_end(stream->squash, err);
	stream->open = false;
	stream->next++;
	return rc;
}

/* Files of which the tar holds nothing: empty ones, and such that are one hole. */
static int pass_empty(struct stream *stream, struct err *err)
{
	int rc = 0;
	while (rc == 0 && stream->next < stream->end && entry_of(stream)->stored == 0) {
		rc = open_file(stream, err);
		if (rc == 0)
			rc = close_file(stream, err);
	}
	return rc;
}

static int on_plain(void *context, const void *data, size_t len, struct err *err)
{
	struct stream *stream = context;
	const char *bytes = data;
	int rc = 0;
	while (rc == 0 && len > 0 && stream->next < stream->end) {
		const struct layer_entry *entry = entry_of(stream);
		uint64_t skip = entry->data_at > stream->at ? entry->data_at - stream->at : 0;
		if (skip >= len)
			break;
		bytes += skip;
		len -= (size_t)skip;
		stream->at += skip;
		uint64_t left = entry->data_at + entry->stored - stream->at;
		size_t part = len < left ? len : (size_t)left;
		if (!stream->open)
			rc = open_file(stream, err);
		if (rc == 0)
			rc = layer_expand_feed(&stream->expand, bytes, part, on_content, stream, err);
		bytes += part;
		len -= part;
		stream->at += part;
		if (rc == 0 && part == left)
			rc = close_file(stream, err);
		if (rc == 0)
			rc = pass_empty(stream, err);
	}
	stream->at += len;
	if (rc == 0 && stream->next == stream->end)
		return DONE;
	return rc;
}

static int stream_layer(struct stream *stream, const struct build_layer *layer, struct err *err)
{
	AUTO_FREE char *bytes = malloc(READ);
	AUTO_CALL(layer_unzip_free) struct layer_unzip *unzip = layer_unzip_new(on_plain, stream);
	if (!bytes || !unzip)
		return err_set(err, ENOMEM, "no memory to read a layer");
	stream->at = 0;
	int rc = pass_empty(stream, err);
	for (uint64_t at = 0; rc == 0 && stream->next < stream->end;) {
		ssize_t got = pread(layer->fd, bytes, READ, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, errno, "read a layer");
		rc = got ? layer_unzip_feed(unzip, bytes, (size_t)got, err) : layer_unzip_end(unzip, err);
		if (rc == 0 && got == 0)
			return err_set(err, EBADMSG, "it became shorter while it was used");
		at += (uint64_t)got;
	}
	return rc == DONE ? 0 : rc;
}

int build_stream(const struct build_input *input, const struct merge *merge,
		 struct build_squash *squash, struct err *err)
{
	struct stream stream = {
		.input = input, .merge = merge, .squash = squash, .progress = {.total = merge->bytes},
	};
	int rc = tell(&stream, err);
	for (uint32_t i = 0; rc == 0 && i < input->layer_count; i++) {
		stream.end = stream.next;
		while (stream.end < merge->file_count &&
		       layer_tree_inode_at(merge->tree, merge->files[stream.end])->layer == i)
			stream.end++;
		rc = stream_layer(&stream, &input->layers[i], err);
		if (rc < 0 && rc != -ECANCELED)
			return err_prefix(err, "layer %u", i + 1);
	}
	stream.told_ns = 0;
	return rc < 0 ? rc : tell(&stream, err);
}
