#!/usr/bin/env bash
#
# trust.sh: policies and signatures, with a real registry on loopback and keys of OpenSSL.
#
# Signatures are made here as cosign makes them (its first form, and a sigstore bundle), so that
# nothing of image/sign.c is on both sides; signatures that cosign and sigstore's own libraries have
# made are in tests/unit/image/sign_vectors.h. The real registry lacks the Referrers API, and
# fake_registry.py has it.
#
# In the environment: MERGE_BUILD, the build directory (build); SIGSTORE_JS, a directory with
# sigstore's npm packages (see sigstore.mjs): then these sign and attach, too. Ends with the line
# "N passed, N failed".
set -uo pipefail

HERE=$(dirname "$(readlink -f "$0")")
readonly HERE
BUILD=$(readlink -f "${MERGE_BUILD:-$HERE/../../build}")
readonly BUILD CMPI=$BUILD/bin/cmpi CMPIRUN=$BUILD/bin/cmpirun TOOL=$BUILD/tests/merge_tool
WORK=$(mktemp -d /var/tmp/cmpirun-trust.XXXXXX)
readonly WORK
servers=()
trap '((${#servers[@]} == 0)) || kill "${servers[@]}"; rm -rf "$WORK"' EXIT
export CMPIRUN_STORE=$WORK/store CMPIRUN_POLICY=$WORK/policy.json HOME=$WORK
passed=0 failed=0

check() {
  local name=$1 log=$WORK/log; shift
  if (set -e; cd "$WORK"; "$@") >"$log" 2>&1; then
    passed=$((passed + 1)); printf 'ok %s\n' "$name"
  else
    failed=$((failed + 1)); printf 'FAILED %s\n' "$name"; tail -n 20 "$log"
  fi
}

# refused TEXT COMMAND...: it fails, and says so.
refused() {
  local text=$1; shift
  if "$@" >out 2>errors; then echo "not refused: $*"; return 1; fi
  grep -q -- "$text" errors || { cat errors; return 1; }
}

wait_port() {
  for _ in {1..100}; do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.1
  done
}

start_registry() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\nlog: {level: error}\n' \
    "$WORK" "$port" > "$WORK/registry.yml"
  docker-registry serve "$WORK/registry.yml" >"$WORK/registry.log" 2>&1 & servers+=($!)
  wait_port "$port"
}

# It wants three ports in a row.
start_fake() {
  for fake in {21000..29000..10}; do
    python3 "$HERE/fake_registry.py" "$WORK/fake.log" "$fake" "$WORK/good.key" >"$WORK/fake.out" 2>&1 & local pid=$!
    while [[ ! -s $WORK/fake.out ]] && kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    [[ $(head -n 1 "$WORK/fake.out") != ready ]] || break
    kill "$pid"; wait "$pid"
  done
  servers+=("$pid")
  wait_port "$fake"
}

# What cosign would push, by hand: put FORM KEY TAG-OF-THE-IMAGE.
put_signature() {
  python3 - "$port" "$@" <<'PY'
import base64, hashlib, json, subprocess, sys, urllib.request
port, form, key, tag = sys.argv[1:5]
base = f"http://127.0.0.1:{port}/v2/hpc/app/"

def call(method, url, data=None, **headers):
    request = urllib.request.Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()}, method=method)
    return urllib.request.urlopen(request)

def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()

def blob(data, media_type):
    where = call("POST", base + "blobs/uploads/", b"").headers["Location"]
    where = where if where.startswith("http") else f"http://127.0.0.1:{port}{where}"
    call("PUT", where + ("&" if "?" in where else "?") + "digest=" + digest(data), data,
         Content_Type="application/octet-stream")
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

def sign(data):
    return base64.b64encode(subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=data,
                                           stdout=subprocess.PIPE, check=True).stdout).decode()

manifest_type = "application/vnd.oci.image.manifest.v1+json"
image = call("HEAD", base + "manifests/" + tag, Accept=manifest_type).headers["Docker-Content-Digest"]
config = blob(b"{}", "application/vnd.oci.image.config.v1+json")
manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": config}
if form == "payload":
    payload = json.dumps({"critical": {"identity": {"docker-reference": "hpc/app"}, "image": {
        "docker-manifest-digest": image}, "type": "cosign container image signature"}, "optional": None}).encode()
    layer = blob(payload, "application/vnd.dev.cosign.simplesigning.v1+json")
    layer["annotations"] = {"dev.cosignproject.cosign/signature": sign(payload)}
    manifest["layers"] = [layer]
    put = json.dumps(manifest).encode()
    call("PUT", base + "manifests/" + image.replace(":", "-") + ".sig", put, Content_Type=manifest_type)
