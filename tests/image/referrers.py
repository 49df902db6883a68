"""referrers.py: what fake_registry.py has beside an image, for the tests of signatures.

Repositories "referrers.../app" have the plain image and a sigstore bundle of it, which lies where
the name says: see `kinds`.  The key is a PEM file.
"""
import base64
import json
import subprocess

import oci

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNED = "https://sigstore.dev/cosign/sign/v1"


def sign(data, key):
    command = ["openssl", "dgst", "-sha256", "-sign", key]
    return base64.b64encode(subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout).decode()


def bundle(digest, key, predicate=SIGNED):
    kind = "application/vnd.in-toto+json"
    statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate,
                            "subject": [{"digest": {"sha256": digest[7:]}}]}).encode()
    encoded = b"DSSEv1 %d %s %d " % (len(kind), kind.encode(), len(statement)) + statement
    return json.dumps({"mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": "x"}}, "dsseEnvelope": {
        "payload": base64.b64encode(statement).decode(), "payloadType": kind,
        "signatures": [{"sig": sign(encoded, key)}]}}).encode()


class Referrers:
    """Blobs and manifests by digest; `answer` says what is at an address."""

    def __init__(self, image, key):
        self.subject = image.descriptor
        self.known = {}
        digest = image.descriptor["digest"]
        self.good = self.manifest(bundle(digest, key))
        self.scan = self.manifest(bundle(digest, key, "https://cosign.sigstore.dev/attestation/vuln/v1"))
        self.other = self.manifest(bundle("sha256:" + "1" * 64, key))
        broken = bundle(digest, key)
        self.broken = self.manifest(broken)
        self.known[oci.digest(broken)] = broken[:-1] + b" "
        self.gone = dict(self.good, digest="sha256:" + "2" * 64)
        self.sbom = dict(self.gone, artifactType="application/spdx+json")

    def add(self, data, media):
        self.known[oci.digest(data)] = data
        return oci.Image.describe(data, media)

    def manifest(self, data):
        document = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "artifactType": BUNDLE, "subject": self.subject,
                    "config": self.add(b"{}", "application/vnd.oci.empty.v1+json"), "layers": [self.add(data, BUNDLE)]}
        return dict(self.add(json.dumps(document).encode(), oci.MANIFEST), artifactType=BUNDLE)

    def answer(self, kind, what, reference, query):
        """(status, body, headers), or None: what every repository says."""
        if reference in self.known:
            return 200, self.known[reference], [("Content-Type", oci.MANIFEST)]
        tag = self.subject["digest"].replace(":", "-")
        kinds = {
            # Two pages, rubbish before the signature.
            "referrers": ([self.gone, self.sbom, self.broken, self.scan], [self.good], None),
            # The API is there, but older than the signature.
            "referrers-empty": ([], [], [self.good]),
            "referrers-none": ([], [], []),
            "referrers-scan": ([self.scan], [], []),
            "referrers-other": ([self.other], [], []),
            "referrers-broken": ([self.broken], [], []),
            "referrers-endless": ([self.other], None, []),
            # There is no API, and something else answers in its place.
            "referrers-html": (None, None, [self.good]),
            "referrers-denied": (None, None, [self.good]),
            "referrers-bad": (None, None, [self.good]),
            "referrers-tag-html": (None, None, None),
        }
        first, second, by_tag = kinds[kind]
        index = [("Content-Type", oci.INDEX)]
        if what == "manifests" and reference == tag:
            if kind == "referrers-tag-html":
                return 200, b"<html>not here</html>", [("Content-Type", "text/html")]
            return (200, oci.index(by_tag), index) if by_tag else (404, b"", [])
        if what != "referrers":
            return None
        if first is None:
            return {"referrers-denied": (403, b"", []), "referrers-bad": (400, b"", [])}.get(
                kind, (200, b"<html>Welcome</html>", [("Content-Type", "text/html")]))
        if second is not None and "page=2" in query:
            return 200, oci.index(second), index
        more = [("Link", '</v2/elsewhere/referrers/x?page=2>; rel="next"')] if second is None or second else []
        return 200, oci.index(first), index + more
