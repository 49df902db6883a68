/* sign: payloads, bundles and files, with keys of three kinds; whatever is changed is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "image/build.h"
#include "image/config.h"
#include "image/sign.h"
#include "tests/unit/common/make_sif.h"
#include "sign_vectors.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PLAIN TEST_SOURCE_DIR "/fuzz/squash/squash_fuzz/zstd"

static char dir[] = "/tmp/sign_test.XXXXXX";

struct keys {
	EVP_PKEY *pkey;
	struct sign_key *public_key, *private_key;
};

static struct keys make_keys(const char *kind)
{
	struct err err = ERR_NONE;
	struct keys keys = {0};
	char path[100];
	keys.pkey = strcmp(kind, "rsa") == 0	   ? EVP_RSA_gen(2048)
		    : strcmp(kind, "ed25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
						   : EVP_EC_gen("P-256");
	assert_non_null(keys.pkey);
	snprintf(path, sizeof path, "%s/key", dir);
	FILE *file = fopen(path, "w");
	PEM_write_PrivateKey(file, keys.pkey, NULL, NULL, 0, NULL, NULL);
	fclose(file);
	if (sign_key_open_private(path, &keys.private_key, &err) < 0)
		fail_msg("%s", err.text);
	file = fopen(path, "w");
	PEM_write_PUBKEY(file, keys.pkey);
	fclose(file);
	if (sign_key_open(path, &keys.public_key, &err) < 0)
		fail_msg("%s", err.text);
	unlink(path);
	return keys;
}

static void free_keys(struct keys *keys)
{
	EVP_PKEY_free(keys->pkey);
	sign_key_free(&keys->public_key);
	sign_key_free(&keys->private_key);
}

static char *base64(const void *bytes, size_t len)
{
	char *text = calloc(1, 4 * ((len + 2) / 3) + 1);
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return text;
}

static char *sign(const struct keys *keys, const void *bytes, size_t len)
{
	unsigned char raw[1000];
	size_t raw_len = sizeof raw;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	const EVP_MD *md = EVP_PKEY_get_base_id(keys->pkey) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
	assert_int_equal(EVP_DigestSignInit(context, NULL, md, NULL, keys->pkey), 1);
	assert_int_equal(EVP_DigestSign(context, raw, &raw_len, bytes, len), 1);
	EVP_MD_CTX_free(context);
	return base64(raw, raw_len);
}

static const char *const kinds[] = {"ecdsa", "rsa", "ed25519"};

static void payloads(void **state)
{
	(void)state;
	static const char good[] =
		"{\"critical\":{\"identity\":{\"docker-reference\":\"r/x\"},\"image\":{\"docker-manifest-digest\":"
		"\"sha256:" HEX "\"},\"type\":\"cosign container image signature\"},\"optional\":null}";
	static const char other_type[] =
		"{\"critical\":{\"image\":{\"docker-manifest-digest\":\"sha256:" HEX "\"},\"type\":\"atomic\"}}";
	struct err err = ERR_NONE;
	for (size_t i = 0; i < 3; i++) {
		struct keys keys = make_keys(kinds[i]), stranger = make_keys(kinds[i]);
		char *text = sign(&keys, good, strlen(good)), *odd = sign(&keys, other_type, strlen(other_type));
		const struct sign_key *key = keys.public_key;
		const size_t len = strlen(good);
		assert_int_equal(sign_check_payload(key, good, len, text, "sha256:" HEX, &err), 0);
		assert_int_equal(sign_check_payload(key, good, len, text, "sha256:" OTHER, &err), -EKEYREJECTED);
		assert_int_equal(sign_check_payload(key, good, len - 1, text, "sha256:" HEX, &err), -EKEYREJECTED);
		assert_int_equal(sign_check_payload(stranger.public_key, good, len, text, "sha256:" HEX, &err),
				 -EKEYREJECTED);
		assert_int_equal(sign_check_payload(key, good, len, "", "sha256:" HEX, &err), -EBADMSG);
		assert_int_equal(sign_check_payload(key, good, len, "A", "sha256:" HEX, &err), -EBADMSG);
		assert_int_equal(sign_check_payload(key, good, len, "AAAA", "sha256:" HEX, &err), -EKEYREJECTED);
		assert_int_equal(sign_check_payload(key, other_type, strlen(other_type), odd, "sha256:" HEX, &err),
				 -EBADMSG);
		free(text);
		free(odd);
		free_keys(&keys);
		free_keys(&stranger);
	}
}

/* A bundle around a statement, signed as DSSE says. */
static char *bundle(const struct keys *keys, const char *statement)
{
	static const char type[] = "application/vnd.in-toto+json";
	struct buf to_sign = {0}, out = {0};
	buf_printf(&to_sign, "DSSEv1 %zu %s %zu %s", strlen(type), type, strlen(statement), statement);
	char *payload = base64(statement, strlen(statement)), *signature = sign(keys, to_sign.data, to_sign.len);
	buf_printf(&out, "{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\","
		   "\"verificationMaterial\":{\"publicKey\":{\"hint\":\"x\"}},\"dsseEnvelope\":{\"payload\":\"%s\","
		   "\"payloadType\":\"%s\",\"signatures\":[{\"sig\":\"%s\"}]}}", payload, type, signature);
	buf_add_u8(&out, '\0');
	buf_free(&to_sign);
	free(payload);
	free(signature);
	return out.data;
}

