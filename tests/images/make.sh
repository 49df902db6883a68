#!/usr/bin/env bash
#
# make.sh: makes the squashfs images that tests, demo and measurements run.
#
#   tests/images/make.sh NAME...    makes what is missing or outdated; prints one path a name
#   tests/images/make.sh all        every name
#   tests/images/make.sh list       the names
#
#   trixie-mpich trixie-openmpi bookworm-mpich bookworm-openmpi
#             a small Debian with that suite's MPI and /usr/bin/mpi_hello linked to it
#   debian    a small Debian 12 without MPI: what `true` is measured with
#   tiny-{zstd,gzip,lz4,xz,lzo}
#             busybox and files of awkward sizes, the same tree by each compressor
#
# In: a Debian mirror (the one that the machine's apt uses), the programs of
# tests/deps.sh demo, mpi_hello.c. Out: NAME.sqsh and NAME.key in the cache directory,
# ${CMPIRUN_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cmpirun/test-images}; all are world-readable
# and belong to whom sudo was called by.
#
# How a Debian image comes about: mmdebstrap makes one base tree a suite. Over it lie overlay layers,
# one an MPI (its runtime, installed by dpkg) and one with a compiler and the MPIs' headers, which is
# only unpacked. The program is compiled in a chroot of all three; mksquashfs then sees base and
# MPI without the compiler. So packages lists are read once a suite, and images stay small.
#
# Invariants
# - An image is whole or not there: it is written under another name and renamed; the key after it.
# - The key is a hash of what the image is made from: the functions and variables that make it, and
#   the C source. Comments here do not count. The mirror's state does not either: an image stays
#   until its recipe changes or it is removed.
# - Two runs at once do the work once: a lock a suite, and a second look once it is held.
# - All work happens on a tmpfs in a mount namespace of its own: however a run ends, nothing is left
#   but a file with a dot in front, which the next run removes.
#
# Caveats
# - Needs root for chroot and mounts: directly, or it calls sudo by itself.
# - Needs about 1 GB of memory while it runs.
# - UCX's ROCm modules and what only they use (LLVM, 230 MB) are left out: no test has such a GPU.
# - mksquashfs from a directory only: before 4.7 its tar input writes corrupt images.

set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly SELF=$HERE/make.sh

readonly -a NAMES=(trixie-mpich trixie-openmpi bookworm-mpich bookworm-openmpi debian
                   tiny-zstd tiny-gzip tiny-lz4 tiny-xz tiny-lzo)

# What each suite calls the runtime of an MPI.
declare -A RUNTIME=(
  [trixie-mpich]='libmpich12'     [trixie-openmpi]='libopenmpi40 openmpi-common'
  [bookworm-mpich]='libmpich12'   [bookworm-openmpi]='libopenmpi3 openmpi-common'
)
# What compiles: the first with all that they need, the second alone.
readonly COMPILER='gcc libc6-dev'
readonly MPI_DEV='mpich libmpich-dev openmpi-bin libopenmpi-dev'

# Files of packages that no test image needs.
readonly -a EXCLUDE=(
  '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*' '/usr/share/locale/*'
  '/usr/share/lintian/*' '/usr/share/bash-completion/*'
  '/usr/lib/*/ucx/*rocm*'
)
# Packages that only UCX's ROCm modules need, and that bring LLVM along.
readonly NO_ROCM='libamdhip64-5 (= 99), libhsa-runtime64-1 (= 99)'

readonly -a SQUASH=(-noappend -no-progress -quiet -all-root -b 131072)
readonly -a ZSTD=(-comp zstd -Xcompression-level 3)

# step WHAT: for the log, with the seconds since the start.
step() { printf -- '--- %3d s: %s\n' "$SECONDS" "$*"; }
say() { printf 'make.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---------------------------------------------------------------------------------------------
# Where things are, and whether they are fresh
# ---------------------------------------------------------------------------------------------

# The cache of the person who asked, also when they asked through sudo.
cache_dir() {
  local home=${HOME:-/root} xdg=${XDG_CACHE_HOME:-}
  if [[ $EUID == 0 && -n ${SUDO_USER-} && $SUDO_USER != root ]]; then
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
    xdg=
  fi
  printf '%s\n' "${CMPIRUN_TEST_CACHE:-${xdg:-$home/.cache}/cmpirun/test-images}"
}

# group NAME: images of one group share a base, a lock and a run.
group() {
  case $1 in
    trixie-*) echo trixie ;;
    bookworm-* | debian) echo bookworm ;;
    tiny-*) echo tiny ;;
  esac
}