else:
    kind, type_ = "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.in-toto+json"
    statement = json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": [
        {"digest": {"sha256": image[7:]}}], "predicateType": "https://sigstore.dev/cosign/sign/v1"}).encode()
    pae = b"DSSEv1 %d %s %d " % (len(type_), type_.encode(), len(statement)) + statement
    bundle = json.dumps({"mediaType": kind, "verificationMaterial": {"publicKey": {"hint": "x"}}, "dsseEnvelope": {
        "payload": base64.b64encode(statement).decode(), "payloadType": type_,
        "signatures": [{"sig": sign(pae)}]}}).encode()
    manifest["artifactType"] = kind
    manifest["layers"] = [blob(bundle, kind)]
    put = json.dumps(manifest).encode()
    call("PUT", base + "manifests/" + digest(put), put, Content_Type=manifest_type)
    index_type = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": [
        {"mediaType": manifest_type, "digest": digest(put), "size": len(put), "artifactType": kind}]}).encode()
    call("PUT", base + "manifests/" + image.replace(":", "-"), index, Content_Type=index_type)
PY
}

# image TAG: pushes an image that no other tag has.
image() {
  rm -rf layout root
  mkdir root; echo "$1" > root/tag; cp /bin/busybox root/sh
  umoci init --layout layout; umoci new --image layout:x; umoci insert --image layout:x root /
  skopeo --insecure-policy copy -q --dest-tls-verify=false oci:layout:x "docker://127.0.0.1:$port/hpc/app:$1"
}

policy() { printf '{"rules":[%s]}' "$1" > "$CMPIRUN_POLICY"; }
pull() { "$CMPI" image pull -q --insecure "127.0.0.1:$port" "docker://127.0.0.1:$port/hpc/app:$1"; }

pull_fake() { "$CMPI" image pull -q --insecure "127.0.0.1:$fake" "docker://127.0.0.1:$fake/$1/app"; }

keys() {
  local name
  for name in good other; do
    openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
    openssl ec -in "$name.key" -pubout -out "$name.pub"
  done
  for name in plain payload bundle wrong; do image "$name"; done
  put_signature payload good.key payload
  put_signature bundle good.key bundle
  put_signature payload other.key wrong
}

allowed() {
  policy ''; pull plain
  policy '{"match":"docker://127.0.0.1:'"$port"'/hpc/","allow":false,"why":"ask us"}'
  refused 'ask us' pull plain
  refused 'does not allow' pull payload
  policy '{"match":"docker://","alow":false}'
  refused 'policy' pull payload
}

signed() {
  policy '{"match":"docker://127.0.0.1:'"$port"'/hpc","keys":["'"$WORK"'/good.pub"]}'
  pull payload
  pull bundle
  "$CMPI" image rm "docker://127.0.0.1:$port/hpc/app:plain"
  refused 'it has no signature' pull plain
  refused 'not of this key' pull wrong
  policy '{"match":"docker://127.0.0.1:'"$port"'/hpc","keys":["'"$WORK"'/other.pub","'"$WORK"'/good.pub"]}'
  pull wrong
  policy '{"match":"docker://127.0.0.1:'"$port"'/hpc","keys":["'"$WORK"'/none.pub"]}'
  refused 'none.pub' pull plain
}