static void bundles(void **state)
{
	(void)state;
	static const char statement[] =
		"{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":\"" OTHER "\"}},"
		"{\"digest\":{\"sha256\":\"" HEX "\"}}],\"predicateType\":\"https://sigstore.dev/cosign/sign/v1\"}";
	struct err err = ERR_NONE;
	for (size_t i = 0; i < 3; i++) {
		struct keys keys = make_keys(kinds[i]), stranger = make_keys(kinds[i]);
		char *text = bundle(&keys, statement), *at;
		const struct sign_key *key = keys.public_key;
		assert_int_equal(sign_check_bundle(key, text, strlen(text), "sha256:" HEX, &err), 0);
		assert_int_equal(sign_check_bundle(key, text, strlen(text), "sha256:00", &err), -EKEYREJECTED);
		assert_int_equal(sign_check_bundle(stranger.public_key, text, strlen(text), "sha256:" HEX, &err),
				 -EKEYREJECTED);
		assert_int_equal(sign_check_bundle(key, text, strlen(text) - 1, "sha256:" HEX, &err), -EBADMSG);
		at = strstr(text, "payload\":\"") + 20;
		*at = *at == 'A' ? 'B' : 'A';
		assert_true(sign_check_bundle(key, text, strlen(text), "sha256:" HEX, &err) < 0);
		free(text);
		free_keys(&keys);
		free_keys(&stranger);
	}
	struct keys keys = make_keys("ecdsa");
	assert_int_equal(sign_check_bundle(keys.public_key, "{}", 2, "sha256:" HEX, &err), -EBADMSG);
	free_keys(&keys);
}

static struct sign_key *key_of_text(const char *pem)
{
	struct err err = ERR_NONE;
	struct sign_key *key = NULL;
	char path[100];
	snprintf(path, sizeof path, "%s/key", dir);
	FILE *file = fopen(path, "w");
	fputs(pem, file);
	fclose(file);
	assert_int_equal(sign_key_open(path, &key, &err), 0);
	unlink(path);
	return key;
}

/* What is made by others holds, and only for what it was made for. */
static void others(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct sign_key *cosign = key_of_text(cosign_key), *js = key_of_text(sigstore_js_key);
	const char *payload = cosign_payload, *signature = cosign_payload_signature, *good = sigstore_js_bundle;
	const size_t len = strlen(payload), good_len = strlen(good);
	assert_int_equal(sign_check_payload(cosign, payload, len, signature, COSIGN_DIGEST, &err), 0);
	assert_int_equal(sign_check_payload(cosign, payload, len, signature, SIGSTORE_JS_DIGEST, &err), -EKEYREJECTED);
	assert_int_equal(sign_check_payload(js, payload, len, signature, COSIGN_DIGEST, &err), -EKEYREJECTED);
	assert_int_equal(sign_check_bundle(js, good, good_len, SIGSTORE_JS_DIGEST, &err), 0);
	assert_int_equal(sign_check_bundle(js, good, good_len, COSIGN_DIGEST, &err), -EKEYREJECTED);
	assert_int_equal(sign_check_bundle(cosign, good, good_len, SIGSTORE_JS_DIGEST, &err), -EKEYREJECTED);
	assert_int_equal(sign_check_bundle(js, sigstore_js_attestation, strlen(sigstore_js_attestation),
					   SIGSTORE_JS_DIGEST, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "no signature"));
	sign_key_free(&cosign);
	sign_key_free(&js);
}

static void open_image(int fd, struct image_file *file)
{
	struct err err = ERR_NONE;
	assert_int_equal(image_file_check(fd, "x", file, &err), 0);
	file->fd = fd;
}