# recipe NAME: all that decides what is in the image, as text.
recipe() {
  printf '%s\n' "$1"
  declare -p SQUASH ZSTD
  case $1 in
    tiny-*) declare -f tiny_tree tiny_files tiny_options build_tiny ;;
    debian) declare -f base_tree tidy_base build_debian squash_debian ;;
    *)
      declare -f base_tree tidy_base lay_no_rocm apt_in layer lay_runtime lay_tools compile_in squash_debian
      declare -p RUNTIME COMPILER MPI_DEV EXCLUDE NO_ROCM
      cat "$HERE/mpi_hello.c"
      ;;
  esac
}

key() { recipe "$1" | sha256sum | cut -d' ' -f1; }

fresh() {
  [[ -f $CACHE/$1.sqsh && -f $CACHE/$1.key && $(<"$CACHE/$1.key") == "$(key "$1")" ]]
}

# publish NAME FILE: makes the finished file the image.
publish() {
  chmod 644 "$2"
  rm -f "$CACHE/$1.key"
  mv -f "$2" "$CACHE/$1.sqsh"
  key "$1" > "$CACHE/$1.key"
  chmod 644 "$CACHE/$1.key"
}

# ---------------------------------------------------------------------------------------------
# Debian images; these run in the mount namespace, with $WORK a tmpfs
# ---------------------------------------------------------------------------------------------

# The mirror of the machine's apt.
mirror() {
  local uri
  # shellcheck disable=SC2016  # the format is apt's
  uri=$(apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -v security | head -n 1) || true
  [[ -n $uri ]] || die "apt on this machine knows no Debian mirror (apt-get update first?)"
  printf '%s\n' "$uri"
}

# A proxy that the machine's apt uses, for the apt inside mmdebstrap, which does not read it.
use_proxy() {
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [[ -n $proxy ]]; then export http_proxy=$proxy; fi
}

# base_tree SUITE DIR. Valid-Until is not looked at: a mirror that is a snapshot is good enough to
# build a test image from. The excludes are not given to mmdebstrap, whose filter for them costs
# more than all the rest; dpkg reads them for the layers, tidy_base removes the few of the base.
base_tree() {
  mmdebstrap --quiet --mode=root --variant=essential --format=directory --components=main \
    --dpkgopt=force-unsafe-io \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Languages "none"' \
    --skip=cleanup/apt/lists,cleanup/apt/cache \
    "$1" "$2" "$(mirror)"
  printf 'path-exclude=%s\n' "${EXCLUDE[@]}" > "$2/etc/dpkg/dpkg.cfg.d/cmpirun"
  tidy_base "$2"
  lay_no_rocm "$2"
}

