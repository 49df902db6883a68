/*
 * config_tail.c - the last 256 bytes of an image file (config_tail.h).  Pure.
 */
#include "image/config_tail.h"

#include <endian.h>

static const char magic[16] = "cmpirun image 1\n";  /* the version is in it */

uint64_t config_tail_round(uint64_t size)
{
	return (size + TAIL_BLOCK - 1) & ~(uint64_t)(TAIL_BLOCK - 1);
}

bool config_tail_possible(uint64_t file_size, uint64_t bytes_used)
{
	return bytes_used < UINT64_MAX / 2 && file_size % TAIL_BLOCK == 0 &&
	       file_size >= config_tail_round(bytes_used) + TAIL_BLOCK;
}

static void put_u64(uint8_t **at, uint64_t value)
{
	value = htole64(value);
	memcpy(*at, &value, sizeof value);
	*at += sizeof value;
}

static uint64_t take_u64(const uint8_t **at)
{
	uint64_t value;
	memcpy(&value, *at, sizeof value);
	*at += sizeof value;
	return le64toh(value);
}

void config_tail_pack(const struct config_tail *tail, uint8_t bytes[TAIL_SIZE])
{
	uint8_t *at = bytes + sizeof magic;
	memset(bytes, 0, TAIL_SIZE);
	memcpy(bytes, magic, sizeof magic);
	put_u64(&at, tail->data_size);
	put_u64(&at, tail->hash_at);
	put_u64(&at, tail->json_at);
	put_u64(&at, tail->json_len);
	memcpy(at, tail->root_hash, TAIL_HASH_SIZE);
	memcpy(at + TAIL_HASH_SIZE, tail->json_hash, TAIL_HASH_SIZE);
}

static bool is_sane(const struct config_tail *tail, uint64_t file_size, uint64_t bytes_used)
{
	uint64_t end = file_size - TAIL_SIZE;
	return tail->data_size == config_tail_round(bytes_used) && tail->json_len <= TAIL_JSON_MAX &&
	       tail->json_at >= tail->data_size && tail->json_at <= end &&
	       tail->json_len <= end - tail->json_at &&
	       (tail->hash_at == 0 ||
		(tail->hash_at == tail->data_size && tail->json_at >= tail->data_size + TAIL_BLOCK));
}

int config_tail_parse(const uint8_t bytes[TAIL_SIZE], uint64_t file_size, uint64_t bytes_used,
		      struct config_tail *tail, struct err *err)
{
	const uint8_t *at = bytes + sizeof magic;
	if (!config_tail_possible(file_size, bytes_used) || memcmp(bytes, magic, sizeof magic) != 0)
		return -ENOENT;
	tail->data_size = take_u64(&at);
	tail->hash_at = take_u64(&at);
	tail->json_at = take_u64(&at);
	tail->json_len = take_u64(&at);
	memcpy(tail->root_hash, at, TAIL_HASH_SIZE);
	memcpy(tail->json_hash, at + TAIL_HASH_SIZE, TAIL_HASH_SIZE);
	at += 2 * TAIL_HASH_SIZE;
	for (; at < bytes + TAIL_SIZE; at++)
		if (*at != 0)
			return err_set(err, EBADMSG, "what is behind the squashfs is of a newer cmpirun");
	if (!is_sane(tail, file_size, bytes_used))
		return err_set(err, EBADMSG, "broken image: what is behind the squashfs contradicts the file; "
			       "copy or build it again");
	return 0;
}
