/*
 * sign_vectors.h - signatures that other programs have made.
 *
 * `cosign_*` by cosign itself with a key, its first form: the payload and signature of a test image
 * of containers/image (signature/fixtures/dir-img-cosign-valid).  `sigstore_js_*` by the npm package
 * @sigstore/sign 3.1.0, with a key that was thrown away (tests/image/sigstore.mjs vectors).
 */
#ifndef SIGN_VECTORS_H
#define SIGN_VECTORS_H

#define COSIGN_DIGEST "sha256:634a8f35b5f16dcf4aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00"
#define SIGSTORE_JS_DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char cosign_key[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFNLqFhf4fiN6o/glAuYnq2jYUeL0\n"
	"vRuLu/z39pmbVwS9ff5AYnlwaP9sxREajdLY9ynM6G1sy6AAmb7Z63TsLg==\n"
	"-----END PUBLIC KEY-----\n";
static const char cosign_payload[] =
	"{\"critical\":{\"identity\":{\"docker-reference\":\"192.168.64.2:5000/cosign-signed"
	"-single-sample\"},\"image\":{\"docker-manifest-digest\":\"sha256:634a8f35b5f16dcf4"
	"aaa0822adc0b1964bb786fca12f6831de8ddc45e5986a00\"},\"type\":\"cosign container i"
	"mage signature\"},\"optional\":null}";
static const char cosign_payload_signature[] =
	"MEYCIQDmtamqYPjMg81nqeBhptrPls44aA/r7PwLmspINJY4MwIhANKRpqe2E9UCBtGFdPoz/8jA"
	"baQm4uP4h+IpwKTE6ClR";

static const char sigstore_js_key[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnoObv9dsgwn7+KqUukZNLf3LHQUI\n"
	"v20ERFJdGGbFHxImgUul6Oec9RjvhMoCy7SujCcAPhqn+nLuZHEwG/AJXw==\n"
	"-----END PUBLIC KEY-----\n";
/* The statement of "cosign sign". */
static const char sigstore_js_bundle[] =
	"{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"verificationMa"
	"terial\":{\"publicKey\":{\"hint\":\"test\"},\"timestampVerificationData\":{}},\"dsseEn"
	"velope\":{\"payload\":\"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEi"
	"LCJzdWJqZWN0IjpbeyJuYW1lIjoici5leGFtcGxlL2hwYy9hcHAiLCJkaWdlc3QiOnsic2hhMjU2"
	"IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1"
	"Njc4OWFiY2RlZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL3NpZ3N0b3JlLmRldi9jb3Np"
	"Z24vc2lnbi92MSIsInByZWRpY2F0ZSI6e319\",\"payloadType\":\"application/vnd.in-toto"
	"+json\",\"signatures\":[{\"sig\":\"MEQCIESAq5xu0BqM33vZOF6Ab3aYVaNcXzWt8mRHA6J6YWi"
	"5AiALrO6PO69ywgGRaKLF9KFLjbpm8lOBta1N0/kie/4p3g==\",\"keyid\":\"test\"}]}}";
/* One of "cosign attest" about the same image, by the same key. */
static const char sigstore_js_attestation[] =
	"{\"mediaType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\",\"verificationMa"
	"terial\":{\"publicKey\":{\"hint\":\"test\"},\"timestampVerificationData\":{}},\"dsseEn"
	"velope\":{\"payload\":\"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEi"
	"LCJzdWJqZWN0IjpbeyJuYW1lIjoici5leGFtcGxlL2hwYy9hcHAiLCJkaWdlc3QiOnsic2hhMjU2"
	"IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1"
	"Njc4OWFiY2RlZiJ9fV0sInByZWRpY2F0ZVR5cGUiOiJodHRwczovL2Nvc2lnbi5zaWdzdG9yZS5k"
	"ZXYvYXR0ZXN0YXRpb24vdnVsbi92MSIsInByZWRpY2F0ZSI6e319\",\"payloadType\":\"applica"
	"tion/vnd.in-toto+json\",\"signatures\":[{\"sig\":\"MEUCIHsvs/ic5GsFHqf2K/isUPJeWrD"
	"rgWuQmKfX9kjYd1ozAiEAp7rcCfpfiAcRrZ3K1oprE5mMovvRo/0m7OghfkKZeUk=\",\"keyid\":\""
	"test\"}]}}";

#endif