static void change_byte(int fd, uint64_t at)
{
	char byte;
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* An image of ours: its tail is signed, which names the digests of the rest. */
static void our_files(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct build_input input = {.reference = "r"};
	struct build_result result;
	struct image_file file;
	int fd = memfd_create("sign_test", MFD_CLOEXEC);
	assert_int_equal(build_image(&input, fd, &result, &err), 0);
	open_image(fd, &file);
	for (size_t i = 0; i < 3; i++) {
		struct keys keys = make_keys(kinds[i]), stranger = make_keys(kinds[i]);
		char *text = NULL;
		uint8_t tail[TAIL_SIZE];
		assert_int_equal(sign_file_new(keys.private_key, &file, &text, &err), 0);
		assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), 0);
		assert_int_equal(sign_check_file(stranger.public_key, &file, text, strlen(text), &err),
				 -EKEYREJECTED);
		change_byte(fd, file.size - TAIL_SIZE + 60);  /* in the root hash */
		assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), -EKEYREJECTED);
		change_byte(fd, file.size - TAIL_SIZE + 60);
		/* Somebody else's tool signs the same bytes. */
		free(text);
		assert_int_equal(pread(fd, tail, sizeof tail, (off_t)(file.size - TAIL_SIZE)), TAIL_SIZE);
		text = sign(&keys, tail, sizeof tail);
		assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), 0);
		free(text);
		free_keys(&keys);
		free_keys(&stranger);
	}
	close(fd);
}

/* A squashfs of another maker: all of it is signed. */
static void other_files(void **state)
{
	(void)state;
	static char bytes[100000];
	struct err err = ERR_NONE;
	struct image_file file;
	struct keys keys = make_keys("ecdsa"), ed = make_keys("ed25519");
	int from = open(PLAIN, O_RDONLY | O_CLOEXEC), fd = memfd_create("sign_test", MFD_CLOEXEC);
	ssize_t len = read(from, bytes, sizeof bytes);
	assert_true(len > 1000 && write(fd, bytes, (size_t)len) == len);
	close(from);
	open_image(fd, &file);
	char *text = sign(&keys, bytes, (size_t)len), wrapped[1000];
	assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), 0);
	snprintf(wrapped, sizeof wrapped, "\n{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\","
		 "\"messageSignature\":{\"signature\":\"%s\"}}", text);
	assert_int_equal(sign_check_file(keys.public_key, &file, wrapped, strlen(wrapped), &err), 0);
	change_byte(fd, 900);
	assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), -EKEYREJECTED);
	assert_int_equal(sign_check_file(keys.public_key, &file, wrapped, strlen(wrapped), &err), -EKEYREJECTED);
	free(text);
	/* Never only the last bytes, because they could be a tail's place. */
	assert_int_equal(sign_file_new(ed.private_key, &file, &text, &err), -ENOTSUP);
	assert_int_equal(sign_check_file(ed.public_key, &file, "AAAA", 4, &err), -ENOTSUP);
	free_keys(&keys);
	free_keys(&ed);
	close(fd);
}

/* A SIF file's partition, an image of ours: all of it is signed, since nobody looks at its tail. */
static void parts(void **state)
{
	(void)state;
	enum { AT = 8192 };
	static char bytes[100000];
	unsigned char head[SIF_HEAD];
	struct err err = ERR_NONE;
	struct build_input input = {.reference = "r"};
	struct build_result result;
	struct image_file file;
	struct keys keys = make_keys("ecdsa");
	int image = memfd_create("image", MFD_CLOEXEC), fd = memfd_create("sif", MFD_CLOEXEC);
	assert_int_equal(build_image(&input, image, &result, &err), 0);
	ssize_t len = pread(image, bytes, sizeof bytes, 0);
	assert_true(len == (ssize_t)result.size);
	sif_make(head, AT, result.size);
	assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
	assert_int_equal(pwrite(fd, bytes, (size_t)len, AT), len);
	assert_int_equal(pwrite(fd, "behind", 6, AT + len), 6);
	open_image(fd, &file);
	char *text = sign(&keys, bytes, (size_t)len);
	assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), 0);
	const uint64_t places[] = {AT, AT + 200, AT + result.size - 1};
	for (size_t i = 0; i < 3; i++) {
		change_byte(fd, places[i]);
		assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), -EKEYREJECTED);
		change_byte(fd, places[i]);
	}
	free(text);
	assert_int_equal(sign_file_new(keys.private_key, &file, &text, &err), 0);
	assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), 0);
	free(text);
	text = sign(&keys, bytes + len - TAIL_SIZE, TAIL_SIZE);
	assert_int_equal(sign_check_file(keys.public_key, &file, text, strlen(text), &err), -EKEYREJECTED);
	free(text);
	free_keys(&keys);
	close(image);
	close(fd);
}

static void bad_keys(void **state)
{
	(void)state;
	struct err err = ERR_NONE;
	struct sign_key *key = NULL;
	assert_int_equal(sign_key_open("/no/such/key", &key, &err), -ENOENT);
	assert_int_equal(sign_key_open("/dev/null", &key, &err), -EINVAL);
	assert_int_equal(sign_key_open(PLAIN, &key, &err), -EINVAL);
	assert_null(key);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads), cmocka_unit_test(bundles), cmocka_unit_test(others),
		cmocka_unit_test(our_files), cmocka_unit_test(other_files), cmocka_unit_test(parts), cmocka_unit_test(bad_keys),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