tidy_base() {
  rm -rf "$1"/usr/share/{doc,man,info,locale,lintian,bash-completion}/* "$1"/var/log/*
}

# lay_no_rocm ROOT: a package without files that says it provides ROCm, so that apt does not fetch it.
lay_no_rocm() {
  local deb=$WORK/no-rocm
  mkdir -p "$deb/DEBIAN"
  cat > "$deb/DEBIAN/control" <<END
Package: cmpirun-no-rocm
Version: 1
Architecture: all
Maintainer: nobody
Provides: $NO_ROCM
Description: stands in for ROCm, which no test image needs
END
  dpkg-deb --build "$deb" "$deb.deb"
  dpkg --root="$1" --install "$deb.deb"
}

# layer DIR LOWER...: mounts DIR/root, an overlay that writes to DIR/upper over the LOWER trees.
layer() {
  local dir=$1 lower
  shift
  lower=$(IFS=:; echo "$*")
  mkdir -p "$dir"/{upper,work,root}
  mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
}

# apt_in ROOT ARG...: the machine's apt-get, working on the tree ROOT. The packages stay in it, where
# dpkg can see them from inside; squash_debian leaves them out.
apt_in() {
  local root=$1
  shift
  cat > "$root.apt.conf" <<END
Dir "$root/";
Dir::Etc::TrustedParts "/etc/apt/trusted.gpg.d/";
Dir::Bin::dpkg "/usr/bin/dpkg";
DPkg::Chroot-Directory "$root";
DPkg::Use-Pty "0";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
END
  APT_CONFIG=$root.apt.conf DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" </dev/null
}

# lay_runtime NAME: the layer of one MPI, as users of the library get it.
lay_runtime() {
  local -a packages
  read -ra packages <<< "${RUNTIME[$1]}"
  layer "$WORK/$1" "$WORK/base"
  apt_in "$WORK/$1/root" install "${packages[@]}"
}

# lay_tools: a compiler and the MPIs' headers and wrappers, unpacked and not configured. The
# headers' own long list of dependencies (Fortran, hwloc's headers, …) compiles no C program.
# A plain tree and no overlay's upper: a directory that overlayfs made is opaque, and would hide the
# same directory of the runtime. Where the base has a symbolic link (/lib), so must this tree.
lay_tools() {
  local -a packages
  local deb root=$WORK/fetch/root
  local debs=$root/var/cache/apt/archives
  layer "$WORK/fetch" "$WORK/base"
  read -ra packages <<< "$COMPILER"
  apt_in "$root" --download-only install "${packages[@]}"
  read -ra packages <<< "$MPI_DEV"
  (cd "$debs" && apt_in "$root" download "${packages[@]}")
  mkdir "$WORK/tools"
  find "$WORK/base" -maxdepth 1 -type l -exec cp -P -t "$WORK/tools" {} +
  for deb in "$debs"/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$WORK/tools"
  done
}

# compile_in NAME: mpi_hello, by the mpicc of NAME's MPI, in the suite's own root.
compile_in() {
  local name=$1 mpi=${1#*-} dir=$WORK/$1.cc
  layer "$dir" "$WORK/tools" "$WORK/$name/upper" "$WORK/base"
  cp "$HERE/mpi_hello.c" "$dir/root/tmp/"
  chroot "$dir/root" "mpicc.$mpi" -std=c17 -O2 -Wall -Wextra -Werror \
    -o /usr/bin/mpi_hello /tmp/mpi_hello.c
  install -m 755 "$dir/upper/usr/bin/mpi_hello" "$WORK/$name/root/usr/bin/mpi_hello"
}

# squash_debian TREE FILE: without what only apt needs.
squash_debian() {
  mksquashfs "$1" "$2" "${SQUASH[@]}" "${ZSTD[@]}" -wildcards -e \
    'var/cache/apt/*' 'var/cache/debconf/*' 'var/lib/apt/lists/*' 'var/log/*' 'tmp/*' \
    'etc/apt/apt.conf.d/99mmdebstrap' 'etc/dpkg/dpkg.cfg.d/99mmdebstrap' \
    'etc/dpkg/dpkg.cfg.d/cmpirun' >&2
}

build_debian() {
  squash_debian "$WORK/base" "$CACHE/.debian.sqsh"
  publish debian "$CACHE/.debian.sqsh"
}

build_mpi() {
  compile_in "$1"
  squash_debian "$WORK/$1/root" "$CACHE/.$1.sqsh"
  publish "$1" "$CACHE/.$1.sqsh"
}

# build_suite SUITE NAME...: the two cores of a small machine are kept busy, no more: the compiler
# is unpacked while the first MPI is installed.
build_suite() {
  local suite=$1 name
  local -a mpis=()
  shift
  use_proxy
  step "base of $suite"
  base_tree "$suite" "$WORK/base"
  for name; do
    if [[ $name == debian ]]; then build_debian; else mpis+=("$name"); fi
  done
  [[ ${#mpis[@]} -gt 0 ]] || return 0
  lay_tools & local tools=$!
  for name in "${mpis[@]}"; do step "runtime of $name"; lay_runtime "$name"; done
  step 'compiler'
  wait "$tools"
  for name in "${mpis[@]}"; do step "image of $name"; build_mpi "$name"; done
  step 'done'
}

# ---------------------------------------------------------------------------------------------
# Tiny images
# ---------------------------------------------------------------------------------------------

# tiny_files DIR: files whose sizes are edges of squashfs: none, one byte, a block, a block and one,
# many in one fragment, a hole, a directory of more than one index.
tiny_files() {
  local dir=$1 i
  mkdir -p "$dir/many" "$dir/deep/a/b/c/d/e"
  : > "$dir/empty"
  printf x > "$dir/one"
  # Hexadecimal digits of the Park-Miller generator: the same everywhere, and half compressible.
  awk 'BEGIN { x = 20240229; for (i = 0; i < 655360; i++) { x = x * 16807 % 2147483647; printf "%08x", x } }' \
    > "$dir/five-mib"
  head -c 131072 "$dir/five-mib" > "$dir/block"
  head -c 131073 "$dir/five-mib" > "$dir/block-and-one"
  truncate -s 1M "$dir/hole"
  for ((i = 0; i < 1000; i++)); do printf 'file %d\n' "$i" > "$dir/many/$i"; done
  echo deep > "$dir/deep/a/b/c/d/e/file"
  ln -s five-mib "$dir/link-relative"
  ln -s /data/one "$dir/link-absolute"
  ln -s ../../etc/passwd "$dir/link-up"
  ln -s nowhere "$dir/link-dangling"
  ln "$dir/one" "$dir/hard"
  (cd "$dir" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) > "$dir.sums"
  mv "$dir.sums" "$dir/SHA256SUMS"
}

tiny_tree() {
  local dir=$1 applet
  mkdir -p "$dir"/{bin,dev,etc,home,proc,root,run,sys,tmp,usr/bin,var/tmp,data}
  chmod 1777 "$dir/tmp" "$dir/var/tmp"
  cp /bin/busybox "$dir/bin/busybox"
  for applet in $(/bin/busybox --list); do
    [[ $applet == busybox ]] || ln -s busybox "$dir/bin/$applet"
  done
  ln -s ../../bin/env "$dir/usr/bin/env"
  printf 'NAME="cmpirun tiny"\nID=tiny\nVERSION_ID=1\n' > "$dir/etc/os-release"
  printf 'root:x:0:0:root:/root:/bin/sh\n' > "$dir/etc/passwd"
  printf 'root:x:0:\n' > "$dir/etc/group"
  tiny_files "$dir/data"
}

tiny_options() {
  case $1 in
    zstd) printf '%s\n' "${ZSTD[@]}" ;;
    *) printf '%s\n' -comp "$1" ;;
  esac
}

# build_tiny NAME...
build_tiny() {
  local name
  local -a options
  (umask 022; tiny_tree "$WORK/tree")
  for name; do
    mapfile -t options < <(tiny_options "${name#tiny-}")
    mksquashfs "$WORK/tree" "$CACHE/.$name.sqsh" "${SQUASH[@]}" "${options[@]}" \
      -all-time 1700000000 -mkfs-time 1700000000 >&2
    publish "$name" "$CACHE/.$name.sqsh"
  done
}

# ---------------------------------------------------------------------------------------------
# The run
# ---------------------------------------------------------------------------------------------

# inside GROUP NAME...: in the private mount namespace, as root.
inside() {
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/cmpirun-image.XXXXXX")
  trap 'umount -l "$WORK"; rmdir "$WORK"' EXIT
  mount -t tmpfs -o size=4g,mode=755 tmpfs "$WORK"
  umask 022
  if [[ $1 == tiny ]]; then build_tiny "${@:2}"; else build_suite "$@"; fi
}

# build GROUP NAME...: under the group's lock, those of NAME that are still not fresh.
build() {
  local group=$1 name log=$CACHE/$1.log started=$SECONDS
  local -a stale=()
  shift
  exec {lock}> "$CACHE/.lock.$group"
  flock "$lock"
  for name; do fresh "$name" || stale+=("$name"); done
  if [[ ${#stale[@]} -gt 0 ]]; then
    for name in "${stale[@]}"; do rm -f "$CACHE/.$name.sqsh"; done
    say "making ${stale[*]}"
    if ! CMPIRUN_TEST_CACHE=$CACHE unshare --mount --propagation private -- \
        "$SELF" --inside "$group" "${stale[@]}" > "$log" 2>&1 {lock}>&-; then
      tail -n 30 "$log" >&2
      die "could not make ${stale[*]}; all of it is in $log"
    fi
    say "made ${stale[*]} in $((SECONDS - started)) s"
  fi
  exec {lock}>&-
}

# own: the cache belongs to the person who called sudo.
own() {
  if [[ $EUID == 0 && -n ${SUDO_UID-} && $SUDO_UID != 0 ]]; then
    chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$CACHE"
  fi
}

check_names() {
  local name
  for name; do
    case " ${NAMES[*]} " in
      *" $name "*) ;;
      *) die "no image '$name'; there are: ${NAMES[*]}" ;;
    esac
  done
}

main() {
  local name group
  local -a wanted stale=()
  [[ $# -gt 0 ]] || die 'usage: make.sh NAME... | all | list'
  CACHE=$(cache_dir)
  readonly CACHE
  case $1 in
    --inside) shift; inside "$@"; return ;;
    list) printf '%s\n' "${NAMES[@]}"; return ;;
    all) wanted=("${NAMES[@]}") ;;
    *) wanted=("$@") ;;
  esac
  check_names "${wanted[@]}"
  for name in "${wanted[@]}"; do fresh "$name" || stale+=("$name"); done
  if [[ ${#stale[@]} -gt 0 && $EUID != 0 ]]; then
    command -v sudo >/dev/null || die "needs root to make ${stale[*]}"
    exec sudo CMPIRUN_TEST_CACHE="$CACHE" "$SELF" "${wanted[@]}"
  fi
  if [[ ${#stale[@]} -gt 0 ]]; then
    install -d -m 755 "$CACHE"
    for group in trixie bookworm tiny; do
      local -a members=()
      for name in "${stale[@]}"; do [[ $(group "$name") != "$group" ]] || members+=("$name"); done
      [[ ${#members[@]} == 0 ]] || build "$group" "${members[@]}"
    done
    own
  fi
  printf "$CACHE/%s.sqsh\n" "${wanted[@]}"
}

main "$@"
