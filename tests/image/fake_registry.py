#!/usr/bin/env python3
"""fake_registry.py LOG PORT [KEY]: a registry that does what a real one seldom does.

Plain http on 127.0.0.1.  PORT is the registry, PORT+1 another host where redirects lead to, PORT+2
gives out tokens.  What it does wrong is the first part of the repository's name:
"truncate/app", "wrong-range/app", ...; see the functions.  With a KEY to sign with, there are
repositories "referrers.../app" too (referrers.py).  Each request is a line in LOG:
PORT METHOD PATH auth=yes|no range=FROM|-
"""
import base64
import json
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import oci
import referrers

LOG, PORT = sys.argv[1], int(sys.argv[2])
OTHER, TOKENS = PORT + 1, PORT + 2
lock = threading.Lock()
counts = {}
tokens = {}
plain = oci.Image()
images = {
    "plain": plain,
    "zstd": oci.Image(kind="zstd"),
    "uncompressed": oci.Image(kind="none"),
    "mislabel": oci.Image(kind="zstd", media="gzip"),
    "arm": oci.Image(architecture="arm64"),
    "second": oci.Image(layers=oci.base_layers()[:2] + [oci.tar([("etc", None), ("etc/name", "second\n")])]),
}
twice = oci.base_layers()
signatures = referrers.Referrers(plain, sys.argv[3]) if len(sys.argv) > 3 else None
images["twice"] = oci.Image(layers=[twice[0], twice[2], twice[2], twice[1]])


def count(key):
    with lock:
        counts[key] = counts.get(key, 0) + 1
        return counts[key]


def image_of(kind):
    return images.get(kind, plain)


def nested():
    inner = oci.index([oci.platform(images["second"].descriptor, "amd64")])
    arm = oci.index([oci.platform(images["arm"].descriptor, "arm64")])
    return inner, arm


