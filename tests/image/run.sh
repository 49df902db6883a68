#!/usr/bin/env bash
#
# run.sh: the image gateway against registries, as an ordinary user.
#
#   tests/image/run.sh [TEST...]      all, or those named (without test_)
#
# In: see tests/lib.sh. Out: a line a test, and "N passed, N failed".
#
# All is on loopback, in a network namespace of its own, so ports are free and nothing leaves the
# machine: Debian's docker-registry plain, with htpasswd, with TLS from a test CA, with a token server;
# and fake_registry.py, which does what a real one seldom does.
#
# Needs root.  Scratch: one directory, removed at the end.

here=$(dirname "$(readlink -f "$0")")
# Most of the time is waiting: three at a time, each with registries of its own.
if [[ $# == 0 ]]; then
  mapfile -t names < <(grep -oE '^test_[a-z0-9_]+' "$0" | sed 's/^test_//')
  out=$(mktemp -d)
  for i in 0 1 2; do
    mine=()
    for ((j = i; j < ${#names[@]}; j += 3)); do mine+=("${names[j]}"); done
    "$0" "${mine[@]}" >"$out/$i" 2>&1 &
  done
  wait
  grep -hvE '^[0-9]+ passed, ' "$out"/?
  awk '/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; shards++ }
    END { printf "%d passed, %d failed\n", passed, failed + (shards < 3); exit failed + (shards < 3) > 0 }' "$out"/?
  status=$?
  rm -rf "$out"
  exit "$status"
fi
if [[ -z ${CMPIRUN_IMAGE_TEST_SPACE-} ]]; then
  CMPIRUN_IMAGE_TEST_SPACE=1 exec unshare --net --mount --propagation slave -- "$0" "$@"
fi
ip link set lo up
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"

readonly FAKE=7700 REAL=7710 HTPASSWD=7711 TLS=7712 TOKEN=7713 TOKENS=7714
scratch=$(mktemp -d /var/tmp/cmpirun-image.XXXXXX)
chmod 755 "$scratch"
servers=()
cleanup() {
  ((${#servers[@]} == 0)) || kill "${servers[@]}" 2>/dev/null
  wait 2>/dev/null
  mount | awk -v at="$scratch/" 'index($3, at) == 1 { print $3 }' | xargs -r umount -l
  rm -rf "$scratch"
}
trap cleanup EXIT

# -- the registries -------------------------------------------------------------------

wait_port() { local i; for i in {1..200}; do (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.05; done; return 1; }

# real NAME PORT [MORE YAML]: a docker-registry over the one folder of blobs.
real() {
  cat >"$scratch/$1.yml" <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $scratch/registry}, delete: {enabled: true}}
http:
  addr: 127.0.0.1:$2
${3-}
YML
  docker-registry serve "$scratch/$1.yml" >"$scratch/$1.log" 2>&1 & servers+=($!)
}

start_registries() {
  local ca=$scratch/ca
  mkdir "$ca"
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=test authority' -keyout "$ca/ca.key" -out "$ca/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$ca/tls.key" -out "$ca/tls.csr" 2>/dev/null
  openssl x509 -req -in "$ca/tls.csr" -CA "$ca/ca.crt" -CAkey "$ca/ca.key" -CAcreateserial -days 30 -out "$ca/tls.crt" \
    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') 2>/dev/null
  htpasswd -Bbn alice wonder >"$scratch/htpasswd"
  python3 "$here/token_server.py" "$TOKENS" "$ca/ca.key" "$ca/ca.crt" "$scratch/tokens.log" >/dev/null 2>&1 & servers+=($!)
  real plain "$REAL"
  real htpasswd "$HTPASSWD" "auth: {htpasswd: {realm: test, path: $scratch/htpasswd}}"
  real tls "$TLS" "  tls: {certificate: $ca/tls.crt, key: $ca/tls.key}"
  real token "$TOKEN" "auth: {token: {realm: 'http://127.0.0.1:$TOKENS/token', service: test, issuer: test, rootcertbundle: $ca/ca.crt}}"
  python3 "$here/fake_registry.py" "$scratch/fake.log" "$FAKE" >/dev/null 2>"$scratch/fake.err" & servers+=($!)
  local port
  for port in "$REAL" "$HTPASSWD" "$TLS" "$TOKEN" "$TOKENS" "$FAKE"; do wait_port "$port"; done
  python3 "$here/oci.py" layout "$scratch/oci" one
  skopeo copy -q --dest-tls-verify=false "oci:$scratch/oci:one" "docker://localhost:$REAL/org/app:1.2"
  skopeo copy -q --dest-tls-verify=false "oci:$scratch/oci:one" "docker://localhost:$REAL/org/app:1.3"
}

# -- what tests use --------------------------------------------------------------------

# Each test has a home of its own; so has its store.
fresh() {
  home=$(mktemp -d "$scratch/home.XXXXXX")
  chown "$CMPIRUN_TEST_USER" "$home"
  store=$home/.cache/cmpirun/images
  : >"$scratch/fake.log"
}

as_user() {
  setpriv --reuid "$CMPIRUN_TEST_USER" --regid "$(id -g "$CMPIRUN_TEST_USER")" --init-groups \
    env -i HOME="$home" PATH="$home/bin:$BIN:/usr/bin:/bin" TERM=dumb ${environment+"${environment[@]}"} "$@"
}
cmpi() { as_user cmpi "$@"; }
fake() { echo "docker://127.0.0.1:$FAKE/$1/app${2-}"; }
pull() { run cmpi image pull --insecure "127.0.0.1:$FAKE" --insecure "127.0.0.1:$((FAKE + 1))" --insecure "127.0.0.1:$((FAKE + 2))" "$@"; }
asked() { grep -cE "$1" "$scratch/fake.log" || true; }
want_asked() { want_equal "$(asked "$2")" "$1" "requests like $2"; }
login_file() { mkdir -p "$home/.docker"; printf '%s' "$1" >"$home/.docker/config.json"; chmod 644 "$home/.docker/config.json"; chmod 755 "$home/.docker"; }
nothing_published() { want_equal "$(find "$store/images" "$store/tags" -type f 2>/dev/null | wc -l)" 0 'files of images'; }

# content: what the image of the last pull (--print-path) holds.
content() { unsquashfs -q -n -f -d "$home/root" "$out" >/dev/null && (cd "$home/root" && find . -type f | sort | xargs -d '\n' sha256sum); }
expected() {
  rm -rf "$scratch/umoci"
  umoci unpack --rootless --image "$scratch/oci:one" "$scratch/umoci" >/dev/null 2>&1
  (cd "$scratch/umoci/rootfs" && find . -type f | sort | xargs -d '\n' sha256sum)
}

# -- a real registry ---------------------------------------------------------------------

test_real_registry() {
  fresh; run cmpi image pull --insecure "localhost:$REAL" --print-path "docker://localhost:$REAL/org/app:1.2"
  want_status 0; want_no_err; want_equal "$(content)" "$(expected)" content
}
test_real_registry_plain_word() { fresh; run cmpi image pull --insecure "localhost:$REAL" "localhost:$REAL/org/app:1.2"; want_status 0; }
test_real_registry_not_insecure() { fresh; run cmpi image pull "docker://localhost:$REAL/org/app:1.2"; want_status 122; want_err_like 'reached|SSL'; }
test_near_tags() {
  fresh; run cmpi image pull --insecure "localhost:$REAL" "docker://localhost:$REAL/org/app:1.4"
  want_status 121; want_err_like 'no tag "1.4".*there is: 1\.[23], 1\.[23]'
}
test_no_repository() { fresh; run cmpi image pull --insecure "localhost:$REAL" "docker://localhost:$REAL/org/nothing:1"; want_status 121; }
test_htpasswd_anonymous() {
  fresh; run cmpi image pull --insecure "localhost:$HTPASSWD" "docker://localhost:$HTPASSWD/org/app:1.2"
  want_status 126; want_err_like "cmpi image login localhost:$HTPASSWD"
}
test_htpasswd_login() {
  fresh
  out=$(cmpi image login --insecure "localhost:$HTPASSWD" -u alice --password-stdin "localhost:$HTPASSWD" <<<wrong 2>&1) && complain 'a wrong password was taken'
  [[ ! -e $home/.docker/config.json ]] || complain 'a wrong password was kept'
  cmpi image login --insecure "localhost:$HTPASSWD" -u alice --password-stdin "localhost:$HTPASSWD" <<<wonder
  want_equal "$(stat -c %a "$home/.docker/config.json")" 600 mode
  run cmpi image pull --insecure "localhost:$HTPASSWD" "docker://localhost:$HTPASSWD/org/app:1.2"; want_status 0
  run cmpi image logout "localhost:$HTPASSWD"; want_status 0
  run cmpi image logout "localhost:$HTPASSWD"; want_status 121
  run cmpi image pull --insecure "localhost:$HTPASSWD" "docker://localhost:$HTPASSWD/org/app:1.3"; want_status 126
}
test_login_with_skopeo() {
  fresh
  skopeo login --authfile "$home/auth.json" --tls-verify=false -u alice -p wonder "localhost:$HTPASSWD" >/dev/null
  chmod 644 "$home/auth.json"
  environment=(REGISTRY_AUTH_FILE="$home/auth.json"); run cmpi image pull --insecure "localhost:$HTPASSWD" "docker://localhost:$HTPASSWD/org/app:1.2"
  want_status 0
}
test_tls_unknown_authority() {
  fresh; run cmpi image pull "docker://localhost:$TLS/org/app:1.2"
  want_status 122; want_err_like "certs.d/localhost:$TLS"
}
test_tls_certs_d() {
  fresh; mkdir -p "$home/.config/containers/certs.d/localhost:$TLS"
  cp "$scratch/ca/ca.crt" "$home/.config/containers/certs.d/localhost:$TLS/"
  run cmpi image pull "docker://localhost:$TLS/org/app:1.2"; want_status 0
}
test_tls_insecure() { fresh; run cmpi image pull --insecure "localhost:$TLS" "docker://localhost:$TLS/org/app:1.2"; want_status 0; }
test_token_server() {
  fresh; login_file "{\"auths\": {\"localhost:$TOKEN\": {\"auth\": \"$(printf alice:wonder | base64)\"}}}"
  run cmpi image pull --insecure "localhost:$TOKEN" --insecure "127.0.0.1:$TOKENS" "docker://localhost:$TOKEN/org/app:1.2"
  want_status 0; grep -q 'scope=repository%3Aorg%2Fapp%3Apull' "$scratch/tokens.log"
}
test_token_server_wrong_password() {
  fresh; login_file "{\"auths\": {\"localhost:$TOKEN\": {\"auth\": \"$(printf alice:no | base64)\"}}}"
  run cmpi image pull --insecure "localhost:$TOKEN" --insecure "127.0.0.1:$TOKENS" "docker://localhost:$TOKEN/org/app:1.2"
  want_status 126; want_err_like 'does not accept the credentials'
}
test_token_server_over_http() {
  fresh; run cmpi image pull --insecure "localhost:$TOKEN" "docker://localhost:$TOKEN/org/app:1.2"
  want_status 122; want_err_like 'not on https'
}

# -- logins, one by one ------------------------------------------------------------------

test_basic() {
  fresh; login_file "{\"auths\": {\"127.0.0.1:$FAKE\": {\"auth\": \"$(printf user:secret | base64)\"}}}"
  pull "$(fake basic)"; want_status 0
}
test_basic_wrong() {
  fresh; login_file "{\"auths\": {\"127.0.0.1:$FAKE\": {\"auth\": \"$(printf user:wrong | base64)\"}}}"
  pull "$(fake basic)"; want_status 126; want_err_like 'does not accept'
}
test_netrc_is_ignored() {
  fresh; printf 'machine 127.0.0.1 login user password secret\n' >"$home/.netrc"; chmod 644 "$home/.netrc"
  pull "$(fake basic)"; want_status 126; want_asked 0 'auth=yes'
}
test_bearer_anonymous() { fresh; pull "$(fake bearer)"; want_status 0; want_asked 1 "^$((FAKE + 2)) GET"; }
test_bearer_user() {
  fresh; login_file "{\"auths\": {\"127.0.0.1:$FAKE/bearer-user\": {\"auth\": \"$(printf user:secret | base64)\"}, \"127.0.0.1:$FAKE\": {\"auth\": \"$(printf no:no | base64)\"}}}"
  pull "$(fake bearer-user)"; want_status 0
}
test_refresh_token() {
  fresh; login_file "{\"auths\": {\"127.0.0.1:$FAKE\": {\"identitytoken\": \"refresh-1\"}}}"
  pull "$(fake refresh)"; want_status 0; want_asked 1 "^$((FAKE + 2)) POST"
}
test_token_expires_in_the_middle() { fresh; pull --parallel 1 "$(fake expiring)"; want_status 0; (($(asked "^$((FAKE + 2)) GET") > 1)) || complain 'one token only'; }
test_token_is_never_enough() { fresh; pull "$(fake never-enough)"; want_status 126; (($(asked '.') < 12)) || complain "asked $(asked .) times"; }
test_unknown_login() { fresh; pull "$(fake negotiate)"; want_status 126; want_err_like 'Negotiate'; }
test_bad_realm() { fresh; pull "$(fake bad-realm)"; want_status 122; want_err_like 'ftp://'; }
test_forbidden() { fresh; pull "$(fake forbidden)"; want_status 126; want_err_like 'go away'; }
test_credential_helper() {
  fresh; mkdir "$home/bin"
  printf '#!/bin/sh\nread s\necho "$1 $s" >>%q\necho %s\n' "$home/asked" "'{\"Username\": \"user\", \"Secret\": \"secret\"}'" >"$home/bin/docker-credential-test"
  chmod 755 "$home/bin/docker-credential-test"; touch "$home/asked"; chmod 666 "$home/asked"
  login_file "{\"credHelpers\": {\"127.0.0.1:$FAKE\": \"test\"}}"
  pull "$(fake basic)"; want_status 0; want_equal "$(<"$home/asked")" "get 127.0.0.1:$FAKE" 'the helper was asked'
}
test_credential_helper_is_missing() {
  fresh; login_file '{"credsStore": "nowhere"}'
  pull "$(fake basic)"; [[ $status != 0 ]]; want_err_like 'docker-credential-nowhere'
}
test_credential_helper_with_a_path() {
  fresh; login_file '{"credsStore": "../evil"}'
  pull "$(fake basic)"; [[ $status != 0 ]]; want_err_like 'no name of a credential helper'
}
test_broken_credentials_file() { fresh; login_file '{"auths": '; pull "$(fake basic)"; want_status 121; want_err_like 'config.json'; }

# -- redirects ---------------------------------------------------------------------------

test_redirect() { fresh; pull "$(fake redirect)"; want_status 0; want_asked 4 "^$((FAKE + 1)) GET"; }
test_redirect_carries_no_credentials() {
  fresh; login_file "{\"auths\": {\"127.0.0.1:$FAKE\": {\"auth\": \"$(printf user:secret | base64)\"}, \"127.0.0.1:$((FAKE + 1))\": {\"auth\": \"$(printf a:b | base64)\"}}}"
  pull "$(fake redirect-creds)"; want_status 0; want_asked 0 "^$((FAKE + 1)) .*auth=yes"; want_asked 4 "^$((FAKE + 1)) GET"
}
test_redirect_relative() { fresh; pull "$(fake redirect-relative)"; want_status 0; }
test_redirect_circle() { fresh; pull "$(fake redirect-circle)"; want_status 122; want_err_like 'circle'; (($(asked '.') < 15)); }
test_redirect_to_a_file() { fresh; pull "$(fake redirect-file)"; want_status 122; want_err_like 'no http address'; nothing_published; }
test_redirect_with_a_user() { fresh; pull "$(fake redirect-user)"; want_status 122; want_asked 0 "^$((FAKE + 1))"; }

# -- waiting, going on ----------------------------------------------------------------------

test_too_many_requests() { fresh; pull "$(fake busy)"; want_status 0; want_err_like 'again in 1 s'; }
test_rate_limit() { fresh; pull "$(fake limit)"; want_status 122; want_err_like 'rate limit.*too many pulls.*0;w=21600'; want_asked 1 .; }
test_flaky() { fresh; pull "$(fake flaky)"; want_status 0; }
test_truncated() { fresh; pull "$(fake truncate)"; want_status 0; (($(asked 'range=bytes=[1-9]') >= 3)) || complain 'no ranges'; }
test_no_range() { fresh; pull "$(fake no-range)"; want_status 0; }
test_wrong_range() { fresh; pull "$(fake wrong-range)"; want_status 0; }
test_always_wrong_range() { fresh; pull "$(fake always-wrong-range)"; want_status 122; want_err_like 'another part'; nothing_published; }
test_going_on_in_a_second_run() {
  fresh; pull "$(fake truncate-always)"; want_status 122
  : >"$scratch/fake.log"
  pull "$(fake plain)"; want_status 0; (($(asked 'range=bytes=[1-9]') >= 1)) || complain 'began again'
}
test_damaged_part_of_an_earlier_run() {
  fresh; pull "$(fake plain)"; want_status 0
  local blob; blob=$(find "$store/blobs" -size +1000k | head -n 1)
  head -c 100000 /dev/zero >"$store/partial/${blob##*/}"; chown "$CMPIRUN_TEST_USER" "$store/partial/${blob##*/}"; rm "$blob"
  cmpi image rm "$(fake plain :latest)"
  pull "$(fake plain)"; want_status 0; want_err_like 'fetched again'
}
test_damaged_blob_in_the_store() {
  fresh; pull "$(fake plain)"; want_status 0; cmpi image rm "$(fake plain)"
  local blob; blob=$(find "$store/blobs" -size +1000k | head -n 1); chmod 644 "$blob"
  printf x | dd of="$blob" bs=1 seek=5000 conv=notrunc status=none
  pull --print-path "$(fake plain)"; want_status 0; want_err_like 'fetched again'; want_equal "$(content)" "$(expected)" content
}

# -- lies --------------------------------------------------------------------------------------

test_flipped_bit() { fresh; pull "$(fake flipped)"; want_status 121; nothing_published; }
test_longer() { fresh; pull "$(fake longer)"; want_status 121; nothing_published; }
test_longer_chunked() { fresh; pull "$(fake longer-chunked)"; want_status 121; want_err_like 'more'; nothing_published; }
test_shorter() { fresh; pull "$(fake shorter)"; want_status 121; nothing_published; }
test_wrong_manifest() {
  fresh; pull "$(fake wrong-manifest "@$(python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import oci; print(oci.Image().descriptor["digest"])' "$here")")"
  want_status 121; want_err_like 'digest'
}
test_lying_digest_header() { fresh; pull "$(fake lying-digest)"; want_status 121; }
test_traversal() { fresh; pull "$(fake traversal)"; want_status 121; want_err_like 'is not a digest'; [[ ! -e /tmp/evil ]]; }
test_huge_manifest() { fresh; pull "$(fake huge-manifest)"; want_status 121; want_err_like 'more than it should'; }
test_no_json() { fresh; pull "$(fake no-json)"; want_status 121; want_err_like 'not JSON'; }
test_keys_twice() { fresh; pull "$(fake twice-keys)"; want_status 121; want_err_like 'uplicate'; }
test_huge_layer() { fresh; pull "$(fake huge-layer)"; want_status 121; }
test_no_room_for_it() { fresh; pull "$(fake full-disk)"; want_status 123; want_err_like 'MiB are free'; }
test_few_diff_ids() { fresh; pull "$(fake few-diff-ids)"; want_status 121; want_err_like '2 layers, the config 3'; }
test_schema1() { fresh; pull "$(fake schema1)"; want_status 121; want_err_like 'schema 1'; }
test_artifact() { fresh; pull "$(fake artifact)"; want_status 121; want_err_like 'no container image'; }

# -- indexes, kinds of layers ---------------------------------------------------------------------

test_index() { fresh; pull --print-path "$(fake index)"; want_status 0; want_equal "$(content)" "$(expected)" content; }
test_attestations() { fresh; pull "$(fake attested)"; want_status 0; }
test_nested_index() { fresh; pull --print-path "$(fake nested)"; want_status 0; content >/dev/null; want_equal "$(<"$home/root/etc/name")" second name; }
test_deep_index() { fresh; pull "$(fake deep)"; want_status 121; want_err_like 'no image for|deeper'; (($(asked .) < 10)); }
test_other_platform() { fresh; pull --platform linux/arm64 "$(fake index)"; want_status 0; run cmpi image ls; want_out_like 'linux/arm64'; }
test_no_platform() { fresh; pull "$(fake arm-only)"; want_status 121; want_err_like 'no image for linux/amd64; there is: linux/arm64'; }
test_wrong_platform() { fresh; pull "$(fake arm)"; want_status 121; want_err_like 'is for linux/arm64'; }
test_zstd() { fresh; pull --print-path "$(fake zstd)"; want_status 0; want_equal "$(content)" "$(expected)" content; }
test_uncompressed() { fresh; pull --print-path "$(fake uncompressed)"; want_status 0; want_equal "$(content)" "$(expected)" content; }
test_mislabelled() { fresh; pull --print-path "$(fake mislabel)"; want_status 0; want_equal "$(content)" "$(expected)" content; }
test_layer_twice() { fresh; pull "$(fake twice)"; want_status 0; }
test_compressor() {
  fresh; pull --print-path --comp lz4 --block-size 64 "$(fake plain)"; want_status 0
  unsquashfs -s "$out" | grep -q 'Compression lz4'; unsquashfs -s "$out" | grep -q 'Block size 65536'
  pull "$(fake plain)"; want_status 0; want_equal "$(find "$store/images" -name '*.sqsh' | wc -l)" 2 images
}

# -- the store ---------------------------------------------------------------------------------------

test_second_pull_is_one_head() { fresh; pull "$(fake plain)"; : >"$scratch/fake.log"; pull "$(fake plain)"; want_status 0; want_out_like 'already here'; want_equal "$(cut -d' ' -f2 "$scratch/fake.log")" HEAD requests; }
test_digest_needs_no_network() {
  fresh; pull "$(fake plain)"; local digest; digest=$(cmpi image ls --json | jq -r '.[0].manifest')
  pull "$(fake plain "@$digest")"; want_status 0; : >"$scratch/fake.log"
  pull "$(fake plain "@$digest")"; want_status 0; want_asked 0 .
}
test_tag_moves() {
  fresh; pull "$(fake moves)"; want_status 0
  curl -s "http://127.0.0.1:$((FAKE + 1))/move" >/dev/null; : >"$scratch/fake.log"
  pull --pull missing --print-path "$(fake moves)"; want_status 0; want_asked 0 .
  pull --print-path "$(fake moves)"; want_status 0; content >/dev/null; want_equal "$(<"$home/root/etc/name")" second name
  want_asked 2 'GET .*/blobs/'
}
test_known_layers_are_not_fetched() { fresh; pull "$(fake plain)"; : >"$scratch/fake.log"; pull "$(fake second)"; want_status 0; want_asked 2 'GET /v2/second/app/blobs/'; }
test_never() { fresh; pull --pull never "$(fake plain)"; want_status 121; want_asked 0 .; }
test_two_pulls_at_once() {
  fresh; pull "$(fake slow)" & local first=$!
  sleep 0.7; pull "$(fake slow)"; want_status 0; want_err_like 'another pull'; wait "$first"
  want_equal "$(asked 'blobs/' | cat)" 4 'blobs fetched'
}
test_ls_inspect_rm() {
  fresh; pull "$(fake plain)"; run cmpi image ls; want_out_like "127.0.0.1:$FAKE/plain/app:latest"
  local id; id=$(cmpi image ls --json | jq -r '.[0].id')
  run cmpi image inspect "${id:0:12}"; want_status 0; want_equal "$(jq -r .id <<<"$out")" "$id" id
  want_out_like '"A=1"'
  run cmpi image verify; want_status 0
  run cmpi image rm "127.0.0.1:$FAKE/plain/app"; want_status 0; nothing_published
  run cmpi image rm "127.0.0.1:$FAKE/plain/app"; want_status 121; want_err_like 'not in the image store'
}
test_verify_finds_damage() {
  fresh; pull --print-path "$(fake plain)"; chmod 644 "$out"; printf x | dd of="$out" bs=1 seek=200000 conv=notrunc status=none
  run cmpi image verify; want_status 121; want_err_like 'its digest is'
}
test_gc() {
  fresh; pull "$(fake plain)"; run cmpi image gc; want_out_like 'removed 0 images, 0 layers'
  run cmpi image gc --dry-run --older-than 0 --layers-older-than 0; want_out_like 'would remove 1 images, 4 layers'
  run cmpi image gc --layers-older-than 0; want_out_like 'removed 0 images, 4 layers'
  pull --pull missing "$(fake plain)"; want_out_like 'already here'
  run cmpi image gc --max-size 1; want_out_like 'removed 1 images'; nothing_published
}
test_gc_while_pulling() {
  fresh; pull "$(fake slow)" & local first=$!; sleep 0.7
  run cmpi image gc; want_status 122; want_err_like 'under way'; wait "$first"
}
test_store_of_somebody_else() { fresh; mkdir "$home/theirs"; chown 12345 "$home/theirs"; run cmpi image ls --store "$home/theirs"; want_status 123; want_err_like 'belongs to user 12345'; mkdir -m 777 "$home/open"; chown "$CMPIRUN_TEST_USER" "$home/open"; run cmpi image ls --store "$home/open"; want_status 123; want_err_like 'written by others'; }
test_shared_store() {
  fresh; local site=$home/site
  limit=60 run env HOME=/root "$BIN/cmpi" image pull --store "$site" --insecure "127.0.0.1:$FAKE" "$(fake plain)"; want_status 0
  : >"$scratch/fake.log"; chmod -R a+rX "$site"
  pull --shared-store "$site" --pull missing --print-path "$(fake plain)"; want_status 0; want_out_like "^$site"; want_asked 0 .
  # Ready images of a stranger are not believed; the layers are, after hashing.
  chown -R 12345 "$site"
  pull --shared-store "$site" --pull missing --print-path "$(fake plain)"; want_status 0; want_out_like "^$store"; want_asked 1 '/blobs/'
}
test_disk_full() {
  fresh; mkdir "$home/small"; mount -t tmpfs -o "size=6m,uid=$(id -u "$CMPIRUN_TEST_USER"),mode=755" tmpfs "$home/small"
  pull --store "$home/small" "$(fake plain)"; umount_later=$home/small
  want_status 123; want_err_like 'o space left'
  want_equal "$(find "$home/small/images" -type f | wc -l)" 0 images; umount "$umount_later"
}
# Killed at many moments, a pull leaves nothing that is used, and the next one succeeds.
test_kill_at_any_step() {
  fresh; local i
  for i in 0.05 0.15 0.3 0.5 0.8 1.1 1.4 1.7; do
    as_user timeout -s KILL "$i" cmpi image pull --insecure "127.0.0.1:$FAKE" "$(fake slow)" >/dev/null 2>&1 || true
    out=$(cmpi image ls --json | jq length)
    if [[ $out != 0 ]]; then cmpi image verify >/dev/null; cmpi image rm "$(fake slow)"; fi
  done
  pull --print-path "$(fake slow)"; want_status 0; want_equal "$(content)" "$(expected)" content
}

# -- mirrors, configuration -----------------------------------------------------------------------------

test_mirror() {
  fresh; mkdir -p "$home/.config/cmpirun"
  printf '# ours\nmirror docker.io 127.0.0.1:%s/plain\ninsecure 127.0.0.1:%s\n' "$FAKE" "$FAKE" >"$home/.config/cmpirun/registries.conf"
  run cmpi image pull docker://app; want_status 0; want_out_like 'docker://docker.io/library/app:latest'
  want_asked 1 'GET /v2/plain/library/app/manifests'
}
test_mirror_falls_back() {
  fresh; mkdir -p "$home/.config/cmpirun"
  printf 'mirror 127.0.0.1:%s 127.0.0.1:1\nmirror 127.0.0.1:%s 127.0.0.1:%s/nothing\ninsecure 127.0.0.1:%s\n' "$FAKE" "$FAKE" "$FAKE" "$FAKE" \
    >"$home/.config/cmpirun/registries.conf"
  run cmpi image pull "$(fake plain)"; want_status 0; want_err_like 'going on with'
}
test_bad_configuration() { fresh; mkdir -p "$home/.config/cmpirun"; echo 'mirrors x' >"$home/.config/cmpirun/registries.conf"; run cmpi image ls; want_status 120; want_err_like 'line 1'; }
test_nobody_listens() { fresh; run cmpi image pull docker://127.0.0.1:9/x/y; want_status 122; want_err_like 'cannot be reached'; }
test_proxy() {
  fresh; environment=(http_proxy="http://127.0.0.1:$FAKE")
  run cmpi image pull --insecure registry.test:80 docker://registry.test:80/plain/app; unset environment
  (($(asked 'http://registry.test') + $(asked '/v2/plain') > 0)) || complain 'the proxy was not asked'
}
test_bad_references() {
  fresh; local ref
  for ref in docker://UPPER docker://a//b docker://host:port/x docker://x@sha256:12 docker://x:ta%g; do
    run cmpi image pull "$ref"; want_status 120
  done
}
test_usage() { fresh; run cmpi image pull; want_status 120; run cmpi image pull --frobnicate x; want_status 120; run cmpi image pull --pull sometimes x; want_status 120; run cmpi image --help; want_status 0; }
test_json() {
  fresh; pull --json "$(fake slow)"; want_status 0
  jq -es 'map(select(.event == "done")) | length == 1' <<<"$out" >/dev/null; jq -es 'map(select(.event == "progress")) | length > 0' <<<"$out" >/dev/null
}
test_quiet() { fresh; pull --quiet "$(fake plain)"; want_status 0; want_out ''; want_no_err; }

# -- files of this machine ------------------------------------------------------------------------------------

local_pull() { run cmpi image pull --print-path "$@"; want_status 0; want_no_err; }
test_oci_layout() { fresh; local_pull "oci:$scratch/oci:one"; want_equal "$(content)" "$(expected)" content; local_pull "oci:$scratch/oci"; run cmpi image pull "oci:$scratch/oci:two"; want_status 121; want_err_like 'there is: one'; }
test_oci_archive() {
  fresh; skopeo copy -q "oci:$scratch/oci:one" "oci-archive:$home/a.tar:one"; chmod 644 "$home/a.tar"
  local_pull "oci-archive:$home/a.tar:one"; want_equal "$(content)" "$(expected)" content
  gzip -1 "$home/a.tar"; local_pull "oci-archive:$home/a.tar.gz"
}
test_docker_archive() {
  fresh; python3 "$here/oci.py" docker-archive "$home/d.tar"
  local_pull "docker-archive:$home/d.tar:app:1"; want_equal "$(content)" "$(expected)" content
  run cmpi image pull "docker-archive:$home/d.tar"; want_status 121; want_err_like 'several images'
  run cmpi image pull "docker-archive:$home/d.tar:app:9"; want_status 121; want_err_like 'there is: app:1'
}
test_docker_archive_of_skopeo() { fresh; skopeo copy -q "oci:$scratch/oci:one" "docker-archive:$home/s.tar:x/y:1"; chmod 644 "$home/s.tar"; local_pull "docker-archive:$home/s.tar"; want_equal "$(content)" "$(expected)" content; }
test_tar() {
  fresh; local suffix
  for suffix in tar tar.gz tar.zst tar.xz; do
    python3 "$here/oci.py" tar "$home/t.$suffix"; local_pull "$home/t.$suffix"; rm -rf "$home/root"; content >/dev/null; want_equal "$(<"$home/root/etc/name")" tar name
  done
  local_pull "tar:$home/t.tar"; touch "$home/t.tar"; local_pull "tar:$home/t.tar"
}
test_old_docker_archive() {
  fresh; python3 "$here/oci.py" old-docker-archive "$home/o.tar"
  local_pull "docker-archive:$home/o.tar:app:1"; want_equal "$(content)" "$(expected)" content
  run cmpi image inspect "docker-archive:$home/o.tar:app:1"; want_out_like '"PATH=/bin"'; want_out_like '"amd64"'
  run cmpi image pull "docker-archive:$home/o.tar"; want_status 121; want_err_like 'several images.*app:base'
  run cmpi image pull "docker-archive:$home/o.tar:app:9"; want_status 121; want_err_like 'there is: app:1'
  mkdir "$home/d"; tar -xf "$home/o.tar" -C "$home/d"; rm "$home/d/$(printf '%064x' 2)/json"
  tar -cf "$home/cut.tar" -C "$home/d" .; run cmpi image pull "docker-archive:$home/cut.tar:app:1"; want_status 121; want_err_like "no $(printf '%064x' 2)/json"
  # A chain that ends in itself.
  sed -i 's/}$/, "parent": "'"$(printf '%064x' 1)"'"}/' "$home/d/$(printf '%064x' 1)/json"
  tar -cf "$home/circle.tar" -C "$home/d" .; run cmpi image pull "docker-archive:$home/circle.tar:app:base"; want_status 121; want_err_like 'more than 1024 layers'
  python3 "$here/oci.py" tar "$home/t.tar"; run cmpi image pull "docker-archive:$home/t.tar"; want_status 121; want_err_like 'neither a manifest.json'
  want_equal "$(find "$store/images" -name "*.info" | wc -l)" 1 images
}
test_aci() {
  fresh; local suffix
  for suffix in aci tar.gz tar.xz; do
    python3 "$here/oci.py" aci "$home/a.$suffix"; local_pull "aci:$home/a.$suffix"
    rm -rf "$home/root"; content >/dev/null; want_equal "$(<"$home/root/etc/name")" aci name; [[ ! -e $home/root/manifest && ! -e $home/root/rootfs ]]
  done
  run cmpi image inspect "aci:$home/a.aci"; want_out_like '"FROM=rkt"'; want_out_like '"0:0"'
  run as_user cmpirun --image "$home/a.aci"; want_status 0; want_out aci
  python3 "$here/oci.py" tar "$home/t.tar"; run cmpi image pull "aci:$home/t.tar"; want_status 121; want_err_like 'no manifest'
}
test_directory() {
  fresh; mkdir -p "$home/d/a b/c"; echo one >"$home/d/a b/c/x"; ln "$home/d/a b/c/x" "$home/d/y"; ln -s y "$home/d/z"
  head -c 300000 /dev/urandom >"$home/d/$(printf 'n%.0s' {1..200})"; chmod -R a+rX "$home/d"
  local_pull "dir:$home/d"; content >/dev/null
  diff -r "$home/d" "$home/root"; want_equal "$(stat -c %h "$home/root/y")" 2 links; local before=$out
  local_pull "$home/d/"; want_equal "$out" "$before" path
}
test_sif() {
  fresh; local_pull "oci:$scratch/oci:one"; cp "$out" "$home/inner.sqsh"; python3 "$here/oci.py" sif "$home/x.sif" "$home/inner.sqsh"
  local_pull "$home/x.sif"; cmp "$out" "$home/inner.sqsh"
  head -c 5000 "$home/x.sif" >"$home/short.sif"; run cmpi image pull "$home/short.sif"; want_status 121; want_err_like 'cut off'
  echo hello >"$home/no.sif"; run cmpi image pull "$home/no.sif"; want_status 121; want_err_like 'not a SIF'
}
test_shifter() {
  fresh; mkdir -p "$home/d"; echo x >"$home/d/x"; mksquashfs "$home/d" "$home/0123.squashfs" -quiet -no-progress >/dev/null
  printf 'FORMAT: squashfs\nWORKDIR: /data\nENV: A=1\n' >"$home/0123.meta"; chmod 644 "$home"/0123.*
  local_pull "shifter:$home/0123"; cmp -n 1000 "$out" "$home/0123.squashfs"; unsquashfs -l "$out" >/dev/null
  run cmpi image inspect "shifter:$home/0123"; want_out_like '"/data"'; want_out_like '"A=1"'
}
test_import_export() {
  fresh; run cmpi image import "oci:$scratch/oci:one" site/app:7; want_status 0
  run cmpi image export site/app:7 "$home/out.sqsh"; want_status 0; unsquashfs -s "$home/out.sqsh" >/dev/null
  run cmpi image export site/app:7 "$home/out.sqsh"; want_status 120; want_err_like 'force'
  run cmpi image pull --pull missing --print-path docker://site/app:7; want_status 0
}

# -- cmpirun ----------------------------------------------------------------------------------------------------

test_cmpirun_pulls_on_first_use() {
  fresh; mkdir -p "$home/.config/cmpirun"; echo "insecure 127.0.0.1:$FAKE" >"$home/.config/cmpirun/registries.conf"
  run as_user cmpirun --image "$(fake plain)" /bin/cat /etc/name; want_status 0; want_out_like 'last$'
  : >"$scratch/fake.log"
  run as_user cmpirun --image "$(fake plain)" /bin/cat /etc/name; want_status 0; want_out last; want_no_err; want_asked 0 .
  run as_user cmpirun --pull always --image "$(fake plain)" /bin/true; want_status 0; want_asked 1 HEAD
  run as_user cmpirun --pull never --image "$(fake second)" /bin/true; want_status 121
}
test_cmpirun_of_a_layout() { fresh; run as_user cmpirun --image "oci:$scratch/oci:one" /bin/cat /etc/name; want_status 0; want_out last; }

start_registries || { echo 'the registries did not start'; cat "$scratch"/*.log; exit 1; }
run_tests "$@"
