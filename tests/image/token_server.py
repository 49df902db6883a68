#!/usr/bin/env python3
"""token_server.py PORT KEY CERT LOG: gives out the tokens that docker-registry believes.

GET /token?service=S&scope=repository:NAME:ACTIONS, with Basic alice:wonder; a JSON web token,
signed with KEY; it is good for two seconds.
"""
import base64
import json
import subprocess
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, KEY, CERT, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
WANTED = "Basic " + base64.b64encode(b"alice:wonder").decode()
DER = base64.b64encode(subprocess.run(["openssl", "x509", "-in", CERT, "-outform", "DER"], stdout=subprocess.PIPE,
                                      check=True).stdout).decode()


def pack(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(service, scope):
    now = int(time.time())
    access = []
    if scope:
        kind, name, actions = scope.split(":")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}]
    head = pack(json.dumps({"typ": "JWT", "alg": "RS256", "x5c": [DER]}).encode())
    body = pack(json.dumps({"iss": "test", "sub": "alice", "aud": service, "exp": now + 2, "nbf": now - 5, "iat": now,
                            "jti": str(now), "access": access}).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=(head + "." + body).encode(),
                               stdout=subprocess.PIPE, check=True).stdout
    return head + "." + body + "." + pack(signature)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        with open(LOG, "a") as file:
            file.write(self.path + "\n")

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.headers.get("Authorization") != WANTED:
            body, status = b'{"details": "wrong user or password"}', 401
        else:
            text = token(query.get("service", [""])[0], query.get("scope", [""])[0])
            body, status = json.dumps({"token": text, "expires_in": 2}).encode(), 200
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print("ready", flush=True)
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