def manifests(kind):
    """Everything that can be asked for by digest, and what the tag gives."""
    image = image_of(kind)
    known = {oci.digest(i.manifest): i.manifest for i in images.values()}
    top = image.manifest
    if kind == "index":
        top = oci.index([oci.platform(images["arm"].descriptor, "arm64", "v8"), oci.platform(plain.descriptor, "amd64")])
    elif kind == "attested":
        fake = dict(plain.descriptor, digest="sha256:" + "0" * 64, platform={"os": "unknown", "architecture": "unknown"},
                    annotations={"vnd.docker.reference.type": "attestation-manifest"})
        top = oci.index([fake, oci.platform(plain.descriptor, "amd64")])
    elif kind == "nested":
        inner, arm = nested()
        known.update({oci.digest(inner): inner, oci.digest(arm): arm})
        top = oci.index([oci.Image.describe(arm, oci.INDEX), oci.Image.describe(inner, oci.INDEX)])
    elif kind == "deep":
        top = oci.index([oci.platform(plain.descriptor, "amd64")])
        for _ in range(6):
            known[oci.digest(top)] = top
            top = oci.index([oci.Image.describe(top, oci.INDEX)])
    elif kind == "arm-only":
        top = oci.index([oci.platform(images["arm"].descriptor, "arm64")])
    elif kind == "schema1":
        top = b'{"schemaVersion": 1, "name": "x", "tag": "y", "fsLayers": [], "history": []}'
    elif kind == "traversal":
        document = json.loads(plain.manifest)
        document["layers"][0]["digest"] = "sha256:../../../../../../tmp/evil"
        top = json.dumps(document).encode()
    elif kind == "artifact":
        document = json.loads(plain.manifest)
        document["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
        top = json.dumps(document).encode()
    elif kind == "huge-manifest":
        top = b'{"x": "' + b"x" * (5 << 20) + b'"}'
    elif kind == "no-json":
        top = b"<html>Welcome to the hotel</html>"
    elif kind == "twice-keys":
        top = plain.manifest[:-1] + b', "layers": []}'
    elif kind == "huge-layer":
        document = json.loads(plain.manifest)
        document["layers"][1]["size"] = 1 << 50
        top = json.dumps(document).encode()
    elif kind == "full-disk":
        document = json.loads(plain.manifest)
        document["layers"][1]["size"] = 1 << 39
        top = json.dumps(document).encode()
    elif kind == "few-diff-ids":
        document = json.loads(plain.manifest)
        del document["layers"][2]
        top = json.dumps(document).encode()
    known[oci.digest(top)] = top
    return known, top


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def note(self):
        port = self.server.server_address[1]
        auth = "yes" if self.headers.get("Authorization") else "no"
        line = "%d %s %s auth=%s range=%s\n" % (port, self.command, self.path, auth, self.headers.get("Range", "-"))
        with lock, open(LOG, "a") as file:
            file.write(line)

    def reply(self, status, body=b"", headers=(), length=None, cut=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if cut is not None:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
            self.wfile.flush()
        if cut is not None:
            self.close_connection = True

    def error(self, status, message, headers=()):
        self.reply(status, json.dumps({"errors": [{"code": "X", "message": message}]}).encode(), headers)

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.note()
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if form.get("refresh_token") == ["refresh-1"] and form.get("grant_type") == ["refresh_token"]:
            self.give_token(form["scope"][0])
        else:
            self.error(401, "wrong refresh token")

    def give_token(self, scope):
        token = "token-%d" % count("token")
        with lock:
            tokens[token] = 0
        self.reply(200, json.dumps({"access_token": token, "expires_in": 300, "scope": scope}).encode())

    def do_GET(self):
        self.note()
        port = self.server.server_address[1]
        url = urllib.parse.urlsplit(self.path)
        if port == OTHER:
            return self.other(url)
        if port == TOKENS:
            return self.token(url)
        if url.path == "/v2/":
            return self.basic("user", "secret") and self.reply(200, b"{}")
        parts = url.path.split("/")
        if len(parts) < 5 or parts[1] != "v2":
            return self.error(404, "no such page")
        kind, what, reference = parts[2], parts[-2], parts[-1]
        if not self.allowed(kind, what):
            return None
        if signatures and kind.startswith("referrers"):
            answer = signatures.answer(kind, what, reference, url.query)
            if answer:
                return self.reply(*answer)
        if what == "tags":
            return self.reply(200, json.dumps({"name": kind, "tags": ["1.0", "1.1", "1.2", "1.2.1", "latest", "old"]}).encode())
        if what == "manifests":
            return self.manifest(kind, reference)
        if what == "referrers":
            return self.error(404, "no such page")
        return self.blob(kind, reference)

    # -- who may -------------------------------------------------------------

    def basic(self, user, password):
        wanted = "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
        if self.headers.get("Authorization") == wanted:
            return True
        self.error(401, "authentication required", [("WWW-Authenticate", 'Basic realm="fake"')])
        return False

    def allowed(self, kind, what):
        if kind == "basic":
            return self.basic("user", "secret")
        if kind == "negotiate":
            self.error(401, "no", [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", 'Digest realm="x", nonce="y"')])
            return False
        if kind == "bad-realm":
            self.error(401, "no", [("WWW-Authenticate", 'Bearer realm="ftp://127.0.0.1/x",service="y"')])
            return False
        if kind == "forbidden":
            self.error(403, "go away")
            return False
        if kind in ("bearer", "bearer-user", "refresh", "expiring", "redirect-creds", "never-enough"):
            return self.bearer(kind, what)
        if kind == "busy" and what == "manifests" and count("busy " + self.path) <= 2:
            self.error(429, "slow down", [("Retry-After", "1")])
            return False
        if kind == "limit":
            self.error(429, "too many pulls", [("Retry-After", "3600"), ("RateLimit-Remaining", "0;w=21600")])
            return False
        if kind == "flaky" and count("flaky " + self.path) <= 2:
            self.error(503, "wait")
            return False
        if kind == "broken":
            self.error(500, "broken")
            return False
        return True

    def bearer(self, kind, what):
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        with lock:
            good = token in tokens and kind != "never-enough"
            if good:
                tokens[token] += 1
                # A token that expires in the middle: good for two requests.
                if kind == "expiring" and tokens[token] > 2:
                    good = False
        if good:
            return True
        challenge = 'Bearer realm="http://127.0.0.1:%d/token?kind=%s",service="fake",scope="repository:%s/app:pull"' % (
            TOKENS, kind, kind)
        self.error(401, "authentication required", [("WWW-Authenticate", 'Unknown a=b, ' + challenge)])
        return False

    def token(self, url):
        query = urllib.parse.parse_qs(url.query)
        kind = query.get("kind", [""])[0]
        if query.get("service") != ["fake"] or query.get("scope") != ["repository:%s/app:pull" % kind]:
            return self.error(400, "wrong query " + url.query)
        if kind in ("bearer-user", "redirect-creds") and not self.basic("user", "secret"):
            return None
        return self.give_token(query["scope"][0])

    # -- what there is ---------------------------------------------------------

    def manifest(self, kind, reference):
        known, top = manifests(kind)
        if reference.startswith("sha256:"):
            data = known.get(reference)
        else:
            data = top if reference in ("latest", "1.2") else None
        if kind == "wrong-manifest" and reference.startswith("sha256:"):
            data = plain.manifest + b" "
        if kind == "moves" and reference == "latest":
            data = images["second"].manifest if counts.get("move") else plain.manifest
        if data is None:
            return self.error(404, "manifest unknown")
        document = json.loads(data) if kind not in ("no-json", "huge-manifest") else {}
        headers = [("Content-Type", document.get("mediaType", oci.MANIFEST)), ("Docker-Content-Digest", oci.digest(data))]
        if kind == "lying-digest":
            headers[1] = ("Docker-Content-Digest", "sha256:" + "1" * 64)
        if kind == "moves":
            count("ask moves")
        return self.reply(200, data, headers)

    def find(self, name):
        for image in images.values():
            if name in image.blobs:
                return image.blobs[name]
        return None

    def blob(self, kind, name):
        data = self.find(name)
        if data is None:
            return self.error(404, "blob unknown")
        is_config = len(data) < 2000
        if kind in ("redirect", "redirect-creds"):
            return self.reply(307, headers=[("Location", "http://127.0.0.1:%d/%s/%s" % (OTHER, kind, name))])
        if kind == "redirect-user" and not is_config:
            return self.reply(302, headers=[("Location", "http://me:pass@127.0.0.1:%d/x/%s" % (OTHER, name))])
        if kind == "redirect-relative":
            return self.reply(302, headers=[("Location", "/v2/plain/app/blobs/" + name)])
        if kind == "redirect-circle":
            return self.reply(302, headers=[("Location", self.path)])
        if kind == "redirect-file":
            return self.reply(302, headers=[("Location", "file:///etc/passwd")])
        if is_config:
            return self.reply(200, data)
        return self.layer(kind, name, data)

    def layer(self, kind, name, data):
        tries = count("%s %s" % (kind, name))
        start = self.headers.get("Range")
        start = int(start[6:].split("-")[0]) if start else 0
        part, total = data[start:], len(data)
        ranged = [("Content-Range", "bytes %d-%d/%d" % (start, total - 1, total))]
        half = len(part) // 2
        if kind == "truncate" and tries <= 3:
            return self.reply(206 if start else 200, part, ranged if start else [], cut=half)
        if kind == "truncate-always":
            return self.reply(206 if start else 200, part, ranged if start else [], cut=0 if start else half)
        if kind == "no-range":
            return self.reply(200, data, cut=half if tries == 1 else None)
        if kind == "wrong-range":
            if tries == 1:
                return self.reply(200, data, cut=half)
            if start:
                return self.reply(206, part, [("Content-Range", "bytes %d-%d/%d" % (start + 1, total - 1, total))])
            return self.reply(200, data)
        if kind == "always-wrong-range":
            return self.reply(206, data[:100], [("Content-Range", "bytes 5-104/%d" % total)])
        if kind == "flipped":
            return self.reply(200, data[:-1] + bytes([data[-1] ^ 1]))
        if kind == "flipped-once" and tries == 1:
            return self.reply(200, data[:100] + bytes([data[100] ^ 1]) + data[101:], cut=half)
        if kind == "longer":
            return self.reply(200, data + b"more")
        if kind == "longer-chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (data, b"more" * 1000):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return None
        if kind == "shorter":
            return self.reply(200, data[:-5])
        if kind == "slow":
            self.send_response(200)
            self.send_header("Content-Length", str(total))
            self.end_headers()
            try:
                for at in range(0, total, 65536):
                    self.wfile.write(data[at:at + 65536])
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True
            return None
        return self.reply(206 if start else 200, part, ranged if start else [])

    # -- another host -----------------------------------------------------------

    def other(self, url):
        parts = url.path.split("/")
        if parts[1] == "move":
            count("move")
            return self.reply(200)
        data = self.find(parts[-1])
        if data is None:
            return self.error(404, "nothing here")
        if self.headers.get("Authorization"):
            return self.error(400, "credentials came along")
        return self.layer("plain", parts[-1], data)


def serve(port):
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


for number in (OTHER, TOKENS):
    threading.Thread(target=serve, args=(number,), daemon=True).start()
print("ready", flush=True)
serve(PORT)
