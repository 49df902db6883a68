#!/usr/bin/env bash
#
# merge.sh: images merged from layers, file by file beside what umoci and tar make of the same.
#
# Layers of every kind of change are made by umoci from the debian test image, tars of every format
# by GNU tar. What build_image() makes of them is unpacked by unsquashfs, a reader that is not ours
# (ours has compared already), and listed with owners, times, links, attributes and contents.
#
# In the environment: CMPIRUN_TEST_CACHE, the images; MERGE_BUILD, the build directory (build).
# Needs root, for owners. Ends with the line "N passed, N failed".
set -uo pipefail

HERE=$(dirname "$(readlink -f "$0")")
readonly HERE
readonly BUILD=${MERGE_BUILD:-$HERE/../../build}
readonly TOOL=$BUILD/tests/merge_tool CMPIRUN=$BUILD/bin/cmpirun
readonly DEBIAN=${CMPIRUN_TEST_CACHE:?where are the images?}/debian.sqsh
WORK=$(mktemp -d /var/tmp/cmpirun-merge.XXXXXX)
readonly WORK
trap 'rm -rf "$WORK"' EXIT
passed=0 failed=0

# check NAME COMMAND...: one test; what it says is shown when it fails.
check() {
  local name=$1 log=$WORK/log; shift
  if (set -e; cd "$WORK"; "$@") >"$log" 2>&1; then
    passed=$((passed + 1)); printf 'ok %s\n' "$name"
  else
    failed=$((failed + 1)); printf 'FAILED %s\n' "$name"; tail -n 20 "$log"
  fi
}

list() { python3 "$HERE/list_tree.py" "$1"; }

# layers OCI TAG: the blobs of an image, lowest first.
layers() {
  local manifest
  manifest=$(jq -r --arg tag "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag) | .digest' "$1/index.json")
  jq -r '.layers[].digest' "$1/blobs/${manifest/://}" | sed "s|^sha256:|$1/blobs/sha256/|"
}

# unpack SQSH DIR
unpack() { rm -rf "$2"; unsquashfs -q -n -xattrs -d "$2" "$1" >/dev/null; }

# Device nodes are dropped on purpose; all else must be there and equal.
same_as_umoci() {
  umoci unpack --image "oci:$1" bundle >/dev/null
  # shellcheck disable=SC2046
  "$TOOL" ours.sqsh - ref $(layers oci "$1")
  unpack ours.sqsh ours
  list bundle/rootfs | grep -vE "^'[^']*' 0o[26]0" > umoci.list
  list ours > ours.list
  rm -rf bundle
  diff umoci.list ours.list
}

make_image() {
  umoci init --layout oci
  umoci new --image oci:one
  unpack "$DEBIAN" rootfs
  umoci insert --image oci:one rootfs /
  umoci unpack --image oci:one bundle
  local r=bundle/rootfs
  # The second layer: removals, changes of type, links to what is below, odd files.
  rm -r "$r/usr/share/doc" "$r/etc/profile"
  rm -r "$r/usr/share/common-licenses"; echo file > "$r/usr/share/common-licenses"
  rm "$r/etc/hostname" 2>/dev/null || true; mkdir -p "$r/etc/hostname/is/a/directory"
  ln "$r/etc/passwd" "$r/etc/passwd.hard"
  ln -s ../../../../etc/passwd "$r/usr/link"; ln -s /nowhere "$r/dangling"
  chmod 4755 "$r/usr/bin/env"; chown 4000000000:12345 "$r/usr/bin/id"; chmod 1777 "$r/mnt"
  truncate -s 3000000 "$r/holes"; printf x | dd of="$r/holes" bs=1 seek=1500000 conv=notrunc status=none
  mkfifo "$r/pipe"; : > "$r/empty"
  # umoci cannot keep these with its own name for them: only what it can is compared.
  local long; long=$(printf 'n%.0s' {1..200}); mkdir -p "$r/$long/$long"; echo long > "$r/$long/$long/$long"
  printf 'bytes' > "$r/$(printf 'latin\351')"; printf 'utf' > "$r/ünïcode"
  touch -d '1999-12-31T23:59:59' "$r/usr/bin/env"
  umoci repack --image oci:two bundle
  # The third: again what is gone, and gone what is new.
  mkdir -p "$r/usr/share/doc/new"; echo back > "$r/usr/share/doc/new/file"
  rm -r "$r/etc/hostname" "$r/pipe" "$r/etc/passwd.hard"; echo again > "$r/etc/passwd"
  rm -r "${r:?}/$long"; chmod 700 "$r/usr/share"
  umoci repack --image oci:three bundle
  rm -rf bundle
}

# tar_format FORMAT OPTION...: one layer by GNU tar, beside its source.
tar_format() {
  local format=$1; shift
  tar -C source --format="$format" "$@" -cf layer.tar .
  "$TOOL" ours.sqsh - ref layer.tar
  unpack ours.sqsh ours
  list source > source.list
  list ours > ours.list
  diff source.list ours.list
}

make_source() {
  mkdir -p source/dir/sub; cd source
  echo content > dir/file; ln dir/file dir/sub/hard; ln -s dir/file link; mkfifo fifo; : > empty
  truncate -s 10000000 holes
  for at in 0 70000 400000 5000000 9999999; do printf x | dd of=holes bs=1 seek=$at conv=notrunc status=none; done
  for at in {10..60}; do printf y | dd of=many bs=1 seek=$((at * 65536)) conv=notrunc status=none; done
  chown 1000:1001 dir/file; chmod 2755 dir; chmod 4711 empty
  # No chown after it.
  [[ ${1-} == short ]] || { long=$(printf 'l%.0s' {1..150}); echo x > "$long"; ln -s "$long" "$long.link"; }
  touch -d '2001-02-03T04:05:06' holes many dir/sub dir . link -h
}

xattrs() {
  setfattr -n user.key -v value source/dir/file 2>/dev/null ||
    python3 -c 'import os; os.setxattr("source/dir/file", "user.key", b"value"); os.setxattr("source/dir", "user.d", b"\0\1")'
  tar_format posix --xattrs
  grep -q user.key ours.list
}

same_bytes() {
  local one two three
  # shellcheck disable=SC2046
  one=$("$TOOL" a.sqsh - ref $(layers oci three))
  # shellcheck disable=SC2046
  two=$(taskset -c 0 "$TOOL" b.sqsh - ref $(layers oci three))
  [[ $one == "$two" ]]
  cmp a.sqsh b.sqsh
  # The same layers, compressed otherwise.
  local blob i=0; local -a zstd=()
  for blob in $(layers oci three); do
    gzip -dc "$blob" | zstd -q -1 > "layer$i.zst"; zstd+=("layer$i.zst"); i=$((i + 1))
  done
  three=$("$TOOL" c.sqsh - ref "${zstd[@]}")
  [[ $one == "$three" ]]
}

hash_tree() {
  local root hash_at
  read -r hash_at root < <(python3 -c '
import struct, sys
tail = open("a.sqsh", "rb").read()[-256:]
print(struct.unpack("<Q", tail[24:32])[0], tail[48:80].hex())')
  veritysetup verify a.sqsh a.sqsh "$root" --hash-offset="$hash_at"
  printf x | dd of=a.sqsh bs=1 seek=100000 conv=notrunc status=none
  ! veritysetup verify a.sqsh a.sqsh "$root" --hash-offset="$hash_at"
}

compressors() {
  local comp
  for comp in 1 4 5 6; do
    MERGE_COMP=$comp "$TOOL" comp.sqsh - ref layer.tar
    unpack comp.sqsh ours
    list ours > "comp$comp.list"
    diff comp1.list "comp$comp.list"
  done
}

# The config that travels with the image is what a run goes by.
config() {
  printf '%s' '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/image/bin:/bin","WHO=image","TWO=image"],
    "Entrypoint":["/bin/echo"],"Cmd":["hello","image"],"WorkingDir":"/usr/lib"}}' > config.json
  # shellcheck disable=SC2046
  "$TOOL" config.sqsh config.json docker://registry.example/a/b:1 $(layers oci one)
  [[ $("$CMPIRUN" --image config.sqsh) == 'hello image' ]]
  # shellcheck disable=SC2016
  [[ $(TWO=caller "$CMPIRUN" -x TWO --no-cwd --image config.sqsh /bin/sh -c 'echo $PATH $WHO $TWO $PWD') == '/image/bin:/bin image caller /usr/lib' ]]
  "$CMPIRUN" --dry-run --image config.sqsh | grep -q 'from  *docker://registry.example/a/b:1'
  sed -i s/amd64/s390x/ config.json
  # shellcheck disable=SC2046
  "$TOOL" config.sqsh config.json ref $(layers oci one)
  ! "$CMPIRUN" --image config.sqsh true 2> errors
  grep -q 'for s390x, this machine is' errors
}

