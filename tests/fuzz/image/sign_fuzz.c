/* Signatures: a sigstore bundle, a payload with its signature, text beside a file.  Compiled with a
 * verification that always holds, for what is read behind it. */
#include <openssl/evp.h>

/* In the place of OpenSSL's. */
static int holds_always(EVP_MD_CTX *context, const unsigned char *signature, size_t signature_len,
			const unsigned char *bytes, size_t len)
{
	(void)context, (void)signature, (void)signature_len, (void)bytes, (void)len;
	return 1;
}
#define EVP_DigestVerify holds_always
#include "image/sign.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char digest[] =
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static struct sign_key key;
	struct err err = ERR_NONE;
	if (!key.pkey)
		key.pkey = EVP_EC_gen("P-256");
	sign_check_bundle(&key, (const char *)data, size, digest, &err);
	sign_check_payload(&key, (const char *)data, size, "QUJD", digest, &err);
	AUTO_BUF struct buf raw = {0};
	base64_decode((const char *)data, size, &raw);
	return 0;
}
