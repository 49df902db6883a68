// sigstore.mjs: sigstore's JavaScript libraries, as another implementation of what image/sign.c reads.
//
//   node sigstore.mjs attach KEY HOST/REPOSITORY TAG   signs an image of a registry on this machine
//                                                      and attaches the bundle
//   node sigstore.mjs vectors                          makes a key and prints the bundles of
//                                                      tests/unit/image/sign_vectors.h
//
// Lies beside its packages: npm install --prefix DIR @sigstore/sign@3 @sigstore/bundle@3 @sigstore/oci@0.4
// then SIGSTORE_JS=DIR tests/image/trust.sh.
import crypto from "node:crypto";
import fs from "node:fs";
import { bundleToJSON } from "@sigstore/bundle";
import { attachArtifactToImage, getImageDigest } from "@sigstore/oci";
import { DSSEBundleBuilder } from "@sigstore/sign";

const SIGNED = "https://sigstore.dev/cosign/sign/v1";

async function bundle(key, name, digest, predicateType) {
  const signer = {
    sign: async (bytes) => ({
      signature: crypto.sign("sha256", bytes, key),
      key: { $case: "publicKey", publicKey: pem(key), hint: "test" },
    }),
  };
  const statement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name, digest: { sha256: digest.slice("sha256:".length) } }],
    predicateType,
    predicate: {},
  };
  const builder = new DSSEBundleBuilder({ signer, witnesses: [] });
  const data = Buffer.from(JSON.stringify(statement));
  return bundleToJSON(await builder.create({ data, type: "application/vnd.in-toto+json" }));
}

function pem(key) {
  return crypto.createPublicKey(key).export({ type: "spki", format: "pem" });
}

const [word, keyFile, imageName, imageTag] = process.argv.slice(2);
if (word === "attach") {
  const key = crypto.createPrivateKey(fs.readFileSync(keyFile));
  const imageDigest = await getImageDigest({ imageName, imageTag });
  const made = await bundle(key, imageName, imageDigest, SIGNED);
  await attachArtifactToImage({
    imageName,
    imageDigest,
    artifact: Buffer.from(JSON.stringify(made)),
    mediaType: made.mediaType,
    annotations: { "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": SIGNED },
  });
} else {
  const { privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const digest = "sha256:" + "0123456789abcdef".repeat(4);
  console.log(pem(privateKey));
  for (const type of [SIGNED, "https://cosign.sigstore.dev/attestation/vuln/v1"])
    console.log(JSON.stringify(await bundle(privateKey, "r.example/hpc/app", digest, type)));
}