# A byte that was changed gives an error with --verify, wherever it is read.
verify() {
  # shellcheck disable=SC2046
  "$TOOL" verify.sqsh - ref $(layers oci one)
  # shellcheck disable=SC2016
  local all='find / -xdev -type f -exec cat {} + | wc -c'
  [[ $("$CMPIRUN" --verify --image verify.sqsh /bin/sh -c "$all" 2> errors) -gt 1000000 ]]
  [[ ! -s errors ]]
  printf x | dd of=verify.sqsh bs=1 seek=3000000 conv=notrunc status=none
  "$CMPIRUN" --verify --image verify.sqsh /bin/sh -c "$all" 2> errors
  grep -q 'Input/output error' errors
  ! "$CMPIRUN" --verify --mount kernel --image verify.sqsh true 2> errors
  ! "$CMPIRUN" --verify --image "$DEBIAN" true 2> errors
  grep -q 'has no hash tree' errors
}

check 'an image of three layers' make_image
for tag in one two three; do check "umoci: $tag" same_as_umoci "$tag"; done
check 'the same bytes out' same_bytes
check 'hash tree, by veritysetup' hash_tree
check 'config' config
check 'verify' verify
check 'files for tar' make_source
check 'tar: gnu' tar_format gnu
check 'tar: gnu, sparse' tar_format gnu --sparse
check 'tar: oldgnu, sparse' tar_format oldgnu --sparse
check 'tar: posix' tar_format posix
for version in 0.0 0.1 1.0; do
  check "tar: posix, sparse $version" tar_format posix --sparse --sparse-version="$version"
done
check 'tar: extended attributes' xattrs
check 'compressors' compressors
rm -rf "$WORK/source"
check 'files for old tars' make_source short
check 'tar: ustar' tar_format ustar
rm -f "$WORK/source/fifo"  # v7 has none
check 'tar: v7' tar_format v7
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