# The place is the API of the registry, by pages, or what stands in for it.
referrers() {
  local kind
  policy '{"match":"docker://127.0.0.1:'"$fake"'/","keys":["'"$WORK"'/good.pub"]}'
  for kind in referrers referrers-empty referrers-html referrers-denied referrers-bad; do
    pull_fake "$kind"
  done
  # A second page is asked for where the first one was, whatever the registry says.
  grep -q 'GET /v2/referrers/app/referrers/sha256:[0-9a-f]*?page=2 ' fake.log
  refused 'it has no signature' pull_fake referrers-none
  refused 'it has no signature' pull_fake referrers-broken
  refused 'it has no signature' pull_fake referrers-tag-html
  refused 'it has no signature' pull_fake plain
  refused 'of another image' pull_fake referrers-other
  refused 'a statement about it, no signature' pull_fake referrers-scan
  refused 'of another image' pull_fake referrers-endless
  (($(grep -c 'GET /v2/referrers-endless/app/referrers/' fake.log) < 30))
  policy '{"match":"docker://127.0.0.1:'"$fake"'/","keys":["'"$WORK"'/other.pub"]}'
  "$CMPI" image rm "docker://127.0.0.1:$fake/referrers/app"
  refused 'not of this key' pull_fake referrers
}

# sigstore's own code signs, and puts the bundle where it puts them.
by_sigstore_js() {
  image js
  cp "$HERE/sigstore.mjs" "$SIGSTORE_JS/"
  node "$SIGSTORE_JS/sigstore.mjs" attach good.key "127.0.0.1:$port/hpc/app" js
  policy '{"match":"docker://127.0.0.1:'"$port"'/hpc","keys":["'"$WORK"'/good.pub"]}'
  pull js
  policy '{"match":"docker://127.0.0.1:'"$port"'/hpc","keys":["'"$WORK"'/other.pub"]}'
  "$CMPI" image rm "docker://127.0.0.1:$port/hpc/app:js"
  refused 'not of this key' pull js
}

# file NAME: an image of ours, in a directory of which the policy wants signatures.
files() {
  mkdir -p apps
  tar -C root -cf root.tar .
  "$TOOL" apps/ours.sqsh - ref root.tar
  mksquashfs root apps/plain.sqsh -comp zstd -quiet >/dev/null
  policy '{"match":"file:'"$WORK"'/apps/","keys":["'"$WORK"'/good.pub"]}'
  refused 'there is no' "$CMPIRUN" --dry-run --image apps/ours.sqsh /sh
  "$CMPI" image sign --key other.key apps/ours.sqsh
  refused 'not of this key' "$CMPIRUN" --dry-run --image apps/ours.sqsh /sh
  "$CMPI" image sign --key good.key apps/ours.sqsh
  "$CMPI" image check apps/ours.sqsh
  "$CMPI" image check --key good.pub apps/ours.sqsh
  refused 'not of this key' "$CMPI" image check --key other.pub apps/ours.sqsh
  "$CMPIRUN" --dry-run --image apps/ours.sqsh /sh
  openssl dgst -sha256 -sign good.key apps/plain.sqsh | base64 -w0 > apps/plain.sqsh.sig
  "$CMPIRUN" --dry-run --image apps/plain.sqsh /sh
  # Openssl can check what we signed.
  tail -c 256 apps/ours.sqsh > last; base64 -d apps/ours.sqsh.sig > raw
  openssl dgst -sha256 -verify good.pub -signature raw last
}

# Where the signature holds for the root hash, a change shows when it is read.
changed_files() {
  [[ $("$CMPIRUN" --image apps/ours.sqsh /sh sh -c 'echo run') == run ]]
  local size; size=$(stat -c %s apps/ours.sqsh)
  printf x | dd of=apps/ours.sqsh bs=1 seek=5000 conv=notrunc status=none
  refused '' "$CMPIRUN" --image apps/ours.sqsh /sh sh -c 'echo run'
  refused 'damaged or changed' "$CMPI" image check apps/ours.sqsh
  printf x | dd of=apps/ours.sqsh bs=1 seek=$((size - 200)) conv=notrunc status=none
  refused 'may not be run' "$CMPIRUN" --dry-run --image apps/ours.sqsh /sh
  printf x | dd of=apps/plain.sqsh bs=1 seek=5000 conv=notrunc status=none
  refused 'may not be run' "$CMPIRUN" --dry-run --image apps/plain.sqsh /sh
}

start_registry
check 'keys and images' keys
check 'allowed and refused' allowed
check 'signatures in a registry' signed
start_fake
check 'the Referrers API, and its absence' referrers
if [[ -n ${SIGSTORE_JS-} ]]; then
  check 'signed by sigstore-js' by_sigstore_js
fi
check 'signed files' files
check 'signed files, changed' changed_files
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
